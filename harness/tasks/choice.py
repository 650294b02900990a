"""Questions with candidate answers: prompts with examples, the papers' scoring rules, columns with errors and floors.

i item, c choice.
"""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from harness.dataset import tokenizer_for
from harness.likelihood import Answers, Request, answer, encoded
from harness.models.family import LanguageModel
from harness.record import Json
from harness.refusal import Refusal
from harness.spec import Spec
from harness.tasks.items import Item, Questions

Floats = npt.NDArray[np.float64]

POOL = 64  # items at most that stand ready as examples, and are never asked
POOL_SHARE = 4  # of a small set one in so many
TIE = 1e-5  # nats: scores of equal texts in different batches differ by float32's rounding
DECKS = 4  # sets of examples that the items are dealt to, so that no single set's luck is the score


@dataclass(frozen=True)
class Deck:
    """Items that are asked after the same examples, each choice as a request."""

    items: tuple[Item, ...]
    asked: tuple[Request, ...]  # every choice of every item
    bare: tuple[Request, ...]  # the same after a context that asks nothing; empty where the items have none


@dataclass(frozen=True)
class Choice:
    """Items of one source after `k` solved examples, `shuffled` where the examples' answers are drawn at random."""

    title: str
    read: Callable[[Path], Questions]  # given the cache, where some find the prose that they are made of
    limit: int = 64  # items asked at most, the first in the order of their digests
    k: int = 0
    shuffled: bool = False

    OPTIONS: ClassVar[Mapping[str, Callable[[str], object]]] = {"k": int, "limit": int, "shuffled": bool}

    def __post_init__(self) -> None:
        if self.k < 0 or self.limit < 1:
            raise Refusal(f"{self.name}: examples are counted from 0 and items from 1; use for instance @k=4,limit=200")
        if self.shuffled and not self.k:
            raise Refusal(f"{self.name}: without examples there is no answer to shuffle; say how many, @k=4,shuffled")

    @property
    def name(self) -> str:
        told = [f"k={self.k}"] * bool(self.k) + ["shuffled"] * self.shuffled
        told += [f"limit={self.limit}"] * (self.limit != type(self).limit)
        return f"{self.title}@{','.join(told)}" if told else self.title

    def facts(self, spec: Spec, cache: Path) -> Json:
        """What is frozen of it before training; the hash is of every item that is asked or shown."""
        questions = self.read(cache)
        pool, asked = self.split(questions.items)
        shown = pool if self.k else ()
        return {
            "source": questions.source,
            "version": questions.version,
            "licence": questions.licence,
            "items": len(asked),
            "of": len(questions.items),
            "examples": self.k,
            "data_hash": hashlib.sha256("".join(item.digest for item in (*shown, *asked)).encode()).hexdigest(),
        }

    def split(self, items: Sequence[Item]) -> tuple[list[Item], list[Item]]:
        """Items that stand ready as examples, and those that are asked, both in the order of their digests."""
        ordered = sorted({item.digest: item for item in items}.values(), key=lambda item: item.digest)
        ready = min(POOL, len(ordered) // POOL_SHARE)
        if len(ordered) <= ready:
            raise Refusal(f"{self.name}: its source has no items to ask; give it some")
        return ordered[:ready], ordered[ready : ready + self.limit]

    def load(self, spec: Spec, cache: Path) -> list[Deck]:
        questions = self.read(cache)
        pool, asked = self.split(questions.items)
        if self.k > len(pool):
            raise Refusal(f"{self.name}: k={self.k} examples are more than the {len(pool)} that it has; use fewer")
        tokenizer = tokenizer_for(spec, cache)
        decks = []
        count = min(DECKS, len(asked)) if self.k else 1
        for number in range(count):
            items = tuple(asked[number::count])
            before = "".join(text + questions.separator for text in self.examples(pool, number))
            choices = [(item, place) for item in items for place in range(len(item.choices))]
            requests = [
                encoded(tokenizer, before + item.context(place), item.choices[place]) for item, place in choices
            ]
            bare = [encoded(tokenizer, item.bare, item.choices[place]) for item, place in choices if item.bare]
            decks.append(Deck(items, tuple(requests), tuple(bare)))
        return decks

    def examples(self, pool: Sequence[Item], deck: int) -> list[str]:
        """The deck's first `k` solved items: those of a smaller k are among those of a larger one."""
        ordered = sorted(pool, key=lambda item: _draw(item, f"deck {deck}"))
        shown = []
        for place, item in enumerate(ordered[: self.k]):
            if not self.shuffled:
                shown.append(item.solved())
            elif len(item.choices) > 1:
                shown.append(item.solved(_draw(item, f"label {deck}") % len(item.choices)))
            else:  # an open question gets the answer of the next one
                shown.append(item.contexts[0] + ordered[(place + 1) % len(ordered)].choices[0])
        return shown

    def score(self, model: LanguageModel, decks: list[Deck], device: str) -> dict[str, float]:
        """Means over items: nats of the right answer, lead over the best wrong one, accuracy, by each rule."""
        parts = [_Scored(deck, answer(model, deck.asked, device), _bare(model, deck, device)) for deck in decks]
        items = [item for deck in decks for item in deck.items]
        columns = _means("", {name: _joined(parts, name) for name in parts[0].columns})
        columns |= {
            "chance": float(np.mean([1 / len(item.choices) if len(item.choices) > 1 else 0.0 for item in items])),
            "items": float(len(items)),
            "cut": float(np.mean(np.concatenate([part.answers.cut for part in parts]))),
        }
        if parts[0].is_open:
            columns["ppl_sum"] = math.exp(min(700.0, columns["nll_sum"]))
        for baseline in items[0].baselines:
            columns[f"acc_{baseline}"] = float(np.mean([item.baselines[baseline] for item in items]))
        return {f"{self.name}/{column}": value for column, value in columns.items()}


def _draw(item: Item, purpose: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{purpose} {item.digest}".encode()).digest()[:8])


def _bare(model: LanguageModel, deck: Deck, device: str) -> Floats | None:
    """Nats of every choice after a context that asks nothing, each distinct request asked once."""
    if not deck.bare:
        return None
    distinct = list(dict.fromkeys(deck.bare))
    nats = dict(zip(distinct, answer(model, distinct, device).nats, strict=True))
    return np.array([nats[request] for request in deck.bare])


def _joined(parts: Sequence["_Scored"], name: str) -> Floats:
    return np.concatenate([part.columns[name] for part in parts])


def _means(prefix: str, columns: Mapping[str, Floats]) -> dict[str, float]:
    """Each column's mean over items, and its standard error: the binomial one of an accuracy, NaN for one item."""
    made: dict[str, float] = {}
    for name, value_i in columns.items():
        count, mean = len(value_i), float(value_i.mean())
        spread = mean * (1 - mean) / count if name.startswith("acc_") else float(value_i.var()) / max(1, count - 1)
        made |= {prefix + name: mean, f"{prefix}{name}_stderr": math.sqrt(spread) if count > 1 else math.nan}
    return made


@dataclass(frozen=True)
class _Scored:
    """A deck's requests as they were answered."""

    deck: Deck
    answers: Answers
    bare: Floats | None  # nats

    @property
    def is_open(self) -> bool:
        return all(len(item.choices) == 1 for item in self.deck.items)

    @cached_property
    def columns(self) -> dict[str, Floats]:
        """Column -> its value for each item."""
        columns: dict[str, Floats] = {}
        for rule, score in self.scores().items():
            right_i, best_wrong_i, credit_i = self.judged(score)
            columns[f"nll_{rule}"] = -right_i
            if not self.is_open:
                columns |= {f"margin_{rule}": right_i - best_wrong_i, f"acc_{rule}": credit_i}
        if self.is_open:
            columns |= {"margin_exact": self.answers.margin, "acc_exact": self.answers.greedy.astype(np.float64)}
        return columns

    def scores(self) -> dict[str, Floats]:
        """Rule -> score of every choice of every item: arXiv 2005.14165, section 2.4; per byte: arXiv 2406.08446."""
        log_p = -self.answers.nats
        tokens = np.array([len(request.continuation) for request in self.deck.asked])
        length = np.array([len(choice.encode()) for item in self.deck.items for choice in item.choices])
        scores = {"sum": log_p, "token": log_p / tokens, "byte": log_p / length}
        return scores | ({} if self.bare is None else {"pmi": log_p + self.bare})

    def judged(self, score: Floats) -> tuple[Floats, Floats, Floats]:
        """Of each item: the right choice's score, the best wrong one's, and credit, which equals share."""
        right, best_wrong, credit = [], [], []
        start = 0
        for item in self.deck.items:
            score_c = score[start : start + len(item.choices)]
            start += len(item.choices)
            right.append(score_c[item.answer])
            best_wrong.append(max(np.delete(score_c, item.answer), default=-math.inf))
            best_c = score_c > score_c.max() - TIE
            credit.append(best_c[item.answer] / best_c.sum())
        return np.array(right), np.array(best_wrong), np.array(credit)
