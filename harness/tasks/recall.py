"""What a model does with its context alone: copy a segment that stands there twice, recall the value of a key.

b window, t position.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from harness.dataset import Dataset, Integers, prepare
from harness.exercises import Dice, Exercise, Recall, held_out
from harness.likelihood import Request, answer
from harness.models.family import LanguageModel
from harness.record import Json
from harness.refusal import Refusal
from harness.spec import Spec
from harness.tasks.items import Item, Questions

SEGMENT_SHARE = 4  # of the context one in so many tokens
SHORTEST_CONTEXT = 2 * SEGMENT_SHARE

Floats = npt.NDArray[np.float64]


def recall_questions(pairs: int, count: int, seed: int = 0) -> Questions:
    """So many contexts of `pairs` keys and values that end in a key; the choices are the values in the context.

    No key is asked twice, so that a rule which reads no key beats chance: `least_seen` takes the value that stands in
    the context least often.
    """
    return Questions(
        [_recall(exercise) for exercise in held_out(Recall(pairs), count, seed)],
        source=f"generated: recall of {pairs} pairs, after arXiv 2312.04927",
        version=f"seed {seed}",
        licence="public domain",
    )


def _recall(exercise: Exercise) -> Item:
    least = min(exercise.choices, key=exercise.question.count)
    ties = [value for value in exercise.choices if exercise.question.count(value) == exercise.question.count(least)]
    return Item(
        (exercise.question,),
        exercise.choices,
        exercise.choices.index(exercise.answer),
        baselines={"least_seen": (exercise.answer in ties) / len(ties)},
    )


@dataclass(frozen=True)
class Copies:
    """Windows that end in a segment, of which the first ones hold it once before and the second ones another."""

    repeated_bt: Integers  # [b, context + 1], as is the next
    control_bt: Integers  # the same tokens but for those of the first copy
    scored: int  # the last so many tokens: the second copy without its first token, which nothing announces


def copies(
    stream: npt.ArrayLike,
    end_of_text: int,
    context: int,
    count: int,
    seed: int = 0,
    segments: Literal["unigram", "text"] = "unigram",
) -> Copies:
    """Windows of the stream in which a quarter of the context is overwritten by a segment, once before and at the end.

    The first copy lies anywhere before the second. Segments are tokens drawn one by one from the stream, so that only
    the first copy foretells the second, or pieces of its text; no end of text is in them.
    """
    tokens = np.asarray(stream, np.int64)
    length = context // SEGMENT_SHARE
    if context < SHORTEST_CONTEXT:
        raise Refusal(f"context={context} holds no two copies of a segment: use {SHORTEST_CONTEXT} or more")
    if len(tokens) <= context:
        raise Refusal(f"{len(tokens)} tokens of validation text fill no window of context={context}: use more text")
    whole = length if segments == "text" else 1
    breaks = np.concatenate(([0], np.cumsum(tokens == end_of_text)))
    starts = np.flatnonzero(breaks[whole:] == breaks[:-whole])
    if not len(starts):
        raise Refusal(f"no document of the validation text has {length} tokens: use longer documents")
    dice = Dice(f"copies {seed}")

    def segment() -> Integers:
        pieces = [starts[dice.below(len(starts))] for _ in range(length // whole)]
        return np.concatenate([tokens[start : start + whole] for start in pieces])

    begins = [dice.below(len(tokens) - context) for _ in range(count)]
    repeated_bt = np.stack([tokens[start : start + context + 1] for start in begins])
    control_bt = repeated_bt.copy()
    for repeated_t, control_t in zip(repeated_bt, control_bt, strict=True):
        first = dice.below(context + 2 - 2 * length)
        repeated_t[first : first + length] = repeated_t[-length:] = control_t[-length:] = segment()
        control_t[first : first + length] = segment()
    return Copies(repeated_bt, control_bt, length - 1)


def copy_scores(repeated_b: Floats, control_b: Floats) -> dict[str, float]:
    """Means over windows and their standard errors; `gain` is what the first copy takes off the second one's nats."""
    columns = {"gain": control_b - repeated_b, "nll_second": repeated_b, "nll_control": control_b}
    means = {name: float(value_b.mean()) for name, value_b in columns.items()}
    few = len(repeated_b) < 2
    errors = {
        f"{name}_stderr": math.nan if few else float(value_b.std(ddof=1)) / math.sqrt(len(value_b))
        for name, value_b in columns.items()
    }
    return means | errors


@dataclass(frozen=True)
class Induction:
    """Nats a token of a segment's second copy, against windows whose first copy is another segment."""

    name: str = "induction"
    segments: Literal["unigram", "text"] = "unigram"
    windows: int = 32

    def load(self, spec: Spec, cache: Path) -> Copies:
        dataset = self.dataset(spec, cache)
        return copies(dataset.val, dataset.end_of_text, spec.context, self.windows, segments=self.segments)

    def dataset(self, spec: Spec, cache: Path) -> Dataset:
        """The run's own text: what is copied should be no stranger to the model than what is between."""
        return prepare(spec.corpus, spec.tokenizer, spec.vocab_size, cache)

    def facts(self, spec: Spec, cache: Path) -> Json:
        return self.dataset(spec, cache).facts

    def score(self, model: LanguageModel, windows: Copies, device: str) -> dict[str, float]:
        scored = windows.scored
        requests = [
            Request(tuple(tokens[:-scored]), tuple(tokens[-scored:]))
            for tokens in np.concatenate([windows.repeated_bt, windows.control_bt]).tolist()
        ]
        nats = answer(model, requests, device).nats / scored
        repeated_b, control_b = np.split(nats, 2)
        return {f"{self.name}/{metric}": value for metric, value in copy_scores(repeated_b, control_b).items()}


INDUCTION: dict[str, Induction] = {
    task.name: task for task in (Induction(), Induction("induction_text", segments="text"))
}
