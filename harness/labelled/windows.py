"""GPT-1's input transforms: an example becomes one window of marked tokens, and a half of a set what a run reads.

b example, t position.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.dataset import tokenizer_for
from harness.labelled import Example, find_labelled, halved
from harness.refusal import Refusal
from harness.spec import Spec
from harness.tokenizers import Tokenizer

Integers = npt.NDArray[np.int64]

# Radford et al. 2018, section 3.3, adds three tokens to the vocabulary; these are bytes that no text has.
START, DELIMITER, EXTRACT = "\x01", "\x02", "\x03"
NO_TARGET = -100  # torch's own sign for it


@dataclass(frozen=True)
class Windows:
    """Examples as a model reads them, padded at their end, where nothing before it can see."""

    tokens_bt: Integers
    targets_bt: Integers  # the next token, NO_TARGET from the last one on
    extract_b: Integers  # position of the token from which the class is read
    label_b: Integers
    source_b: Integers  # examples of one source have one number
    cut_b: npt.NDArray[np.bool_]  # whether the text was longer than the context


@dataclass(frozen=True)
class Lesson:
    """What a run learns to classify, and what it is asked."""

    name: str
    classes: int
    train: Windows
    held_out: Windows
    facts: dict[str, Any]  # what a design freezes of the set before anything is trained on it

    @property
    def train_tokens(self) -> int:
        """As many as running text takes to fill as many windows, the last target among them."""
        return self.train.tokens_bt.size + 1


def lesson_of(spec: Spec, cache: Path) -> Lesson:
    """The first examples of the half to learn, and of the other as many as `eval_tokens` allow, a window each."""
    labelled = find_labelled(spec.labels)
    halves, tokenizer = halved(labelled), tokenizer_for(spec, cache)
    learnt, classes = spec.unique_tokens // spec.context, len(labelled.classes)
    if not 1 <= learnt <= len(halves.train):
        raise Refusal(
            f"unique_tokens={spec.unique_tokens} are {learnt} windows of context={spec.context} with an example each, "
            f"and labels={spec.labels} has 1 to {len(halves.train)} to learn from; use {spec.context} to "
            f"{len(halves.train) * spec.context} and let epochs say how often they repeat"
        )
    asked = spec.eval_tokens // spec.context // classes * classes  # as many of each class
    if not asked:
        raise Refusal(
            f"eval_tokens={spec.eval_tokens} is less than a window for each of the {classes} classes of "
            f"labels={spec.labels}; use {classes * spec.context} or more"
        )
    return Lesson(
        name=f"{spec.labels} for {spec.text}",
        classes=classes,
        train=transformed(halves.train[:learnt], tokenizer, spec.context),
        held_out=transformed(halves.held_out[:asked], tokenizer, spec.context),
        facts={
            "source": labelled.source,
            "version": labelled.read_version(),
            "licence": labelled.licence,
            "classes": list(labelled.classes),
            "train": len(halves.train),
            "held_out": len(halves.held_out),
            "data_hash": halves.hash,
        },
    )


def transformed(examples: Sequence[Example], tokenizer: Tokenizer, context: int) -> Windows:
    """Start, text, extract, and between several texts a delimiter; of the longest of them the end is cut to fit."""
    start, delimiter, extract = (_single(tokenizer, mark) for mark in (START, DELIMITER, EXTRACT))
    tokens_bt = np.full((len(examples), context), tokenizer.end_of_text, np.int64)
    extract_b, cut_b = np.zeros(len(examples), np.int64), np.zeros(len(examples), np.bool_)
    for row, example in enumerate(examples):
        texts = [tokenizer.encode(text) for text in example.texts]
        room = context - 1 - len(texts)
        lengths = fitted([len(text) for text in texts], room)
        cut_b[row] = sum(lengths) < sum(map(len, texts))
        marked = [start]
        for text, length in zip(texts, lengths, strict=True):
            marked += [*text[:length], delimiter]
        marked[-1] = extract
        tokens_bt[row, : len(marked)] = marked
        extract_b[row] = len(marked) - 1
    beyond_bt = np.arange(context) >= extract_b[:, None]
    sources = {source: number for number, source in enumerate(dict.fromkeys(e.source for e in examples))}
    return Windows(
        tokens_bt=tokens_bt,
        targets_bt=np.where(beyond_bt, NO_TARGET, np.roll(tokens_bt, -1, axis=1)),
        extract_b=extract_b,
        label_b=np.array([example.label for example in examples], np.int64),
        source_b=np.array([sources[example.source] for example in examples], np.int64),
        cut_b=cut_b,
    )


def fitted(lengths: Sequence[int], room: int) -> list[int]:
    """The lengths, the longest shortened until all fit into the room."""
    if room < len(lengths):
        raise Refusal(
            f"a context of {room + 1 + len(lengths)} tokens has no room for {len(lengths)} marked texts; use context="
            f"{1 + 2 * len(lengths)} or more"
        )
    fitting = list(lengths)
    while sum(fitting) > room:
        fitting[fitting.index(max(fitting))] -= 1
    return fitting


def _single(tokenizer: Tokenizer, mark: str) -> int:
    ids = tokenizer.encode(mark)
    if len(ids) != 1:
        raise Refusal(
            f"tokenizer={tokenizer.name} writes the mark {mark!r} in {len(ids)} tokens and not in one; take bytes, "
            "gpt2, or another byte-level tokenizer"
        )
    return int(ids[0])
