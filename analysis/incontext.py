"""In-context learning: how a score rises with examples at each size, and whether larger models gain more from them."""

from dataclasses import dataclass, replace
from math import nan
from typing import Any

import numpy as np
import pandas as pd

from analysis.curves.chance import AT_CHANCE, least_likely
from analysis.curves.scores import ACCURACIES, asked, metric_of, pretrained, task_names
from analysis.curves.trend import Shape, scaled, slope
from analysis.fit import plain
from analysis.laws.jet import Array
from analysis.optimum import Quantity
from analysis.selection import clusters_of, usable
from harness.refusal import Refusal

GROWS, SHRINKS, UNCLEAR, UNKNOWN = "grows", "shrinks", "no clear trend", "too few"
FEWEST_SHOTS = 2  # different numbers of examples through which there is a slope
BESIDE = ("chance", "items")  # columns beside an accuracy
SHARE = 0.01  # of a score that is no accuracy: a gain that is smaller for sure is none


@dataclass(frozen=True)
class Shots:
    """Scores of every rung (rows) after k examples (columns), and whether a low score is a good one."""

    k: tuple[int, ...]
    score_nk: Array
    low_is_good: bool = False

    @property
    def doublings_k(self) -> Array:
        """log2(1 + k)."""
        return np.log2(1.0 + np.array(self.k))

    @property
    def slope_n(self) -> Array:
        """Each rung's gain a doubling of 1 + k, by least squares."""
        off_k = self.doublings_k - self.doublings_k.mean()
        return np.asarray((-1 if self.low_is_good else 1) * (self.score_nk @ off_k / (off_k @ off_k)))


@dataclass(frozen=True)
class InContext:
    """One task: its scores over examples, with right and with shuffled labels, and what their slopes do with size."""

    task: str
    metric: str
    rows: pd.DataFrame  # the rungs, with N, D and C
    shots: Shots
    shuffled: Shots | None
    growth: Quantity  # of the slope, for ten times the size
    shuffled_growth: Quantity
    beyond_growth: Quantity  # of the slope less that with shuffled labels
    chance: float  # NaN, as the items, where no column has it
    items: float
    at_chance: bool  # whether the best accuracy, of whatever size and number of examples, is not surely above guessing

    @property
    def cluster_n(self) -> np.ndarray:
        return clusters_of(self.rows)

    @property
    def verdict(self) -> str:
        """What the in-context slope does with size."""
        if self.at_chance:
            return AT_CHANCE
        if self.growth.doubt:
            return UNKNOWN
        if self.growth.low > 0:
            return GROWS
        return SHRINKS if self.growth.high < 0 else UNCLEAR

    @property
    def shape(self) -> Shape:
        """What all examples together bring to the largest size, beyond what they bring to the smallest."""
        decades = float(np.ptp(np.log10(self.rows["N"].to_numpy(np.float64))))
        more = scaled(self.growth, decades * float(np.ptp(self.shots.doublings_k)))
        if self.at_chance:
            more = replace(more, doubt=f"{AT_CHANCE}, with and without examples")
        claim = f"larger models gain more from examples of {self.task}, or lose less by them"
        source = "arXiv 2005.14165, figure 1.2"
        if self.metric.startswith("acc"):
            return Shape(claim, source, more)
        least = SHARE * float(np.abs(self.shots.score_nk).mean())
        return Shape(claim, source, more, least, 1.0, "nats")

    def to_table(self) -> pd.DataFrame:
        """A row per rung, k and kind of labels."""
        parts = [("right", self.shots)] + ([("shuffled", self.shuffled)] if self.shuffled else [])
        same = self.rows[[name for name in ("run_id", "trunk_id", "N", "D", "C") if name in self.rows]]
        rows = [
            same.assign(task=self.task, metric=self.metric, labels=labels, k=k, score=shots.score_nk[:, i])
            for labels, shots in parts
            for i, k in enumerate(shots.k)
        ]
        return pd.concat(rows, ignore_index=True)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        growths = {name: getattr(self, name) for name in ("growth", "shuffled_growth", "beyond_growth")}
        facts: dict[str, Any] = {
            "task": self.task,
            "metric": self.metric,
            "k": list(self.shots.k),
            "verdict": self.verdict,
        }
        facts |= {"rows": len(self.rows), "slopes": [plain(value) for value in self.shots.slope_n]}
        return facts | {name: one.to_json() for name, one in growths.items()}


NOT_ASKED = Quantity(float("nan"), float("nan"), float("nan"), "no rung was scored with shuffled labels")


def shot_tasks(table: pd.DataFrame) -> list[str]:
    """Tasks that were asked with examples."""
    return list(dict.fromkeys(asked(name).task for name in task_names(table) if asked(name).k))


def in_context(
    table: pd.DataFrame, task: str, metric: str | None = None, level: float = 0.90, phase: str | None = "decayed"
) -> InContext:
    """The task's scores over k at every rung that has all of them, held-out ones left out."""
    some = next((name for name in task_names(table) if asked(name).task == task), task)
    metric = metric or metric_of(table, some, ACCURACIES)
    columns = {shuffled: _columns(table, task, metric, shuffled) for shuffled in (False, True)}
    if len(columns[False]) < FEWEST_SHOTS:
        there = ", ".join(shot_tasks(table)) or "none"
        raise Refusal(
            f"{task}/{metric} was asked after one number of examples: score {task}@k=4 too; there are: {there}"
        )
    names = tuple(dict.fromkeys([*columns[False].values(), *columns[True].values()]))
    rows, _ = usable(pretrained(table), ("N", *names), phase, signed=names)
    if rows.empty:
        raise Refusal(f"no finished rung has all of {', '.join(names)}: score them, then ask again")
    shots, shuffled = (
        Shots(tuple(found), rows[list(found.values())].to_numpy(np.float64), metric.startswith("nll"))
        for found in columns.values()
    )
    decades_n, cluster_n = np.log10(rows["N"].to_numpy(np.float64)), clusters_of(rows)
    controlled = shuffled if len(shuffled.k) >= FEWEST_SHOTS else None
    first = names[0].rpartition("/")[0]
    chance, items = (float(rows[f"{first}/{of}"].mean()) if f"{first}/{of}" in rows else nan for of in BESIDE)
    return InContext(
        task,
        metric,
        rows,
        shots,
        controlled,
        slope(decades_n, shots.slope_n, cluster_n, level),
        slope(decades_n, controlled.slope_n, cluster_n, level) if controlled else NOT_ASKED,
        slope(decades_n, shots.slope_n - controlled.slope_n, cluster_n, level) if controlled else NOT_ASKED,
        chance,
        items,
        metric.startswith("acc") and least_likely(_best(rows, shots), items, level) <= chance,
    )


def _best(rows: pd.DataFrame, shots: Shots) -> float:
    """The highest of the means over the rungs of one size and budget."""
    alike = [rows[name].to_numpy() for name in ("N", "D") if name in rows]
    return float(pd.DataFrame(shots.score_nk).groupby(alike).mean().to_numpy().max())


def _columns(table: pd.DataFrame, task: str, metric: str, shuffled: bool) -> dict[int, str]:
    """k -> column; without examples there are no labels to shuffle, and k = 0 belongs to both."""
    found = {}
    for name in task_names(table, (metric,)):
        said = asked(name)
        if said.task == task and (said.shuffled == shuffled or not said.k):
            found[said.k] = f"{name}/{metric}"
    return dict(sorted(found.items()))
