"""Compute-optimal N and D by the three approaches of arXiv 2203.15556, with an audit of every isoFLOP parabola.

Axes: r replicates, n rows of the table, m rows of one budget, s sizes, b budgets (or bins of compute).
"""

import contextlib
import math
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.fit import BOUND_SHARE, WIDEST_RATIO, Fit, Options, fit, one_thread, plain, selected
from analysis.intervals import FEWEST_CLUSTERS, interval
from analysis.laws import LAWS
from analysis.laws.jet import Array
from analysis.parabola import (
    FEWEST_SIZES,
    MOST_BIAS,
    RULES,
    SAME_SIZE,
    Curve,
    Refused,
    audit,
    finite_exp,
    parabola,
    resampled_vertices,
    sizes_of,
)
from analysis.resample import draw_counts
from analysis.selection import clusters_of, usable
from analysis.wording import estimate, percent, power_of_ten
from harness.refusal import Refusal, pick

LEVEL = 0.90
TOLERANCE = 0.10  # a budget's rows lie within this share of its middle; a gap in compute wider than it parts budgets
FEWEST_POINTS = 3  # a line through two points has no residual to judge it by
BIN = 10**0.25  # approach 1 takes the best row of every quarter of a decade of compute
FURTHER = 10.0  # how far beyond the largest budget the bias is carried: one decade

NAMES = {1: "approach 1 (lower envelope)", 2: "approach 2 (isoFLOP parabolas)"}
OVER = {1: "bins of compute", 2: "budgets", 3: "rows"}


@dataclass(frozen=True)
class Exponent:
    """An exponent with its 90 % interval, and in `doubt` why it is not a finding (empty where it is)."""

    value: float
    low: float
    high: float
    doubt: str

    def words(self) -> str:
        if self.doubt:
            return f"not identified: {self.doubt}"
        value, ends = estimate(self.value, self.low, self.high)
        return f"{value} ({ends})"

    def to_json(self) -> dict[str, Any]:
        numbers = {"value": plain(self.value), "interval": [plain(self.low), plain(self.high)]}
        return numbers | {"not_identified": self.doubt}


@dataclass(frozen=True)
class Allocation:
    """N* = N_centre (C / C_centre)^a and D* = D_centre (C / C_centre)^b, as one approach finds them."""

    approach: int
    a: Exponent
    b: Exponent
    C_centre: float
    N_centre: float
    D_centre: float
    points: int  # bins, budgets or rows that it rests on
    clusters: int
    draws_r2: Array = field(repr=False, compare=False)  # a and log N_centre of every replicate, NaN where it has none

    def params_at(self, compute: Any) -> Array:
        """N* at these FLOPs."""
        return np.asarray(self.N_centre * (np.asarray(compute, np.float64) / self.C_centre) ** self.a.value)

    def tokens_at(self, compute: Any) -> Array:
        """D* at these FLOPs."""
        return np.asarray(self.D_centre * (np.asarray(compute, np.float64) / self.C_centre) ** self.b.value)

    def params_interval(self, compute: Any, level: float = LEVEL) -> tuple[Array, Array]:
        """Interval of N* at these FLOPs; NaN without a bootstrap."""
        budgets = np.atleast_1d(np.asarray(compute, np.float64))
        logs = np.log(budgets / self.C_centre)
        draws_r2 = self.draws_r2[np.isfinite(self.draws_r2).all(axis=1)]
        low, high = interval(
            draws_r2[:, 1:] + draws_r2[:, :1] * logs, np.log(self.params_at(budgets)), level, self.clusters
        )
        with np.errstate(over="ignore"):
            return np.exp(low), np.exp(high)

    def to_json(self) -> dict[str, Any]:
        numbers = {name: plain(getattr(self, name)) for name in ("C_centre", "N_centre", "D_centre")}
        return {"a": self.a.to_json(), "b": self.b.to_json(), "points": self.points} | numbers


