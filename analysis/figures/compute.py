"""Loss against compute, coloured by size, with the law's frontier and the held-out rungs."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.figures.style import INK, colour_scale, legend, log_x, rungs, stars
from analysis.study import LEVEL, LEVEL_WORDS, Study
from harness.refusal import Refusal

GRID = 60
SPLITS = 801


@dataclass(frozen=True)
class Frontier:
    """Rungs, and along `C` the law's best loss with its interval (empty where there is no law to draw)."""

    loss_words: str
    fitted: pd.DataFrame
    held_out: pd.DataFrame
    C: np.ndarray
    loss: np.ndarray
    low: np.ndarray
    high: np.ndarray
    beyond: np.ndarray  # where the best shape or budget lies outside the fitted ones


def compute(study: Study) -> Frontier:
    """The law's least loss at each compute, from the smallest rung's to the largest's."""
    if study.law.target != "loss":
        raise Refusal(f"law {study.law.name} is one of {study.law.target}, which no compute makes least")
    everything = study.everything("N", "D", "C", "loss")
    C = np.geomspace(everything["C"].min(), everything["C"].max(), GRID)
    try:
        variables = _cheapest(study, C, float((everything["C"] / (everything["N"] * everything["D"])).median()))
        loss, (low, high) = study.fit.predict(variables), study.fit.predict_interval(variables, LEVEL)
    except Refusal:
        return Frontier(study.loss_words, study.fitted, study.held_out, *[np.empty(0)] * 5)
    beyond = np.zeros(len(C), bool)
    for name in {"N", "D"} & set(study.law.variables):
        beyond |= (variables[name] < study.fitted[name].min()) | (variables[name] > study.fitted[name].max())
    return Frontier(study.loss_words, study.fitted, study.held_out, C, loss, low, high, beyond)


def _cheapest(study: Study, C: np.ndarray, flops_per_parameter_token: float) -> dict[str, np.ndarray]:
    """N and D of least predicted loss among `SPLITS` splits of each compute."""
    product_cs = (C / flops_per_parameter_token)[:, None]
    N_cs = product_cs**0.5 * np.geomspace(1e-4, 1e4, SPLITS)
    D_cs = product_cs / N_cs
    loss_cs = study.fit.predict({"N": N_cs.ravel(), "D": D_cs.ravel(), "C": np.repeat(C, SPLITS)}).reshape(N_cs.shape)
    best = (np.arange(len(C)), loss_cs.argmin(axis=1))
    return {"N": N_cs[best], "D": D_cs[best], "C": C}


def draw(result: Frontier, axes: Axes) -> None:
    everything = pd.concat([result.fitted, result.held_out])
    log_x(axes, "C", everything["C"])
    colour_of = colour_scale(axes, "N", everything["N"])
    if len(result.C):
        band = f"{LEVEL_WORDS} of new rungs" if np.isfinite(result.low).any() else None
        axes.fill_between(result.C, result.low, result.high, color=INK, alpha=0.10, linewidth=0, label=band)
        lines = (~result.beyond, "--", "law's least loss"), (result.beyond, ":", "least loss beyond fitted N or D")
        for where, style, label in lines:
            if where.any():
                axes.plot(result.C, np.where(where, result.loss, np.nan), style, color=INK, label=label)
    rungs(axes, result.fitted, "C", "loss", colour_of(result.fitted["N"]))
    stars(axes, result.held_out, "C", "loss")
    axes.set_ylabel(result.loss_words)
    legend(axes)
