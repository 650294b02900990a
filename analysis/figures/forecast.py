"""Held-out rungs against what the fitted ones foretold, beside naive baselines."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.figures.style import HELD_OUT_MARK, INK, LOSS, SERIES, SOFT, legend, log_x
from analysis.study import LEVEL, Study


@dataclass(frozen=True)
class Verdict:
    """Fitted rungs; for each held-out one its C and loss, the forecast with its interval, and the baselines' losses."""

    fitted: pd.DataFrame
    C: np.ndarray
    observed: np.ndarray
    predicted: np.ndarray
    low: np.ndarray
    high: np.ndarray
    baselines: dict[str, np.ndarray]


def compute(study: Study) -> Verdict:
    """The study's forecast, beside the rungs that it was made from."""
    rows = study.forecast.rows
    baselines = {name: np.array([row.baselines[name] for row in rows]) for name in rows[0].baselines}
    columns = (np.array([getattr(row, name) for row in rows]) for name in ("C", "observed", "predicted", "low", "high"))
    return Verdict(study.fitted, *columns, baselines)


def draw(result: Verdict, axes: Axes) -> None:
    log_x(axes, "C", np.concatenate([result.fitted["C"], result.C]))
    axes.plot(result.fitted["C"], result.fitted["loss"], "o", color=SOFT, markersize=4, label="fitted rung")
    errors = np.maximum([result.predicted - result.low, result.high - result.predicted], 0)
    forecast = f"law's forecast, {LEVEL:.0%} interval"
    axes.errorbar(result.C, result.predicted, errors, fmt="_", color=INK, capsize=4, markersize=10, label=forecast)
    for (name, losses), colour, marker in zip(result.baselines.items(), SERIES, "^v<>", strict=False):
        axes.plot(result.C, losses, marker, color=colour, label=f"baseline: {name}")
    axes.plot(result.C, result.observed, **HELD_OUT_MARK, label="held-out rung, measured")
    axes.set_ylabel(LOSS)
    legend(axes)
