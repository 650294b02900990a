"""GPT-1's zero-shot heuristics (Radford et al. 2018, section 5): how other tasks become a choice between texts.

Its fourth, to answer with the choice of the highest mean log-probability a token, is the rule `token` of every choice.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.corpora import Corpus
from harness.tasks.cloze import split_sentences
from harness.tasks.items import Item, Questions

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
    before, after = " ".join(row["sentence"].split()).split("_")
    context = before.rstrip()
    choices = tuple(before[len(context) :] + row[option] + after for option in ("option1", "option2"))
    return Item((context,), choices, int(row["answer"]) - 1)


def exchanged_words(corpus: Corpus) -> Questions:
    """`acceptability_items` of a corpus."""
    items = acceptability_items([document.text for document in corpus.documents()])
    source = f"generated: sentences of {corpus.source}, and with two neighbouring words exchanged"
    return Questions(items, source, corpus.version, corpus.licence)


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
    for start, end in split_sentences(document):
        words = document[start:end].split()
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
