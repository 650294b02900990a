"""Generated text says what is so, repeats itself where it should, and is the same each time."""

import hashlib
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import islice, pairwise

import pytest

from harness.corpora import CORPORA
from harness.corpora.drills import GENERATED
from harness.exercises import (
    SCRAMBLES,
    SPOKEN,
    Arithmetic,
    Composite,
    Dice,
    Kind,
    Recall,
    Scramble,
    drill,
    repeats,
    taking_turns,
)
from harness.refusal import Refusal

NAMES = [corpus.name for corpus in GENERATED]
WORDS = ["".join(Dice(f"word {number}").shuffled("abcdefghijklmno")[:8]) for number in range(500)]
KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        *(Arithmetic(word, digits) for word in ("plus", "minus", "times") for digits in (1, 2, 3)),
        Composite(),
        *(Scramble(name, WORDS) for name in SCRAMBLES),
        *(Recall(pairs) for pairs in (2, 4, 8)),
    )
}


@cache
def read(name: str) -> dict[str, str]:
    """Name -> text of every document; skipped where the words come from a package that is not there."""
    try:
        return {document.name: document.text for document in CORPORA[name].documents()}
    except Refusal as refusal:
        pytest.skip(str(refusal))


@pytest.mark.parametrize("name", KINDS)
def test_no_exercise_of_a_drill_is_held_out(name: str) -> None:
    drawn = {KINDS[name].draw(dice) for dice in [Dice("draws")] for _ in range(400)}
    shown = drill(KINDS[name], 1_000, Dice("drill"))
    solved = {exercise: exercise.question + exercise.answer.rstrip("\n") + "\n" in shown for exercise in drawn}
    assert not [exercise for exercise, seen in solved.items() if seen and exercise.held_out]
    assert 0.1 < sum(exercise.held_out for exercise in drawn) / len(drawn) < 0.4


def test_in_repeats_every_segment_stands_three_times_and_near() -> None:
    dice = Dice("repeats")
    texts = [repeats(WORDS, 1_000, dice) for _ in range(40)]
    spelt = [text for text in texts if " " not in text]
    assert 10 < len(spelt) < 30
    for text in spelt:
        assert copied(text) > 0.5
        assert copied(dice.shuffled(text)) < 0.1
    for words in (text.split(" ") for text in texts if " " in text):
        for start in range(0, len(words), 9):
            assert set(Counter(words[start : start + 9]).values()) <= {3, 6, 9}


def test_segments_that_take_turns_stand_at_least_twice() -> None:
    dice = Dice("turns")
    texts = [taking_turns(WORDS, 1_000, dice) for _ in range(40)]
    spelt = [text for text in texts if " " not in text]
    assert 10 < len(spelt) < 30
    assert min(copied(text) for text in spelt) > 0.5
    assert min(min(Counter(text.split(" ")).values()) for text in texts if " " in text) >= 2


def copied(marks: Sequence[str]) -> float:
    """The share of runs of six that stand more than once."""
    runs = Counter(tuple(marks[start : start + 6]) for start in range(len(marks) - 5))
    return sum(count for count in runs.values() if count > 1) / runs.total()


def test_a_corpus_is_the_same_in_every_process() -> None:
    read(NAMES[0])
    code = "from tests.harness.test_drills import *\nprint([digest(name) for name in NAMES])"
    environment = os.environ | {"PYTHONHASHSEED": "1"}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert ran.stdout == f"{[digest(name) for name in NAMES]}\n"


def digest(name: str) -> str:
    texts = [document.text for document in islice(CORPORA[name].documents(), 30)]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def test_every_sum_in_the_drills_is_right() -> None:
    texts = read("drills")
    found = [match for text in texts.values() for match in re.findall(r"is (\d+) (\w+) (\d+)\?\n\nA: (-?\d+)\n", text)]
    assert len(found) > 10_000
    assert {word for _, word, _, _ in found} == set(SPOKEN)
    assert all(SPOKEN[word](int(left), int(right)) == int(answer) for left, word, right, answer in found)


def test_drills_hold_all_they_are_said_to_and_one_kind_in_a_document() -> None:
    texts = read("drills")
    kinds = Counter(name.split(": ")[1] for name in texts)
    assert set(kinds) >= {*SCRAMBLES, "repeats", "recall of 8 pairs", "plus with 2 digits", "composite of one digit"}
    assert min(kinds.values()) > 50
    for name, text in texts.items():
        if word := re.search("(plus|minus|times) with", name):
            assert text.count("Q: What is ") == text.count(f" {word[1]} ") >= 8


def test_half_of_drilled_sotu_is_the_speeches_and_no_two_stand_together() -> None:
    speeches, texts = read("sotu"), read("drilled_sotu")
    assert {name: text for name, text in texts.items() if name in speeches} == speeches
    drilled = sum(len(text) for name, text in texts.items() if name not in speeches)
    assert drilled / sum(map(len, texts.values())) == pytest.approx(0.5, abs=0.01)
    assert not [pair for pair in pairwise(texts) if speeches.keys() >= set(pair)]


@pytest.mark.parametrize("name", NAMES)
def test_a_corpus_has_millions_of_bytes_and_no_document_twice(name: str) -> None:
    texts = read(name)
    assert sum(len(text.encode()) for text in texts.values()) > 4_000_000
    assert len(set(texts.values())) == len(texts)