@dataclass(frozen=True)
class Budget:
    """One isoFLOP class: its rows, its parabola, the optimum, and whether it may take part."""

    C: float  # geometric mean of its rows'
    rows: pd.DataFrame = field(repr=False, compare=False)  # with N, D, C and loss
    curve: Curve | None  # None with fewer than three sizes
    N: float  # the optimum; NaN where there is none
    N_low: float
    N_high: float
    D: float
    loss: float
    refused: Refused | None
    bias: float = math.nan  # relative error of N that approach 3's law, without noise, shows on this very grid

    def to_json(self) -> dict[str, Any]:
        numbers = {name: plain(getattr(self, name)) for name in ("C", "N", "D", "loss", "bias")}
        ends = {"N_interval": [plain(self.N_low), plain(self.N_high)], "rows": len(self.rows)}
        return numbers | ends | {"refused": self.refused.to_json() if self.refused else None}


@dataclass(frozen=True)
class Bias:
    """What approach 2 gets wrong on these grids without any noise, if approach 3's law is the truth."""

    a: float  # its exponent less the law's
    C: float  # a budget `FURTHER` beyond the largest
    N: float  # relative error of N* carried there

    def to_json(self) -> dict[str, Any]:
        return {name: plain(getattr(self, name)) for name in ("a", "C", "N")}


@dataclass(frozen=True)
class Agreement:
    """Approach 2's a less approach 3's, both fitted to the same resamples, and whether the interval contains nought."""

    difference: float
    low: float
    high: float
    agree: bool

    def to_json(self) -> dict[str, Any]:
        ends = [plain(self.low), plain(self.high)]
        return {"difference": plain(self.difference), "interval": ends, "agree": self.agree}


