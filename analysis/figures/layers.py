"""Accuracy after fine-tuning against the blocks transferred (GPT-1's figure 2, left), and from scratch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from scipy.special import stdtrit

from analysis.curves.trend import POINT, Shape
from analysis.figures.style import MARKERS, SERIES, SOFT
from analysis.figures.tiles import ACCURACY, Means, name_tiles, tiles
from analysis.laws.jet import Array
from analysis.optimum import Quantity
from analysis.study import LEVEL, LEVEL_WORDS, Study
from harness.refusal import Refusal

FEWEST_SEEDS = 2  # through which there is a spread
SOURCE = "Radford et al. 2018, figure 2"


@dataclass(frozen=True)
class Line:
    """One shape: accuracy over transferred blocks, mean over seeds, and from scratch (NaN where that was not run)."""

    shape: str
    means: Means
    scratch: Means


@dataclass(frozen=True)
class Layers:
    panels: dict[str, list[Line]]  # labelled set -> shapes
    chance: dict[str, float]
    shapes: tuple[Shape, ...]


def compute(study: Study) -> Layers:
    """Of the runs that learned labels."""
    return layers(study.table)


def has_layers(table: pd.DataFrame) -> bool:
    """Whether runs learned labels after some blocks were transferred."""
    if not {"labels", "transferred", "parent"} <= set(table.columns):
        return False
    labelled = table[(table["labels"].fillna("").astype("str") != "") & table["parent"].notna()]
    return bool(labelled["transferred"].nunique() > 1)


def layers(table: pd.DataFrame) -> Layers:
    """The same of a table with labels, transferred, parent and seed."""
    if not has_layers(table):
        raise Refusal("no run learned labels with fewer and more transferred blocks: vary `transferred` in a sweep")
    panels: dict[str, list[Line]] = {}
    chance, shapes = {}, []
    for labels, own in _labelled(table).groupby("labels"):
        panels[str(labels)] = []
        chance[str(labels)] = float(own[f"{labels}/chance"].mean()) if f"{labels}/chance" in own else np.nan
        for shape, rows in own.groupby(["depth", "width"]):
            named = "x".join(map(str, shape))
            tuned, scratch = _at_most_data(rows[rows["parent"].notna()]), _at_most_data(rows[rows["parent"].isna()])
            if tuned["transferred"].nunique() > 1:
                grid = _grid(tuned, str(labels))
                panels[str(labels)].append(Line(named, _means(grid), _means(_grid(scratch, str(labels)))))
                shapes += _shapes(grid, f"{labels}, {named}")
    return Layers(panels, chance, tuple(shapes))


def _labelled(table: pd.DataFrame) -> pd.DataFrame:
    """The ends of runs on labels."""
    rows = table[table["labels"].fillna("").astype("str") != ""]
    return rows[rows["phase"] == "decayed"] if "phase" in rows else rows


def _at_most_data(rows: pd.DataFrame) -> pd.DataFrame:
    """Of runs that saw the most labelled text, those that trained on it the longest."""
    for name in ("unique_tokens", "tokens"):
        rows = rows[rows[name] == rows[name].max()] if name in rows else rows
    return rows


def _grid(rows: pd.DataFrame, labels: str) -> pd.DataFrame:
    """Accuracy with a row a seed and a column a number of blocks."""
    return rows.pivot_table(index="seed", columns="transferred", values=f"{labels}/acc")


def _means(grid: pd.DataFrame) -> Means:
    """Means over seeds; half widths NaN for one seed."""
    seeds = grid.notna().sum().to_numpy()
    with np.errstate(invalid="ignore", divide="ignore"):
        half = _t(seeds, LEVEL) * grid.std().to_numpy() / np.sqrt(seeds)
    return Means(grid.columns.to_numpy(np.float64), grid.mean().to_numpy(), half)


def _t(seeds: Array, level: float) -> Array:
    return np.asarray(np.where(seeds >= FEWEST_SEEDS, stdtrit(np.maximum(seeds - 1, 1), 0.5 + level / 2), np.nan))


def _shapes(grid: pd.DataFrame, of: str) -> list[Shape]:
    """Every block helps: the least of the steps; all blocks help: the last number of blocks less the first."""
    steps = grid.diff(axis=1).iloc[:, 1:]
    whole = (grid.iloc[:, -1] - grid.iloc[:, 0]).to_frame()
    return [
        Shape(f"every transferred block helps ({of})", SOURCE, _least(steps), POINT / steps.shape[1]),
        Shape(f"transferring all blocks helps ({of})", SOURCE, _least(whole)),
    ]


def _least(steps: pd.DataFrame) -> Quantity:
    """The smallest step, with seeds as pairs: all are above nought where the lower end is.

    One is surely below the upper end only where it is for that many steps looked at (Bonferroni).
    """
    seeds, mean = steps.notna().sum().to_numpy(), steps.mean().to_numpy()
    if seeds.min() < FEWEST_SEEDS:
        doubt = f"one seed tells nothing of others; {FEWEST_SEEDS} are needed"
        return Quantity(float(mean.min()), np.nan, np.nan, doubt)
    error = steps.std().to_numpy() / np.sqrt(seeds)
    sure = 1 - (1 - LEVEL) / len(mean)
    low, high = mean - _t(seeds, LEVEL) * error, mean + _t(seeds, sure) * error
    return Quantity(float(mean.min()), float(low.min()), float(high.min()))


def draw(result: Layers, axes: Axes) -> None:
    panels = tiles(axes, len(result.panels))
    shapes = list(dict.fromkeys(line.shape for lines in result.panels.values() for line in lines))
    for panel, (labels, lines) in zip(panels, result.panels.items(), strict=True):
        for line in lines:
            _draw_line(panel, line, *_style(shapes.index(line.shape)))
        if np.isfinite(result.chance[labels]):
            panel.axhline(100 * result.chance[labels], color=SOFT, linestyle=":", linewidth=1.2)
        panel.margins(y=0.15)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    name_tiles(panels, list(result.panels), "transferred blocks")
    axes.figure.supylabel(ACCURACY, fontsize="medium")
    _key(axes, shapes)


def _style(place: int) -> tuple[str, str]:
    return SERIES[place % len(SERIES)], MARKERS[place % len(MARKERS)]


def _draw_line(axes: Axes, line: Line, colour: str, marker: str) -> None:
    means, half = line.means, 100 * np.nan_to_num(line.means.half)
    axes.errorbar(means.x, 100 * means.mean, yerr=half, fmt=marker + "-", color=colour, capsize=3, linewidth=1.3)
    if len(line.scratch.mean):
        axes.axhline(100 * float(line.scratch.mean[0]), color=colour, linestyle="--", linewidth=1.2)
        low, high = 100 * line.scratch.low[0], 100 * line.scratch.high[0]
        if np.isfinite(low):
            axes.axhspan(low, high, color=colour, alpha=0.10, linewidth=0)


def _key(axes: Axes, shapes: Sequence[str]) -> None:
    for place, shape in enumerate(shapes):
        colour, marker = _style(place)
        axes.plot([], [], marker + "-", color=colour, label=f"{shape}, {LEVEL_WORDS} interval over seeds")
    axes.plot([], [], "--", color=SOFT, label="from scratch")
    axes.plot([], [], ":", color=SOFT, label="chance")
    axes.figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
