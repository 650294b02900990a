"""The bootstrap: whole clusters drawn again within their strata, the optimum searched anew in every resample."""

import numpy as np

from analysis.laws.jet import Array
from analysis.solve import DRAW_DECREMENT, Problem, polish, residuals, row_values

POOL = 256  # settings of the grid that stand for the whole box when a replicate looks for its start
MOST_GROUPS = 1_000  # more clusters than this are drawn in random groups, whose spread is the same
MOST_ROWS = 20_000  # beyond, a replicate is one Newton step from the optimum, where it lies within rounding of its own


def draw_counts(stratum_c: np.ndarray, replicates: int, seed: int) -> tuple[Array, np.ndarray]:
    """How often each group of clusters is drawn, [replicates, groups], and the group of every cluster."""
    random = np.random.default_rng(seed)
    group_c = np.arange(len(stratum_c))
    if len(stratum_c) > MOST_GROUPS:
        order = np.lexsort((random.permutation(len(stratum_c)), stratum_c))
        group_c = np.empty(len(stratum_c), int)
        group_c[order] = np.arange(len(order)) * MOST_GROUPS // len(order)
    stratum_g = np.zeros(int(group_c.max()) + 1, int)
    stratum_g[group_c] = stratum_c
    counts_rg = np.zeros((replicates, len(stratum_g)))
    for stratum in np.unique(stratum_g):
        members = np.flatnonzero(stratum_g == stratum)
        share = np.full(len(members), 1 / len(members))
        counts_rg[:, members] = random.multinomial(len(members), share, size=replicates)
    return counts_rg, group_c


def resample(problem: Problem, optimum_p: Array, others_gp: Array, group_n: np.ndarray, counts_rg: Array) -> Array:
    """The optimum of every resample, [r, p].

    Every resample weighs all settings of the search (`others_gp`, the best first) by its own objective, and Newton
    goes on from its best setting and from the optimum; the lower end is taken.
    """
    if len(problem.loss_n) > MOST_ROWS:
        return _one_step(problem, optimum_p, group_n, counts_rg)
    deltas = problem.objective.draw_deltas
    weights_rn = counts_rg[:, group_n] * problem.weight_n
    pool_gp = others_gp[:POOL]
    start_r = (weights_rn @ row_values(problem, pool_gp, deltas[0]).T).argmin(axis=1)
    first = polish(problem, pool_gp[start_r], weights_rn, deltas, DRAW_DECREMENT)
    again = polish(problem, np.tile(optimum_p, (len(counts_rg), 1)), weights_rn, deltas, DRAW_DECREMENT)
    return np.where((again.value_r <= first.value_r)[:, None], again.theta_rp, first.theta_rp)


def _one_step(problem: Problem, optimum_p: Array, group_n: np.ndarray, counts_rg: Array) -> Array:
    """One Newton step of every resample from the optimum: gradients and curvatures are sums over groups of rows."""
    residual_n, jacobian_np = residuals(problem, optimum_p)
    scaled_n, jacobian_np = residual_n / problem.noise_n, jacobian_np / problem.noise_n[:, None]
    delta = problem.objective.draw_deltas[-1]
    # Huber's curvature lives on the rows within delta; where those are few, a wider band gives the same curvature.
    band = max(delta, float(np.quantile(np.abs(scaled_n), 0.2)))
    inside_n = (np.abs(scaled_n) <= band) * (min(delta / band, 1.0) if np.isfinite(delta) else 1.0)
    free = np.flatnonzero((optimum_p > problem.low_p) & (optimum_p < problem.high_p))
    moving_np = jacobian_np[:, free]
    groups, count = counts_rg.shape[1], len(free)

    def summed(values_n: Array) -> Array:
        return np.bincount(group_n, values_n * problem.weight_n, minlength=groups)

    gradient_gp = np.stack([summed(np.clip(scaled_n, -delta, delta) * moving_np[:, i]) for i in range(count)], axis=1)
    hessian_gpp = np.empty((groups, count, count))
    for i in range(count):
        for j in range(i + 1):
            hessian_gpp[:, i, j] = hessian_gpp[:, j, i] = summed(inside_n * moving_np[:, i] * moving_np[:, j])
    hessian_rpp = np.tensordot(counts_rg, hessian_gpp, 1)
    # What the optimum itself leaves of the gradient is rounding, and not a resample's.
    gradient_rp = (counts_rg - 1) @ gradient_gp
    size_rp = np.sqrt(np.maximum(np.diagonal(hessian_rpp, axis1=1, axis2=2), 1e-300))
    scaled_rpp = hessian_rpp / (size_rp[:, :, None] * size_rp[:, None, :]) + 1e-13 * np.eye(count)
    step_rp = np.linalg.solve(scaled_rpp, (gradient_rp / size_rp)[..., None])[..., 0] / size_rp
    draws_rp = np.tile(optimum_p, (len(counts_rg), 1))
    draws_rp[:, free] -= step_rp
    return np.clip(draws_rp, problem.low_p, problem.high_p)