@dataclass(frozen=True)
class IsoFlop:
    """The three approaches side by side; what the data do not carry is the reason in its place."""

    envelope: Allocation | str
    parabolas: Allocation | str
    parametric: Allocation | str
    budgets: tuple[Budget, ...]  # by rising C; none where the table has no isoFLOP classes
    loose: int  # rows that share their compute with no other size
    bias: Bias | str
    agreement: Agreement | str
    fit: Fit | None = field(repr=False)  # approach 3's
    law: str
    rows: int
    clusters: int
    excluded: dict[str, int]
    flops_per_parameter_token: float  # the table's median C / (N D)
    bootstrap: int
    options: Options  # of approach 3's fit

    @property
    def names(self) -> dict[int, str]:
        """What the approaches are called; the third by its law and objective."""
        return _names(self.law, self.options)

    @property
    def approaches(self) -> dict[int, Allocation | str]:
        return {1: self.envelope, 2: self.parabolas, 3: self.parametric}

    @property
    def refused(self) -> tuple[Budget, ...]:
        return tuple(budget for budget in self.budgets if budget.refused)

    def words(self) -> list[str]:
        """Sentences for a terminal or a report."""
        names = self.names
        sentences = [_approach_in_words(names[number], OVER[number], one) for number, one in self.approaches.items()]
        if self.refused:
            sentences.append(_refusals_in_words(self.budgets))
        return [*sentences, *_bias_in_words(self.bias, self.budgets), _agreement_in_words(self.agreement)]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; a number that is not finite becomes null, what is not to be had its reason."""

        def told(found: Allocation | Bias | Agreement | str) -> dict[str, Any]:
            return {"refused": found} if isinstance(found, str) else found.to_json()

        named = ("law", "rows", "clusters", "loose", "flops_per_parameter_token", "bootstrap")
        return {name: getattr(self, name) for name in named} | {
            "seed": self.options.seed,
            "objective": self.options.objective,
            "excluded": dict(self.excluded),
            "approaches": {str(number): told(found) for number, found in self.approaches.items()},
            "budgets": [budget.to_json() for budget in self.budgets],
            "bias": told(self.bias),
            "agreement": told(self.agreement),
        }


def isoflop(
    table: pd.DataFrame,
    bootstrap: int = 1000,
    law: str = "chinchilla",
    phase: str | None = "decayed",
    **options: Any,
) -> IsoFlop:
    """The three approaches on a table with N, D, C and loss; refused where it carries none of them.

    `trunk_id`, where there is one, is the bootstrap's cluster; held-out rows are left out. `options` are those of
    `analysis.fit.fit` for the law; which rows they leave out, no approach sees.
    """
    pick(LAWS, law, "law")
    wanted = Options(**options | {"bootstrap": bootstrap, "phase": None, "held_out": True})
    columns = [name for name in (wanted.weights, wanted.noise) if name]
    if LAWS[law].cheapest is not None:
        columns += [name for name in LAWS[law].variables if name in table]
    rows, excluded = usable(table, tuple(dict.fromkeys(("N", "D", "C", "loss", *columns))), phase)
    if wanted.drop_highest_loss:
        kept = np.argsort(rows["loss"].to_numpy(), kind="stable")[: -wanted.drop_highest_loss]
        excluded[f"among the {wanted.drop_highest_loss} highest losses"] = len(rows) - len(kept)
        rows, wanted = rows.iloc[np.sort(kept)], replace(wanted, drop_highest_loss=0)
    if rows.empty:
        why = "; ".join(f"{count} left out: {reason}" for reason, count in excluded.items())
        raise Refusal(f"no row has N, D, C and a loss: finish a rung first{' (' + why + ')' if why else ''}")
    study = _Study(rows, law, wanted, *_resamples(rows, law, wanted))
    with one_thread():
        parametric, known = study.parametric()
        envelope = study.envelope()
        parabolas, budgets, loose = study.parabolas(known)
    found = {1: envelope, 2: parabolas, 3: parametric}
    if all(isinstance(one, str) for one in found.values()):
        reasons = "; ".join(f"{name}: {found[number]}" for number, name in _names(law, wanted).items())
        raise Refusal(f"{len(rows)} rows carry no compute-optimal size. {reasons}")
    return IsoFlop(
        envelope=envelope,
        parabolas=parabolas,
        parametric=parametric,
        budgets=budgets,
        loose=loose,
        bias=_bias(budgets, known),
        agreement=_agreement(parabolas, parametric),
        fit=known,
        law=law,
        rows=len(rows),
        clusters=study.clusters,
        excluded=excluded,
        flops_per_parameter_token=study.factor,
        bootstrap=len(study.counts_rg) - 1,
        options=wanted,
    )


def _names(law: str, options: Options) -> dict[int, str]:
    return NAMES | {3: f"approach 3 ({law}, {options.objective})"}


def _resamples(rows: pd.DataFrame, law: str, options: Options) -> tuple[np.ndarray, np.ndarray, Array]:
    """The trunk and the group of every row, and how often each group stands in each resample, [1 + r, g].

    The first of them is the table itself, the others are those of the law's own fit.
    """
    cluster_n = clusters_of(rows, ("N", "D", "loss"))
    stratum_c = np.zeros(int(cluster_n.max()) + 1, int)
    with contextlib.suppress(Refusal):  # where the law cannot be fitted, approach 3 says why
        selection = selected(LAWS[law], rows, options)
        if len(selection.loss_n) == len(rows):
            cluster_n, stratum_c = selection.cluster_n, selection.stratum_c
    clusters = len(stratum_c)
    replicates = options.bootstrap if clusters >= FEWEST_CLUSTERS else 0
    counts_rg, group_c = draw_counts(stratum_c, replicates, options.seed)
    return cluster_n, group_c[cluster_n], np.concatenate([np.ones((1, counts_rg.shape[1])), counts_rg])


def groups(rows: pd.DataFrame) -> list[np.ndarray]:
    """Positions of the rows of every isoFLOP class, by rising C; a row alone at its compute is a class of its own.

    They are cut at every gap of C wider than `TOLERANCE`, and at the widest others until each lies within `TOLERANCE`
    of its middle; refused where no class has the sizes for a parabola.
    """
    log_C_n = np.log(rows["C"].to_numpy(np.float64))
    rising = np.argsort(log_C_n, kind="stable")
    waiting = np.split(rising, np.flatnonzero(np.diff(log_C_n[rising]) > math.log1p(TOLERANCE)) + 1)[::-1]
    found = []
    while waiting:
        members = waiting.pop()
        gaps = np.diff(log_C_n[members])
        if gaps.sum() > 2 * math.log1p(TOLERANCE):
            cut = int(gaps.argmax()) + 1
            waiting += [members[cut:], members[:cut]]
        else:
            found.append(np.sort(members))
    log_N_n = np.log(rows["N"].to_numpy(np.float64))
    most = max(len(sizes_of(log_N_n[members])[0]) for members in found)
    if most < FEWEST_SIZES:
        raise Refusal(
            f"no isoFLOP classes: at most {most} sizes share a compute within {100 * TOLERANCE:.0f} %, and a parabola "
            f"needs {FEWEST_SIZES}; train {FEWEST_SIZES} or more sizes at each of {FEWEST_POINTS} budgets"
        )
    return found


@dataclass(frozen=True)
class _Study:
    """The rows and their resamples, which every approach shares."""

    rows: pd.DataFrame
    law: str
    options: Options
    cluster_n: np.ndarray
    group_n: np.ndarray
    counts_rg: Array  # the first row is the table itself

    @property
    def clusters(self) -> int:
        return int(self.cluster_n.max()) + 1

    @property
    def factor(self) -> float:
        """FLOPs a parameter and token, as the table counts them."""
        return float((self.rows["C"] / (self.rows["N"] * self.rows["D"])).median())

    @property
    def log_C_centre(self) -> float:
        return float(np.log(self.rows["C"].to_numpy(np.float64)).mean())

    def counts(self, members: np.ndarray) -> Array:
        """How often these rows stand in the table and in every resample, [1 + r, m]."""
        return self.counts_rg[:, self.group_n[members]]

    def logs(self, name: str) -> Array:
        return np.asarray(np.log(self.rows[name].to_numpy(np.float64)))

    def envelope(self) -> Allocation | str:
        """Approach 1: power laws through the best row of every bin of compute that no cheaper bin beats.

        A best row jumps from row to row between resamples, so that its interval is a rough one.
        """
        log_C_n, log_N_n, log_D_n = (self.logs(name) for name in ("C", "N", "D"))
        loss_n = self.rows["loss"].to_numpy(np.float64)
        bins, inner = _bins(log_C_n), []
        for members in bins:
            best = log_N_n[members[loss_n[members].argmin()]]
            if (log_N_n[members] < best - SAME_SIZE).any() and (log_N_n[members] > best + SAME_SIZE).any():
                inner.append(members)
        best_rb = np.zeros((len(self.counts_rg), len(inner)), int)
        loss_rb = np.empty(best_rb.shape)
        for b, members in enumerate(inner):
            rising = members[np.argsort(loss_n[members], kind="stable")]
            there_rm = self.counts(rising) > 0
            best_rb[:, b] = rising[there_rm.argmax(axis=1)]
            loss_rb[:, b] = np.where(there_rm.any(axis=1), loss_n[best_rb[:, b]], np.inf)
        cheaper_rb = np.minimum.accumulate(np.pad(loss_rb, ((0, 0), (1, 0)), constant_values=np.inf), axis=1)[:, :-1]
        on_rb = loss_rb < cheaper_rb
        if on_rb[0].sum() < FEWEST_POINTS:
            return (
                f"{on_rb[0].sum()} of {len(bins)} bins of compute have their best row between smaller and larger sizes "
                f"and below all cheaper ones, and a power law needs {FEWEST_POINTS}: train more sizes at each compute"
            )
        log_C_rb, log_N_rb, log_D_rb = (np.where(on_rb, logs[best_rb], np.nan) for logs in (log_C_n, log_N_n, log_D_n))
        lines = [_lines(log_C_rb, logs_rb, self.log_C_centre) for logs_rb in (log_N_rb, log_D_rb)]
        return self.allocation(1, *lines[0], *lines[1], int(on_rb[0].sum()))

    def parabolas(self, known: Fit | None) -> tuple[Allocation | str, tuple[Budget, ...], int]:
        """Approach 2: a power law through the minima of the parabolas that pass the audit, all budgets, loose rows."""
        try:
            classes = groups(self.rows)
        except Refusal as refusal:
            return str(refusal), (), len(self.rows)
        log_N_n = self.logs("N")
        drawn = [self.budget(members, known) for members in classes if len(sizes_of(log_N_n[members])[0]) > 1]
        budgets = tuple(budget for budget, _ in drawn)
        loose = len(self.rows) - sum(len(budget.rows) for budget in budgets)
        taken = [b for b, budget in enumerate(budgets) if budget.refused is None]
        if len(taken) < FEWEST_POINTS:
            reason = (
                f"{len(taken)} of {len(budgets)} budgets have a usable minimum, and a power law needs {FEWEST_POINTS}: "
                f"train sizes on both sides of the minimum at {FEWEST_POINTS} budgets"
            )
            return reason, budgets, loose
        log_C_b = np.log([budgets[b].C for b in taken])
        log_N_rb = np.stack([drawn[b][1] for b in taken], axis=1)
        a_r, log_N_r = _lines(log_C_b, log_N_rb, self.log_C_centre)
        log_D_r = self.log_C_centre - math.log(self.factor) - log_N_r
        return self.allocation(2, a_r, log_N_r, 1 - a_r, log_D_r, len(taken)), budgets, loose

    def budget(self, members: np.ndarray, known: Fit | None) -> tuple[Budget, Array]:
        """A budget and the log of its best N, in the table and in every resample."""
        rows = self.rows.iloc[members]
        curve = parabola(rows["N"], rows["loss"])
        vertex_r = np.full(len(self.counts_rg), np.nan)
        if curve is not None:
            clusters_m, counts_rm = self.cluster_n[members], self.counts(members)
            vertex_r = resampled_vertices(curve, rows["N"], rows["loss"], clusters_m, counts_rm)
        draws = vertex_r[1:][np.isfinite(vertex_r[1:])]
        ends = interval(draws, np.asarray(vertex_r[0]), LEVEL, self.clusters)
        best, low, high = (finite_exp(float(log)) for log in (vertex_r[0], *ends))
        budget_C = float(np.exp(self.logs("C")[members].mean()))
        found = Budget(
            C=budget_C,
            rows=rows,
            curve=curve,
            N=best,
            N_low=low,
            N_high=high,
            D=budget_C / (self.factor * best),
            loss=float(curve.at(best)) if curve and math.isfinite(best) else math.nan,
            refused=audit(rows["N"], curve),
        )
        return found if known is None else _against_law(found, known), vertex_r

    def parametric(self) -> tuple[Allocation | str, Fit | None]:
        """Approach 3: the law's own optimum, of slope a = beta / (alpha + beta) in logarithms."""
        cheapest = LAWS[self.law].cheapest
        if cheapest is None:
            able = ", ".join(sorted(name for name, law in LAWS.items() if law.cheapest is not None))
            return f"law {self.law!r} has no N and D to choose between; those that have: {able}", None
        try:
            known = fit(self.law, self.rows, **vars(self.options))
        except Refusal as refusal:
            return str(refusal), None
        if not known.converged:
            return "the fit did not converge: " + ", ".join(known.status), None
        log_C = self.log_C_centre + np.array([0.0, 1.0])
        theta_rp = np.concatenate([known.theta[None], known.draws])
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            log_N_rc = np.log(cheapest(theta_rp, np.exp(log_C) / self.factor))
            a_r = log_N_rc[:, 1] - log_N_rc[:, 0]
        if not math.isfinite(a_r[0]):
            return "the fitted law has no best size: one of its terms is nought; train more sizes and budgets", None
        log_D_r = self.log_C_centre - math.log(self.factor) - log_N_rc[:, 0]
        found = self.allocation(3, a_r, log_N_rc[:, 0], 1 - a_r, log_D_r, len(self.rows))
        share = max((known.bound_share[name] for name in known.law.judged), default=0.0)
        if share >= BOUND_SHARE:
            doubt = f"{100 * share:.0f} % of the resamples end at a bound of the search"
            found = replace(found, a=replace(found.a, doubt=doubt), b=replace(found.b, doubt=doubt))
        return found, known

    def allocation(
        self, approach: int, a_r: Array, log_N_r: Array, b_r: Array, log_D_r: Array, points: int
    ) -> Allocation:
        """From exponents and logarithms at the centre, of the table first and then of every resample."""
        return Allocation(
            approach=approach,
            a=self.exponent(a_r),
            b=self.exponent(b_r),
            C_centre=math.exp(self.log_C_centre),
            N_centre=math.exp(log_N_r[0]),
            D_centre=math.exp(log_D_r[0]),
            points=points,
            clusters=self.clusters,
            draws_r2=np.stack([a_r[1:], log_N_r[1:]], axis=1),
        )

    def exponent(self, value_r: Array) -> Exponent:
        draws = value_r[1:][np.isfinite(value_r[1:])]
        value = float(value_r[0])
        low, high = (float(end) for end in interval(draws, np.asarray(value), LEVEL, self.clusters))
        doubt = ""
        if self.clusters < FEWEST_CLUSTERS:
            trunks = "1 trunk is" if self.clusters == 1 else f"{self.clusters} trunks are"
            doubt = f"{trunks} too few for an interval; at least {FEWEST_CLUSTERS} are needed"
        elif math.isnan(low):
            doubt = "no bootstrap: nothing says how sure it is"
        elif low <= 0 or high > WIDEST_RATIO * low:
            doubt = f"the {100 * LEVEL:.0f} % interval spans more than a factor {WIDEST_RATIO:g}"
        return Exponent(value, low, high, doubt)


