"""The optimiser under every fit: global search by variable projection, then exact damped Newton inside the bounds.

Axes: r settings (starts, replicates), n rows, g grid points, k coefficients, x exponents, p = k + x parameters.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analysis.laws.law import Array, Law

BATCH_NUMBERS = 16_384  # settings times rows that are worked on together: few calls, and arrays that stay in the cache
SEARCH_SETTINGS = 64  # replicates that the grid search solves together
GRID_BATCH_NUMBERS = 4_000_000  # numbers in memory at once in the grid search
MAX_STEPS = 200
# A Newton step that promises less than this share of the objective is rounding; for a bootstrap replicate, far less
# than the replicates differ by.
DECREMENT, DRAW_DECREMENT = 1e-14, 1e-8


@dataclass(frozen=True)
class Objective:
    """What is summed over the rows: a function of residuals of L or of log L; `deltas` are solved one after another."""

    name: str
    logarithmic: bool
    deltas: tuple[float, ...]  # widths of the quadratic middle of Huber's function; inf is half the squared error
    draw_deltas: tuple[float, ...]  # the same for a bootstrap replicate, which needs fewer digits


# The absolute deviation is approached by ever narrower Huber functions, each divided by its width.
LAD_DELTAS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
LAD_DRAW_DELTAS = (1e-3, 1e-4)


def make_objectives(delta: float) -> dict[str, Objective]:
    """The catalogue of objectives: huber(log L), lad = sum |log residual|, log_squares and squares = sum of squares."""
    return {
        "huber": Objective("huber", True, (delta,), (delta,)),
        "lad": Objective("lad", True, LAD_DELTAS, LAD_DRAW_DELTAS),
        "log_squares": Objective("log_squares", True, (np.inf,), (np.inf,)),
        "squares": Objective("squares", False, (np.inf,), (np.inf,)),
    }


@dataclass(frozen=True)
class Problem:
    """Rows to fit: centred variables, the loss divided by its geometric mean, the cluster number of each row."""

    law: Law
    objective: Objective
    columns: Mapping[str, Array]
    loss_n: Array
    cluster_n: np.ndarray


@dataclass(frozen=True)
class Optimum:
    """Where Newton ended: parameters, objective, gradient over the free parameters (scaled by curvature), success."""

    theta_rp: Array
    value_r: Array
    gradient_r: Array
    converged_r: np.ndarray


@dataclass(frozen=True)
class Derivatives:
    """Objective, gradient, exact Hessian, and the Hessian of the quadratic that touches Huber's function from above."""

    value_r: Array
    gradient_rp: Array
    hessian_rpp: Array
    majorant_rpp: Array

    def at(self, settings: np.ndarray) -> "Derivatives":
        return Derivatives(
            self.value_r[settings], self.gradient_rp[settings], self.hessian_rpp[settings], self.majorant_rpp[settings]
        )

    def replace(self, settings: np.ndarray, new: "Derivatives") -> None:
        """Overwrites the chosen settings in place."""
        self.value_r[settings], self.gradient_rp[settings] = new.value_r, new.gradient_rp
        self.hessian_rpp[settings], self.majorant_rpp[settings] = new.hessian_rpp, new.majorant_rpp


def value(problem: Problem, theta_rp: Array, weights_rn: Array, delta: float) -> Array:
    """The objective at every setting."""
    count = len(problem.law.coefficients)
    basis_rnk = problem.law.basis(theta_rp[:, count:], problem.columns, False).value_rnk
    loss_rn = (basis_rnk @ theta_rp[:, :count, None])[..., 0]
    residual_rn, _ = _residuals(problem, loss_rn)
    result: Array = (weights_rn * _huber(residual_rn, delta)).sum(axis=1)
    return result


def _residuals(problem: Problem, loss_rn: Array) -> tuple[Array, Array]:
    """Residuals and their first derivative in the predicted loss."""
    if not problem.objective.logarithmic:
        return loss_rn - problem.loss_n, np.ones_like(loss_rn)
    positive_rn = np.maximum(loss_rn, 1e-30)
    return np.log(positive_rn) - np.log(problem.loss_n), 1 / positive_rn


def _huber(residual_rn: Array, delta: float) -> Array:
    if np.isinf(delta):
        return 0.5 * residual_rn**2
    size = np.abs(residual_rn)
    return np.where(size <= delta, 0.5 * residual_rn**2, delta * (size - 0.5 * delta))


