"""The optimiser under every fit: global search by variable projection, then exact damped Newton inside the bounds.

Axes: r settings (starts, replicates), n rows, g grid points, k coefficients, x exponents, p = k + x parameters.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analysis.laws.jet import Array
from analysis.laws.law import Law

BATCH_NUMBERS = 16_384  # settings times rows that are worked on together: few calls, and arrays that stay in the cache
STARTS = 12  # parts of the first exponent's range, each of which gives the search's best point in it as a start
SURE_STARTS = 6  # the best of these, where the search has looked at every combination of a fine grid
MOST_DAMPING = 1e12
DOWN, UP = 0.5, 4.0  # damping after a step that was taken, and after one that was not
MAX_STEPS, DRAW_STEPS, LAGGARDS = 2000, 200, 3
SAME_OPTIMUM = 1e-6  # relative difference of two objectives that still counts as agreement
# A Newton step that promises less than this share of the objective is rounding; for a bootstrap replicate, far less
# than the replicates differ by.
DECREMENT, DRAW_DECREMENT = 1e-14, 1e-7
ON_THE_WAY = 1e-6  # the same for a width that another follows


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
    """Rows to fit: centred variables, the target divided by its size, each row's weight and known noise.

    Residuals are divided by `noise_n` (one where no noise is known) before Huber's function sees them.
    """

    law: Law
    objective: Objective
    columns: Mapping[str, Array]
    loss_n: Array
    weight_n: Array
    noise_n: Array
    low_p: Array
    high_p: Array

    def rows(self, chosen: np.ndarray | slice) -> "Problem":
        """The same problem on some of its rows."""
        columns = {name: values[chosen] for name, values in self.columns.items()}
        parts = (self.loss_n[chosen], self.weight_n[chosen], self.noise_n[chosen])
        return Problem(self.law, self.objective, columns, *parts, self.low_p, self.high_p)


@dataclass(frozen=True)
class Optimum:
    """Where Newton ended: parameters, objective, gradient over the free parameters (scaled by curvature), success."""

    theta_rp: Array
    value_r: Array
    gradient_r: Array
    converged_r: np.ndarray

    def replace(self, number: int, new: "Optimum") -> None:
        """Overwrites one setting's end in place by the only one of the new."""
        self.theta_rp[number], self.value_r[number] = new.theta_rp[0], new.value_r[0]
        self.gradient_r[number], self.converged_r[number] = new.gradient_r[0], new.converged_r[0]


@dataclass(frozen=True)
class Derivatives:
    """Objective, gradient, Hessian, and the Hessian of the quadratic that touches Huber's function from above."""

    value_r: Array
    gradient_rp: Array
    hessian_rpp: Array
    majorant_rpp: Array

    @property
    def finite(self) -> np.ndarray:
        """Settings where nothing has overflowed."""
        sizes = [self.value_r, np.abs(self.gradient_rp).sum(axis=1)]
        sizes += [np.abs(part).sum(axis=(1, 2)) for part in (self.hessian_rpp, self.majorant_rpp)]
        return np.asarray(np.isfinite(np.sum(sizes, axis=0)))

    def at(self, settings: np.ndarray) -> "Derivatives":
        return Derivatives(
            self.value_r[settings], self.gradient_rp[settings], self.hessian_rpp[settings], self.majorant_rpp[settings]
        )

    def replace(self, settings: np.ndarray, new: "Derivatives", chosen: np.ndarray) -> None:
        """Overwrites the settings in place by the chosen ones of the new."""
        self.value_r[settings], self.gradient_rp[settings] = new.value_r[chosen], new.gradient_rp[chosen]
        self.hessian_rpp[settings], self.majorant_rpp[settings] = new.hessian_rpp[chosen], new.majorant_rpp[chosen]


def row_values(problem: Problem, theta_rp: Array, delta: float) -> Array:
    """What each row adds to the objective, its weight apart, at every setting, [r, n]."""
    count = len(problem.law.coefficients)
    basis_rkn = problem.law.basis(theta_rp[:, count:], problem.columns, 0).value_rkn
    residual_rn, _ = _residuals(problem, (theta_rp[:, None, :count] @ basis_rkn)[:, 0])
    return _huber(residual_rn, delta)


