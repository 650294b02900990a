"""Generated text in which copying, recall, arithmetic and word scrambles can be learned, alone and among speeches."""

from collections.abc import Callable, Iterator
from itertools import count, islice

from harness.corpora.corpus import Corpus, Document
from harness.corpora.sotu import SOTU
from harness.exercises import (
    SCRAMBLES,
    Arithmetic,
    Composite,
    Dice,
    Kind,
    Recall,
    Scramble,
    drill,
    repeats,
    taking_turns,
    words_of,
)

REPEATS, REPEATS_CHARACTERS = 4_000, 1_000  # documents, and the least length of one
DRILLS = 8_000  # documents
FEWEST, MOST = 8, 32  # solved exercises in one


def _words() -> list[str]:
    return words_of(speech.text for speech in SOTU.documents())


def _read_repeats() -> Iterator[Document]:
    words, dice = _words(), Dice("repeats")
    for number in range(REPEATS):
        yield Document(f"repeats {number}", repeats(words, REPEATS_CHARACTERS, dice))


def _drills() -> Iterator[Document]:
    """For ever; in each document exercises of one kind, so that what stands in front shows what is asked."""
    words, dice = _words(), Dice("drills")
    families: list[list[Kind]] = [
        [Arithmetic(word, digits) for word in ("plus", "minus") for digits in (1, 2, 3)],
        [Arithmetic("times", 1), Composite()],
        [Scramble(name, words) for name in SCRAMBLES],
        [Recall(pairs) for pairs in (2, 4, 8)],
        [],  # repeats
    ]
    for number in count():
        family = dice.pick(families)
        if family:
            kind = dice.pick(family)
            yield Document(f"drill {number}: {kind.name}", drill(kind, FEWEST + dice.below(MOST - FEWEST + 1), dice))
        else:
            yield Document(f"drill {number}: repeats", taking_turns(words, REPEATS_CHARACTERS, dice))


def _read_drills() -> Iterator[Document]:
    yield from islice(_drills(), DRILLS)


def _read_drilled_sotu() -> Iterator[Document]:
    """After each speech as much of drills."""
    drills, owed = _drills(), 0
    for speech in SOTU.documents():
        yield speech
        owed += len(speech.text)
        while owed > 0:
            document = next(drills)
            owed -= len(document.text)
            yield document


def _generated(name: str, generator: int, source: str, read: Callable[[], Iterator[Document]]) -> Corpus:
    """`generator` counts the changes of the text that comes out."""
    return Corpus(
        name=name,
        source=f"generated: {source}",
        licence=f"public domain; words and speeches: {SOTU.licence}",
        read=read,
        read_version=lambda: f"{generator}, sotu {SOTU.version}",
    )


GENERATED = (
    _generated("repeats", 2, "words and strings of random marks, each three times within a few lines", _read_repeats),
    _generated("drills", 1, "solved exercises, many of one kind in a document", _read_drills),
    _generated("drilled_sotu", 1, "State of the Union addresses and as much of drills", _read_drilled_sotu),
)
