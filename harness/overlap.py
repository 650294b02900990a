"""How much of a task stands in the training text: shared n-grams of words, as arXiv 2005.14165, appendix C counts them.

w words of a text, g n-grams.
"""

import hashlib
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice

import numpy as np
import numpy.typing as npt

from harness.refusal import Refusal

Hashes = npt.NDArray[np.uint64]

NGRAM_WORDS = 13  # arXiv 2005.14165, appendix C

_WORD = re.compile(r"[^\W_]+")
_BLOCK = 2**18  # words of a long text that are held at once

# Knuth's multiplier for 64 bits (The Art of Computer Programming, volume 2, section 3.3.4, line 26).
_BASE = np.uint64(6_364_136_223_846_793_005)


@dataclass(frozen=True)
class Overlap:
    """Of `texts`, how many share an n-gram with the training text, and how many are too short to have one."""

    n: int
    texts: int
    touched: int
    short: int

    @property
    def share(self) -> float:
        return self.touched / self.texts if self.texts else math.nan

    @property
    def short_share(self) -> float:
        return self.short / self.texts if self.texts else math.nan


def overlap(train_documents: Iterable[str], texts: Iterable[str], n: int = NGRAM_WORDS) -> Overlap:
    """Words are runs of letters and digits in any case; the training text streams past the texts' n-grams.

    An n-gram is known by a hash of 64 bits, so that a chance hit is out of the question and memory is 8 bytes each.
    """
    return overlaps(train_documents, {"": texts}, n)[""]


def overlaps(
    train_documents: Iterable[str], texts_of: Mapping[str, Iterable[str]], n: int = NGRAM_WORDS
) -> dict[str, Overlap]:
    """`overlap` of several sets of texts with a training text that is read once."""
    if n < 1:
        raise Refusal(f"n={n}: an n-gram has at least one word; use for instance 13")
    nothing = np.empty(0, np.uint64)
    grams_of = {
        name: [np.concatenate([nothing, *_ngrams(text, n)]) for text in texts] for name, texts in texts_of.items()
    }
    wanted_g = np.unique(np.concatenate([nothing, *chain.from_iterable(grams_of.values())]))
    seen_g = np.zeros(len(wanted_g), bool)
    for document in train_documents if len(wanted_g) else ():
        for gram_g in _ngrams(document, n):
            place_g = np.searchsorted(wanted_g, gram_g)
            seen_g[place_g[wanted_g.take(place_g, mode="clip") == gram_g]] = True
    return {
        name: Overlap(
            n=n,
            texts=len(grams),
            touched=sum(bool(seen_g[np.searchsorted(wanted_g, gram_g)].any()) for gram_g in grams),
            short=sum(len(gram_g) == 0 for gram_g in grams),
        )
        for name, grams in grams_of.items()
    }


def _ngrams(text: str, n: int) -> Iterator[Hashes]:
    """The hash of every n-gram, a block of words at a time: the words' own, as the digits of one number."""
    words = (word.group() for word in _WORD.finditer(text.lower()))
    code_w = np.empty(0, np.uint64)
    while block := list(islice(words, _BLOCK)):
        carried_w = code_w[max(0, len(code_w) - n + 1) :]
        code_w = np.concatenate([carried_w, np.array([_code(word) for word in block], np.uint64)])
        hash_g = np.zeros(max(0, len(code_w) - n + 1), np.uint64)
        for place in range(n):
            hash_g = hash_g * _BASE + code_w[place : place + len(hash_g)]
        yield hash_g


@lru_cache(2**18)
def _code(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=8).digest())
