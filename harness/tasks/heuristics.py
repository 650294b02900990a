"""Zero-shot heuristics (arXiv GPT-1, section 5): how a task without answers to choose from becomes such a choice."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.tasks.items import Item

# The end of a sentence: its stop, a quotation mark that may close it, and a capital or a quotation mark that follows.
_BOUNDARY = re.compile(r"(?:(?<=[.!?])|(?<=[.!?][\"'”’]))\s+(?=[\"'“‘]?[A-Z])|\n\s*\n")
_SENTENCE = re.compile(r"[A-Z].*[.!?]")
_SENTENCE_WORDS = range(6, 41)  # shorter ones read well in any order, longer ones are mostly not one sentence


@dataclass(frozen=True)
class Judgement:
    """A sentence by itself, and whether speakers of its language accept it."""

    sentence: str
    acceptable: bool


def sentiment(row: Mapping[str, Any]) -> Item:
    """A review's sentence, then `very`: is ` positive` or ` negative` the likelier next word? (SST-2's columns.)"""
    context = row["sentence"].rstrip() + " very"
    return Item((context,), (" negative", " positive"), int(row["label"]), bare="very")


def substitution(row: Mapping[str, Any]) -> Item:
    """The blank filled with either referent; referent and rest are scored, which arXiv 1806.02847 calls full.

    GPT-1 scores the rest alone, as the benchmark `winogrande` does. (WinoGrande's columns.)
    """
    before, after = row["sentence"].split("_")
    stem = before.rstrip()
    return Item(
        (stem,),
        tuple(before[len(stem) :] + row[option] + after for option in ("option1", "option2")),
        int(row["answer"]) - 1,
    )


def acceptability_items(documents: Sequence[str], per_document: int = 8) -> list[Item]:
    """Sentences of each document against themselves with two neighbouring words exchanged.

    Both have the same words, and whichever place can be exchanged is as likely as another. An exchange may happen to
    be good English, so that the best accuracy lies below one. Drawn by hash: the same documents give the same items.
    """
    return [
        Item(("",), (sentence, exchanged))
        for document in documents
        for sentence, exchanged in sorted(_exchanges(document), key=_hash)[:per_document]
    ]


def _exchanges(document: str) -> Iterator[tuple[str, str]]:
    """The sentences of a document that can be exchanged, with what becomes of them."""
    for part in _BOUNDARY.split(document):
        words = part.split()
        sentence = " ".join(words)
        # Plain words in small letters: neither a capital nor a comma tells that something was moved.
        plain = [word.isalpha() and word.islower() for word in words]
        places = [i for i in range(len(words) - 1) if plain[i] and plain[i + 1] and words[i] != words[i + 1]]
        if places and len(words) in _SENTENCE_WORDS and _SENTENCE.fullmatch(sentence):
            place = places[_hash(sentence) % len(places)]
            words[place], words[place + 1] = words[place + 1], words[place]
            yield sentence, " ".join(words)


def _hash(value: object) -> int:
    return int.from_bytes(hashlib.sha256(repr(value).encode()).digest()[:8])
