"""Generated questions are right, distinct, repeatable, spread as published, and none that a drill gives away."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from operator import add, mul, sub

import pytest

from harness.corpora import Corpus, Document
from harness.exercises import Arithmetic, Dice, Scramble, drill, held_out, words_of
from harness.refusal import Refusal
from harness.tasks.arithmetic import ARITHMETIC, arithmetic_questions
from harness.tasks.scramble import SCRAMBLES, scramble_questions

COUNT = 300
OPERATIONS = {"plus": add, "minus": sub, "times": mul, "+": add, "-": sub, "*": mul}
DIGITS = {"add2": 2, "add3": 3, "add4": 4, "add5": 5, "sub2": 2, "sub3": 3, "sub4": 4, "sub5": 5, "mul2": 2}


def made_up_words(count: int, longest: int = 14) -> list[str]:
    dice = Dice("words")
    return [
        "".join(dice.pick("abcdefghijklmnop") for _ in range(5 + number % (longest - 4))) for number in range(count)
    ]


WORDS = made_up_words(2_000)
PROSE = Corpus(
    name="made up",
    source="made up",
    licence="none",
    read=lambda: iter([Document("words", " ".join(WORDS))]),
    read_version=lambda: "1",
)


def value(question: str) -> int:
    """What a question in the published formats asks for, by reading it."""
    if two := re.fullmatch(r"Q: What is (\d+) (plus|minus|times) (\d+)\?\n\nA:", question):
        left, word, right = two.groups()
        return int(OPERATIONS[word](int(left), int(right)))
    three = re.fullmatch(r"Q: What is \((\d) ([-+*]) (\d)\) ([-+*]) (\d)\?\n\nA:", question)
    assert three, question
    a, inner, b, outer, c = three.groups()
    return int(OPERATIONS[outer](OPERATIONS[inner](int(a), int(b)), int(c)))


@pytest.mark.parametrize("name", ARITHMETIC)
def test_arithmetic_is_right_and_no_question_comes_twice(name: str) -> None:
    items = arithmetic_questions(name, COUNT).items
    assert [item.choices for item in items] == [(f" {value(item.contexts[0])}\n",) for item in items]
    assert len({item.contexts[0] for item in items}) == COUNT


@pytest.mark.parametrize("name", DIGITS)
def test_operands_are_uniform_over_all_numbers_of_that_many_digits(name: str) -> None:
    limit = 10 ** DIGITS[name]
    operands = [
        int(number)
        for item in arithmetic_questions(name, COUNT).items
        for number in re.findall(r"\d+", item.contexts[0])
    ]
    assert max(operands) < limit
    tenths = Counter(operand * 10 // limit for operand in operands)
    # Of six hundred draws; the standard deviation is 7.
    assert all(abs(tenths[tenth] - len(operands) / 10) < 40 for tenth in range(10))


@pytest.mark.parametrize("name", [name for name in ARITHMETIC if name.startswith("sub")])
def test_half_of_the_differences_are_negative(name: str) -> None:
    negative = sum(item.choices[0].startswith(" -") for item in arithmetic_questions(name, COUNT).items)
    assert 0.35 < negative / COUNT < 0.65


def test_composites_use_every_pair_of_signs() -> None:
    signs = Counter(re.sub(r"[^-+*]", "", item.contexts[0]) for item in arithmetic_questions("composite1", COUNT).items)
    assert len(signs) == 9
    assert min(signs.values()) > COUNT / 9 / 3


def letters_inserted(scrambled: str, word: str) -> bool:
    return scrambled[::2] == word and not any(mark.isalnum() for mark in scrambled[1::2])


UNSCRAMBLED: dict[str, Callable[[str, str], bool]] = {
    "cycle": lambda scrambled, word: len(scrambled) == len(word) and scrambled in word + word,
    "anagrams1": lambda scrambled, word: sorted(scrambled) == sorted(word) and kept(scrambled, word, 1),
    "anagrams2": lambda scrambled, word: sorted(scrambled) == sorted(word) and kept(scrambled, word, 2),
    "insertion": letters_inserted,
    "reversal": lambda scrambled, word: scrambled[::-1] == word,
}


def kept(scrambled: str, word: str, letters: int) -> bool:
    return (scrambled[:letters], scrambled[-letters:]) == (word[:letters], word[-letters:])


@pytest.mark.parametrize("name", SCRAMBLES)
def test_a_scramble_is_the_word_changed_as_its_name_says(name: str) -> None:
    items = scramble_questions(name, PROSE, COUNT).items
    for item in items:
        scrambled, word = item.contexts[0].removesuffix(" ="), item.choices[0].removeprefix(" ").removesuffix("\n")
        assert word in WORDS
        assert scrambled != word
        assert UNSCRAMBLED[name](scrambled, word)
    assert len({item.choices for item in items}) == COUNT


def test_words_are_the_most_frequent_ones_of_five_to_fourteen_letters() -> None:
    text = (
        "Seven seven SEVEN elevens elevens don't well-known four incomprehensibilities caf\u00e9s eights \u00e9toiles"
    )
    assert words_of([text, "seven nines2 _tens_ eights. elevens"]) == ["seven", "elevens", "eights"]
    many = " ".join(made_up_words(12_000))
    assert len(words_of([many])) == 10_000


@pytest.mark.parametrize("name", [*ARITHMETIC, *SCRAMBLES])
def test_a_seed_gives_the_same_questions_in_every_process(name: str) -> None:
    first, again, other = (digests(name, seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other


def digests(name: str, seed: int) -> list[str]:
    if name in SCRAMBLES:
        return [item.digest for item in scramble_questions(name, PROSE, 20, seed).items]
    return [item.digest for item in arithmetic_questions(name, 20, seed).items]


def test_no_question_hangs_on_the_hash_seed_of_the_process() -> None:
    names = [*ARITHMETIC, *SCRAMBLES]
    code = f"from tests.harness.test_generated_tasks import *\nprint(json.dumps([digests(n, 3) for n in {names}]))"
    environment = os.environ | {"PYTHONHASHSEED": "1"}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert json.loads(ran.stdout) == [digests(name, 3) for name in names]


@pytest.mark.parametrize("name", ARITHMETIC)
def test_no_drill_solves_a_question_nor_its_mirror_image(name: str) -> None:
    solved = {question + "A:" for question in re.findall(r"Q: .*\n\n", drill(ARITHMETIC[name], 4_000, Dice("drill")))}
    asked = {item.contexts[0] for item in arithmetic_questions(name, COUNT).items}
    mirrored = {re.sub(r"(\d+) (plus|times) (\d+)", r"\3 \2 \1", question) for question in asked}
    mirrored |= {re.sub(r"\((\d) ([+*]) (\d)\)", r"(\3 \2 \1)", question) for question in asked}
    assert len(solved) > 1_000
    assert not solved & (asked | mirrored)


@pytest.mark.parametrize("name", SCRAMBLES)
def test_no_drill_has_the_answer_of_a_word_scramble(name: str) -> None:
    solved = set(re.findall(r"= (\w+)\n", drill(Scramble(name, WORDS), 4_000, Dice("drill"))))
    asked = {item.choices[0].strip() for other in SCRAMBLES for item in scramble_questions(other, PROSE, COUNT).items}
    assert len(solved) > 1_000
    assert not solved & asked


@pytest.mark.parametrize("name", [*ARITHMETIC, *SCRAMBLES])
def test_a_drill_reads_as_examples_in_front_of_a_question_do(name: str) -> None:
    """What follows an example in a prompt is what follows it in a drill: a blank line and the next question."""
    scrambled = name in SCRAMBLES
    questions = scramble_questions(name, PROSE, 5) if scrambled else arithmetic_questions(name, 5)
    prompt = "".join(item.solved() + questions.separator for item in questions.items)
    text = drill(Scramble(name, WORDS) if scrambled else ARITHMETIC[name], 5, Dice("drill")) + "\n"
    form = r"([^\n]+ = \w+\n\n){5}" if scrambled else r"(Q: What is [^\n]+\?\n\nA: -?\d+\n\n){5}"
    assert re.fullmatch(form, prompt)
    assert re.fullmatch(form, text)


def test_what_cannot_be_asked_is_refused() -> None:
    with pytest.raises(Refusal, match="did you mean 'add2'"):
        arithmetic_questions("add22", 3)
    with pytest.raises(Refusal, match="no word scramble is called 'anagram'"):
        scramble_questions("anagram", PROSE, 3)
    with pytest.raises(Refusal, match=r"count=90: plus with 1 digits has \d+ exercises"):
        held_out(Arithmetic("plus", 1), 90, 0)
    with pytest.raises(Refusal, match="none of 2 words can be scrambled"):
        Scramble("cycle", ["level", "aaaaaaaa"])