def _residuals(problem: Problem, loss_rn: Array) -> tuple[Array, Array]:
    """Residuals over their noise, and their first derivative in the predicted loss."""
    if not problem.objective.logarithmic:
        return (loss_rn - problem.loss_n) / problem.noise_n, np.broadcast_to(1 / problem.noise_n, loss_rn.shape)
    positive_rn = np.maximum(loss_rn, 1e-30)
    return np.log(positive_rn / problem.loss_n) / problem.noise_n, 1 / (positive_rn * problem.noise_n)


def _huber(residual_rn: Array, delta: float) -> Array:
    if np.isinf(delta):
        return 0.5 * residual_rn**2
    size = np.abs(residual_rn)
    inner = np.minimum(size, delta)
    result: Array = inner * (size - 0.5 * inner)
    return result


def derivatives(problem: Problem, theta_rp: Array, weights_rn: Array, delta: float, exact: bool = True) -> Derivatives:
    """The objective at every setting with its derivatives; `exact=False` leaves the law's own curvature out.

    That part is weighed by residuals of either sign, and a Newton step hardly misses it. Many rows are summed in parts.
    """
    if len(problem.loss_n) <= 2 * BATCH_NUMBERS:
        return _derivatives(problem, theta_rp, weights_rn, delta, exact)
    parts = [slice(start, start + BATCH_NUMBERS) for start in range(0, len(problem.loss_n), BATCH_NUMBERS)]
    sums = [_derivatives(problem.rows(part), theta_rp, weights_rn[:, part], delta, exact) for part in parts]
    names = ("value_r", "gradient_rp", "hessian_rpp", "majorant_rpp")
    return Derivatives(*(np.sum([getattr(part, name) for part in sums], axis=0) for name in names))


def _derivatives(problem: Problem, theta_rp: Array, weights_rn: Array, delta: float, exact: bool) -> Derivatives:
    count = len(problem.law.coefficients)
    basis = problem.law.basis(theta_rp[:, count:], problem.columns, 2 if exact else 1)
    settings, _, exponents, rows = basis.first_rkxn.shape
    coefficients_r1k = theta_rp[:, None, :count]
    loss_rn = (coefficients_r1k @ basis.value_rkn)[:, 0]
    residual_rn, slope_rn = _residuals(problem, loss_rn)
    exponent_rxn = (coefficients_r1k @ basis.first_rkxn.reshape(settings, count, -1)).reshape(settings, exponents, rows)
    jacobian_rpn = np.concatenate([basis.value_rkn, exponent_rxn], axis=1)

    distance_rn = np.abs(residual_rn)
    pull_rn = residual_rn if np.isinf(delta) else np.clip(residual_rn, -delta, delta)
    steep_rn = weights_rn * slope_rn**2
    curve_rn = (distance_rn <= delta) * 1.0
    if problem.objective.logarithmic:
        curve_rn -= pull_rn * problem.noise_n
    first_rn = weights_rn * pull_rn * slope_rn
    gradient_rp = (jacobian_rpn @ first_rn[..., None])[..., 0]
    turned_rnp = np.swapaxes(jacobian_rpn, 1, 2)
    hessian_rpp = (jacobian_rpn * (steep_rn * curve_rn)[:, None]) @ turned_rnp
    softened_rn = steep_rn * (delta / np.maximum(distance_rn, delta) if np.isfinite(delta) else 1.0)
    majorant_rpp = (jacobian_rpn * softened_rn[:, None]) @ turned_rnp

    mixed_rkx = (basis.first_rkxn @ first_rn[:, None, :, None])[..., 0]
    hessian_rpp[:, :count, count:] += mixed_rkx
    hessian_rpp[:, count:, :count] += np.swapaxes(mixed_rkx, 1, 2)
    if exact:
        hessian_rpp[:, count:, count:] += (theta_rp[:, :count, None, None] * basis.second(first_rn)).sum(axis=1)
    value_r = (weights_rn * _huber(residual_rn, delta)).sum(axis=1)
    return Derivatives(value_r, gradient_rp, hessian_rpp, majorant_rpp)


