"""Zero-shot scores against size (GPT-2's figure 1): a panel a task, with chance, baselines and the curve that fits."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.curves.chance import silence
from analysis.curves.curve import fit_curve
from analysis.curves.hold_out import rehearsed_form
from analysis.curves.scores import ACCURACIES, Scores, finished_names, scores, together
from analysis.curves.trend import Shape, over_range
from analysis.figures.style import HELD_OUT, NAMES, PAPER, SERIES, SOFT, log_x
from analysis.figures.tiles import (
    ACCURACY,
    BOTTOM,
    MOST_PANELS,
    NORMAL,
    binomial_stderr,
    name_tiles,
    said_inside,
    tell_left_out,
    tiles,
)
from analysis.laws.jet import Array
from analysis.selection import clusters_of
from analysis.study import BESIDE, LEVEL, LEVEL_WORDS, Study
from harness.refusal import Refusal

GRID = 60
NO_CURVE: Array = np.empty(0)


@dataclass(frozen=True)
class Panel:
    """One task: scores at one budget, held-out ones flagged, the fitted curve (empty without one), and a remark."""

    task: str
    N: Array
    accuracy: Array
    stderr: Array
    held_out: np.ndarray
    chance: float
    baselines: dict[str, float]
    curve_N: Array
    curve: Array
    low: Array
    high: Array
    remark: str


@dataclass(frozen=True)
class ZeroShot:
    panels: tuple[Panel, ...]
    left_out: tuple[str, ...]  # tasks beyond the panels that there is room for
    form: str
    shapes: tuple[Shape, ...]


def compute(study: Study) -> ZeroShot:
    """Of the rungs at the budget that most sizes share."""
    return zero_shot(study.table, min(study.bootstrap, BESIDE))


def zero_shot(table: pd.DataFrame, bootstrap: int = BESIDE) -> ZeroShot:
    """The same of a table with N."""
    names = finished_names(table)
    if not names:
        raise Refusal("no finished rung has a task's accuracy: add tasks to the sweep, or score its runs on them")
    known = {name: scores(table, name, ("N",)).at_one_budget() for name in names}
    clear = [name for name in names if silence(known[name], "N", LEVEL) is None]
    form = rehearsed_form([known[name] for name in clear], "N")
    shown = sorted(names, key=lambda name: name not in clear)
    panels = [_panel(table, known[name], form, bootstrap) for name in shown[:MOST_PANELS]]
    return ZeroShot(tuple(panels), tuple(shown[MOST_PANELS:]), form, (_shape(list(known.values())),))


def _panel(table: pd.DataFrame, known: Scores, form: str, bootstrap: int) -> Panel:
    every = scores(table, known.task, ("N",), held_out=True)
    apart = every.keep(every.rows.get("held_out", pd.Series(False, every.rows.index)).to_numpy(bool))
    n, accuracy = (np.concatenate([known.rows["N"], apart.rows["N"]]), np.r_[known.accuracy_n, apart.accuracy_n])
    stderr = binomial_stderr(accuracy, np.r_[known.items_n, apart.items_n])
    flags = np.r_[np.zeros(len(known.rows), bool), np.ones(len(apart.rows), bool)]
    grid = np.geomspace(known.rows["N"].min(), known.rows["N"].max(), GRID)
    why, curve, low, high = silence(known, "N", LEVEL), NO_CURVE, NO_CURVE, NO_CURVE
    remark = why.kind if why else ""
    try:
        if form and not why:
            fitted = fit_curve(form, known, "N", bootstrap)
            curve, (low, high) = fitted.predict(grid), fitted.curve_interval(grid, LEVEL)
    except Refusal:
        remark = "too few sizes for a curve"
    drawn = (grid if len(curve) else NO_CURVE, curve, low, high)
    return Panel(known.task, n, accuracy, stderr, flags, known.chance, _baselines(known), *drawn, remark)


def _baselines(found: Scores) -> dict[str, float]:
    """Rules without a model -> their accuracy."""
    start = f"{found.task}/acc_"
    rules = [str(column) for column in found.rows.columns if str(column).startswith(start)]
    named = {rule.removeprefix(start): found.rows[rule] for rule in rules if not rule.endswith("_stderr")}
    ours = {metric.removeprefix("acc_") for metric in ACCURACIES}
    return {name: float(column.mean()) for name, column in named.items() if name not in ours and column.notna().any()}


def _shape(known: list[Scores]) -> Shape:
    """The mean accuracy over the tasks that most rungs have, from the smallest to the largest size."""
    most = max(len(found.rows) for found in known)
    whole = [found for found in known if len(found.rows) == most]
    rows, accuracy_n = together(whole)
    effect = over_range(np.log(rows["N"].to_numpy(np.float64)), accuracy_n, clusters_of(rows), LEVEL)
    of = f"{len(whole)} of {len(known)}" if len(whole) < len(known) else "all"
    claim = f"zero-shot scores rise with size, in the mean of {of} tasks"
    return Shape(claim, "Radford et al. 2019, figure 1", effect)


def draw(result: ZeroShot, axes: Axes) -> None:
    panels = tiles(axes, len(result.panels))
    every = np.concatenate([panel.N for panel in result.panels])
    log_x(axes, "N", every)
    for panel, part in zip(panels, result.panels, strict=True):
        _draw_panel(panel, part)
    name_tiles(panels, [part.task for part in result.panels], NAMES["N"])
    axes.figure.supylabel(ACCURACY, fontsize="medium")
    _key(result, axes)


def _draw_panel(axes: Axes, part: Panel) -> None:
    if len(part.curve):
        axes.fill_between(part.curve_N, 100 * part.low, 100 * part.high, color=SERIES[0], alpha=0.15, linewidth=0)
        axes.plot(part.curve_N, 100 * part.curve, color=SERIES[0], linewidth=1.3)
    axes.axhline(100 * part.chance, color=SOFT, linestyle=":", linewidth=1.2)
    for name, accuracy in part.baselines.items():
        axes.axhline(100 * accuracy, color=SERIES[1], linestyle="--", linewidth=1.0)
        place = axes.get_yaxis_transform()
        axes.text(0.02, 100 * accuracy, name.replace("_", " "), color=SERIES[1], transform=place, va="bottom", size=8.5)
    for flag, style, colour in ((False, "o", SERIES[0]), (True, "*", HELD_OUT)):
        these = part.held_out == flag
        face = PAPER if flag else colour
        bars = {"yerr": 100 * NORMAL * part.stderr[these], "fmt": style, "markersize": 13 if flag else 4.5}
        axes.errorbar(part.N[these], 100 * part.accuracy[these], color=colour, mfc=face, elinewidth=1.0, **bars)
    axes.margins(y=0.15)
    axes.set_ylim(bottom=max(axes.get_ylim()[0], BOTTOM))
    if part.remark:
        said_inside(axes, part.remark, 0.88)


def _key(result: ZeroShot, axes: Axes) -> None:
    if any(len(part.curve) for part in result.panels):
        axes.plot([], [], color=SERIES[0], label=f"{result.form.replace('_', ' ')}, {LEVEL_WORDS} interval")
    axes.errorbar(
        [], [], yerr=[], fmt="o", color=SERIES[0], markersize=4.5, label=f"rung, {LEVEL_WORDS} interval over items"
    )
    if any(part.held_out.any() for part in result.panels):
        axes.plot([], [], "*", color=HELD_OUT, mfc=PAPER, markersize=13, label="held out (not fitted)")
    axes.plot([], [], ":", color=SOFT, label="chance")
    tell_left_out(axes, result.left_out)
    axes.figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4)
