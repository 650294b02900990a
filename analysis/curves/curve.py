"""A fitted curve of accuracy: what it says of itself, with intervals from binomial noise and from trunks.

r replicates, p parameters, n rows, g trunks.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from analysis.curves.binomial import EDGE, Counts, deviance, most_likely, most_likely_anew
from analysis.curves.form import Form
from analysis.curves.forms import FORMS
from analysis.curves.scores import Scores
from analysis.fit import BOUND_SHARE, WIDEST_EXTENT, WIDEST_RATIO, plain
from analysis.intervals import FEWEST_CLUSTERS, new_trunk_interval, new_trunk_residuals
from analysis.laws.jet import Array, exponents_as_jets
from analysis.optimum import Quantity
from harness.refusal import Refusal, pick

WIDEST_CEILING = 0.25  # of accuracy: a ceiling less sure than this is not determined


@dataclass(frozen=True)
class Curve:
    """Accuracy of one task over x; `trunk_spread` is how far trunks differ in log-odds beyond binomial noise."""

    form: Form
    task: str
    metric: str
    x: str
    origin: float  # x0 of the formula
    chance: float
    items: float
    theta: Array  # as the formula sees them: places are distances from the origin
    deviance: float
    trunk_spread: float
    settled: bool
    rows: int
    clusters: int
    at_bound: tuple[str, ...]
    bound_share: dict[str, float] = field(repr=False)
    draws_rp: Array = field(repr=False)

    @property
    def parameters(self) -> dict[str, float]:
        """By name; the middle of a sigmoid as an x."""
        return dict(zip(self.form.names, map(float, self._shown(self.theta)), strict=True))

    @property
    def aic(self) -> float:
        """Akaike's criterion, less what forms share: deviance and two a parameter."""
        return self.deviance + 2 * len(self.theta)

    def _shown(self, theta: Array) -> Array:
        shown: Array = np.array(theta, np.float64)
        for i, parameter in enumerate(self.form.parameters):
            if parameter.kind == "place":
                shown[..., i] = self.form.x(shown[..., i], self.origin)
        return shown

    def predict(self, x: Array) -> Array:
        """Accuracy at x."""
        u = self.form.u(np.asarray(x, np.float64), self.origin)
        return np.asarray(self.form.accuracy(self.theta[None], u, self.chance)[0])

    def draws_at(self, x: Array) -> Array:
        """Accuracy under every replicate, [r, n], at x, [n] or [r, n]."""
        if not len(self.draws_rp):
            return np.empty((0, np.shape(x)[-1]))
        return self.form.accuracy(self.draws_rp, self.form.u(np.asarray(x, np.float64), self.origin), self.chance)

    def curve_interval(self, x: Array, level: float = 0.90) -> tuple[Array, Array]:
        """Interval of the curve itself; NaN without replicates or trunks enough."""
        return self.spread(self.draws_at(x), self.predict(x), level)

    def predict_interval(self, x: Array, level: float = 0.90, items: float | None = None) -> tuple[Array, Array]:
        """Interval for the score of a new trunk on so many items (as many as before)."""
        return self.spread(self.scored_anew(self.draws_at(x), items), self.predict(x), level)

    def spread(self, draws_rn: Array, point_n: Array, level: float) -> tuple[Array, Array]:
        """Quantiles of draws about a point, no further out than accuracies go."""
        low, high = new_trunk_interval(draws_rn, np.zeros(1), point_n, level, self.clusters, logarithmic=False)
        return np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0)

    def scored_anew(self, accuracy_rn: Array, items: float | None = None) -> Array:
        """The accuracies as new trunks would score them: a trunk's own effect, and binomial noise."""
        random = np.random.default_rng(0)
        variance_rn = accuracy_rn * (1 - accuracy_rn)
        noise_rn = np.sqrt(variance_rn / (items or self.items)) * random.standard_normal(accuracy_rn.shape)
        return accuracy_rn + noise_rn + self.trunk_spread * variance_rn * random.standard_normal((len(accuracy_rn), 1))

    def interval(self, name: str, level: float = 0.90) -> Quantity:
        """A parameter with its interval, and why it is not determined where it is not."""
        i = self.form.names.index(name)
        low, high = new_trunk_interval(
            self.draws_rp[:, i], np.zeros(1), self.theta[i], level, self.clusters, logarithmic=False
        )
        kind = self.form.parameters[i].kind
        if kind == "ceiling":
            low, high = np.clip([low, high], self.chance, 1.0)
        elif kind != "place" and np.isfinite(self.form.parameters[i].low):
            low = np.maximum(low, 0.0)
        ends = np.tile(self.theta, (2, 1))
        ends[:, i] = low, high
        shown = self._shown(ends)[:, i]
        return Quantity(self.parameters[name], float(shown[0]), float(shown[1]), self._doubt(name, *map(float, shown)))

    def _doubt(self, name: str, low: float, high: float) -> str:
        kind = self.form.parameters[self.form.names.index(name)].kind
        if not self.settled:
            return "the fit did not settle"
        if self.clusters < FEWEST_CLUSTERS:
            return f"{self.clusters} trunks are too few for an interval; at least {FEWEST_CLUSTERS} are needed"
        if math.isnan(low):
            return "no replicates: nothing says how sure it is"
        if name in self.at_bound:
            return "its best value lies at a bound of the search"
        if self.bound_share[name] >= BOUND_SHARE:
            return f"{100 * self.bound_share[name]:.0f} % of the replicates end at a bound of the search"
        if kind == "ceiling":
            return "its interval is wider than a quarter of all accuracies" if high - low > WIDEST_CEILING else ""
        widest = {"rate": WIDEST_RATIO, "place": math.inf if self.form.of_loss else WIDEST_EXTENT}.get(kind, math.inf)
        if math.isfinite(widest) and (low <= 0 or high > widest * low):
            return f"its interval, {low:.2g} to {high:.2g}, spans more than a factor {widest:g}"
        return ""

    def to_json(self, level: float = 0.90) -> dict[str, Any]:
        """Everything but the replicates, as plain JSON values."""
        names = ("task", "metric", "x", "rows", "clusters", "settled")
        found = {name: self.interval(name, level) for name in self.form.names}
        return {name: getattr(self, name) for name in names} | {
            "form": self.form.name,
            "formula": self.form.formula,
            "source": self.form.source,
            "parameters": {name: plain(value) for name, value in self.parameters.items()},
            "intervals": {name: [plain(one.low), plain(one.high)] for name, one in found.items()},
            "not_determined": {name: one.doubt for name, one in found.items() if one.doubt},
            "x0": self.origin,
            "chance": self.chance,
            "items": self.items,
            "deviance": plain(self.deviance),
            "aic": plain(self.aic),
            "trunk_spread": plain(self.trunk_spread),
            "replicates": len(self.draws_rp),
        }