def derivatives(problem: Problem, theta_rp: Array, weights_rn: Array, delta: float) -> Derivatives:
    """The objective at every setting with its exact derivatives."""
    count = len(problem.law.coefficients)
    basis = problem.law.basis(theta_rp[:, count:], problem.columns, True)
    coefficients_rk = theta_rp[:, :count]
    loss_rn = (basis.value_rnk @ coefficients_rk[..., None])[..., 0]
    residual_rn, slope_rn = _residuals(problem, loss_rn)
    exponent_rnx = np.einsum("rk,rnkx->rnx", coefficients_rk, basis.first_rnkx)
    jacobian_rnp = np.concatenate([basis.value_rnk, exponent_rnx], axis=-1)

    distance_rn = np.abs(residual_rn)
    pull_rn = residual_rn if np.isinf(delta) else np.clip(residual_rn, -delta, delta)
    curve_rn = (distance_rn <= delta) * slope_rn**2
    if problem.objective.logarithmic:
        curve_rn = curve_rn - pull_rn * slope_rn**2
    first_rn = weights_rn * pull_rn * slope_rn
    gradient_rp = (first_rn[:, None, :] @ jacobian_rnp)[:, 0]
    turned_rpn = np.swapaxes(jacobian_rnp, 1, 2)
    hessian_rpp = (turned_rpn * (weights_rn * curve_rn)[:, None, :]) @ jacobian_rnp
    softened_rn = weights_rn * slope_rn**2 * (delta / np.maximum(distance_rn, delta) if np.isfinite(delta) else 1.0)
    majorant_rpp = (turned_rpn * softened_rn[:, None, :]) @ jacobian_rnp

    settings, rows, _, exponents = basis.first_rnkx.shape
    mixed_rkx = (first_rn[:, None, :] @ basis.first_rnkx.reshape(settings, rows, -1)).reshape(
        settings, count, exponents
    )
    hessian_rpp[:, :count, count:] += mixed_rkx
    hessian_rpp[:, count:, :count] += np.swapaxes(mixed_rkx, 1, 2)
    hessian_rpp[:, count:, count:] += (coefficients_rk[..., None, None] * basis.second(first_rn)).sum(axis=1)
    return Derivatives((weights_rn * _huber(residual_rn, delta)).sum(axis=1), gradient_rp, hessian_rpp, majorant_rpp)


def residuals(problem: Problem, theta_p: Array) -> tuple[Array, Array]:
    """Log residuals, predicted over observed, and their Jacobian in the centred parameters, [rows, parameters]."""
    count = len(problem.law.coefficients)
    basis = problem.law.basis(theta_p[None, count:], problem.columns, True)
    loss_n = basis.value_rnk[0] @ theta_p[:count]
    jacobian_np = np.concatenate([basis.value_rnk[0], theta_p[:count] @ basis.first_rnkx[0]], axis=-1)
    return np.log(loss_n / problem.loss_n), jacobian_np / loss_n[:, None]


