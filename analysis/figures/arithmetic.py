"""GPT-3's arithmetic tasks against size (its figure 3.10): accuracy, and the loss that moves before it does."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.curves.chance import AT_CHANCE, silence
from analysis.curves.scores import LOSSES, asked, at_one_budget, metric_of, scores, task_names
from analysis.curves.trend import Shape, over_range
from analysis.figures.style import MARKERS, NAMES, SERIES, SOFT, log_x
from analysis.figures.tiles import ACCURACY, BOTTOM, Means, binomial_stderr, means_at, name_tiles, stderr_of, tiles
from analysis.selection import clusters_of, usable
from analysis.study import LEVEL, LEVEL_WORDS, Study
from harness.refusal import Refusal

# arXiv 2005.14165, section 3.9.1; the names are those of harness/tasks/arithmetic.py
TASKS = {
    **{f"add{digits}": f"{digits}-digit addition" for digits in (2, 3, 4, 5)},
    **{f"sub{digits}": f"{digits}-digit subtraction" for digits in (2, 3, 4, 5)},
    "mul2": "2-digit product",
    "composite1": "1-digit composite",
}
EXACT = "acc_exact"
SMALLER = 0.01  # of the loss: a fall that is smaller for sure is none


@dataclass(frozen=True)
class Task:
    """One task at the most examples that it was asked with."""

    name: str
    accuracy: Means
    loss: Means
    at_chance: bool


@dataclass(frozen=True)
class Arithmetic:
    tasks: tuple[Task, ...]
    k: int
    loss_metric: str
    shapes: tuple[Shape, ...]


def compute(study: Study) -> Arithmetic:
    """Of the rungs at the budget that most sizes share."""
    return arithmetic(study.table)


def asked_tasks(table: pd.DataFrame) -> dict[str, str]:
    """Arithmetic task -> its name with the most examples that any of them was asked with."""
    known = [said for said in map(asked, task_names(table, (EXACT,))) if said.task in TASKS and not said.shuffled]
    most = max((said.k for said in known), default=0)
    return {said.task: said.name for said in known if said.k == most}


def arithmetic(table: pd.DataFrame) -> Arithmetic:
    """The same of a table with N."""
    names = asked_tasks(table)
    if not names:
        raise Refusal(f"no arithmetic task was scored: add one to the sweep's tasks; there are: {', '.join(TASKS)}")
    metric = metric_of(table, next(iter(names.values())), LOSSES)
    accuracies = [f"{name}/{EXACT}" for name in names.values()]
    losses = [f"{name}/{metric}" for name in names.values()]
    first = scores(table, next(iter(names.values())), ("N", *losses), EXACT)
    rows = at_one_budget(usable(first.rows, (*accuracies, *losses), None, signed=tuple(accuracies))[0])
    n, cluster_n = rows["N"].to_numpy(np.float64), clusters_of(rows)
    if rows.empty:
        raise Refusal("no finished rung has the scores of all arithmetic tasks: score the missing ones")
    accuracy, loss = rows[accuracies].mean(axis=1).to_numpy(), rows[losses].mean(axis=1).to_numpy()
    source = "arXiv 2005.14165, figure 3.10"
    rises = Shape(
        "exact answers grow with size, in the mean of all tasks",
        source,
        over_range(np.log(n), accuracy, cluster_n, LEVEL),
    )
    falls = Shape(
        "the loss of the answers falls with size, in the mean of all tasks",
        source,
        over_range(np.log(n), -loss / loss.mean(), cluster_n, LEVEL),
        SMALLER,
        unit="% of the loss",
    )
    tasks = tuple(_task(rows, task, name, metric) for task, name in names.items())
    return Arithmetic(tasks, asked(next(iter(names.values()))).k, metric, (rises, falls))


def _task(rows: pd.DataFrame, task: str, name: str, metric: str) -> Task:
    found = scores(rows, name, ("N",), EXACT, phase=None)
    n, loss = found.rows["N"].to_numpy(np.float64), found.rows[f"{name}/{metric}"].to_numpy(np.float64)
    accuracy = means_at(n, found.accuracy_n, binomial_stderr(found.accuracy_n, found.items_n))
    why = silence(found, "N", LEVEL)
    return Task(
        task,
        accuracy,
        means_at(n, loss, stderr_of(found.rows, f"{name}/{metric}")),
        why is not None and why.kind == AT_CHANCE,
    )


def draw(result: Arithmetic, axes: Axes) -> None:
    panels = tiles(axes, 2)
    log_x(axes, "N", result.tasks[0].accuracy.x)
    for i, task in enumerate(result.tasks):
        colour, marker = SERIES[i % len(SERIES)], MARKERS[i % len(MARKERS)]
        style = "--" if i >= len(SERIES) else "-"
        for panel, means, factor in zip(panels, (task.accuracy, task.loss), (100, 1), strict=True):
            panel.fill_between(means.x, factor * means.low, factor * means.high, color=colour, alpha=0.15, linewidth=0)
            panel.plot(means.x, factor * means.mean, marker + style, color=colour, linewidth=1.3, markersize=4.5)
        words = TASKS[task.name] + f", {AT_CHANCE}" * task.at_chance
        axes.plot([], [], marker + style, color=colour, markersize=4.5, label=words)
    axes.set_ylim(bottom=max(axes.get_ylim()[0], BOTTOM))
    shots = f"after {result.k} examples" if result.k else "without examples"
    unit = {"nll_byte": "nats a byte", "nll_token": "nats a token"}.get(result.loss_metric, "nats")
    name_tiles(panels, [f"{ACCURACY}, {shots}", f"loss of the answer ({unit})"], NAMES["N"])
    axes.fill_between([], [], [], color=SOFT, alpha=0.2, linewidth=0, label=f"{LEVEL_WORDS} interval")
    axes.figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
