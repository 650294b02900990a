"""Exercises with one right answer, drawn by seed: GPT-3's arithmetic and word scrambles, recall of pairs, repeats.

A quarter of them is held out: tasks ask these alone, and no corpus drills one of them. (Two pairs to recall may stand
within a longer drill.)
"""

import hashlib
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import add, mul, sub
from typing import Protocol, TypeVar

from harness.refusal import Refusal, pick

Member = TypeVar("Member")

HELD_OUT_SHARE = 1 / 4
DRAWS_AN_EXERCISE = 1_000  # before a kind counts as exhausted


class Dice:
    """Draws that stay the same: of Python's generator only `random()` keeps its sequence from version to version."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed).random

    def below(self, limit: int) -> int:
        return int(self._random() * limit)

    def pick(self, members: Sequence[Member]) -> Member:
        return members[self.below(len(members))]

    def shuffled(self, members: Iterable[Member]) -> list[Member]:
        return sorted(members, key=lambda member: self._random())


@dataclass(frozen=True)
class Exercise:
    """A question and the text that answers it; exercises of one `subject` are held out together or not at all."""

    question: str
    answer: str
    subject: str
    choices: tuple[str, ...] = ()  # what the answer is one of; none where the question is open

    @property
    def held_out(self) -> bool:
        digest = hashlib.sha256(self.subject.encode()).digest()
        return int.from_bytes(digest[:8]) < HELD_OUT_SHARE * 2**64


class Kind(Protocol):
    """Exercises of one form, as many as there are."""

    @property
    def name(self) -> str: ...

    def draw(self, dice: Dice) -> Exercise: ...


def held_out(kind: Kind, count: int, seed: int) -> list[Exercise]:
    """So many held-out exercises, each of another subject."""
    dice = Dice(f"{kind.name} {seed}")
    found: dict[str, Exercise] = {}
    for _ in range(count * DRAWS_AN_EXERCISE):
        exercise = kind.draw(dice)
        if exercise.held_out:
            found.setdefault(exercise.subject, exercise)
        if len(found) == count:
            return list(found.values())
    raise Refusal(f"count={count}: {kind.name} has {len(found)} exercises that are held out from drills; ask for fewer")


def drill(kind: Kind, count: int, dice: Dice) -> str:
    """So many solved exercises, none of them held out, blank lines between them."""
    solved: list[str] = []
    while len(solved) < count:
        exercise = kind.draw(dice)
        if not exercise.held_out:
            solved.append((exercise.question + exercise.answer).rstrip("\n") + "\n")
    return "\n".join(solved)


# --- arithmetic: arXiv 2005.14165, section 3.9.1 and figures G.42 to G.51

SPOKEN = {"plus": add, "minus": sub, "times": mul}
SIGNS = {"+": add, "-": sub, "*": mul}


@dataclass(frozen=True)
class Arithmetic:
    """Two whole numbers, each uniform over [0, 10^digits), and a word between them: plus, minus or times."""

    word: str
    digits: int

    @property
    def name(self) -> str:
        return f"{self.word} with {self.digits} digits"

    def draw(self, dice: Dice) -> Exercise:
        left, right = dice.below(10**self.digits), dice.below(10**self.digits)
        answer = SPOKEN[self.word](left, right)
        # 98 plus 45 gives away what 45 plus 98 is.
        subject = f"{min(left, right)} {self.word} {max(left, right)}"
        return Exercise(f"Q: What is {left} {self.word} {right}?\n\nA:", f" {answer}\n", subject)


@dataclass(frozen=True)
class Composite:
    """Three one-digit numbers and two of + - *, all uniform, the first two numbers in parentheses."""

    name: str = "composite of one digit"

    def draw(self, dice: Dice) -> Exercise:
        a, b, c = (dice.below(10) for _ in range(3))
        inner, outer = dice.pick(list(SIGNS)), dice.pick(list(SIGNS))
        answer = SIGNS[outer](SIGNS[inner](a, b), c)
        subject = f"({min(a, b)} {inner} {max(a, b)}) {outer} {c}"
        return Exercise(f"Q: What is ({a} {inner} {b}) {outer} {c}?\n\nA:", f" {answer}\n", subject)


# --- word scrambles: arXiv 2005.14165, section 3.9.2

WORDS = 10_000
WORD = re.compile(r"(?<![\w'’-])[a-z]{5,14}(?![\w'’-])")
INSERTED = " .,;:!?'\"-/()"


def words_of(texts: Iterable[str]) -> list[str]:
    """The prose's most frequent words of 5 to 14 letters, whatever their case; of equals the first in the alphabet."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(WORD.findall(text.lower()))
    return sorted(counts, key=lambda word: (-counts[word], word))[:WORDS]