def _batches(problem: Problem, settings: int) -> list[slice]:
    size = max(1, BATCH_NUMBERS // len(problem.loss_n))
    return [slice(start, start + size) for start in range(0, settings, size)]


def polish(
    problem: Problem, theta_rp: Array, weights_rn: Array, deltas: tuple[float, ...], decrement: float = DECREMENT
) -> Optimum:
    """The local optimum that each setting leads to, through the widths of Huber's function in turn."""
    batches = []
    for part in _batches(problem, len(theta_rp)):
        theta = theta_rp[part]
        for delta in deltas:
            optimum = _newton(problem, theta, weights_rn[part], delta, decrement)
            theta = optimum.theta_rp
        batches.append(optimum)
    return Optimum(
        np.concatenate([batch.theta_rp for batch in batches]),
        np.concatenate([batch.value_r for batch in batches]),
        np.concatenate([batch.gradient_r for batch in batches]),
        np.concatenate([batch.converged_r for batch in batches]),
    )


def _newton(problem: Problem, theta_rp: Array, weights_rn: Array, delta: float, decrement: float) -> Optimum:
    """Projected, damped Newton; settings leave the batch as they converge."""
    low_p, high_p = problem.law.bounds
    theta_rp = np.clip(theta_rp, low_p, high_p)
    here = derivatives(problem, theta_rp, weights_rn, delta)
    damping_r = np.full(len(theta_rp), 1e-2)
    norm_r, converged_r = np.full(len(theta_rp), np.inf), np.zeros(len(theta_rp), bool)
    active = np.arange(len(theta_rp))
    tiny_r = 1e-26 * weights_rn.sum(axis=1)  # the objective of a table without noise is rounding
    for _ in range(MAX_STEPS):
        held_rp = _held(theta_rp[active], here.at(active), low_p, high_p)
        step_rp, decrement_r, norm_r[active] = _step(here.at(active), held_rp, damping_r[active])
        converged_r[active] = decrement_r <= decrement * here.value_r[active] + tiny_r[active]
        trial_rp = np.clip(theta_rp[active] + step_rp, low_p, high_p)
        trial = derivatives(problem, trial_rp, weights_rn[active], delta)
        better_r = trial.value_r < here.value_r[active]
        theta_rp[active[better_r]] = trial_rp[better_r]
        here.replace(active[better_r], trial.at(better_r))
        damping_r[active] = np.clip(damping_r[active] * np.where(better_r, 0.1, 8.0), 1e-14, 1e12)
        active = active[~converged_r[active]]
        if not len(active):
            break
    return Optimum(theta_rp, here.value_r, norm_r, converged_r)


def _held(theta_rp: Array, here: Derivatives, low_p: Array, high_p: Array) -> np.ndarray:
    """Parameters that may not move: pushed against a bound, or without effect (a power whose coefficient is nought)."""
    outward_rp = ((theta_rp <= low_p) & (here.gradient_rp >= 0)) | ((theta_rp >= high_p) & (here.gradient_rp <= 0))
    return outward_rp | (np.diagonal(here.majorant_rpp, axis1=1, axis2=2) <= 1e-300)


def _step(here: Derivatives, held_rp: np.ndarray, damping_r: Array) -> tuple[Array, Array, Array]:
    """The damped step, what it promises at most (Newton decrement), and the scaled gradient norm.

    The Hessian is damped by the majorant: far out, where Huber's function is straight, the Hessian has no curvature.
    """
    size_rp = np.diagonal(here.majorant_rpp, axis1=1, axis2=2)
    scale_rp = np.where(held_rp, 0.0, 1 / np.sqrt(np.where(held_rp, 1.0, size_rp)))
    damped_rpp = here.hessian_rpp + damping_r[:, None, None] * here.majorant_rpp
    damped_rpp = damped_rpp * scale_rp[:, :, None] * scale_rp[:, None, :]
    damped_rpp += np.eye(held_rp.shape[1]) * held_rp[:, None, :]
    slope_rp = here.gradient_rp * scale_rp
    eigen_rp, vectors_rpp = np.linalg.eigh(damped_rpp)
    along_rp = (slope_rp[:, None, :] @ vectors_rpp)[:, 0]
    size_rp = np.maximum(np.abs(eigen_rp), 1e-13)
    decrement_r = 0.5 * (1 + damping_r) * (along_rp**2 / size_rp).sum(axis=1)
    step_rp = -(vectors_rpp @ (along_rp / size_rp)[..., None])[..., 0] * scale_rp
    return step_rp, decrement_r, np.sqrt((slope_rp**2).sum(axis=1))


def search(problem: Problem, counts_rc: Array) -> Array:
    """The least-squares optimum over the exponent grid for every replicate, coefficients solved exactly, [r, p]."""
    terms = len(problem.law.coefficients)
    best_rp, best_r = np.zeros((len(counts_rc), len(problem.law.parameters))), np.full(len(counts_rc), -np.inf)
    for part_gx in _grid_parts(problem):
        by_cluster_mgc = _moments(problem, part_gx, counts_rc.shape[1])
        for start in range(0, len(counts_rc), SEARCH_SETTINGS):
            batch = np.arange(start, min(start + SEARCH_SETTINGS, len(counts_rc)))
            coefficients_krg, gain_rg = _solve_counts(by_cluster_mgc, counts_rc[batch], terms)
            at_g = gain_rg.argmax(axis=1)
            rows = np.arange(len(batch))
            better = gain_rg[rows, at_g] > best_r[batch]
            chosen, at_g, rows = batch[better], at_g[better], rows[better]
            best_r[chosen] = gain_rg[rows, at_g]
            best_rp[chosen] = np.concatenate([coefficients_krg[:, rows, at_g].T, part_gx[at_g]], axis=1)
    return best_rp


def _grid_parts(problem: Problem) -> list[Array]:
    """The exponent grid in parts whose arrays fit in memory."""
    grid_gx, terms = problem.law.grid(), len(problem.law.coefficients)
    size = max(1, GRID_BATCH_NUMBERS // (len(problem.loss_n) * terms * (terms + 3)))
    return [grid_gx[start : start + size] for start in range(0, len(grid_gx), size)]


def starts(problem: Problem) -> Array:
    """The best grid point for every value of the first exponent, by the real objective: starts that differ, [r, p]."""
    clusters, terms = int(problem.cluster_n.max()) + 1, len(problem.law.coefficients)
    ones_1n, delta = np.ones((1, len(problem.loss_n))), problem.objective.deltas[0]
    thetas, values = [], []
    for part_gx in _grid_parts(problem):
        moments = _moments(problem, part_gx, clusters)
        coefficients_krg, _ = _solve_counts(moments, np.ones((1, clusters)), terms)
        thetas.append(np.concatenate([coefficients_krg[:, 0].T, part_gx], axis=1))
        values.append(value(problem, thetas[-1], ones_1n, delta))
    first = problem.law.exponents[0].steps
    best = np.concatenate(values).reshape(first, -1).argmin(axis=1)
    result: Array = np.concatenate(thetas).reshape(first, -1, thetas[0].shape[1])[np.arange(first), best]
    return result


def _moments(problem: Problem, grid_gx: Array, clusters: int) -> Array:
    """Entries of the coefficients' normal equations, summed within every cluster, [entry, g, c]."""
    basis_kgn = np.moveaxis(problem.law.basis(grid_gx, problem.columns, False).value_rnk, 2, 0)
    # Dividing a row by its loss makes relative errors, and so to first order errors of the logarithm, count alike.
    weight_n = problem.loss_n**-2 if problem.objective.logarithmic else np.ones_like(problem.loss_n)
    products = [basis_kgn[i] * basis_kgn[j] * weight_n for i in range(len(basis_kgn)) for j in range(i + 1)]
    products += list(basis_kgn * (weight_n * problem.loss_n))
    order = np.argsort(problem.cluster_n, kind="stable")
    firsts = np.searchsorted(problem.cluster_n[order], np.arange(clusters))
    result: Array = np.add.reduceat(np.stack(products)[..., order], firsts, axis=2)
    return result


def _solve_counts(by_cluster_mgc: Array, counts_rc: Array, terms: int) -> tuple[Array, Array]:
    """Coefficients [k, r, g] and their gain [r, g] when cluster c is drawn counts_rc times."""
    sums_mrg = counts_rc @ np.swapaxes(by_cluster_mgc, 1, 2)
    gram = np.empty((terms, terms, *sums_mrg.shape[1:]))
    entries = iter(sums_mrg)
    for i in range(terms):
        for j in range(i + 1):
            gram[i, j] = gram[j, i] = next(entries)
    return solve_nonnegative(gram, sums_mrg[-terms:].copy())


def solve_nonnegative(gram: Array, target: Array) -> tuple[Array, Array]:
    """Non-negative least squares for a batch (trailing axes), and how much each solution gains over nought.

    Where the free solution has a negative coefficient every support is tried; there are few coefficients.
    """
    terms, shape = len(gram), target.shape[1:]
    gram, target = gram.reshape(terms, terms, -1), target.reshape(terms, -1)
    solution, gain = _solve_on(gram, target, np.ones(terms, bool))
    open_cases = np.flatnonzero((solution < 0).any(axis=0))
    solution[:, open_cases] = 0.0
    gain[open_cases] = 0.0
    for number in range(1, 2**terms - 1):
        support = np.array([number >> i & 1 for i in range(terms)], bool)
        trial, trial_gain = _solve_on(gram[..., open_cases], target[:, open_cases], support)
        better = (trial >= 0).all(axis=0) & (trial_gain > gain[open_cases])
        solution[:, open_cases[better]] = trial[:, better]
        gain[open_cases[better]] = trial_gain[better]
    return np.maximum(solution, 0.0).reshape(terms, *shape), gain.reshape(shape)


def _solve_on(gram: Array, target: Array, support: np.ndarray) -> tuple[Array, Array]:
    """Symmetric elimination on the supported coefficients, all cases of the trailing axis at once; gain = b'x."""
    kept = np.flatnonzero(support)
    scale = 1 / np.sqrt(np.maximum(np.einsum("kkc->kc", gram)[kept], 1e-300))
    matrix = gram[np.ix_(kept, kept)] * scale[:, None] * scale[None, :]
    right = target[kept] * scale
    for i in range(len(kept)):
        matrix[i, i] += 1e-13  # two basis functions that no row tells apart still have an answer
        for j in range(i + 1, len(kept)):
            ratio = matrix[j, i] / matrix[i, i]
            matrix[j, i + 1 :] -= ratio * matrix[i, i + 1 :]
            right[j] -= ratio * right[i]
    for i in reversed(range(len(kept))):
        for j in range(i + 1, len(kept)):
            right[i] -= matrix[i, j] * right[j]
        right[i] /= matrix[i, i]
    solution = np.zeros_like(target)
    solution[kept] = right * scale
    return solution, (solution * target).sum(axis=0)
