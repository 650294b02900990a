"""Loss against learning rate: a panel a parametrisation, a line a size, its vertex marked with the interval."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from analysis.figures.style import INK, LOSS, PAPER, SOFT, columns, log_ticked, ranked
from analysis.rates import Curve, Rates
from analysis.study import LEVEL_WORDS, Study

GRID = 80
ROOM, LEAST_ROOM = 0.45, 0.035  # above the highest vertex: of the vertices' span, and of the loss
FAILED_ROW = 0.028  # of a panel's height


def compute(study: Study) -> Rates:
    """The curves of the study's rates; refused where none were varied."""
    return study.rates


def draw(result: Rates, axes: Axes) -> None:
    panels = columns(axes, result.parametrisations, "learning rate")
    sizes = sorted({curve.size for curve in result.curves})
    colours = dict(zip(sizes, ranked(len(sizes)), strict=True))
    every = np.concatenate([[*2**curve.losses.x_k, *curve.failed] for curve in result.curves])
    for panel, name in zip(panels, result.parametrisations, strict=True):
        curves = result.of(name)
        for row, curve in enumerate(curves):
            _curve(panel, curve, colours[curve.size], row)
        if not curves[0].vertex.doubt:
            panel.axvline(curves[0].vertex.value, color=INK, linestyle=":", linewidth=1.1, zorder=1)
        log_ticked(panel, every)
    axes.set_ylabel(LOSS)
    axes.set_ylim(*_limits(result))
    _key(result, axes, colours)


def _curve(axes: Axes, curve: Curve, colour: tuple[float, ...], row: int) -> None:
    """Means over seeds joined by a thin line, the cubic over its window, the vertex; failed runs along the top."""
    rates, mean_k = 2**curve.losses.x_k, curve.losses.mean_k
    axes.plot(rates, mean_k, color=colour, linewidth=0.9, alpha=0.6)
    for loss_k in curve.losses.loss_sk:
        axes.plot(rates, loss_k, "o", color=colour, markersize=3.2, alpha=0.45, markeredgewidth=0)
    if curve.failed:
        top = np.full(len(curve.failed), 0.985 - FAILED_ROW * row)
        axes.plot(curve.failed, top, "x", color=colour, markersize=4.5, transform=axes.get_xaxis_transform())
    if curve.valley is None or curve.vertex.doubt:
        return
    x = np.linspace(curve.valley.low, curve.valley.high, GRID)
    axes.plot(2**x, curve.valley.at(x), color=colour, linewidth=1.9)
    ends = [[curve.vertex.value - curve.vertex.low], [curve.vertex.high - curve.vertex.value]]
    axes.errorbar(curve.vertex.value, curve.loss.value, xerr=ends, color=INK, capsize=3, linewidth=1.3, zorder=4)
    mark: dict[str, Any] = {"markerfacecolor": PAPER, "markeredgecolor": colour, "markeredgewidth": 1.5}
    axes.plot(curve.vertex.value, curve.loss.value, "D", markersize=5, zorder=5, **mark)


def _limits(result: Rates) -> tuple[float, float]:
    """Of the loss: the vertices and some room, so that the climb to divergence does not flatten them."""
    floors = [float(curve.losses.mean_k.min()) for curve in result.curves]
    room = max(ROOM * (max(floors) - min(floors)), LEAST_ROOM * max(floors))
    top = max(floors) + room
    return min(floors) - 0.08 * (top - min(floors)), top


def _key(result: Rates, axes: Axes, colours: dict[int, tuple[float, ...]]) -> None:
    for size, colour in colours.items():
        axes.plot([], [], "o-", color=colour, markersize=4, label=f"{result.axis} {size}")
    axes.errorbar(
        [], [], xerr=[], color=INK, marker="D", markerfacecolor=PAPER, capsize=3, linewidth=1.3,
        label=f"best rate, {LEVEL_WORDS} interval",
    )  # fmt: skip
    axes.plot([], [], ":", color=INK, linewidth=1.1, label=f"best rate of {result.axis} {min(colours)}")
    if any(curve.failed for curve in result.curves):
        axes.plot([], [], "x", color=SOFT, markersize=4.5, label="run that failed")
    axes.figure.legend(
        *axes.get_legend_handles_labels(), loc="outside lower center", ncols=2 * min(len(result.parametrisations), 2)
    )