def _against_law(budget: Budget, known: Fit) -> Budget:
    """The budget with the relative error of N that the fitted law, without noise, shows on its own rows.

    Rows whose compute drifts with their size tilt a parabola as well, which no rule about sizes sees.
    """
    found, true = _noiseless(budget, known)
    bias = finite_exp(found - true) - 1
    refused = budget.refused
    if refused is None and not abs(bias) <= MOST_BIAS:
        missed = f"misses its best size by {percent(bias)}" if math.isfinite(bias) else "has no minimum"
        words = (
            f"even a noiseless parabola of the fitted law {missed} on these rows, and {100 * MOST_BIAS:.0f} % is all "
            "that is allowed: give every size the same compute, or keep those near the minimum"
        )
        refused = Refused("biased", bias, MOST_BIAS, words)
    return replace(budget, bias=bias, refused=refused)


def _bias(budgets: tuple[Budget, ...], known: Fit | None) -> Bias | str:
    """The power law through noiseless parabolas against the one through the law's true optima."""
    taken = [budget for budget in budgets if budget.refused is None]
    if known is None:
        return "without approach 3's law there is no truth to hold approach 2 against"
    if len(taken) < FEWEST_POINTS:
        return "approach 2 has no power law whose bias could be told"
    log_C_b = np.log([budget.C for budget in taken])
    furthest = float(np.log(FURTHER) + np.log([budget.C for budget in budgets]).max())
    log_N_2b = np.array([_noiseless(budget, known) for budget in taken]).T
    (a, true_a), (log_N, true_log_N) = _lines(log_C_b, log_N_2b, furthest)
    return Bias(float(a - true_a), math.exp(furthest), finite_exp(float(log_N - true_log_N)) - 1)


