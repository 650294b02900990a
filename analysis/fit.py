"""The one engine that fits every law: certified optimum, bootstrap over trunks, and what the data do not say."""

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from analysis.certify import Certificate, certify
from analysis.intervals import FEWEST_CLUSTERS, interval, new_trunk_interval, new_trunk_residuals
from analysis.laws import LAWS
from analysis.laws.jet import Array
from analysis.laws.law import Law
from analysis.resample import draw_counts, resample
from analysis.selection import DEARER, Selection, chosen, select
from analysis.solve import SAME_OPTIMUM, Optimum, Problem, make_objectives, polish, residuals, search, starts
from harness.refusal import Refusal, pick

Variables = Mapping[str, Any] | pd.DataFrame

# An exponent known to less than this ratio across its interval is not a finding.
WIDEST_RATIO = 2.0
WIDEST_EXTENT = 10.0  # the same for a scale that no exponent carries, such as a best aspect ratio
SPARE_ROWS = 4  # with fewer rows beyond the parameters, intervals hold a planted truth in half of the worlds
FEWEST_DRAWS = 20
BOUND_SHARE = 0.05  # a parameter at a bound in more resamples than this has no interval
SEARCH_ROWS = 4_000  # the search looks at no more rows than these, drawn at random; the optimum is of all of them
LEAST_SIZE = 1e-100  # of a variable or a target: products of a few powers must still be numbers
LEAST_DELTA = 1e-7  # narrower, Huber's function is the absolute deviation
LOG_DELTA, NOISE_DELTA = 1e-3, 1.345  # widths of Huber's function in log loss (arXiv 2203.15556), and in known noise


@dataclass(frozen=True)
class Options:
    """How to fit. `weights` and `noise` name columns; `delta` is in log loss, or in noise where it is known."""

    objective: str = "huber"
    delta: float | None = None
    bootstrap: int = 1000
    seed: int = 0
    phase: str | None = "decayed"  # None: all
    held_out: bool = False
    weights: str | None = None
    noise: str | None = None
    drop_highest_loss: int = 0

    def __post_init__(self) -> None:
        pick(make_objectives(1.0), self.objective, "objective")
        if self.delta is not None and not (math.isfinite(self.delta) and self.delta >= LEAST_DELTA):
            raise Refusal(
                f"delta={self.delta}: Huber's function needs a width in log loss of {LEAST_DELTA:g} at least; 1e-3 is "
                "usual, and the objective lad has none"
            )
        for name in ("bootstrap", "drop_highest_loss"):
            if getattr(self, name) < 0:
                raise Refusal(f"{name}={getattr(self, name)}: it is a number of rows or replicates, from 0")

    @property
    def logarithmic(self) -> bool:
        """Whether residuals are of the target's logarithm."""
        return make_objectives(1.0)[self.objective].logarithmic

    @property
    def width(self) -> float:
        """Of Huber's quadratic middle."""
        return self.delta or (NOISE_DELTA if self.noise else LOG_DELTA)


