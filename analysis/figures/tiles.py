"""Figures of many tasks: a grid of named panels, accuracies in percent, means at each size with their noise."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy.special import ndtri

from analysis.figures.style import INCHES, SOFT
from analysis.laws.jet import Array
from analysis.study import LEVEL

ACROSS = 3  # panels side by side at most
MOST_PANELS = 9
NORMAL = float(ndtri(0.5 + LEVEL / 2))
ACCURACY = "accuracy (%)"
BOTTOM = -4.0  # percent: no accuracy lies below nought


def tiles(axes: Axes, count: int) -> list[Axes]:
    """Splits the axes into panels in rows with one x axis, on a canvas widened for them; the first is `axes`."""
    canvas = axes.get_figure(root=True)
    assert canvas is not None  # `new_canvas` made the axes on one
    across = min(count, ACROSS)
    down = math.ceil(count / across)
    canvas.set_size_inches(INCHES[0] * (1 + 0.42 * (across - 1)), INCHES[1] * (0.42 + 0.62 * down))
    grid = canvas.add_gridspec(down, across)
    axes.set_subplotspec(grid[0])
    return [axes, *(canvas.add_subplot(grid[i], sharex=axes) for i in range(1, count))]


def name_tiles(panels: Sequence[Axes], names: Sequence[str], variable: str) -> None:
    """Writes each panel's name above it, and below the lowest ones what runs along x; after all axes are scaled."""
    at: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points"}
    for place, (panel, name) in enumerate(zip(panels, names, strict=True)):
        # The name stands where the title makes way for it; the variable where a legend below does.
        panel.xaxis.set_label_position("top")
        panel.set_xlabel(name, loc="left")
        lowest = place + ACROSS >= len(panels)
        panel.tick_params(labelbottom=lowest)
        if lowest:
            panel.annotate(variable, (0.5, 0), (0, -24), ha="center", va="top", **at)


def said_inside(axes: Axes, words: str, height: float = 0.06) -> None:
    """A remark inside the panel."""
    axes.text(0.97, height, words, transform=axes.transAxes, ha="right", va="bottom", color=SOFT)


def tell_left_out(axes: Axes, names: Sequence[str]) -> None:
    """A line of the legend for tasks that there is no room for."""
    if names:
        axes.plot([], [], " ", label=f"{len(names)} more {'task is' if len(names) == 1 else 'tasks are'} not shown")


@dataclass(frozen=True)
class Means:
    """Mean scores at each x with the half width of their interval, from the errors of the single scores."""

    x: Array
    mean: Array
    half: Array

    @property
    def low(self) -> Array:
        return self.mean - self.half

    @property
    def high(self) -> Array:
        return self.mean + self.half


def means_at(x_n: Array, score_n: Array, stderr_n: Array) -> Means:
    """Of the scores at the same x.

    They are of the same items, so that their mean is no surer than one of them; where they differ by more, that counts.
    """
    table = pd.DataFrame({"x": x_n, "score": score_n, "stderr": stderr_n})
    found = table.groupby("x").agg(mean=("score", "mean"), spread=("score", "sem"), stderr=("stderr", "mean"))
    half = NORMAL * np.fmax(found["stderr"].to_numpy(), found["spread"].to_numpy())
    return Means(found.index.to_numpy(np.float64), found["mean"].to_numpy(np.float64), half)


def stderr_of(rows: pd.DataFrame, column: str) -> Array:
    """The column's errors, nought where none were recorded."""
    if f"{column}_stderr" not in rows:
        return np.zeros(len(rows))
    return np.asarray(np.nan_to_num(rows[f"{column}_stderr"].to_numpy(np.float64)))


def binomial_stderr(accuracy_n: Array, items_n: Array) -> Array:
    """Of accuracies from so many items; never nought, for that none or all were right is no certainty."""
    kept = np.clip(accuracy_n, 0.5 / items_n, 1 - 0.5 / items_n)
    return np.asarray(np.sqrt(kept * (1 - kept) / items_n))