def fit_curve(form: Form | str, found: Scores, x: str, bootstrap: int = 400, seed: int = 0) -> Curve:
    """The most likely curve of the form over the column x, by binomial likelihood.

    Replicates are counts drawn anew: with the binomial noise of each score, and an effect of each trunk whose spread
    is read from what the trunks leave over.
    """
    declared = pick(FORMS, form, "form of curve") if isinstance(form, str) else form
    x_n = found.rows[x].to_numpy(np.float64)
    _refuse_thin(declared, found, x, x_n)
    origin = declared.origin(x_n)
    items_n, right_n = found.items_n, found.items_n * found.accuracy_n
    counts = Counts(declared.u(x_n, origin), right_n[None], (items_n - right_n)[None], found.chance)
    peak = most_likely(declared, counts)
    theta = peak.theta_rp[0]
    spread = trunk_spread(declared, theta, counts, found.cluster_n)
    drawn_rn = _drawn_anew(declared, theta, counts, found.cluster_n, spread, bootstrap, seed)
    anew = Counts(counts.u_n, items_n * drawn_rn, items_n * (1 - drawn_rn), found.chance)
    draws_rp = most_likely_anew(declared, anew, theta).theta_rp if bootstrap else np.empty((0, len(theta)))
    low_p, high_p = declared.bounds(counts.width, found.chance)
    touching_p = ((draws_rp <= low_p) | (draws_rp >= high_p)).mean(axis=0) if bootstrap else np.zeros(len(theta))
    bound_p = (theta <= low_p) | (theta >= high_p)
    return Curve(
        form=declared,
        task=found.task,
        metric=found.metric,
        x=x,
        origin=origin,
        chance=found.chance,
        items=float(np.median(items_n)),
        theta=theta,
        deviance=deviance(declared.accuracy(theta[None], counts.u_n, found.chance)[0], right_n, items_n - right_n),
        trunk_spread=spread,
        settled=bool(peak.settled_r[0]),
        rows=len(x_n),
        clusters=found.clusters,
        at_bound=tuple(name for name, bound in zip(declared.names, bound_p, strict=True) if bound),
        bound_share=dict(zip(declared.names, map(float, touching_p), strict=True)),
        draws_rp=draws_rp,
    )


def _refuse_thin(form: Form, found: Scores, x: str, x_n: Array) -> None:
    places, wanted = len(np.unique(x_n)), len(form.parameters) + 1
    if places < wanted:
        raise Refusal(
            f"task {found.task} is scored at {places} different {x}: curve {form.name!r} has {len(form.parameters)} "
            f"parameters and needs {wanted}; train more rungs or take a smaller form"
        )


def trunk_spread(form: Form, theta: Array, counts: Counts, cluster_n: np.ndarray) -> float:
    """Standard deviation of a trunk's effect on log-odds, by moments of what the trunks leave over binomial noise."""
    jet = form.curve(exponents_as_jets(theta[None], 1), counts.u_n, counts.chance)
    accuracy_n = np.clip(jet.value_rn[0], EDGE, 1 - EDGE)
    right_n, items_n = counts.right_rn[0], counts.right_rn[0] + counts.wrong_rn[0]
    error_n = np.sqrt(items_n * accuracy_n * (1 - accuracy_n))
    slope_pn = np.broadcast_to(jet.first_rxn[0], (len(theta), len(items_n)))
    pearson_n = (right_n - items_n * accuracy_n) / error_n
    left_n = new_trunk_residuals((slope_pn * (items_n / error_n)).T, pearson_n, cluster_n)
    pulled_g = np.bincount(cluster_n, left_n * error_n)
    binomial_g = np.bincount(cluster_n, error_n**2)
    return float(np.sqrt(max(0.0, ((pulled_g**2).sum() - binomial_g.sum()) / (binomial_g**2).sum())))


def _drawn_anew(
    form: Form, theta: Array, counts: Counts, cluster_n: np.ndarray, spread: float, bootstrap: int, seed: int
) -> Array:
    """Accuracies about the curve, [r, n]."""
    random = np.random.default_rng(seed)
    accuracy_n = form.accuracy(theta[None], counts.u_n, counts.chance)[0]
    variance_n = accuracy_n * (1 - accuracy_n)
    items_n = counts.right_rn[0] + counts.wrong_rn[0]
    binomial_rn = np.sqrt(variance_n / items_n) * random.standard_normal((bootstrap, len(items_n)))
    trunk_rg = spread * random.standard_normal((bootstrap, int(cluster_n.max()) + 1))
    return np.asarray(np.clip(accuracy_n + binomial_rn + variance_n * trunk_rg[:, cluster_n], 0.0, 1.0))
