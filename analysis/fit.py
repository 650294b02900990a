"""The one engine that fits every law: certified optimum, bootstrap over trunks, and what the data do not say."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from analysis.conventions import FLOPS_PER_PARAMETER_TOKEN
from analysis.intervals import FEWEST_CLUSTERS, interval, new_trunk_residuals
from analysis.laws import LAWS
from analysis.laws.law import Array, Law
from analysis.selection import Selection, select
from analysis.solve import (
    DRAW_DECREMENT,
    Objective,
    Optimum,
    Problem,
    derivatives,
    make_objectives,
    polish,
    residuals,
    search,
    starts,
)
from harness.refusal import Refusal, pick

Variables = Mapping[str, Any] | pd.DataFrame

# An exponent known to less than this ratio across its interval is not a finding.
WIDEST_RATIO = 2.0
# Curvature along the flattest direction, as a share of the steepest once every parameter has unit curvature.
FLAT_CURVATURE = 1e-8
SAME_OPTIMUM = 1e-6  # relative difference of two starts' objectives that still counts as agreement


@dataclass(frozen=True)
class Optimal:
    """The compute-optimal N and D (arrays over the budgets) with intervals; NaN where the law has no optimum."""

    C: Array
    N: Array
    D: Array
    N_low: Array
    N_high: Array
    D_low: Array
    D_high: Array


@dataclass(frozen=True)
class Fit:
    """A fitted law with everything that it must say of itself; `draws` holds one parameter vector a replicate."""

    law: Law
    parameters: dict[str, float]
    loss: str
    delta: float
    objective: float
    gradient: float
    starts_agreeing: float
    status: tuple[str, ...]
    rows: int
    clusters: int
    excluded: dict[str, int]
    draws: Array = field(repr=False)
    bound_share: dict[str, float] = field(repr=False)  # share of replicates that end at a search bound
    residuals: Array = field(repr=False)  # observed over predicted, in logs
    trunk_residuals: Array = field(repr=False)  # the same as a trunk outside the fit would show them
    data_hash: str
    seed: int

    @property
    def theta(self) -> Array:
        return np.array([self.parameters[name] for name in self.law.parameters])

    @property
    def converged(self) -> bool:
        return "converged" in self.status

    def intervals(self, level: float = 0.90) -> dict[str, tuple[float, float]]:
        """Interval of every parameter: bootstrap over trunks, widened for few of them; NaN without a bootstrap."""
        low, high = interval(self.draws, self.theta, level, self.clusters)
        # No parameter of any law is negative; widening alone could take an end there.
        return {name: (max(float(low[i]), 0.0), float(high[i])) for i, name in enumerate(self.law.parameters)}

    def doubt(self, name: str) -> str:
        """Why the data do not identify the parameter, in words; empty where they do."""
        pick(self.parameters, name, f"parameter of {self.law.name}")
        if not self.converged:
            return "the fit did not converge"
        low, high = self.intervals()[name]
        if self.clusters < FEWEST_CLUSTERS:
            return f"{self.clusters} trunks are too few for an interval; at least {FEWEST_CLUSTERS} are needed"
        if math.isnan(low):
            return "no bootstrap: nothing says how sure it is"
        if self.bound_share[name] >= 0.05 or any(f"bound: {name} " in words for words in self.status):
            return f"{100 * self.bound_share[name]:.0f} % of the resamples end at a bound of the search"
        judged = {exponent.name for exponent in self.law.exponents if exponent.judged}
        if name in judged and (low <= 0 or high > WIDEST_RATIO * low):
            return f"its 90 % interval, {low:.2g} to {high:.2g}, spans more than a factor {WIDEST_RATIO:g}"
        for exponent in self.law.rests_on.get(name, ()):
            if self.doubt(exponent):
                return f"it moves with {exponent}, which is not identified"
        return ""

    def identified(self, name: str) -> bool:
        """Whether the parameter may be printed as a finding; `doubt(name)` says why not."""
        return not self.doubt(name)

    def predict(self, variables: Variables) -> Array:
        """Loss at the variables (arrays, or columns of a table)."""
        return self.law.predict(self.theta, variables)

    def curve_interval(self, variables: Variables, level: float = 0.90) -> tuple[Array, Array]:
        """Interval of the law's curve itself: the spread over resampled trunks alone."""
        return interval(self._draws_at(variables), self.predict(variables), level, self.clusters)

    def predict_interval(self, variables: Variables, level: float = 0.90) -> tuple[Array, Array]:
        """Interval for the loss of a new trunk: spread over resampled trunks and scatter of a trunk's residuals."""
        draws = self._draws_at(variables)
        if len(draws):
            noise = np.random.default_rng(self.seed).choice(self.trunk_residuals, size=(4 * len(draws), 1))
            draws = np.tile(draws, (4, 1)) * np.exp(noise)
        return interval(draws, self.predict(variables), level, self.clusters)

    def _draws_at(self, variables: Variables) -> Array:
        if not len(self.draws):
            return np.empty((0, len(self.predict(variables))))
        return self.law.predict(self.draws, variables)

    def compute_optimal(
        self, compute: Any, level: float = 0.90, flops_per_parameter_token: float = FLOPS_PER_PARAMETER_TOKEN
    ) -> Optimal:
        """N and D of least loss at `compute` FLOPs, where compute = flops_per_parameter_token N D."""
        if self.law.cheapest is None:
            raise Refusal(f"law {self.law.name!r} has no N and D to choose between: fit 'chinchilla' or 'coupled'")
        budgets = np.atleast_1d(np.asarray(compute, np.float64))
        product = budgets / flops_per_parameter_token
        params = self.law.cheapest(self.theta[None], product)[0]
        draws = self.law.cheapest(self.draws, product)
        low, high = interval(draws[np.isfinite(draws).all(axis=1)], params, level, self.clusters)
        return Optimal(budgets, params, product / params, low, high, product / high, product / low)

    def to_json(self) -> dict[str, Any]:
        """Everything but the draws, as plain JSON values; numbers that are not finite become null."""
        return {
            "law": self.law.name,
            "formula": self.law.formula,
            "source": self.law.source,
            "parameters": {name: _plain(number) for name, number in self.parameters.items()},
            "intervals": {name: [_plain(low), _plain(high)] for name, (low, high) in self.intervals().items()},
            "not_identified": {name: self.doubt(name) for name in self.parameters if self.doubt(name)},
            "objective": _plain(self.objective),
            "loss": self.loss,
            "delta": self.delta,
            "gradient": _plain(self.gradient),
            "starts_agreeing": self.starts_agreeing,
            "status": list(self.status),
            "rows": self.rows,
            "clusters": self.clusters,
            "excluded": dict(self.excluded),
            "bootstrap": len(self.draws),
            "seed": self.seed,
            "data_hash": self.data_hash,
        }


