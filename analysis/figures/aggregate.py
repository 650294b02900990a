"""The mean over tasks without, with one and with most examples against size (GPT-3's figure 1.3)."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.curves.scores import asked, at_one_budget, scores, task_names, together
from analysis.curves.trend import Shape, over_range
from analysis.figures.style import MARKERS, SERIES, SOFT, log_x
from analysis.figures.tiles import ACCURACY, Means, binomial_stderr, means_at
from analysis.laws.jet import Array
from analysis.selection import clusters_of
from analysis.study import LEVEL, LEVEL_WORDS, Study
from harness.refusal import Refusal

SETTINGS = ("zero-shot", "one-shot", "few-shot")


@dataclass(frozen=True)
class Setting:
    """Mean accuracy over the tasks at each size, and each task's own line."""

    name: str
    means: Means
    tasks: dict[str, Means]


@dataclass(frozen=True)
class Aggregate:
    settings: tuple[Setting, ...]
    tasks: tuple[str, ...]
    chance: float
    shapes: tuple[Shape, ...]


def compute(study: Study) -> Aggregate:
    """Of the rungs at the budget that most sizes share."""
    return aggregate(study.table)


def aggregate(table: pd.DataFrame) -> Aggregate:
    """The same of a table with N: tasks that were asked without examples, with one, and with more."""
    variants = _variants(table)
    if not variants:
        raise Refusal(
            "no task was asked without examples, with one and with more: score for instance sciq@k=1 and @k=4"
        )
    few = {task: own for task, own in variants.items() if SETTINGS[2] in own}
    variants = few or variants  # else tasks that were asked with one example at most leave no setting to compare
    settings = [name for name in SETTINGS if all(name in own for own in variants.values())]
    found = {(task, name): scores(table, own[name], ("N",)) for task, own in variants.items() for name in settings}
    rows = at_one_budget(together(list(found.values()))[0])
    if rows.empty:
        raise Refusal("no finished rung has the scores of all tasks: score the missing ones")
    n = rows["N"].to_numpy(np.float64)
    accuracy = {key: rows[f"{one.task}/{one.metric}"].to_numpy(np.float64) for key, one in found.items()}
    items = {key: rows[f"{one.task}/items"].to_numpy(np.float64) for key, one in found.items()}
    drawn = [
        Setting(
            name,
            _over_tasks(n, [accuracy[task, name] for task in variants], [items[task, name] for task in variants]),
            {
                task: means_at(n, accuracy[task, name], binomial_stderr(accuracy[task, name], items[task, name]))
                for task in variants
            },
        )
        for name in settings
    ]
    gain = np.mean([accuracy[task, settings[-1]] - accuracy[task, settings[0]] for task in variants], axis=0)
    effect = over_range(np.log(n), gain, clusters_of(rows), LEVEL)
    claim = f"{settings[-1]} scores rise faster with size than zero-shot ones, in the mean of all tasks asked so"
    chance = float(np.mean([one.chance for one in found.values()]))
    return Aggregate(tuple(drawn), tuple(variants), chance, (Shape(claim, "arXiv 2005.14165, figure 1.3", effect),))


def _variants(table: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Task -> setting -> its name there; few-shot is the most examples beyond one that it was asked with."""
    found: dict[str, dict[int, str]] = {}
    for name in task_names(table):
        said = asked(name)
        if not said.shuffled:
            found.setdefault(said.task, {})[said.k] = name
    made = {}
    for task, by_k in found.items():
        few = {SETTINGS[2]: by_k[max(by_k)]} if max(by_k) > 1 else {}
        own = {SETTINGS[k]: by_k[k] for k in (0, 1) if k in by_k} | few
        if SETTINGS[0] in own and len(own) > 1:
            made[task] = own
    return made


def _over_tasks(n: Array, accuracy: list[Array], items: list[Array]) -> Means:
    """Errors of different tasks are independent."""
    variance = np.sum([binomial_stderr(a, i) ** 2 for a, i in zip(accuracy, items, strict=True)], axis=0)
    return means_at(n, np.mean(accuracy, axis=0), np.sqrt(variance) / len(accuracy))


def draw(result: Aggregate, axes: Axes) -> None:
    log_x(axes, "N", result.settings[0].means.x)
    for i, setting in enumerate(result.settings):
        for line in setting.tasks.values():
            axes.plot(line.x, 100 * line.mean, color=SERIES[i], linewidth=0.7, alpha=0.35)
        means = setting.means
        axes.fill_between(means.x, 100 * means.low, 100 * means.high, color=SERIES[i], alpha=0.18, linewidth=0)
        axes.plot(means.x, 100 * means.mean, MARKERS[i] + "-", color=SERIES[i], linewidth=2.0, label=setting.name)
    axes.fill_between([], [], [], color=SOFT, alpha=0.2, linewidth=0, label=f"{LEVEL_WORDS} interval of a mean")
    axes.plot([], [], color=SOFT, linewidth=0.7, label="single tasks")
    axes.axhline(100 * result.chance, color=SOFT, linestyle=":", linewidth=1.2, label="chance, mean")
    axes.set_ylabel(f"{ACCURACY}, mean of {len(result.tasks)} tasks")
    axes.figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
