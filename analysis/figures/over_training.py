"""Task scores over pre-training (GPT-1's figure 2, right): a panel a size, a line a task, from chance to the best."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.curves.chance import silence
from analysis.curves.scores import Scores, finished_names, scores, together, zero_shot_names
from analysis.curves.trend import Shape, within_trunks
from analysis.figures.style import MARKERS, NAMES, SERIES, SOFT, log_x
from analysis.figures.tiles import Means, binomial_stderr, means_at, name_tiles, said_inside, tell_left_out, tiles
from analysis.selection import clusters_of
from analysis.study import LEVEL, LEVEL_WORDS, Study
from analysis.wording import short_number
from harness.refusal import Refusal

MOST_SIZES, MOST_TASKS = 3, 6
DECAYED = "decayed"


@dataclass(frozen=True)
class Model:
    """One size: task -> shares of the way from chance to the best, over tokens, on the way and after cool-downs."""

    N: float
    on_the_way: dict[str, Means]
    cooled: dict[str, Means]


@dataclass(frozen=True)
class OverTraining:
    models: tuple[Model, ...]
    tasks: tuple[str, ...]
    at_chance: tuple[str, ...]
    left_out: tuple[str, ...]
    shapes: tuple[Shape, ...]


def compute(study: Study) -> OverTraining:
    """Of every trunk's checkpoints."""
    return over_training(study.table)


def over_training(table: pd.DataFrame) -> OverTraining:
    """The same of a table with N and D."""
    on_the_way = table[table["phase"] != DECAYED] if {"phase", "trunk_id"} <= set(table.columns) else table.head(0)
    finished = finished_names(table)
    names = [name for name in zero_shot_names(on_the_way) if name in finished]
    if not names:
        raise Refusal("no task with an accuracy was scored on the way: a sweep's tasks are, at every checkpoint")
    decayed = {name: scores(table, name, ("N", "D")) for name in names}
    known = {name: _checkpoints(on_the_way, name) for name in names}
    idle = tuple(name for name in names if silence(decayed[name], "D", LEVEL) and silence(decayed[name], "N", LEVEL))
    clear = [name for name in names if name not in idle]
    shown = clear[:MOST_TASKS]
    sizes = np.unique(np.concatenate([found.rows["N"].to_numpy(np.float64) for found in known.values()]))
    if len(sizes) > MOST_SIZES:
        sizes = sizes[np.linspace(0, len(sizes) - 1, MOST_SIZES).round().astype(int)]
    models = tuple(
        Model(
            float(size),
            {name: _normalised(known[name], float(size), _best(known[name], decayed[name])) for name in shown},
            {name: _normalised(decayed[name], float(size), _best(known[name], decayed[name])) for name in shown},
        )
        for size in sizes
    )
    return OverTraining(models, tuple(shown), idle, tuple(clear[MOST_TASKS:]), (_shape(list(known.values())),))


def _checkpoints(on_the_way: pd.DataFrame, task: str) -> Scores:
    """A trunk's own points, which its rungs share, once each."""
    found = scores(on_the_way, task, ("N", "D"), phase=None)
    return found.keep(~found.rows.duplicated(["trunk_id", "D"]).to_numpy())


def _best(*found: Scores) -> float:
    return max(float(one.accuracy_n.max(initial=0.0)) for one in found)


def _normalised(found: Scores, size: float, best: float) -> Means:
    own = found.keep((found.rows["N"] == size).to_numpy())
    width = best - found.chance
    stderr = binomial_stderr(own.accuracy_n, own.items_n)
    return means_at(own.rows["D"].to_numpy(np.float64), (own.accuracy_n - found.chance) / width, stderr / width)


def _shape(known: list[Scores]) -> Shape:
    """The mean accuracy over all tasks from a trunk's first to its last checkpoint."""
    rows, accuracy_n = together(known)
    change = within_trunks(np.log(rows["D"].to_numpy(np.float64)), accuracy_n, clusters_of(rows), LEVEL)
    return Shape(
        "zero-shot scores improve over pre-training, in the mean of all tasks", "Radford et al. 2018, figure 2", change
    )


def draw(result: OverTraining, axes: Axes) -> None:
    panels = tiles(axes, len(result.models))
    for panel in panels[1:]:
        panel.sharey(axes)
        panel.tick_params(labelleft=False)
    every = [means.x for model in result.models for part in (model.on_the_way, model.cooled) for means in part.values()]
    if every:
        log_x(axes, "D", np.concatenate(every))
    for panel, model in zip(panels, result.models, strict=True):
        for i, name in enumerate(result.tasks):
            line, dots, colour = model.on_the_way[name], model.cooled[name], SERIES[i]
            panel.fill_between(line.x, 100 * line.low, 100 * line.high, color=colour, alpha=0.12, linewidth=0)
            panel.plot(line.x, 100 * line.mean, color=colour, linewidth=1.4)
            panel.plot(dots.x, 100 * dots.mean, MARKERS[i], color=colour, markersize=5)
        panel.axhline(0, color=SOFT, linestyle=":", linewidth=1.2)
    if result.at_chance:
        said_inside(panels[-1], "no sure rise:\n" + "\n".join(result.at_chance[:4]))
    name_tiles(panels, [f"N {short_number(model.N)}" for model in result.models], NAMES["D"])
    axes.set_ylabel("accuracy, 0 = chance,\n100 = the best score")
    for i, name in enumerate(result.tasks):
        axes.plot([], [], MARKERS[i] + "-", color=SERIES[i], markersize=5, label=name)
    axes.fill_between([], [], [], color=SOFT, alpha=0.2, linewidth=0, label=f"{LEVEL_WORDS} interval")
    tell_left_out(axes, result.left_out)
    axes.figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4)
