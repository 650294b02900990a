"""A law of one variable: the points, the curve, its interval and that of a new point."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.figures.style import INK, NAMES, SERIES, legend, log_x, rungs, stars
from analysis.study import LEVEL, LEVEL_WORDS, Study
from harness.refusal import Refusal

GRID = 120


@dataclass(frozen=True)
class Curve:
    variable: str
    target: str
    fitted: pd.DataFrame
    held_out: pd.DataFrame
    x: np.ndarray
    y: np.ndarray
    low: np.ndarray
    high: np.ndarray


def compute(study: Study) -> Curve:
    """Refused for a law of several variables."""
    law = study.law
    if len(law.variables) != 1:
        raise Refusal(f"law {law.name} has several variables: its curve has no single axis")
    variable = law.variables[0]
    everything = study.everything(variable, law.target)
    x = np.geomspace(everything[variable].min(), everything[variable].max(), GRID)
    low, high = study.fit.curve_interval({variable: x}, LEVEL)
    return Curve(variable, law.target, study.fitted, study.held_out, x, study.fit.predict({variable: x}), low, high)


def draw(result: Curve, axes: Axes) -> None:
    everything = pd.concat([result.fitted, result.held_out])
    if result.variable in NAMES:
        log_x(axes, result.variable, everything[result.variable])
    else:
        axes.set_xlabel(result.variable)
    axes.fill_between(
        result.x, result.low, result.high, color=INK, alpha=0.12, linewidth=0, label=f"{LEVEL_WORDS} interval"
    )
    axes.plot(result.x, result.y, color=INK, label="law")
    rungs(axes, result.fitted, result.variable, result.target, np.full(len(result.fitted), SERIES[0]))
    stars(axes, result.held_out, result.variable, result.target)
    axes.set_ylabel(result.target)
    legend(axes)