def _noiseless(budget: Budget, known: Fit) -> tuple[float, float]:
    """log N of least loss as a parabola finds it on the budget's grid under the law, and the law's own."""
    cheapest = known.law.cheapest
    assert cheapest is not None  # approach 3 keeps no fit without it
    curve = parabola(budget.rows["N"], known.predict(budget.rows))
    product = float(np.exp(np.log(budget.rows["N"] * budget.rows["D"]).mean()))
    true = math.log(float(cheapest(known.theta[None], np.array([product]))[0, 0]))
    return curve.vertex if curve else math.nan, true


def _bins(log_C_n: Array) -> list[np.ndarray]:
    """Rows by rising compute in bins of a factor `BIN`, each of which begins at a row, so that no budget is cut."""
    order = np.argsort(log_C_n, kind="stable")
    bins, start = [], 0
    while start < len(order):
        end = int(np.searchsorted(log_C_n[order], log_C_n[order[start]] + math.log(BIN) - 1e-9))
        bins.append(order[start:end])
        start = end
    return bins


def _lines(x_rb: Array, y_rb: Array, centre: float) -> tuple[Array, Array]:
    """Slope of y in x by least squares over the finite y of every replicate, and y at the centre; NaN below two."""
    weight_rb = np.isfinite(y_rb).astype(np.float64)
    x_rb, y_rb = (np.where(weight_rb > 0, values, 0.0) for values in (x_rb, y_rb))
    with np.errstate(divide="ignore", invalid="ignore"):
        count_r = weight_rb.sum(axis=1)
        x_mean_r, y_mean_r = x_rb.sum(axis=1) / count_r, y_rb.sum(axis=1) / count_r
        off_rb = weight_rb * (x_rb - x_mean_r[:, None])
        slope_r = (off_rb * y_rb).sum(axis=1) / (off_rb**2).sum(axis=1)
        slope_r = np.where(count_r > 1, slope_r, np.nan)
    return np.asarray(slope_r), np.asarray(y_mean_r + slope_r * (centre - x_mean_r))


