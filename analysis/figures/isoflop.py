"""Loss against N at each compute budget: isoFLOP parabolas, accepted and refused, and the fitted law's best sizes."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.figures.style import INK, LOSS, MIDDLE, MOST_DOTS, PAPER, colour_scale, drawn, legend, log_x
from analysis.isoflop import Budget, IsoFlop
from analysis.parabola import FEWEST_SIZES
from analysis.study import Study
from harness.refusal import Refusal

GRID = 60
MOST_CURVES = 9
FAINT = 0.45


@dataclass(frozen=True)
class IsoFlops:
    """At most `MOST_CURVES` budgets with their parabolas, by rising C, and the law's best N and its loss over them."""

    budgets: list[Budget]
    N: np.ndarray  # empty where there is no law with a best size
    loss: np.ndarray
    found: IsoFlop
    loss_words: str


def compute(study: Study) -> IsoFlops:
    """The parabolas of the fitted rungs; refused where most rungs share their compute with no other sizes."""
    return of(study.isoflop, study.loss_words)


def of(found: IsoFlop, loss_words: str = LOSS) -> IsoFlops:
    """What is drawn of the result: the budgets with the most rows, accepted ones first."""
    curved = [budget for budget in found.budgets if budget.curve]
    inside = sum(len(budget.rows) for budget in curved)
    if isinstance(found.parabolas, str) and 2 * inside < found.rows:
        if not curved:
            raise Refusal(found.parabolas)
        raise Refusal(
            f"{inside} of {found.rows} rungs share their compute with {FEWEST_SIZES - 1} other sizes: {found.parabolas}"
        )
    curved = sorted(curved, key=lambda budget: (budget.refused is not None, -len(budget.rows)))[:MOST_CURVES]
    curved = sorted(curved, key=lambda budget: budget.C)
    if found.fit is None or found.fit.law.cheapest is None or not set(found.fit.law.variables) <= {"N", "D", "C"}:
        return IsoFlops(curved, np.empty(0), np.empty(0), found, loss_words)
    C = np.geomspace(curved[0].C, curved[-1].C, GRID)
    product = C / found.flops_per_parameter_token
    N = found.fit.law.cheapest(found.fit.theta[None], product)[0]
    return IsoFlops(curved, N, found.fit.predict({"N": N, "D": product / N, "C": C}), found, loss_words)


def draw(result: IsoFlops, axes: Axes) -> None:
    everything = pd.concat([budget.rows for budget in result.budgets])
    log_x(axes, "N", everything["N"])
    colour_of = colour_scale(axes, "C", [budget.C for budget in result.budgets])
    for budget in result.budgets:
        _parabola(axes, budget, colour_of(budget.C))
    refused = [budget.refused is not None for budget in result.budgets]
    if not all(refused):
        axes.plot([], [], "o-", color=MIDDLE, label="one budget and its parabola")
        axes.plot([], [], "D", markerfacecolor=PAPER, markeredgecolor=MIDDLE, markersize=6.5, label="its minimum")
    if any(len(budget.rows) > MOST_DOTS // MOST_CURVES for budget in result.budgets):
        axes.plot([], [], " ", label=f"{MOST_DOTS // MOST_CURVES} rows a budget drawn")
    if any(refused):
        axes.plot(
            [], [], "o--", color=MIDDLE, alpha=FAINT, markersize=3.5, linewidth=1, label="parabola that is refused"
        )
    if len(result.N):
        axes.plot(result.N, result.loss, color=INK, linewidth=1.3, label="best size by the fitted law")
    axes.set_ylabel(result.loss_words)
    legend(axes)


def _parabola(axes: Axes, budget: Budget, colour: tuple[float, ...]) -> None:
    """The curve over the budget's own sizes, with a mark at an accepted minimum."""
    assert budget.curve is not None  # budgets without one are not drawn
    N = np.geomspace(budget.rows["N"].min(), budget.rows["N"].max(), GRID)
    dots = budget.rows.iloc[drawn(len(budget.rows), MOST_DOTS // MOST_CURVES)]
    if budget.refused:
        axes.plot(N, budget.curve.at(N), "--", color=colour, alpha=FAINT, linewidth=1)
        axes.scatter(dots["N"], dots["loss"], color=colour, alpha=FAINT, s=12, linewidths=0, zorder=2)
        return
    axes.plot(N, budget.curve.at(N), color=colour, linewidth=1.3)
    axes.scatter(dots["N"], dots["loss"], color=colour, s=30, edgecolors=PAPER, linewidths=0.6, zorder=3)
    axes.plot(budget.N, budget.loss, "D", markerfacecolor=PAPER, markeredgecolor=colour, markersize=6.5, zorder=4)