@dataclass(frozen=True)
class Fit:
    """A fitted law with everything that it must say of itself; `draws` holds one parameter vector a replicate."""

    law: Law
    options: Options
    parameters: dict[str, float]
    objective: float
    certificate: Certificate
    rows: int
    clusters: int
    excluded: dict[str, int]
    draws: Array = field(repr=False)
    bound_share: dict[str, float] = field(repr=False)  # share of replicates that end at a search bound
    residuals: Array = field(repr=False)  # observed over predicted, in logs (observed less predicted for `squares`)
    trunk_residuals: Array = field(repr=False)  # the same as a trunk outside the fit would show them
    data_hash: str

    @property
    def theta(self) -> Array:
        return np.array([self.parameters[name] for name in self.law.parameters])

    @property
    def status(self) -> tuple[str, ...]:
        return self.certificate.status

    @property
    def converged(self) -> bool:
        return "converged" in self.status

    def interval_of(self, draws: Array, point: Array, level: float = 0.90) -> tuple[Array, Array]:
        """Interval of a quantity from its value under every replicate; NaN where the fit carries none."""
        return interval(draws if not self.general_doubt else draws[:0], point, level, self.clusters)

    def intervals(self, level: float = 0.90) -> dict[str, tuple[float, float]]:
        """Interval of every parameter from the bootstrap over trunks; NaN without one."""
        low, high = self.interval_of(self.draws, self.theta, level)
        return {
            name: (float(low[i]) if name in self.law.signed else max(float(low[i]), 0.0), float(high[i]))
            for i, name in enumerate(self.law.parameters)
        }

    @property
    def covariance(self) -> Array:
        """Joint covariance of the parameters over the resamples, [p, p]; NaN without them."""
        if len(self.draws) < 2:
            return np.full((len(self.theta),) * 2, np.nan)
        with np.errstate(over="ignore", invalid="ignore"):
            return np.atleast_2d(np.cov(self.draws, rowvar=False))

    def doubt(self, name: str) -> str:
        """Why the data do not identify the parameter, in words; empty where they do."""
        law, made_from = self.law, self.law.made_from(name)
        pick(self.parameters, name, f"parameter of {law.name}")
        low, high = self.intervals()[name]
        general = self.general_doubt
        if general:
            return general
        if set(made_from) & set(self.certificate.flat):
            return "the data do not hold it: other values, with others beside them, fit as well"
        if math.isnan(low):
            return "no bootstrap: nothing says how sure it is"
        if set(made_from) & set(self.certificate.bound):
            return "its best value lies at a bound of the search"
        if self.bound_share[name] >= BOUND_SHARE:
            return f"{100 * self.bound_share[name]:.0f} % of the resamples end at a bound of the search"
        widest = WIDEST_RATIO if name in law.judged else WIDEST_EXTENT if name in law.extents else math.inf
        if math.isfinite(widest) and (low <= 0 or high > widest * low):
            return f"its 90 % interval, {low:.2g} to {high:.2g}, spans more than a factor {widest:g}"
        for exponent in law.rests_on.get(name, ()):
            if self.doubt(exponent):
                return f"it moves with {exponent}, which is not identified"
        return ""

    @property
    def general_doubt(self) -> str:
        """Why no parameter of the fit has an interval; empty where they may have."""
        count = len(self.law.parameters)
        if not self.converged:
            return "the fit did not converge"
        if self.clusters < FEWEST_CLUSTERS:
            few = "one trunk is" if self.clusters == 1 else f"{self.clusters} trunks are"
            return f"{few} too few for an interval; at least {FEWEST_CLUSTERS} are needed"
        if self.rows < count + SPARE_ROWS:
            return f"{self.rows} rows are too few for intervals of {count} parameters; {count + SPARE_ROWS} are needed"
        if self.law.on_frontier and self.excluded.get(DEARER):
            return "its rows were chosen for their low losses, and no interval allows for that"
        if 0 < len(self.draws) < FEWEST_DRAWS:
            return f"{len(self.draws)} resamplings are too few for an interval; at least {FEWEST_DRAWS} are needed"
        return ""

    def identified(self, name: str) -> bool:
        """Whether the parameter may be printed as a finding; `doubt(name)` says why not."""
        return not self.doubt(name)

    def predict(self, variables: Variables) -> Array:
        """Loss at the variables (arrays, or columns of a table)."""
        return self.law.predict(self.theta, variables)

    def curve_interval(self, variables: Variables, level: float = 0.90) -> tuple[Array, Array]:
        """Interval of the law's curve itself: the spread over resampled trunks alone."""
        return self.interval_of(self.draws_at(variables), self.predict(variables), level)

    def predict_interval(self, variables: Variables, level: float = 0.90) -> tuple[Array, Array]:
        """Interval for the loss of a new trunk: spread over resampled trunks and scatter of a trunk's residuals."""
        curve, point = self.curve_interval(variables, level), self.predict(variables)
        if np.isnan(curve[0]).all():
            return curve
        draws = np.tile(self.draws_at(variables), (4, 1))
        noise = np.random.default_rng(self.options.seed).choice(self.trunk_residuals, size=(len(draws), 1))
        low, high = new_trunk_interval(draws, noise, point, level, self.clusters, self.options.logarithmic)
        return np.minimum(low, curve[0]), np.maximum(high, curve[1])  # it is never surer than the curve

    def draws_at(self, variables: Variables) -> Array:
        """Loss at the variables under every replicate, [replicates, rows]."""
        if not len(self.draws):
            return np.empty((0, len(self.predict(variables))))
        return self.law.predict(self.draws, variables)

    def to_json(self) -> dict[str, Any]:
        """Everything but the draws, as plain JSON values; numbers that are not finite become null."""
        names = self.law.parameters
        spread = np.sqrt(np.diagonal(self.covariance))
        return {
            "law": self.law.name,
            "formula": self.law.formula,
            "source": self.law.source,
            "parameters": {name: plain(number) for name, number in self.parameters.items()},
            "intervals": {name: [plain(low), plain(high)] for name, (low, high) in self.intervals().items()},
            "standard_errors": {name: plain(error) for name, error in zip(names, spread, strict=True)},
            "covariance": {"parameters": list(names), "matrix": [[plain(x) for x in row] for row in self.covariance]},
            "not_identified": {name: self.doubt(name) for name in self.parameters if self.doubt(name)},
            "objective": plain(self.objective),
            "loss": self.options.objective,
            "delta": self.options.width,
            "status": list(self.status),
            "certificate": self.certificate.to_json(),
            "rows": self.rows,
            "clusters": self.clusters,
            "excluded": dict(self.excluded),
            "bootstrap": len(self.draws),
            "seed": self.options.seed,
            "data_hash": self.data_hash,
        }


