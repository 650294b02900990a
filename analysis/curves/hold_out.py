"""Held-out scores foretold: the largest model's accuracy from the smaller ones, by every curve and naive baseline."""

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from analysis.curves.chance import refuse_at_chance
from analysis.curves.curve import fit_curve
from analysis.curves.forms import BASELINE, DIRECT
from analysis.curves.scores import ACCURACIES, Scores, pretrained, scores, task_names
from analysis.curves.two_step import two_step
from analysis.fit import plain
from analysis.laws.jet import Array
from harness.refusal import Refusal

CARRIED, TWO_STEP = "carried", "two_step"
METHODS = (*DIRECT, TWO_STEP, CARRIED)
BASELINES = (BASELINE, CARRIED)  # a straight line; the score of the fitted rung with the most x


@dataclass(frozen=True)
class Foretold:
    """One held-out score by one method, as shares; `inside` is None where there is no interval."""

    task: str
    run_id: str
    method: str
    observed: float
    predicted: float
    low: float
    high: float

    @property
    def error(self) -> float:
        """Predicted less observed, in points."""
        return 100 * (self.predicted - self.observed)

    @property
    def inside(self) -> bool | None:
        return bool(self.low <= self.observed <= self.high) if np.isfinite(self.low) else None


@dataclass(frozen=True)
class HeldOutScores:
    """Every method on every task; `chosen` is the method that foretold the largest fitted size best from the others."""

    x: str
    level: float
    foretold: tuple[Foretold, ...]
    refused: dict[str, str]  # task, or task and method -> why it is not there
    chosen: str  # "" where the fitted rungs are too few to choose by
    rehearsal: dict[str, float] = field(default_factory=dict)  # mean error in points on the largest fitted size

    def errors(self) -> dict[str, float]:
        """Method -> mean size of its errors in points, over the tasks that every listed method foretold."""
        return mean_errors(self.foretold)

    def of(self, method: str) -> list[Foretold]:
        return [one for one in self.foretold if one.method == method]

    def words(self) -> list[str]:
        """What was chosen by what, and how it came out beside the baselines."""
        if not self.chosen:
            return ["The fitted rungs are too few to choose a curve by."]
        own, errors, way = self.of(self.chosen), self.errors(), self.chosen.replace("_", " ")
        ways = len(set(self.rehearsal) - set(BASELINES))
        naive = ", ".join(f"{name.replace('_', ' ')} by {errors[name]:.1f}" for name in BASELINES if name in errors)
        return [
            f"Of {ways} ways, {way} was chosen: it foretold the largest fitted size "
            f"best from the smaller ones, with a mean error of {self.rehearsal[self.chosen]:.1f} points.",
            f"On {len(own)} held-out scores it errs by {errors[self.chosen]:.1f} points in the mean, "
            f"{sum(one.inside is True for one in own)} of them inside their {100 * self.level:.0f} % intervals; naive "
            f"baselines err: {naive}.",
        ]

    def to_table(self) -> pd.DataFrame:
        """A row per task, held-out rung and method."""
        return pd.DataFrame([vars(one) | {"error_points": one.error, "inside": one.inside} for one in self.foretold])

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        rows = [
            {name: plain(cell) if isinstance(cell, float) else cell for name, cell in row.items()}
            for row in self.to_table().to_dict("records")
        ]
        facts = {"x": self.x, "level": self.level, "chosen": self.chosen, "errors": self.errors()}
        return facts | {"rehearsal": self.rehearsal, "foretold": rows, "refused": self.refused}


def mean_errors(foretold: Iterable[Foretold]) -> dict[str, float]:
    """Mean absolute error in points of every method that foretold all that any did."""
    by_method: dict[str, dict[tuple[str, str], float]] = {}
    for one in foretold:
        by_method.setdefault(one.method, {})[one.task, one.run_id] = abs(one.error)
    most = max(map(len, by_method.values()), default=0)
    return {name: float(np.mean([*found.values()])) for name, found in by_method.items() if len(found) == most}