def _cycle(word: str, dice: Dice) -> str:
    start = 1 + dice.below(len(word) - 1)
    return word[start:] + word[:start]


def _anagram(kept: int) -> Callable[[str, Dice], str]:
    def scramble(word: str, dice: Dice) -> str:
        return word[:kept] + "".join(dice.shuffled(word[kept:-kept])) + word[-kept:]

    return scramble


def _insertion(word: str, dice: Dice) -> str:
    return word[0] + "".join(dice.pick(INSERTED) + letter for letter in word[1:])


def _reversal(word: str, dice: Dice) -> str:
    return word[::-1]


SCRAMBLES: dict[str, Callable[[str, Dice], str]] = {
    "cycle": _cycle,
    "anagrams1": _anagram(1),
    "anagrams2": _anagram(2),
    "insertion": _insertion,
    "reversal": _reversal,
}


@dataclass(frozen=True)
class Scramble:
    """One of the words, scrambled so that it reads otherwise."""

    name: str
    words: Sequence[str]

    def __post_init__(self) -> None:
        pick(SCRAMBLES, self.name, "word scramble")
        if not any(len(set(word[2:-2])) > 1 and word != word[::-1] for word in self.words):
            raise Refusal(f"{self.name}: none of {len(self.words)} words can be scrambled; give prose with longer ones")

    def draw(self, dice: Dice) -> Exercise:
        while True:
            word = dice.pick(self.words)
            scrambled = SCRAMBLES[self.name](word, dice)
            if scrambled != word:
                return Exercise(f"{scrambled} =", f" {word}\n", word)


# --- in-context probes

LETTERS = "abcdefghijklmnopqrstuvwxyz"
DIGITS = "0123456789"
MARKS = "".join(map(chr, range(33, 127)))  # what ASCII prints
COPIES = 3


@dataclass(frozen=True)
class Recall:
    """Multi-query associative recall (arXiv 2312.04927): pairs of key and value, then keys again, in another order.

    `k7 q2 m9 q2 k`: each key that is asked is followed by its value; the last one is the question.
    """

    pairs: int

    def __post_init__(self) -> None:
        if not 2 <= self.pairs <= len(DIGITS):
            raise Refusal(f"pairs={self.pairs}: each pair has a digit of its own; use 2 to {len(DIGITS)}")

    @property
    def name(self) -> str:
        return f"recall of {self.pairs} pairs"

    def draw(self, dice: Dice) -> Exercise:
        keys, values = dice.shuffled(LETTERS)[: self.pairs], dice.shuffled(DIGITS)[: self.pairs]
        pairs = [key + value for key, value in zip(keys, values, strict=True)]
        asked = dice.shuffled(pairs)[: 1 + dice.below(self.pairs)]
        text = " ".join((*pairs, *asked))
        return Exercise(text[:-1], text[-1], text[:-1], tuple(sorted(values)))


def taking_turns(words: Sequence[str], size: int, dice: Dice) -> str:
    """At least `size` characters: segments of random letters, or of words in random order, each at least twice.

    Two segments at a time take turns at random, so that the first copy is always near.
    """
    parts: list[str] = []
    spelt = dice.below(2)
    while sum(map(len, parts)) < size:
        pair = [_segment(() if spelt else words, dice) for _ in range(2)]
        parts += dice.shuffled((*pair, *pair, dice.pick(pair)))
    return "".join(parts) if spelt else " ".join(parts)


def _segment(words: Sequence[str], dice: Dice) -> str:
    if words:
        return " ".join(dice.pick(words) for _ in range(2 + dice.below(4)))
    return "".join(dice.pick(LETTERS) for _ in range(8 + dice.below(25)))


def repeats(words: Sequence[str], size: int, dice: Dice) -> str:
    """At least `size` characters: a few segments in random order, each three times, then others.

    The segments are three words, or two strings of few marks. Words teach to mind the letter before, few marks to mind
    what the context holds; copying takes both, and a model of two layers that reads but one of them learns it late.
    """
    parts: list[str] = []
    spelt = dice.below(2)
    while sum(map(len, parts)) < size:
        segments = _strings(dice) if spelt else [dice.pick(words) for _ in range(3)]
        parts += dice.shuffled(segments * COPIES)
    return "".join(parts) if spelt else " ".join(parts)


def _strings(dice: Dice) -> list[str]:
    """Two of 4 to 24 marks out of the same 4 to 15."""
    marks = dice.shuffled(MARKS)[: 4 + dice.below(12)]
    return ["".join(dice.pick(marks) for _ in range(4 + dice.below(21))) for _ in range(2)]
