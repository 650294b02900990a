"""Two steps: the task's loss as a law of N and D, accuracy as a sigmoid of the task's loss (arXiv 2412.04403)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.curves.chance import refuse_at_chance
from analysis.curves.curve import Curve, fit_curve
from analysis.curves.scores import LOSSES, Scores, metric_of, pretrained, scores
from analysis.fit import Fit, Variables, fit
from analysis.laws import LAWS
from analysis.laws.jet import Array
from harness.refusal import pick

TASK_LOSS = "task_loss"


@dataclass(frozen=True)
class TwoStep:
    """Replicate r of the loss goes through replicate r of the accuracy, so that the first step's doubt carries over."""

    task: str
    loss_metric: str
    loss: Fit
    accuracy: Curve

    def predict(self, variables: Variables) -> Array:
        """Accuracy at the law's variables."""
        return self.accuracy.predict(self.loss.predict(variables))

    def draws_at(self, variables: Variables, anew: bool = False) -> Array:
        """Accuracy under every replicate, [r, n], with a new trunk's own loss where `anew`."""
        if self.loss.general_doubt:
            return np.empty((0, len(self.loss.predict(variables))))
        loss_rn = self.loss.draws_at(variables)
        if anew:
            random = np.random.default_rng(self.loss.options.seed)
            loss_rn = loss_rn * np.exp(random.choice(self.loss.trunk_residuals, size=(len(loss_rn), 1)))
        return self.accuracy.draws_at(loss_rn)

    def curve_interval(self, variables: Variables, level: float = 0.90) -> tuple[Array, Array]:
        """Interval of the curve itself."""
        return self.accuracy.spread(self.draws_at(variables), self.predict(variables), level)

    def predict_interval(
        self, variables: Variables, level: float = 0.90, items: float | None = None
    ) -> tuple[Array, Array]:
        """Interval for the score of a new trunk."""
        drawn_rn = self.accuracy.scored_anew(self.draws_at(variables, anew=True), items)
        return self.accuracy.spread(drawn_rn, self.predict(variables), level)

    def to_json(self) -> dict[str, Any]:
        """Both steps as plain JSON values."""
        return {"task": self.task, "loss": self.loss.to_json(), "accuracy": self.accuracy.to_json()}


def two_step(
    table: pd.DataFrame,
    task: str,
    law: str = "chinchilla",
    metric: str | None = None,
    bootstrap: int = 400,
    seed: int = 0,
    phase: str | None = "decayed",
) -> TwoStep:
    """Both steps on the rungs that are not held out; refused where the task is at chance."""
    declared = pick(LAWS, law, "law")
    loss_metric = metric_of(table, task, LOSSES)
    column = f"{task}/{loss_metric}"
    source = ("loss",) if "S" in declared.variables else declared.variables
    found = scores(table, task, (*source, column), metric, phase=phase)
    refuse_at_chance(found, "C" if "C" in found.rows else source[0])
    first = task_loss(found.rows, task, law, loss_metric, bootstrap=bootstrap, seed=seed, phase=None)
    named = Scores(
        task, found.metric, found.rows.assign(**{TASK_LOSS: found.rows[column]}), found.chance, found.items_n
    )
    second = fit_curve("sigmoid_of_loss", named, TASK_LOSS, len(first.draws), seed)
    return TwoStep(task, loss_metric, first, second)


def task_loss(table: pd.DataFrame, task: str, law: str, metric: str | None = None, **options: Any) -> Fit:
    """The law fitted to a task's own loss: of N and D, of C, or (`loss_to_loss`) of the validation loss S."""
    column = f"{task}/{metric or metric_of(table, task, LOSSES)}"
    renamed: Mapping[str, pd.Series] = {"loss": table[column]} | ({"S": table["loss"]} if "loss" in table else {})
    return fit(law, pretrained(table.assign(**renamed)), **options)