def plain(number: float) -> float | None:
    """The number for JSON: null where it is not finite."""
    return float(number) if math.isfinite(number) else None


@np.errstate(all="ignore")  # what overflows is no optimum, and is left behind
def fit(law: Law | str, table: pd.DataFrame, **options: Any) -> Fit:
    """Fits the law to the table's rows; `options` are the fields of `Options`.

    Needs the law's variables and target as columns; `trunk_id`, where there is one, is the bootstrap's cluster, `seed`
    its stratum. Objectives are sums over rows. Refuses what carries no fit.
    """
    declared = pick(LAWS, law, "law") if isinstance(law, str) else law
    wanted = Options(**options)
    selection = selected(declared, table, wanted)
    problem, centre, loss_centre = pose(declared, selection, wanted)
    with one_thread():
        optima, started_rp, settings_gp, searched = optimise(problem)
        best = int(optima.value_r.argmin())
        if not np.isfinite(optima.value_r[best]):
            raise Refusal(
                f"law {declared.name!r} overflows on these rows wherever it is tried: their numbers lie further apart "
                "than arithmetic reaches; drop the rows that are out of place"
            )
        draws_rp = _bootstrap(problem, optima, settings_gp, selection, wanted)
        certificate = certify(problem, optima, started_rp, *searched)
    residual_n, jacobian_np = residuals(problem, optima.theta_rp[best])
    left_n = -residual_n if wanted.logarithmic else -residual_n * loss_centre
    usual = float(np.median(problem.noise_n))  # a new row is foretold with the usual noise
    root_n = np.sqrt(problem.weight_n) / problem.noise_n
    trunk_residuals = new_trunk_residuals(jacobian_np * root_n[:, None], left_n * root_n, selection.cluster_n)
    known_n = problem.weight_n > 0
    touching_p = ((draws_rp <= problem.low_p) | (draws_rp >= problem.high_p)).mean(axis=0) if len(draws_rp) else 0.0
    touching = dict(zip(declared.coordinates, np.broadcast_to(touching_p, len(declared.coordinates)), strict=True))
    found = natural(declared, optima.theta_rp[best : best + 1], centre, loss_centre)[0]
    return Fit(
        law=declared,
        options=wanted,
        parameters=dict(zip(declared.parameters, map(float, found), strict=True)),
        objective=_shown(problem, float(optima.value_r[best]), residual_n, loss_centre),
        certificate=certificate,
        rows=len(selection.loss_n),
        clusters=selection.clusters,
        excluded=dict(selection.excluded),
        draws=natural(declared, draws_rp, centre, loss_centre),
        bound_share={
            name: max(float(touching[coordinate]) for coordinate in declared.made_from(name))
            for name in declared.parameters
        },
        residuals=left_n,
        trunk_residuals=trunk_residuals[known_n] * usual / np.sqrt(problem.weight_n[known_n]),
        data_hash=selection.data_hash,
    )


def rows_for(law: Law, table: pd.DataFrame, options: Options) -> tuple[pd.DataFrame, dict[str, int]]:
    """The rows that the options leave to the law, and counts of the others by the reason."""
    extra = tuple(name for name in (options.weights, options.noise) if name)
    dropped = options.drop_highest_loss
    return chosen(law, table, options.phase, options.held_out, extra, dropped, options.logarithmic)


def selected(law: Law, table: pd.DataFrame, options: Options) -> Selection:
    """Those rows as the engine wants them; refused where they cannot carry the law."""
    return select(law, *rows_for(law, table, options), options.weights, options.noise, FEWEST_CLUSTERS)


