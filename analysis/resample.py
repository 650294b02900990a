"""The bootstrap: whole clusters drawn again within their strata, the optimum searched anew in every resample."""

import numpy as np

from analysis.laws.jet import Array
from analysis.solve import DRAW_DECREMENT, SAME_OPTIMUM, Optimum, Problem, polish, residuals, row_values

POOL_NUMBERS = 500_000  # settings times rows that are weighed together
CHECKED = 100  # replicates that are searched from a second start, and all are if one of these ends lower there
MOST_GROUPS = 1_000  # more clusters than this are drawn in random groups, whose spread is the same
# With more rows a replicate is one Newton step from the optimum: at 8,000 rows of the pair law its spread is within 1 %
# of the full search's, and their draws correlate at .9996.
MOST_ROWS = 8_000


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


def resample(problem: Problem, optima: Optimum, settings_gp: Array, group_n: np.ndarray, counts_rg: Array) -> Array:
    """The optimum of every resample, [r, p].

    Every resample weighs the settings of the search (`settings_gp`, the best first) and all optima that it led to by
    its own objective, and Newton goes on from the best of them. The first go on from the best setting as well.
    """
    best = int(optima.value_r.argmin())
    if len(problem.loss_n) > MOST_ROWS:
        return _one_step(problem, optima.theta_rp[best], group_n, counts_rg)
    deltas, grid_gp = problem.objective.draw_deltas, settings_gp
    weights_rn = counts_rg[:, group_n] * problem.weight_n
    _, others = np.unique(np.round(np.log(optima.value_r + 1e-300), 6), return_index=True)
    pool_gp = np.concatenate([grid_gp, optima.theta_rp[others]])
    parts = np.array_split(pool_gp, max(1, pool_gp.shape[0] * len(problem.loss_n) // POOL_NUMBERS))
    worth = [weights_rn @ row_values(problem, part_gp, deltas[0]).T for part_gp in parts]
    worth_rg = np.nan_to_num(np.concatenate(worth, axis=1), nan=np.inf)
    found = polish(problem, pool_gp[worth_rg.argmin(axis=1)], weights_rn, deltas, DRAW_DECREMENT)

    def anew(part: slice) -> Optimum:
        start_rp = grid_gp[worth_rg[part, : len(grid_gp)].argmin(axis=1)]
        return polish(problem, start_rp, weights_rn[part], deltas, DRAW_DECREMENT)

    checked = slice(0, CHECKED)
    if not (anew(checked).value_r < found.value_r[checked] * (1 - SAME_OPTIMUM)).any():
        return found.theta_rp
    second = anew(slice(None))
    return np.where((found.value_r <= second.value_r)[:, None], found.theta_rp, second.theta_rp)


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
        return np.asarray(np.bincount(group_n, values_n * problem.weight_n, minlength=groups), np.float64)

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
    return np.asarray(np.clip(draws_rp, problem.low_p, problem.high_p))
