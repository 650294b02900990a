"""The most likely curve through counts of right answers: Fisher scoring inside bounds, from many starts at once.

Axes: r replicates, g starts, p parameters, n rows.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import xlogy

from analysis.curves.form import Form
from analysis.laws.jet import Array, exponents_as_jets

EDGE = 1e-6  # accuracies are taken no nearer to nought and one: there a wrong answer is impossible
STARTS = 8  # of the grid, from which the curve through all rows is climbed to
STEPS, DONE = 200, 1e-9  # at most, and the gain in log-likelihood below which a step is the last
DAMPING, DOWN, UP, MOST_DAMPING = 1e-3, 0.3, 5.0, 1e12


@dataclass(frozen=True)
class Counts:
    """What was asked: u of every row, and right and wrong answers of every replicate, [r, n]; ties give halves."""

    u_n: Array
    right_rn: Array
    wrong_rn: Array
    chance: float

    @property
    def width(self) -> float:
        return float(np.ptp(self.u_n))

    def at(self, replicates: np.ndarray | slice) -> "Counts":
        return Counts(self.u_n, self.right_rn[replicates], self.wrong_rn[replicates], self.chance)


@dataclass(frozen=True)
class Peak:
    """Where the climb ended: parameters, log-likelihood (binomial coefficients apart), whether it settled."""

    theta_rp: Array
    value_r: Array
    settled_r: np.ndarray

    def at(self, replicates: np.ndarray) -> "Peak":
        return Peak(self.theta_rp[replicates], self.value_r[replicates], self.settled_r[replicates])

    def better(self, other: "Peak") -> "Peak":
        """The higher of two ends, replicate by replicate."""
        other_wins = other.value_r > self.value_r
        return Peak(
            np.where(other_wins[:, None], other.theta_rp, self.theta_rp),
            np.where(other_wins, other.value_r, self.value_r),
            np.where(other_wins, other.settled_r, self.settled_r),
        )


def log_likelihood(accuracy_rn: Array, counts: Counts) -> Array:
    """Of every replicate's counts, binomial coefficients apart, [r]."""
    kept = np.clip(accuracy_rn, EDGE, 1 - EDGE)
    return np.asarray((counts.right_rn * np.log(kept) + counts.wrong_rn * np.log1p(-kept)).sum(axis=1))


def deviance(accuracy_n: Array, right_n: Array, wrong_n: Array) -> float:
    """Twice the log-likelihood that the curve leaves to one that meets every row."""
    items_n = right_n + wrong_n
    saturated = xlogy(right_n, right_n / items_n) + xlogy(wrong_n, wrong_n / items_n)
    kept = np.clip(accuracy_n, EDGE, 1 - EDGE)
    return float(2 * (saturated - right_n * np.log(kept) - wrong_n * np.log1p(-kept)).sum())


def most_likely(form: Form, counts: Counts) -> Peak:
    """The highest end of climbs from the grid's best settings, for one replicate."""
    grid_gp, worth_rg = _grid(form, counts)
    start_gp = grid_gp[np.argsort(-worth_rg[0], kind="stable")[:STARTS]]
    climbed = climb(form, counts.at(np.zeros(len(start_gp), int)), start_gp)
    return climbed.at(climbed.value_r.argmax(axis=0, keepdims=True))


def most_likely_anew(form: Form, counts: Counts, known_p: Array) -> Peak:
    """The higher end, for every replicate, of climbs from a known optimum and from the grid's best setting."""
    grid_gp, worth_rg = _grid(form, counts)
    known = climb(form, counts, np.tile(known_p, (len(counts.right_rn), 1)))
    return known.better(climb(form, counts, grid_gp[worth_rg.argmax(axis=1)]))


def _grid(form: Form, counts: Counts) -> tuple[Array, Array]:
    """The grid, and every replicate's log-likelihood there, [r, g]."""
    grid_gp = form.grid(counts.width, counts.chance)
    kept_gn = np.clip(form.accuracy(grid_gp, counts.u_n, counts.chance), EDGE, 1 - EDGE)
    return grid_gp, counts.right_rn @ np.log(kept_gn).T + counts.wrong_rn @ np.log1p(-kept_gn).T


@np.errstate(all="ignore")  # a step that overflows is not taken
def climb(form: Form, counts: Counts, start_rp: Array) -> Peak:
    """Damped Fisher scoring inside the bounds from one start a replicate."""
    low_p, high_p = form.bounds(counts.width, counts.chance)
    theta_rp = np.clip(start_rp, low_p, high_p)
    value_r = log_likelihood(form.accuracy(theta_rp, counts.u_n, counts.chance), counts)
    damping_r = np.full(len(theta_rp), DAMPING)
    settled_r = np.zeros(len(theta_rp), bool)
    for _ in range(STEPS):
        open_r = np.flatnonzero(~settled_r & (damping_r < MOST_DAMPING))
        if not len(open_r):
            break
        some = counts.at(open_r)
        step_rp, promise_r = _step(form, some, theta_rp[open_r], damping_r[open_r], low_p, high_p)
        there_rp = np.clip(theta_rp[open_r] + step_rp, low_p, high_p)
        reached_r = log_likelihood(form.accuracy(there_rp, counts.u_n, counts.chance), some)
        gain_r = reached_r - value_r[open_r]
        taken = gain_r >= 0
        theta_rp[open_r[taken]], value_r[open_r[taken]] = there_rp[taken], reached_r[taken]
        damping_r[open_r] *= np.where(taken, DOWN, UP)
        settled_r[open_r] = (promise_r < DONE) | (taken & (gain_r < DONE) & (damping_r[open_r] < DAMPING))
    return Peak(theta_rp, value_r, settled_r)


def _step(
    form: Form, counts: Counts, theta_rp: Array, damping_r: Array, low_p: Array, high_p: Array
) -> tuple[Array, Array]:
    """A damped step that pushes against no bound, and the gain that it promises."""
    jet = form.curve(exponents_as_jets(theta_rp, 1), counts.u_n, counts.chance)
    kept_rn = np.clip(jet.value_rn, EDGE, 1 - EDGE)
    slope_rpn = np.broadcast_to(jet.first_rxn, (*theta_rp.shape, len(counts.u_n)))
    spread_rn = kept_rn * (1 - kept_rn)
    items_rn = counts.right_rn + counts.wrong_rn
    gradient_rp = (slope_rpn * ((counts.right_rn - items_rn * kept_rn) / spread_rn)[:, None]).sum(axis=2)
    information_rpp = np.einsum("rpn,rn,rqn->rpq", slope_rpn, items_rn / spread_rn, slope_rpn)
    held_rp = ((theta_rp <= low_p) & (gradient_rp < 0)) | ((theta_rp >= high_p) & (gradient_rp > 0))
    gradient_rp = np.where(held_rp, 0.0, gradient_rp)
    information_rpp = np.where(held_rp[:, :, None] | held_rp[:, None, :], 0.0, information_rpp)
    size_rp = np.sqrt(np.maximum(np.diagonal(information_rpp, axis1=1, axis2=2), 1e-30))
    scaled_rpp = information_rpp / (size_rp[:, :, None] * size_rp[:, None, :])
    scaled_rpp = scaled_rpp + (damping_r[:, None] + np.where(held_rp, 1.0, 1e-12))[:, :, None] * np.eye(len(low_p))
    step_rp = np.linalg.solve(np.nan_to_num(scaled_rpp), (gradient_rp / size_rp)[..., None])[..., 0] / size_rp
    return np.nan_to_num(step_rp), np.nan_to_num((gradient_rp * step_rp).sum(axis=1), nan=np.inf)