def residuals(problem: Problem, theta_p: Array) -> tuple[Array, Array]:
    """Residuals of log L, or of L where the objective is of L, and their Jacobian in the centred parameters, [n, p]."""
    count = len(problem.law.coefficients)
    basis = problem.law.basis(theta_p[None, count:], problem.columns, 1)
    loss_n = theta_p[:count] @ basis.value_rkn[0]
    jacobian_pn = np.concatenate([basis.value_rkn[0], np.tensordot(theta_p[:count], basis.first_rkxn[0], 1)])
    if not problem.objective.logarithmic:
        return loss_n - problem.loss_n, jacobian_pn.T
    positive_n = np.maximum(loss_n, 1e-30)
    return np.log(positive_n / problem.loss_n), (jacobian_pn / positive_n).T


def polish(
    problem: Problem,
    theta_rp: Array,
    weights_rn: Array,
    deltas: tuple[float, ...],
    decrement: float = DECREMENT,
    held: Mapping[int, Array] | None = None,
) -> Optimum:
    """The local optimum that each setting leads to, through the widths of Huber's function in turn.

    `held` fixes parameters by number to a value for each setting. Weights are [r, n], or [1, n] for all settings.
    """
    exact = decrement < DRAW_DECREMENT
    low_rp, high_rp = (np.tile(bound, (len(theta_rp), 1)) for bound in (problem.low_p, problem.high_p))
    for number, value_r in (held or {}).items():
        low_rp[:, number] = high_rp[:, number] = value_r
    size = max(1, BATCH_NUMBERS // len(problem.loss_n))
    batches = []
    for start in range(0, len(theta_rp), size):
        part = slice(start, start + size)
        weights = weights_rn[part] if len(weights_rn) > 1 else weights_rn
        theta = theta_rp[part]
        for delta in deltas:
            enough = decrement if delta == deltas[-1] else max(decrement, ON_THE_WAY)
            optimum = _newton(problem, theta, weights, delta, enough, (low_rp[part], high_rp[part]), exact)
            theta = optimum.theta_rp
        batches.append(optimum)
    return Optimum(
        np.concatenate([batch.theta_rp for batch in batches]),
        np.concatenate([batch.value_r for batch in batches]),
        np.concatenate([batch.gradient_r for batch in batches]),
        np.concatenate([batch.converged_r for batch in batches]),
    )


def _newton(
    problem: Problem,
    theta_rp: Array,
    weights_rn: Array,
    delta: float,
    decrement: float,
    bounds: tuple[Array, Array],
    exact: bool,
) -> Optimum:
    """Projected, damped Newton; settings leave the batch as they converge."""
    low_rp, high_rp = bounds
    weights_rn = np.broadcast_to(weights_rn, (len(theta_rp), weights_rn.shape[1]))
    theta_rp = np.clip(theta_rp, low_rp, high_rp)
    here = derivatives(problem, theta_rp, weights_rn, delta, exact)
    damping_r = np.full(len(theta_rp), 1e-2)
    norm_r, converged_r = np.full(len(theta_rp), np.inf), np.zeros(len(theta_rp), bool)
    active = np.flatnonzero(here.finite)
    tiny_r = 1e-26 * weights_rn.sum(axis=1)  # the objective of a table without noise is rounding
    most = MAX_STEPS if exact else DRAW_STEPS
    for number in range(MAX_STEPS):
        if number >= most or not len(active):
            break
        low, high, now = low_rp[active], high_rp[active], here.at(active)
        held_rp = _held(theta_rp[active], now, low, high)
        step_rp, decrement_r, norm_r[active] = _step(now, held_rp, damping_r[active])
        converged_r[active] = decrement_r <= decrement * now.value_r + tiny_r[active]
        step_rp = _within(theta_rp[active], step_rp, now, held_rp, damping_r[active], (low, high))
        trial_rp = np.clip(theta_rp[active] + step_rp, low, high)
        trial = derivatives(problem, trial_rp, weights_rn[active], delta, exact)
        better_r = (trial.value_r < now.value_r) & trial.finite
        theta_rp[active[better_r]] = trial_rp[better_r]
        here.replace(active[better_r], trial, better_r)
        damping_r[active] = np.clip(damping_r[active] * np.where(better_r, DOWN, UP), 1e-14, MOST_DAMPING)
        stuck_r = damping_r[active] >= MOST_DAMPING  # no step, however short, does better: what is left is rounding
        if most == MAX_STEPS and converged_r.any():
            most = LAGGARDS * number + DRAW_STEPS  # who takes so much longer than the first is lost
        active = active[~converged_r[active] & ~stuck_r]
    return Optimum(theta_rp, np.where(here.finite, here.value_r, np.inf), norm_r, converged_r)


def _held(theta_rp: Array, here: Derivatives, low_rp: Array, high_rp: Array) -> np.ndarray:
    """Parameters that may not move: pushed against a bound, or without effect (a power whose coefficient is nought)."""
    outward_rp = ((theta_rp <= low_rp) & (here.gradient_rp >= 0)) | ((theta_rp >= high_rp) & (here.gradient_rp <= 0))
    dead_rp = np.diagonal(here.majorant_rpp, axis1=1, axis2=2) <= 1e-300
    return np.asarray((low_rp == high_rp) | outward_rp | dead_rp)


def _step(here: Derivatives, held_rp: np.ndarray, damping_r: Array) -> tuple[Array, Array, Array]:
    """The damped step, what it promises at most (Newton decrement), and the scaled gradient norm.

    The Hessian is damped by the majorant: far out, where Huber's function is straight, the Hessian has no curvature.
    """
    size_rp = np.diagonal(here.majorant_rpp, axis1=1, axis2=2)
    scale_rp = np.where(held_rp, 0.0, 1 / np.sqrt(np.where(held_rp, 1.0, size_rp)))
    damped_rpp = (here.hessian_rpp + damping_r[:, None, None] * here.majorant_rpp) * scale_rp[:, :, None]
    damped_rpp *= scale_rp[:, None, :]
    slope_rp = here.gradient_rp * scale_rp
    step_rp, decrement_r = _solve(damped_rpp, slope_rp, held_rp)
    return step_rp * scale_rp, 0.5 * (1 + damping_r) * decrement_r, np.sqrt((slope_rp**2).sum(axis=1))


def _solve(matrix_rpp: Array, slope_rp: Array, held_rp: np.ndarray) -> tuple[Array, Array]:
    """Minus the inverse of |matrix| times the slope, and slope times inverse times slope."""
    eigen_rp, vectors_rpp = np.linalg.eigh(matrix_rpp + np.eye(held_rp.shape[1]) * held_rp[:, None, :])
    along_rp = (slope_rp[:, None, :] @ vectors_rpp)[:, 0]
    size_rp = np.maximum(np.abs(eigen_rp), 1e-13)
    return -(vectors_rpp @ (along_rp / size_rp)[..., None])[..., 0], (along_rp**2 / size_rp).sum(axis=1)


def _within(
    theta_rp: Array,
    step_rp: Array,
    here: Derivatives,
    held_rp: np.ndarray,
    damping_r: Array,
    bounds: tuple[Array, Array],
) -> Array:
    """The step kept inside the bounds: what would cross one goes to it, and the others step anew, given that."""
    low_rp, high_rp = bounds
    for _ in range(2):
        ahead_rp = theta_rp + step_rp
        crossing_rp = ((ahead_rp < low_rp) | (ahead_rp > high_rp)) & ~held_rp
        some = np.flatnonzero(crossing_rp.any(axis=1))
        if not len(some):
            return step_rp
        fixed_rp = crossing_rp[some]
        moved_rp = np.where(fixed_rp, np.clip(ahead_rp[some], low_rp[some], high_rp[some]) - theta_rp[some], 0.0)
        part = here.at(some)
        damped_rpp = part.hessian_rpp + damping_r[some, None, None] * part.majorant_rpp
        slope_rp = part.gradient_rp + (damped_rpp @ moved_rp[..., None])[..., 0]
        shifted = Derivatives(part.value_r, slope_rp, part.hessian_rpp, part.majorant_rpp)
        others_rp, _, _ = _step(shifted, held_rp[some] | fixed_rp, damping_r[some])
        step_rp = step_rp.copy()
        step_rp[some] = np.where(fixed_rp, moved_rp, others_rp)
        held_rp = held_rp.copy()
        held_rp[some] |= fixed_rp
    return step_rp


def search(problem: Problem) -> tuple[Array, Array]:
    """Settings all over the exponents' box, coefficients solved exactly, and their objectives: [g, p] and [g]."""
    law, grid_gx = problem.law, problem.law.grid()
    # Dividing a row by its loss makes relative errors, and so to first order errors of the logarithm, count alike.
    size_n = problem.loss_n * problem.noise_n if problem.objective.logarithmic else problem.noise_n
    root_n = np.sqrt(problem.weight_n) / size_n
    terms, step = len(law.coefficients), max(1, BATCH_NUMBERS // len(root_n))
    gram, target = np.empty((terms, terms, len(grid_gx))), np.empty((terms, len(grid_gx)))
    bases = []
    for start in range(0, len(grid_gx), step):
        part = slice(start, start + step)
        value_gkn = law.basis(grid_gx[part], problem.columns, 0).value_rkn
        scaled_gkn = value_gkn * root_n
        gram[..., part] = np.moveaxis(scaled_gkn @ np.swapaxes(scaled_gkn, 1, 2), 0, 2)
        target[:, part] = (scaled_gkn @ (root_n * problem.loss_n)).T
        bases.append(value_gkn)
    coefficients_gk = solve_nonnegative(gram, target).T
    values = []
    for number, value_gkn in enumerate(bases):
        loss_gn = (coefficients_gk[number * step : (number + 1) * step, None] @ value_gkn)[:, 0]
        values.append(_huber(_residuals(problem, loss_gn)[0], problem.objective.deltas[0]) @ problem.weight_n)
    value_g = np.nan_to_num(np.concatenate(values), nan=np.inf, posinf=np.inf)
    return np.concatenate([np.nan_to_num(coefficients_gk), grid_gx], axis=1), value_g


def starts(law: Law, theta_gp: Array, value_g: Array) -> Array:
    """The best setting in every part of the first exponent's range, which rises: starts that differ, [r, p]."""
    parts = np.array_split(np.arange(len(value_g)), min(STARTS, len(value_g)))
    best = np.array([part[value_g[part].argmin()] for part in parts])
    if law.fine_grid:
        best = best[value_g[best].argsort(kind="stable")[:SURE_STARTS]]
    return np.asarray(theta_gp[best])


def solve_nonnegative(gram: Array, target: Array) -> Array:
    """Non-negative least squares for a batch (trailing axis) from its normal equations, [k, cases].

    Where the free solution has a negative coefficient every support is tried; there are few coefficients.
    """
    terms = len(gram)
    solution, _ = _solve_on(gram, target, np.ones(terms, bool))
    open_cases = np.flatnonzero((solution < 0).any(axis=0))
    solution[:, open_cases] = 0.0
    gain = np.zeros(len(open_cases))
    for number in range(1, 2**terms - 1):
        support = np.array([number >> i & 1 for i in range(terms)], bool)
        trial, trial_gain = _solve_on(gram[..., open_cases], target[:, open_cases], support)
        better = (trial >= 0).all(axis=0) & (trial_gain > gain)
        solution[:, open_cases[better]] = trial[:, better]
        gain[better] = trial_gain[better]
    result: Array = np.maximum(solution, 0.0)
    return result


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