def _plain(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None


def fit(
    law: Law | str,
    table: pd.DataFrame,
    loss: str = "huber",
    delta: float = 1e-3,
    bootstrap: int = 1000,
    seed: int = 0,
    phase: str | None = "decayed",
    held_out: bool = False,
) -> Fit:
    """Fits the law to the table's decayed rows (`phase=None`: all), held-out rungs left out unless `held_out`.

    `loss` is huber or lad on log L, log_squares or squares; objectives are sums over rows. Needs the law's variables
    and `loss` as columns; `trunk_id`, where there is one, is the bootstrap's cluster. Refuses what carries no fit.
    """
    declared = pick(LAWS, law, "law") if isinstance(law, str) else law
    if not (math.isfinite(delta) and delta > 0):
        raise Refusal(f"delta={delta}: Huber's function needs a positive width in log loss; 1e-3 is usual")
    objective = pick(make_objectives(delta), loss, "objective")
    selection = select(declared, table, phase, held_out)
    problem, centre, loss_centre = _centred(declared, objective, selection)

    with threadpool_limits(1, "blas"):  # a second thread makes products of this size slower, tenfold on a busy machine
        start_rp = starts(problem)
        optima = polish(problem, start_rp, np.ones((len(start_rp), len(selection.loss_n))), objective.deltas)
        best = int(optima.value_r.argmin())
        draws_rp, bound_share = _bootstrap(problem, optima.theta_rp[best], selection, bootstrap, seed)
    residual_n, jacobian_np = residuals(problem, optima.theta_rp[best])
    found = _natural(declared, optima.theta_rp[best : best + 1], centre, loss_centre)[0]
    return Fit(
        law=declared,
        parameters=dict(zip(declared.parameters, map(float, found), strict=True)),
        loss=loss,
        delta=delta,
        objective=_shown(objective, float(optima.value_r[best]), residual_n, loss_centre),
        **_certify(problem, optima, best),
        rows=len(selection.loss_n),
        clusters=selection.clusters,
        excluded=dict(selection.excluded),
        draws=_natural(declared, draws_rp, centre, loss_centre),
        bound_share=bound_share,
        residuals=-residual_n,
        trunk_residuals=new_trunk_residuals(jacobian_np, -residual_n, selection.cluster_n),
        data_hash=selection.data_hash,
        seed=seed,
    )


def _centred(law: Law, objective: Objective, selection: Selection) -> tuple[Problem, dict[str, float], float]:
    """The problem in variables and losses of size one, with what they were divided by."""

    def centre_of(values: Array) -> float:
        return float(values.min() if law.centre == "smallest" else np.exp(np.log(values).mean()))

    centre = {name: centre_of(values) for name, values in selection.columns.items()}
    columns = {name: values / centre[name] for name, values in selection.columns.items()}
    loss_centre = float(np.exp(np.log(selection.loss_n).mean()))
    return Problem(law, objective, columns, selection.loss_n / loss_centre, selection.cluster_n), centre, loss_centre


def _natural(law: Law, theta_rp: Array, centre: dict[str, float], loss_centre: float) -> Array:
    """Parameters for variables and losses as they were given."""
    count = len(law.coefficients)
    return law.to_natural(np.concatenate([theta_rp[:, :count] * loss_centre, theta_rp[:, count:]], axis=1), centre)


def _shown(objective: Objective, value: float, residual_n: Array, loss_centre: float) -> float:
    """The objective in the user's units: full squares, and the absolute deviation without its rounded corners."""
    return {
        "huber": value,
        "lad": float(np.abs(residual_n).sum()),
        "log_squares": 2 * value,
        "squares": 2 * value * loss_centre * loss_centre,
    }[objective.name]


def _certify(problem: Problem, optima: Optimum, best: int) -> dict[str, Any]:
    """What the search says of its optimum, by the names of `Fit`'s fields."""
    return {
        "gradient": float(optima.gradient_r[best]),
        "starts_agreeing": _agreement(optima, best),
        "status": _status(problem, optima, best),
    }


def _bootstrap(
    problem: Problem, optimum_p: Array, selection: Selection, replicates: int, seed: int
) -> tuple[Array, dict[str, float]]:
    """The optimum of every resample of the trunks, searched globally, and how often each parameter is at a bound."""
    names = problem.law.parameters
    if replicates < 1 or selection.clusters < FEWEST_CLUSTERS:
        return np.empty((0, len(names))), dict.fromkeys(names, 0.0)
    random, clusters = np.random.default_rng(seed), selection.clusters
    counts_rc = random.multinomial(clusters, np.full(clusters, 1 / clusters), size=replicates).astype(np.float64)
    weights_rn = counts_rc[:, selection.cluster_n]
    deltas = problem.objective.draw_deltas
    first = polish(problem, search(problem, counts_rc), weights_rn, deltas, DRAW_DECREMENT)
    again = polish(problem, np.tile(optimum_p, (replicates, 1)), weights_rn, deltas, DRAW_DECREMENT)
    draws_rp = np.where((again.value_r < first.value_r)[:, None], again.theta_rp, first.theta_rp)
    low_p, high_p = problem.law.bounds
    touching = ((draws_rp <= low_p) | (draws_rp >= high_p)).mean(axis=0)
    return draws_rp, dict(zip(names, map(float, touching), strict=True))


def _agreement(optima: Optimum, best: int) -> float:
    """Share of starts that end at the best objective."""
    return float((optima.value_r <= optima.value_r[best] * (1 + SAME_OPTIMUM) + 1e-20).mean())


def _status(problem: Problem, optima: Optimum, best: int) -> tuple[str, ...]:
    """What the fit says of itself, in words: converged or not, at a bound or not, flat or not."""
    law, theta_p = problem.law, optima.theta_rp[best]
    words = ["converged" if optima.converged_r[best] else "not converged: the optimiser stopped before the optimum"]
    low_p, high_p = law.bounds
    held_p = (theta_p <= low_p) | (theta_p >= high_p)
    words += [f"at a bound: {law.parameters[i]} = {theta_p[i]:g}" for i in np.flatnonzero(held_p)]
    ones_1n = np.ones((1, len(problem.loss_n)))
    curvature = derivatives(problem, theta_p[None], ones_1n, problem.objective.deltas[0]).majorant_rpp[0][~held_p][
        :, ~held_p
    ]
    size = np.sqrt(np.abs(np.diagonal(curvature)))
    if (size <= 1e-150).any():
        dead = [name for name, s in zip(np.array(law.parameters)[~held_p], size, strict=True) if s <= 1e-150]
        return (*words, f"flat valley: {', '.join(dead)} moves nothing")
    values, vectors = np.linalg.eigh(curvature / np.outer(size, size))
    if values[0] < FLAT_CURVATURE * values[-1]:
        weight = np.abs(vectors[:, 0])
        mixed = np.array(law.parameters)[~held_p][weight > 0.3 * weight.max()]
        words.append(f"flat valley: the data hold only a combination of {', '.join(mixed)}")
    return tuple(words)