def _agreement(parabolas: Allocation | str, parametric: Allocation | str) -> Agreement | str:
    """The difference of the exponents, resample by resample."""
    lead = "whether approaches 2 and 3 agree cannot be told"
    for number, found in {2: parabolas, 3: parametric}.items():
        if isinstance(found, str):
            return f"{lead}: there is no approach {number}"
        if found.a.doubt:
            return f"{lead}: the exponent of approach {number} is not identified"
    assert not isinstance(parabolas, str)
    assert not isinstance(parametric, str)
    difference = parabolas.a.value - parametric.a.value
    draws = parabolas.draws_r2[:, 0] - parametric.draws_r2[:, 0]
    draws = draws[np.isfinite(draws)]
    low, high = (float(end) for end in interval(draws, np.asarray(difference), LEVEL, parabolas.clusters))
    return Agreement(difference, low, high, low <= 0 <= high)


def _approach_in_words(name: str, over: str, found: Allocation | str) -> str:
    if isinstance(found, str):
        return f"{name}: none, since {found}."
    lead = f"{name}, {found.points} {over}"
    if found.a.doubt and found.a.doubt == found.b.doubt:
        return f"{lead}: a and b are not identified: {found.a.doubt}."
    a, b = (f"{'is' if e.doubt else '='} {e.words()}" for e in (found.a, found.b))
    return f"{lead}: N* ~ C^a with a {a}, D* ~ C^b with b {b}."


