"""A task's scores in the run table: what its name says, which columns it has, and the rungs that have them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.laws.jet import Array
from analysis.selection import clusters_of, usable
from harness.refusal import Refusal

# The first that a task has is read unless another is named; per byte, scores compare across tokenizers.
ACCURACIES = ("acc_exact", "acc_byte", "acc_token", "acc_sum", "acc_pmi", "acc_median", "acc")
LOSSES = ("nll_byte", "nll_token", "nll_sum", "nll")


@dataclass(frozen=True)
class Asked:
    """What a name says: `sciq@k=4,shuffled` is sciq after four examples with answers drawn at random."""

    name: str
    task: str  # the name without its examples
    k: int = 0
    shuffled: bool = False


def asked(name: str) -> Asked:
    """A task's name taken apart."""
    title, _, told = name.partition("@")
    options = dict(option.partition("=")[::2] for option in told.split(",") if option)
    k, shuffled = int(options.pop("k", "0")), options.pop("shuffled", None) is not None
    others = ",".join(f"{key}={value}" if value else key for key, value in options.items())
    return Asked(name, f"{title}@{others}" if others else title, k, shuffled)


def task_names(table: pd.DataFrame, metrics: tuple[str, ...] = ACCURACIES) -> list[str]:
    """Tasks, with and without examples, that a pre-trained run has one of the metrics of, in the table's order."""
    table, found = pretrained(table), {}
    for column in map(str, table.columns):
        name, _, metric = column.rpartition("/")
        if name and metric in metrics and table[column].notna().any():
            found[name] = metric
    return list(found)


def zero_shot_names(table: pd.DataFrame, metrics: tuple[str, ...] = ACCURACIES) -> list[str]:
    """Those tasks that are asked without examples."""
    return [name for name in task_names(table, metrics) if not asked(name).k]


def finished_names(table: pd.DataFrame) -> list[str]:
    """Those of them that a finished rung which is not held out has an accuracy of."""
    return zero_shot_names(usable(table, ())[0])


def metric_of(table: pd.DataFrame, task: str, metrics: tuple[str, ...]) -> str:
    """The first of the metrics that the task has; refused where it has none."""
    for metric in metrics:
        if f"{task}/{metric}" in table.columns:
            return metric
    there = ", ".join(task_names(table, metrics)) or "none"
    raise Refusal(f"task {task!r} has none of the columns {task}/{', '.join(metrics)}; scored are: {there}")


def pretrained(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of runs that start from no other and learn no labels: the others' tokens are not all of their training."""
    if "parent" in table.columns:
        table = table[table["parent"].isna()]
    if "labels" in table.columns:
        table = table[table["labels"].fillna("").astype("str") == ""]
    return table


def at_one_budget(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the budget D that most sizes N share, the largest of several; each size's largest where none does."""
    if not {"N", "D"} <= set(rows.columns) or rows["D"].nunique() < 2:
        return rows
    sizes = rows.groupby("D")["N"].nunique()
    most = int(sizes.max())
    shared = float(sizes[sizes == most].index.max())
    budget = shared if most * 2 > rows["N"].nunique() else rows.groupby("N")["D"].transform("max")
    return rows.loc[rows["D"] == budget]


@dataclass(frozen=True)
class Scores:
    """The rungs that have an accuracy of the task, with what it was counted from."""

    task: str
    metric: str
    rows: pd.DataFrame
    chance: float
    items_n: Array

    @property
    def accuracy_n(self) -> Array:
        return self.rows[f"{self.task}/{self.metric}"].to_numpy(np.float64)

    @property
    def cluster_n(self) -> np.ndarray:
        """The trunk of each row."""
        return clusters_of(self.rows)

    @property
    def clusters(self) -> int:
        return int(self.cluster_n.max()) + 1

    def at_one_budget(self) -> "Scores":
        """The same of the budget that most sizes share."""
        return self.keep(self.rows.index.isin(at_one_budget(self.rows).index))

    def keep(self, kept_n: np.ndarray) -> "Scores":
        """The same on some of the rows."""
        return Scores(self.task, self.metric, self.rows[kept_n], self.chance, self.items_n[kept_n])


def together(known: Sequence[Scores]) -> tuple[pd.DataFrame, Array]:
    """The rungs that have all of the scores, none perhaps, and their mean accuracy over the tasks."""
    index = known[0].rows.index
    for found in known[1:]:
        index = index.intersection(found.rows.index)
    columns = [found.rows.loc[index, f"{found.task}/{found.metric}"].to_numpy(np.float64) for found in known]
    return known[0].rows.loc[index], np.mean(columns, axis=0)


def scores(
    table: pd.DataFrame,
    task: str,
    needs: tuple[str, ...] = (),
    metric: str | None = None,
    items: float | None = None,
    phase: str | None = "decayed",
    held_out: bool = False,
) -> Scores:
    """Accuracies of a task, between 0 and 1; `needs` names columns that a row must have, positive.

    `items` says how many were asked where no column does.
    """
    metric = metric or metric_of(table, task, ACCURACIES)
    column = f"{task}/{metric}"
    if f"{task}/chance" not in table.columns:
        raise Refusal(f"{column} has no column {task}/chance beside it: add one, 0 where nothing is right by luck")
    if items is None and f"{task}/items" not in table.columns:
        raise Refusal(f"{column} has no column {task}/items beside it: say how many items were asked")
    counted = table if items is None else table.assign(**{f"{task}/items": items})
    rows, _ = usable(pretrained(counted), (*needs, f"{task}/items", column), phase, held_out, signed=(column,))
    outside = rows[(rows[column] < 0) | (rows[column] > 1)]
    if len(outside):
        value = outside[column].iloc[0]
        raise Refusal(f"{column}={value:g}: accuracies lie between 0 and 1; divide percentages by 100")
    if rows.empty:
        raise Refusal(f"no finished rung has {column}: score the task, then ask again")
    chance, items_n = float(rows[f"{task}/chance"].mean()), rows[f"{task}/items"].to_numpy(np.float64)
    return Scores(task, metric, rows, chance, items_n)
