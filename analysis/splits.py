"""Hold-out splits: a catalogue of fixed rules for which rows a law is kept from; a new one is a function and a line."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from harness.refusal import Refusal

FEWEST_STEPS = 3  # distinct values of a count that a quarter can be held out from
FEWEST_SHAPES = 4  # distinct aspect ratios, of which two stay
SAME_SIZE = 0.02  # one model's or budget's counts differ by less than this share
MOST_SHAPES = 0.5  # share of the rows beyond which the outer shapes are no longer extremes
DECLARED = "declared"


@dataclass(frozen=True)
class Cut:
    """Which rows a split holds out and which it fits; rows of neither take no part."""

    held_n: np.ndarray
    fitted_n: np.ndarray


def top_compute(table: pd.DataFrame) -> Cut:
    """Held out: the top quarter of compute."""
    return _top_quarter(table, "C")


def largest_models(table: pd.DataFrame) -> Cut:
    """Held out: the top quarter of the model sizes."""
    return _top_quarter(table, "N")


def largest_data(table: pd.DataFrame) -> Cut:
    """Held out: the top quarter of the data budgets."""
    return _top_quarter(table, "D")


def small_to_large(table: pd.DataFrame) -> Cut:
    """Fitted: the lower half of sizes and of budgets; held out: the upper half of both."""
    held_n, fitted_n = np.ones(len(table), bool), np.ones(len(table), bool)
    for name in ("N", "D"):
        values = table[name].to_numpy(np.float64)
        middle = float(np.median(np.unique(values))) * (1 + SAME_SIZE)
        held_n &= values > middle
        fitted_n &= values <= middle
    return Cut(held_n, fitted_n)


def extreme_shapes(table: pd.DataFrame) -> Cut:
    """Held out: the widest and the deepest shapes, a quarter of the aspect ratios width / depth."""
    if "aspect" not in table.columns and not {"width", "depth"} <= set(table.columns):
        raise Refusal("the table has neither 'aspect' nor 'width' and 'depth': give every row its shape")
    given = table["aspect"] if "aspect" in table.columns else table["width"] / table["depth"]
    aspect_n = np.asarray(pd.to_numeric(given, errors="coerce"), np.float64)
    shapes = np.unique(aspect_n[np.isfinite(aspect_n)])
    if len(shapes) < FEWEST_SHAPES:
        raise Refusal(
            f"{len(shapes)} distinct aspect ratios: the outer ones can be held out from {FEWEST_SHAPES} on; vary the "
            "shape at one size"
        )
    outer = max(1, len(shapes) // 8)
    held_n = (aspect_n <= shapes[outer - 1]) | (aspect_n >= shapes[-outer])
    if held_n.mean() > MOST_SHAPES:
        raise Refusal(
            f"{held_n.sum()} of {len(table)} rows have the lowest or the highest aspect ratio, more than half: train "
            "more shapes between them"
        )
    return Cut(held_n, ~held_n)


def declared(table: pd.DataFrame) -> Cut:
    """Held out: the rows that the table itself marks as held out, which no other split sees."""
    held_n = marked(table)
    if not held_n.any():
        raise Refusal("no row is marked: mark whole trunks in a column held_out")
    return Cut(held_n, ~held_n)


def marked(table: pd.DataFrame) -> np.ndarray:
    """The rows that the table says are held out."""
    return table["held_out"].to_numpy(bool) if "held_out" in table.columns else np.zeros(len(table), bool)


def _top_quarter(table: pd.DataFrame, name: str) -> Cut:
    values = table[name].to_numpy(np.float64)
    steps = np.unique(values)
    if len(steps) < FEWEST_STEPS:
        raise Refusal(
            f"{name} has {len(steps)} distinct values: the largest can be held out from {FEWEST_STEPS} on; vary {name}"
        )
    held_n = values >= steps[-max(1, len(steps) // 4)] / (1 + SAME_SIZE)
    return Cut(held_n, ~held_n)


SPLITS: dict[str, Callable[[pd.DataFrame], Cut]] = {
    rule.__name__: rule
    for rule in (top_compute, largest_models, largest_data, small_to_large, extreme_shapes, declared)
}