def pose(
    law: Law, selection: Selection, wanted: Options, centred: bool = True
) -> tuple[Problem, dict[str, float], float]:
    """The problem in variables (where `centred`) and targets of size one, with what they were divided by."""

    def centre_of(values: Array) -> float:
        if not centred:
            return 1.0
        return float(values.min() if law.centre == "smallest" else np.exp(np.log(values).mean()))

    centre = {name: centre_of(values) for name, values in selection.columns.items()}
    centre |= {name: centre[other] for name, other in law.centred_with.items()}
    for name, size in centre.items():
        if not LEAST_SIZE < size < 1 / LEAST_SIZE:
            raise Refusal(f"{name} is about {size:.2g}, beyond what powers of it can be computed with: change its unit")
    columns = {name: values / centre[name] for name, values in selection.columns.items()}
    objective = make_objectives(wanted.width)[wanted.objective]
    loss_n, noise_n = selection.loss_n, selection.noise_n
    loss_centre = float(np.exp(np.log(loss_n).mean()) if objective.logarithmic else np.abs(loss_n).mean())
    if wanted.noise:
        noise_n = noise_n / (loss_n if objective.logarithmic else loss_centre)
    weight_n = selection.weight_n
    return Problem(law, objective, columns, loss_n / loss_centre, weight_n, noise_n, *law.bounds), centre, loss_centre


def optimise(problem: Problem) -> tuple[Optimum, Array, Array, tuple[int, float]]:
    """Optima of all rows and their starts; the search's settings, the best first; its starts, and how many agree.

    Where there are many rows the search looks at some of them, and its best ends are the starts for all.
    """
    rows, some = len(problem.loss_n), problem
    if rows > SEARCH_ROWS:
        some = problem.rows(np.sort(np.random.default_rng(0).choice(rows, SEARCH_ROWS, replace=False)))
    theta_gp, value_g = search(some)
    start_rp = starts(problem.law, theta_gp, value_g)
    deltas = problem.objective.deltas
    optima = polish(some, start_rp, some.weight_n[None], deltas)
    least = optima.value_r.min()
    searched = len(start_rp), float((optima.value_r <= least * (1 + SAME_OPTIMUM) + 1e-20).mean())
    if some is not problem:
        distinct = np.unique(np.round(np.log(optima.value_r + 1e-300), 4), return_index=True)[1][:3]
        start_rp = optima.theta_rp[distinct]
        optima = polish(problem, start_rp, problem.weight_n[None], deltas)
    best = int(optima.value_r.argmin())
    if not optima.converged_r[best]:  # it was left behind by starts that ended sooner, and higher
        optima.replace(best, polish(problem, optima.theta_rp[best : best + 1], problem.weight_n[None], deltas))
    return optima, start_rp, theta_gp[value_g.argsort()], searched


def natural(law: Law, theta_rp: Array, centre: Mapping[str, float], loss_centre: float) -> Array:
    """Parameters for variables and targets as they were given."""
    count = len(law.coefficients)
    return law.to_natural(np.concatenate([theta_rp[:, :count] * loss_centre, theta_rp[:, count:]], axis=1), centre)


def _shown(problem: Problem, value: float, residual_n: Array, loss_centre: float) -> float:
    """The objective in the user's units: full squares, and the absolute deviation without its rounded corners."""
    return {
        "huber": value,
        "lad": float((problem.weight_n * np.abs(residual_n / problem.noise_n)).sum()),
        "log_squares": 2 * value,
        "squares": 2 * value * loss_centre * loss_centre,
    }[problem.objective.name]


def _bootstrap(problem: Problem, optima: Optimum, settings_gp: Array, selection: Selection, wanted: Options) -> Array:
    if wanted.bootstrap < 1 or selection.clusters < FEWEST_CLUSTERS:
        return np.empty((0, optima.theta_rp.shape[1]))
    counts_rg, group_c = draw_counts(selection.stratum_c, wanted.bootstrap, wanted.seed)
    return resample(problem, optima, settings_gp, group_c[selection.cluster_n], counts_rg)


@cache
def _threads() -> ThreadpoolController:
    return ThreadpoolController()


def one_thread() -> AbstractContextManager[Any]:
    """A second thread makes products of this size slower, tenfold on a busy machine."""
    limited: AbstractContextManager[Any] = _threads().limit(limits=1, user_api="blas")
    return limited
