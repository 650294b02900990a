"""Language modelling on other text at each of our own sizes (GPT-2's table 3): the table, and its columns over size."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.curves.scores import ACCURACIES, at_one_budget, metric_of, pretrained, task_names, zero_shot_names
from analysis.curves.trend import Shape, over_range
from analysis.figures.style import MARKERS, SERIES, label_ends, log_x
from analysis.figures.tiles import Means, means_at, stderr_of
from analysis.selection import clusters_of, usable
from analysis.study import LEVEL, LEVEL_WORDS, Study
from harness.refusal import Refusal

BPB = "bpb"
SMALLER = 0.01  # of the loss: a fall that is smaller for sure is none


@dataclass(frozen=True)
class Domains:
    """Bits per byte of each domain over N, and whether it falls."""

    domains: dict[str, Means]
    shapes: tuple[Shape, ...]


def compute(study: Study) -> Domains:
    """Of the rungs at the budget that most sizes share."""
    return lm_domains(study.table)


def lm_domains(table: pd.DataFrame) -> Domains:
    """The same of a table with N."""
    rows, names = _rows(table)
    n, cluster_n = rows["N"].to_numpy(np.float64), clusters_of(rows)
    domains, shapes = {}, []
    for name in names:
        column = f"{name}/{BPB}"
        bpb = rows[column].to_numpy(np.float64)
        domains[name.removeprefix("lm_")] = means_at(n, bpb, stderr_of(rows, column))
        claim = f"larger models model {name.removeprefix('lm_')} better"
        fall = over_range(np.log(n), -bpb / bpb.mean(), cluster_n, LEVEL)
        shapes.append(Shape(claim, "Radford et al. 2019, table 3", fall, SMALLER, unit="% of the loss"))
    return Domains(domains, tuple(shapes))


def domains_of(table: pd.DataFrame) -> list[str]:
    """Names of the tasks that are a text's bits per byte."""
    return task_names(table, (BPB,))


def _rows(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    names = domains_of(table)
    if not names:
        raise Refusal("no text was scored in bits per byte: add lm_<corpus> to the sweep's tasks")
    columns = tuple(f"{name}/{BPB}" for name in names)
    rows, _ = usable(pretrained(table), ("N", *columns))
    if rows.empty:
        raise Refusal(f"no finished rung has all of {', '.join(columns)}: score the missing ones")
    return at_one_budget(rows), names


def sizes_table(table: pd.DataFrame) -> pd.DataFrame:
    """A row per size N at one budget: bits per byte of each text, then accuracies of tasks asked without examples."""
    rows, names = _rows(table)
    columns = {name: f"{name}/{BPB}" for name in names}
    columns |= {name: f"{name}/{metric_of(table, name, ACCURACIES)}" for name in zero_shot_names(table)}
    means = rows.groupby("N")[list(columns.values())].mean()
    return means.set_axis(list(columns), axis=1).reset_index()


def draw(result: Domains, axes: Axes) -> None:
    log_x(axes, "N", np.concatenate([means.x for means in result.domains.values()]))
    ends = []
    for i, (name, means) in enumerate(result.domains.items()):
        colour, marker = SERIES[i % len(SERIES)], MARKERS[i % len(MARKERS)]
        axes.fill_between(means.x, means.low, means.high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(means.x, means.mean, marker + "-", color=colour, linewidth=1.3, markersize=4.5)
        ends.append((float(means.x[-1]), float(means.mean[-1]), name, colour))
    axes.margins(y=0.1)
    label_ends(axes, ends)
    axes.set_ylabel("loss (bits per byte)")
    axes.fill_between([], [], [], color=SERIES[0], alpha=0.15, linewidth=0, label=f"{LEVEL_WORDS} interval")
    axes.figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
