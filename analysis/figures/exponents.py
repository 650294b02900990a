"""The law's exponents with their intervals, under each way of counting parameters and FLOPs."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from analysis.figures.style import MARKERS, SERIES, SOFT
from analysis.study import LEVEL, LEVEL_WORDS, Study
from harness.refusal import Refusal

UNSURE = ":"  # the line of an interval that is too wide to hold a value
GAP, SPREAD = 0.24, 0.8  # between the exponents of one convention, and from the first to the last at most


@dataclass(frozen=True)
class Row:
    convention: str
    exponent: str
    value: float
    low: float
    high: float
    identified: bool


def compute(study: Study) -> list[Row]:
    """Every judged exponent of every convention's fit; refused where none has an interval."""
    if not study.exponents:
        raise Refusal(f"law {study.law.name} has no exponent that a claim may rest on")
    rows = []
    for name in study.conventions:
        try:
            fit = study.fit_under(name)
        except Refusal:
            continue
        intervals = fit.intervals(LEVEL)
        rows += [
            Row(name, exponent, fit.parameters[exponent], *intervals[exponent], fit.identified(exponent))
            for exponent in study.exponents
            if np.isfinite(intervals[exponent][0])
        ]
    if not rows:
        raise Refusal("no exponent has an interval under any counting convention: train more trunks")
    return rows


def draw(result: list[Row], axes: Axes) -> None:
    conventions = list(dict.fromkeys(row.convention for row in result))
    exponents = list(dict.fromkeys(row.exponent for row in result))
    gap = min(GAP, SPREAD / len(exponents))
    for row in result:
        which = exponents.index(row.exponent)
        y = conventions.index(row.convention) + gap * (which - (len(exponents) - 1) / 2)
        style = "-" if row.identified else UNSURE
        axes.plot([row.low, row.high], [y, y], style, color=SERIES[which], linewidth=2.2, solid_capstyle="butt")
        if row.identified:
            axes.plot(row.value, y, MARKERS[which], color=SERIES[which])
    for which, exponent in enumerate(exponents):
        axes.plot([], [], MARKERS[which], linestyle="-", color=SERIES[which], label=exponent)
    if not all(row.identified for row in result):
        axes.plot([], [], UNSURE, color=SOFT, label="not identified")
    axes.set_yticks(np.arange(len(conventions)), conventions)
    axes.set_ylim(len(conventions) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(f"exponent, {LEVEL_WORDS} interval over trunks")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=min(4, len(exponents) + 1), handlelength=2.4)
