"""Whether the least loss at each compute is a power law (GPT-3's figure 3.1): that it falls, and does not bend."""

import numpy as np
import pandas as pd

from analysis.curves.trend import Shape, effect, over_range
from analysis.optimum import Quantity
from analysis.selection import clusters_of, frontier, usable

SOURCE = "arXiv 2005.14165, figure 3.1"
SMALLER = 0.01  # of the loss: a fall that is smaller for sure is none
STRAIGHT = 0.02  # of the loss: a power law leaves less in the middle of the range
OF_LOSS = "% of the loss"
SHORT = f"short of a bend of {100 * STRAIGHT:g} %"


def loss_over_compute(table: pd.DataFrame, level: float = 0.90) -> tuple[Shape, Shape]:
    """That the loss of all rungs falls, and that of those which no cheaper one beats does not bend; needs C and loss.

    The least losses so far would fall by luck alone.
    """
    rows = usable(table, ("C", "loss"))[0]
    falls = over_range(np.log(rows["C"].to_numpy()), -np.log(rows["loss"].to_numpy()), clusters_of(rows), level)
    best = frontier(rows)
    bend = _straight(np.log(best["C"].to_numpy()), np.log(best["loss"].to_numpy()), clusters_of(best), level)
    return (
        Shape("loss falls with compute", SOURCE, falls, SMALLER, unit=OF_LOSS),
        Shape("the least loss is a power law of compute", SOURCE, bend, 0.0, unit=f"{OF_LOSS} {SHORT}"),
    )


def _straight(x_n: np.ndarray, y_n: np.ndarray, cluster_n: np.ndarray, level: float) -> Quantity:
    """How far the bend of y stays below `STRAIGHT`: half the height of the parabola in the middle of the range."""
    half = (x_n.max() - x_n.min()) / 2
    if half == 0:
        return over_range(x_n, y_n, cluster_n, level)
    u_n = (x_n - x_n.min()) / half - 1
    bend = effect(np.stack([np.ones_like(u_n), u_n, u_n**2], axis=1), y_n, cluster_n, np.array([0.0, 0.0, 0.5]), level)
    largest = max(abs(bend.low), abs(bend.high))
    least = 0.0 if bend.low <= 0 <= bend.high else min(abs(bend.low), abs(bend.high))
    return Quantity(STRAIGHT - abs(bend.value), STRAIGHT - largest, STRAIGHT - least, bend.doubt)
