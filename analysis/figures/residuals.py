"""How far each rung lies from the law, in percent, against compute: what the law leaves over."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.figures.style import INK, colour_scale, legend, log_x, rungs, stars
from analysis.study import Study
from harness.refusal import Refusal


@dataclass(frozen=True)
class Residuals:
    """100 (observed / predicted - 1), in the column `residual`."""

    fitted: pd.DataFrame
    held_out: pd.DataFrame


def compute(study: Study) -> Residuals:
    """Residuals of the study's law; refused where there is no fit."""
    target = study.law.target
    study.everything("N", "C", target)

    def with_residual(rungs: pd.DataFrame) -> pd.DataFrame:
        predicted = study.fit.predict(rungs) if len(rungs) else np.empty(0)
        return rungs.assign(residual=100 * (rungs[target] / predicted - 1))

    result = Residuals(with_residual(study.fitted), with_residual(study.held_out))
    if not np.isfinite(pd.concat([result.fitted, result.held_out])["residual"]).all():
        raise Refusal("some rows lie beyond what the law gives a finite loss for: there is nothing to compare")
    return result


def draw(result: Residuals, axes: Axes) -> None:
    everything = pd.concat([result.fitted, result.held_out])
    log_x(axes, "C", everything["C"])
    colour_of = colour_scale(axes, "N", everything["N"])
    axes.axhline(0, color=INK, linewidth=1)
    rungs(axes, result.fitted, "C", "residual", colour_of(result.fitted["N"]))
    stars(axes, result.held_out, "C", "residual")
    reach = 1.25 * everything["residual"].abs().max() or 1.0
    axes.set_ylim(-reach, reach)
    axes.set_ylabel("observed above law (%)")
    legend(axes)
