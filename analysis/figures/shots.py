"""Scores against examples in the context (GPT-3's figure 1.2): a panel a task, a line a size, shuffled labels too."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from analysis.curves.chance import AT_CHANCE
from analysis.curves.scores import at_one_budget
from analysis.curves.trend import Shape
from analysis.figures.style import MIDDLE, SOFT, colour_scale
from analysis.figures.tiles import (
    ACCURACY,
    ACROSS,
    Means,
    binomial_stderr,
    means_at,
    name_tiles,
    said_inside,
    tell_left_out,
    tiles,
)
from analysis.incontext import InContext, Shots, in_context, shot_tasks
from analysis.laws.jet import Array
from analysis.study import LEVEL, LEVEL_WORDS, Study
from harness.refusal import Refusal

MOST_TASKS = 6
MOST_LINES = 6  # sizes in a panel


@dataclass(frozen=True)
class Panel:
    """One task: for each size the mean accuracy over log2(1 + k), with right and with shuffled labels."""

    task: str
    sizes: Array
    right: list[Means]
    shuffled: list[Means]  # empty without that control
    chance: float
    remark: str


@dataclass(frozen=True)
class ShotCurves:
    panels: tuple[Panel, ...]
    k: tuple[int, ...]
    found: tuple[InContext, ...]
    left_out: tuple[str, ...]

    @property
    def shapes(self) -> tuple[Shape, ...]:
        return tuple(found.shape for found in self.found)


def compute(study: Study) -> ShotCurves:
    """Of the rungs at the budget that most sizes share."""
    return shot_curves(study.table)


def shot_curves(table: pd.DataFrame) -> ShotCurves:
    """The same of a table with N."""
    names = shot_tasks(table)
    if not names:
        raise Refusal("no task was asked with examples: score one with them, for instance sciq@k=4")
    found, refused = [], ""
    for name in names:
        try:
            found.append(in_context(table, name, level=LEVEL))
        except Refusal as refusal:
            refused = refused or str(refusal)
    if not found:
        raise Refusal(refused)
    found.sort(key=lambda one: (one.at_chance, -float(one.shots.slope_n.max())))  # what there is to see comes first
    shown = found[:MOST_TASKS]
    every = sorted({k for one in shown for k in one.shots.k})
    left_out = tuple(one.task for one in found[MOST_TASKS:])
    return ShotCurves(tuple(_panel(one) for one in shown), tuple(every), tuple(found), left_out)


def _panel(found: InContext) -> Panel:
    rows = at_one_budget(found.rows)
    at = found.rows.index.isin(rows.index)
    sizes = np.unique(rows["N"].to_numpy(np.float64))
    if len(sizes) > MOST_LINES:
        sizes = sizes[np.linspace(0, len(sizes) - 1, MOST_LINES).round().astype(int)]

    def lines(shots: Shots) -> list[Means]:
        n = rows["N"].to_numpy(np.float64)
        return [_line(shots, shots.score_nk[at][n == size], found.items) for size in sizes]

    remark = AT_CHANCE if found.at_chance else ""
    shuffled = lines(found.shuffled) if found.shuffled else []
    return Panel(found.task, sizes, lines(found.shots), shuffled, found.chance, remark)


def _line(shots: Shots, score_nk: Array, items: float) -> Means:
    k, score = np.tile(shots.doublings_k, len(score_nk)), score_nk.ravel()
    return means_at(k, score, binomial_stderr(score, np.full(len(score), items)))


def draw(result: ShotCurves, axes: Axes) -> None:
    panels = tiles(axes, len(result.panels))
    every = np.concatenate([part.sizes for part in result.panels])
    colour_of = colour_scale(panels[min(len(panels), ACROSS) - 1], "N", every)
    for panel, part in zip(panels, result.panels, strict=True):
        for style, lines, weight in (("--", part.shuffled, 1.0), ("o-", part.right, 1.5)):
            for size, line in zip(part.sizes, lines, strict=bool(lines)):
                panel.plot(line.x, 100 * line.mean, style, color=colour_of(size), linewidth=weight, markersize=4)
        for size, line in zip(part.sizes, part.right, strict=True):
            panel.fill_between(line.x, 100 * line.low, 100 * line.high, color=colour_of(size), alpha=0.13, linewidth=0)
        panel.axhline(100 * part.chance, color=SOFT, linestyle=":", linewidth=1.2)
        if part.remark:
            said_inside(panel, part.remark, 0.88)
    axes.xaxis.set_major_locator(FixedLocator(list(np.log2(1.0 + np.array(result.k)))))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{2**at - 1:.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())
    name_tiles(panels, [part.task for part in result.panels], "examples in the context")
    axes.figure.supylabel(ACCURACY, fontsize="medium")
    axes.plot([], [], "o-", color=MIDDLE, markersize=4, label=f"right labels, {LEVEL_WORDS} interval")
    if any(part.shuffled for part in result.panels):
        axes.plot([], [], "--", color=MIDDLE, linewidth=1.0, label="shuffled labels")
    axes.plot([], [], ":", color=SOFT, label="chance")
    tell_left_out(axes, result.left_out)
    axes.figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4)
