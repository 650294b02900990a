"""What a labelled set is: texts with a class each, and how it falls into a half to learn and a half to be asked."""

import functools
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from harness.refusal import Refusal


@dataclass(frozen=True)
class Example:
    texts: tuple[str, ...]  # one, or several in order, as a premise and its hypothesis
    label: int  # its place among the set's classes
    source: str  # what it was cut from, of which all examples fall on one side

    @property
    def digest(self) -> bytes:
        return _hash("\0".join(self.texts))


@dataclass(frozen=True)
class LabelledSet:
    name: str
    classes: tuple[str, ...]
    source: str
    licence: str
    read: Callable[[], Iterable[Example]] = field(repr=False)
    read_version: Callable[[], str] = field(repr=False)


@dataclass(frozen=True)
class Halves:
    """On each side the classes take turns and have as many examples each, so that any beginning of it is balanced."""

    train: Sequence[Example]
    held_out: Sequence[Example]

    @property
    def hash(self) -> str:
        """SHA-256 of all texts and labels, and of who is on which side."""
        told = [(side, example.label, *example.texts) for side, half in enumerate(self.sides) for example in half]
        return _hash(repr(told)).hex()

    @property
    def sides(self) -> tuple[Sequence[Example], Sequence[Example]]:
        return self.train, self.held_out


@functools.cache
def halved(labelled: LabelledSet) -> Halves:
    """Of equal texts the first stays; a source's side is the first bit of its hash; a class's order is by hash.

    Of the commoner classes what comes after the rarest one's end is left out. Read once a process.
    """
    distinct: dict[tuple[str, ...], Example] = {}
    for example in labelled.read():
        distinct.setdefault(example.texts, example)
    sides: tuple[list[Example], list[Example]] = ([], [])
    for example in distinct.values():
        sides[_hash(example.source)[0] >> 7].append(example)
    halves = Halves(*(_in_turns(side, len(labelled.classes)) for side in sides))
    if not all(halves.sides):
        raise Refusal(
            f"labels={labelled.name}: the hashes of its {len(distinct)} texts leave a half without one of its "
            f"{len(labelled.classes)} classes; give it more examples, or fewer classes"
        )
    return halves


def _in_turns(examples: Sequence[Example], classes: int) -> tuple[Example, ...]:
    ordered = sorted(examples, key=lambda example: example.digest)
    by_class = [[example for example in ordered if example.label == label] for label in range(classes)]
    return tuple(example for turn in zip(*by_class, strict=False) for example in turn)


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
