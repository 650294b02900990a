"""Held-out rungs: what was measured, what the fitted ones foretold, and what naive baselines would have said."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes

from analysis.figures.style import HELD_OUT_MARK, INK, SERIES
from analysis.study import LEVEL_WORDS, Study
from analysis.wording import short_number

BASELINES = {"carried": ("largest fitted rung's loss, carried on", "^"), "line": ("straight line in log-log", "v")}
ROW_GAP = 0.2
MOST_ROWS = 12


@dataclass(frozen=True)
class Verdict:
    """A row per held-out rung (analysis.forecast.HeldOut), those of most compute where there are many, and its name."""

    rows: pd.DataFrame
    names: list[str]
    of: int
    loss_words: str


def compute(study: Study) -> Verdict:
    """The study's forecast."""
    everything = study.forecast.to_table()
    rows = everything
    if len(everything) > MOST_ROWS:
        rows = everything.nlargest(MOST_ROWS, "C")
    names = [f"N {short_number(n)}\nD {short_number(d)}" for n, d in zip(rows["N"], rows["D"], strict=True)]
    return Verdict(rows, names, len(everything), study.loss_words)


def draw(result: Verdict, axes: Axes) -> None:
    for y, (_, row) in enumerate(result.rows.iterrows()):
        errors = [[max(row["predicted"] - row["low"], 0)], [max(row["high"] - row["predicted"], 0)]]
        axes.plot(row["observed"], y - 1.5 * ROW_GAP, **HELD_OUT_MARK)
        axes.errorbar(row["predicted"], y - 0.5 * ROW_GAP, xerr=errors, fmt="|", color=INK, capsize=4, markersize=12)
        for i, (name, (_, marker)) in enumerate(BASELINES.items()):
            axes.plot(row[name], y + (0.5 + i) * ROW_GAP, marker, color=SERIES[i])
        axes.plot([row["observed"]] * 2, [y - 1.5 * ROW_GAP, y + 1.5 * ROW_GAP], ":", color=INK, linewidth=1, zorder=0)
    axes.plot([], [], **HELD_OUT_MARK, label="measured, first score")
    axes.errorbar([], [], xerr=[], fmt="|", color=INK, capsize=4, label=f"law's forecast, {LEVEL_WORDS} interval")
    for i, (words, marker) in enumerate(BASELINES.values()):
        axes.plot([], [], marker, color=SERIES[i], label=words)
    axes.set_yticks(range(len(result.names)), result.names)
    axes.set_ylim(len(result.names) - 0.45, -0.55)
    axes.grid(axis="y", visible=False)
    shown = f", the {len(result.names)} of {result.of:,} held-out rungs with the most compute"
    axes.set_xlabel(result.loss_words + shown * (result.of > len(result.names)))
    axes.margins(x=0.1)
    axes.legend(loc="upper center", bbox_to_anchor=(0.46, -0.17), ncols=2, columnspacing=1.0, handletextpad=0.5)
