"""Loss against N at each D, and against D at each N: the points and the law's curves through them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.figures.style import MIDDLE, colour_scale, legend, log_x, rungs, stars
from analysis.study import LEVEL, LEVEL_WORDS, Study
from harness.refusal import Refusal

GRID = 80
MOST_CURVES = 6


@dataclass(frozen=True)
class Curve:
    """The law along x while the other variable stays at `fixed`, with its interval."""

    fixed: float
    x: np.ndarray
    loss: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Slices:
    x: str
    line: str
    target: str
    target_words: str
    fitted: pd.DataFrame
    held_out: pd.DataFrame
    curves: list[Curve]


def slices(x: str, line: str) -> Callable[[Study], Slices]:
    """Loss against `x` in lines of equal `line`, at most `MOST_CURVES` of them."""

    def compute(study: Study) -> Slices:
        everything = study.everything("N", "D", study.law.target)
        fixed = _spread(np.sort(everything[line].to_numpy()))
        grid = np.geomspace(everything[x].min(), everything[x].max(), GRID)
        try:
            curves = [_curve(study, x, line, value, grid) for value in fixed]
        except Refusal:
            curves = []
        return Slices(x, line, study.law.target, study.loss_words, study.fitted, study.held_out, curves)

    return compute


def _spread(values: np.ndarray) -> np.ndarray:
    """At most `MOST_CURVES` of the values, evenly among the rungs that have them."""
    if len(np.unique(values)) > MOST_CURVES:
        values = values[np.linspace(0, len(values) - 1, MOST_CURVES).round().astype(int)]
    return np.unique(values)


def _curve(study: Study, x: str, line: str, fixed: float, grid: np.ndarray) -> Curve:
    variables = {x: grid, line: np.full_like(grid, fixed)}
    variables["C"] = 6 * variables["N"] * variables["D"]
    low, high = study.fit.curve_interval(variables, LEVEL)
    return Curve(float(fixed), grid, study.fit.predict(variables), low, high)


def draw(result: Slices, axes: Axes) -> None:
    everything = pd.concat([result.fitted, result.held_out])
    log_x(axes, result.x, everything[result.x])
    colour_of = colour_scale(axes, result.line, everything[result.line])
    for curve in result.curves:
        colour = colour_of(curve.fixed)
        axes.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(curve.x, curve.loss, color=colour, linewidth=1.3)
    if result.curves:
        axes.plot([], [], color=MIDDLE, label=f"law and its {LEVEL_WORDS} interval")
    rungs(axes, result.fitted, result.x, result.target, colour_of(result.fitted[result.line]))
    stars(axes, result.held_out, result.x, result.target)
    axes.set_ylabel(result.target_words)
    legend(axes)