def hold_out(
    table: pd.DataFrame,
    tasks: Sequence[str] | None = None,
    x: str = "C",
    items: float | None = None,
    level: float = 0.90,
    bootstrap: int = 400,
    seed: int = 0,
) -> HeldOutScores:
    """Scores of held-out rungs, or where none are declared of the largest model, foretold from the others.

    The method is chosen without them: by how each foretells the largest of the fitted sizes from those below it.
    """
    names = list(tasks) if tasks is not None else task_names(table, ACCURACIES)
    table = pretrained(table)
    marked = largest_apart(table) if not _declared(table) else table
    foretold, refused = _foretell(marked, names, x, items, level, bootstrap, seed)
    if not foretold:
        raise Refusal(f"no held-out score can be foretold: {next(iter(refused.values()), 'no task was scored')}")
    fitted = marked[~marked["held_out"].to_numpy(bool)]
    rehearsed, _ = _foretell(largest_apart(fitted), names, x, items, level, 0, seed)
    rehearsal = mean_errors(rehearsed)
    candidates = [name for name in mean_errors(foretold) if name in rehearsal and name not in BASELINES]
    chosen = min(candidates, key=lambda name: rehearsal[name], default="")
    return HeldOutScores(x, level, tuple(foretold), refused, chosen, rehearsal)


def rehearsed_form(known: Sequence[Scores], x: str) -> str:
    """The form that foretells each task's score at the largest x best from those at smaller ones; "" for none."""
    errors: dict[str, list[float]] = {}
    for found in known:
        x_n = found.rows[x].to_numpy(np.float64)
        apart = x_n == x_n.max()
        for name in DIRECT:
            with contextlib.suppress(Refusal):
                curve = fit_curve(name, found.keep(~apart), x, bootstrap=0)
                errors.setdefault(name, []).append(
                    float(np.abs(curve.predict(x_n[apart]) - found.accuracy_n[apart]).mean())
                )
    means = {name: np.mean(own) for name, own in errors.items() if len(own) == len(known) and name != BASELINE}
    return min(means, key=lambda name: means[name], default="")


def _declared(table: pd.DataFrame) -> bool:
    return "held_out" in table.columns and bool(table["held_out"].any())


def largest_apart(table: pd.DataFrame) -> pd.DataFrame:
    """The table with every run of the largest N held out."""
    if "N" not in table.columns:
        raise Refusal("the table has no column 'N': name the rungs to hold out in a column held_out")
    return table.assign(held_out=table["N"] == table["N"].max())


def _foretell(
    table: pd.DataFrame, tasks: Sequence[str], x: str, items: float | None, level: float, bootstrap: int, seed: int
) -> tuple[list[Foretold], dict[str, str]]:
    """Every task by every method, and why not where not."""
    foretold: list[Foretold] = []
    refused: dict[str, str] = {}
    for task in tasks:
        try:
            every = scores(table, task, (x,), items=items, held_out=True)
            held_n = every.rows["held_out"].to_numpy(bool)
            known, held = every.keep(~held_n), every.keep(held_n)
            if not len(held.rows):
                raise Refusal(f"no held-out rung has a score of {task}")
            refuse_at_chance(known, x, level)
        except Refusal as refusal:
            refused[task] = str(refusal)
            continue
        for method in METHODS:
            try:
                found = _by(method, table, known, held, x, level, bootstrap, seed)
            except Refusal as refusal:
                refused[f"{task}: {method}"] = str(refusal)
                continue
            foretold += _rows(task, method, held, *found)
    return foretold, refused


def _by(
    method: str, table: pd.DataFrame, known: Scores, held: Scores, x: str, level: float, bootstrap: int, seed: int
) -> tuple[Array, Array, Array]:
    """The method's word on the held-out rows, with the ends of its interval."""
    at, items = held.rows[x].to_numpy(np.float64), float(np.median(held.items_n))
    if method == CARRIED:
        value = known.accuracy_n[int(known.rows[x].to_numpy(np.float64).argmax())]
        return np.full(len(at), value), *(np.full(len(at), np.nan),) * 2
    if method == TWO_STEP:
        both = two_step(table, known.task, metric=known.metric, bootstrap=bootstrap, seed=seed)
        return both.predict(held.rows), *both.predict_interval(held.rows, level, items)
    curve = fit_curve(method, known, x, bootstrap, seed)
    return curve.predict(at), *curve.predict_interval(at, level, items)


def _rows(task: str, method: str, held: Scores, value: Array, low: Array, high: Array) -> list[Foretold]:
    runs = held.rows.get("run_id", held.rows.index.to_series())
    cells = zip(runs, held.accuracy_n, value, low, high, strict=True)
    return [Foretold(task, str(run), method, *map(float, numbers)) for run, *numbers in cells]
