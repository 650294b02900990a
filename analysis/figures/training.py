"""Training curves: each trunk's validation loss on the way, and the decayed rungs that branch off it."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes

from analysis.figures.style import LOSS, MIDDLE, colour_scale, legend, log_x, rungs, stars
from analysis.study import Study


@dataclass(frozen=True)
class Curves:
    """Points at constant learning rate, once a trunk, and decayed points."""

    trunks: list[pd.DataFrame]
    fitted: pd.DataFrame
    held_out: pd.DataFrame


def compute(study: Study) -> Curves:
    """The trunk's own points are shared by its rungs, so each is taken once."""
    stable = study.table[(study.table["phase"] != "decayed") & study.table["loss"].notna()]
    once = stable.sort_values("tokens").drop_duplicates(["trunk_id", "tokens"])
    trunks = [trunk for _, trunk in once.groupby("trunk_id")]
    return Curves(trunks, study.fitted, study.held_out)


def draw(result: Curves, axes: Axes) -> None:
    decayed = pd.concat([result.fitted, result.held_out])
    everything = pd.concat([decayed, *result.trunks])
    log_x(axes, "D", everything["D"])
    colour_of = colour_scale(axes, "N", everything["N"])
    for trunk in result.trunks:
        axes.plot(trunk["D"], trunk["loss"], color=colour_of(trunk["N"].iloc[0]), linewidth=1.1)
    if result.trunks:
        axes.plot([], [], color=MIDDLE, label="trunk at constant learning rate")
    rungs(axes, result.fitted, "D", "loss", colour_of(result.fitted["N"]), "rung after its cool-down")
    stars(axes, result.held_out, "D", "loss", "held-out rung after cool-down")
    axes.set_ylabel(LOSS)
    legend(axes)