def _refusals_in_words(budgets: tuple[Budget, ...]) -> str:
    """How many parabolas take no part, by rule, and of every rule its dearest budget."""
    refused = {budget.C: budget.refused for budget in budgets if budget.refused}
    counts = Counter(reason.rule for reason in refused.values())
    by_rule = ", ".join(f"{counts[rule]} with {words}" for rule, words in RULES.items() if counts[rule])
    dearest = {reason.rule: f"At {power_of_ten(C)} FLOPs: {reason.words}." for C, reason in refused.items()}
    if len(dearest) > 1:
        dearest.pop("few", None)
    return " ".join([f"{len(refused)} of {len(budgets)} budgets take no part, {by_rule}.", *dearest.values()])


def _bias_in_words(bias: Bias | str, budgets: tuple[Budget, ...]) -> list[str]:
    if isinstance(bias, str):
        return []
    shares = [budget.bias for budget in budgets if budget.refused is None]
    ends = dict.fromkeys(percent(end) for end in (min(shares), max(shares)))
    return [
        f"Expected bias of approach 2 on these sizes, were approach 3's law true and without noise: N* by "
        f"{' to '.join(ends)} at the budgets and {percent(bias.N)} carried to {power_of_ten(bias.C)} FLOPs, "
        f"a by {bias.a:+.3f}."
    ]


def _agreement_in_words(agreement: Agreement | str) -> str:
    if isinstance(agreement, str):
        return f"{agreement[0].upper()}{agreement[1:]}."
    value, ends = estimate(agreement.difference, agreement.low, agreement.high)
    return f"Approaches 2 and 3 {'agree' if agreement.agree else 'disagree'}: their a differ by {value} ({ends})."
