"""The fitted loss over size and data, with the rungs on it, lines of equal compute and the path of the best size."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.figures.style import SERIES, SOFT, drawn, how_many, log_axis, stars
from analysis.study import Study
from analysis.wording import power_of_ten
from harness.refusal import Refusal

GRID, LEVELS = 80, 12
LEVEL = 1e-6  # relative difference of losses below which a surface is level
MARGIN = 1.6  # factor by which the picture reaches beyond the rungs
# The surface stays blue on a dark page too, so what stands on it keeps its own colours.
ON_BLUE, PAPER_ON_BLUE = "#202124", "#fdfdfd"


@dataclass(frozen=True)
class Surface:
    """The law's loss on a grid, and along `best_N`, `best_D` the least loss of each compute, as far as it is on it."""

    fitted: pd.DataFrame
    held_out: pd.DataFrame
    N: np.ndarray
    D: np.ndarray
    loss_dn: np.ndarray
    best_N: np.ndarray
    best_D: np.ndarray
    factor: float  # C / (N D)


def compute(study: Study) -> Surface:
    """Refused for a law of anything but N and D."""
    if set(study.law.variables) != {"N", "D"}:
        raise Refusal(f"law {study.law.name} is not one of N and D alone: it has no surface over them")
    everything = study.everything("N", "D", "C")
    ends = [(everything[name].min() / MARGIN, everything[name].max() * MARGIN) for name in ("N", "D")]
    n, d = (np.geomspace(*end, GRID) for end in ends)
    mesh_n, mesh_d = np.meshgrid(n, d)
    loss = study.fit.predict({"N": mesh_n.ravel(), "D": mesh_d.ravel()}).reshape(mesh_n.shape)
    if not (np.isfinite(loss).all() and loss.min() > 0 and loss.max() > loss.min() * (1 + LEVEL)):
        raise Refusal("the law's loss is the same everywhere, or not finite: there is no surface to draw")
    factor = float((everything["C"] / (everything["N"] * everything["D"])).median())
    best_n = best_d = np.empty(0)
    if study.law.cheapest is not None:
        product = np.geomspace(n[0] * d[0], n[-1] * d[-1], 200)
        best_n = study.law.cheapest(study.fit.theta[None], product)[0]
        best_d = product / best_n
        inside = (best_n >= n[0]) & (best_n <= n[-1]) & (best_d >= d[0]) & (best_d <= d[-1])
        best_n, best_d = best_n[inside], best_d[inside]
    return Surface(study.fitted, study.held_out, n, d, loss, best_n, best_d, factor)


def draw(result: Surface, axes: Axes) -> None:
    levels = np.geomspace(result.loss_dn.min(), result.loss_dn.max(), LEVELS)
    axes.contourf(result.N, result.D, result.loss_dn, levels, cmap="Blues", alpha=0.75)
    lines = axes.contour(result.N, result.D, result.loss_dn, levels[1:-1:2], colors=ON_BLUE, linewidths=0.6)
    axes.clabel(lines, fmt="%.3g", fontsize=8, colors=ON_BLUE)
    _equal_compute(result, axes)
    if len(result.best_N):
        axes.plot(result.best_N, result.best_D, color=SERIES[1], label="law's best size")
    dots: dict[str, Any] = {"color": ON_BLUE, "edgecolors": PAPER_ON_BLUE, "linewidths": 0.4, "zorder": 3}
    some = result.fitted.iloc[drawn(len(result.fitted))]
    axes.scatter(some["N"], some["D"], s=12, label=how_many(len(result.fitted), "fitted rung"), **dots)
    stars(axes, result.held_out, "N", "D")
    log_axis(axes, "x", "N", result.N)
    log_axis(axes, "y", "D", result.D)
    axes.grid(visible=False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, handlelength=1.8)


def _equal_compute(result: Surface, axes: Axes) -> None:
    """Dotted lines of equal compute, their FLOPs written where few rungs are: towards the large models."""
    compute = result.factor * result.fitted["N"] * result.fitted["D"]
    box: dict[str, Any] = {"facecolor": PAPER_ON_BLUE, "edgecolor": "none", "pad": 1.2, "alpha": 0.8}
    style: dict[str, Any] = {"color": ON_BLUE, "fontsize": 8, "ha": "center", "va": "center", "bbox": box, "zorder": 2}
    for flops in np.geomspace(compute.min(), compute.max(), 4):
        line = flops / result.factor / result.N
        axes.plot(result.N, line, ":", color=ON_BLUE, linewidth=0.8)
        inside = np.flatnonzero((line >= result.D[0]) & (line <= result.D[-1]))
        if len(inside):
            at = inside[int(0.8 * (len(inside) - 1))]
            axes.annotate(power_of_ten(flops), (result.N[at], line[at]), **style)
    axes.plot([], [], ":", color=SOFT, linewidth=0.8, label="equal compute (FLOPs)")
