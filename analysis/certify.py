"""What a search can say of its optimum: gradient, starts that agree, a second solver's verdict, bounds, valleys."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize

from analysis.laws.jet import Array
from analysis.solve import SAME_OPTIMUM, Optimum, Problem, derivatives, row_values

# Curvature along the flattest direction, as a share of the steepest once every parameter has unit curvature.
FLAT_CURVATURE = 1e-8
SECOND_ROWS = 20_000  # beyond, the second solver's gradients by differences cost too much
SECOND_STEPS, DIFFERENCE = 60, 1e-7
DISPLACED = 0.03  # how far from the optimum the second solver sets out, in logarithms or parts of the box


@dataclass(frozen=True)
class Certificate:
    """`gradient` is scaled by curvature, over the parameters that are free; `second_solver` is in words."""

    status: tuple[str, ...]
    flat: tuple[str, ...]  # coordinates that move nothing, or that only a combination of which is held
    bound: tuple[str, ...]  # coordinates at an end of their box, coefficients at nought apart
    gradient: float
    starts: int
    starts_agreeing: float
    second_solver: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> "Certificate":
        return cls(**facts | {name: tuple(facts[name]) for name in ("status", "flat", "bound")})


def certify(problem: Problem, optima: Optimum, started_rp: Array, starts: int, agreeing: float) -> Certificate:
    """The certificate of the best of the optima; so many starts led to it in such a share."""
    best = int(optima.value_r.argmin())
    theta_p, value = optima.theta_rp[best], float(optima.value_r[best])
    verdict, lower = _second_opinion(problem, theta_p, value)
    status = ["converged" if optima.converged_r[best] else "not converged: the optimiser stopped before the optimum"]
    if lower:
        status[0] = f"not converged: {verdict}"
    if np.allclose(theta_p, started_rp[best], rtol=1e-13, atol=0):
        status.append("start returned: the optimiser took no step")
    at_bounds, bound = _at_bounds(problem, theta_p)
    flat, valley = _flat(problem, theta_p)
    words = (*status, *at_bounds, *valley)
    return Certificate(words, flat, bound, float(optima.gradient_r[best]), starts, agreeing, verdict)


def _held(problem: Problem, theta_p: Array) -> np.ndarray:
    return np.asarray((theta_p <= problem.low_p) | (theta_p >= problem.high_p))


def _at_bounds(problem: Problem, theta_p: Array) -> tuple[list[str], tuple[str, ...]]:
    """Coordinates at an end of their box, in words and by name."""
    names, count = problem.law.coordinates, len(problem.law.coefficients)
    said = []
    for i in np.flatnonzero(_held(problem, theta_p)):
        end = "lowest" if theta_p[i] <= problem.low_p[i] else "highest"
        judged = i < count or problem.law.exponents[i - count].judged
        said.append(f"at a bound: {names[i]} {f'= {theta_p[i]:g}' if judged else f'at its {end}'}")
    return said, tuple(names[i] for i in np.flatnonzero(_held(problem, theta_p)))


def _flat(problem: Problem, theta_p: Array) -> tuple[tuple[str, ...], list[str]]:
    """Parameters that the data do not hold one by one, and that in words; those at a bound are not looked at."""
    held_p, delta, law = _held(problem, theta_p), problem.objective.deltas[0], problem.law
    if len(law.coefficients) > 1 and (theta_p[1 : len(law.coefficients)] <= 0).all():
        return law.coordinates, [f"flat valley: {law.target} falls with nothing; {law.coefficients[0]} alone is left"]
    names = np.array(law.coordinates)[~held_p]
    majorant_pp = derivatives(problem, theta_p[None], problem.weight_n[None], delta).majorant_rpp[0]
    curvature = majorant_pp[np.ix_(~held_p, ~held_p)]
    size = np.sqrt(np.abs(np.diagonal(curvature)))
    if (size <= 1e-150).any():
        dead = tuple(map(str, names[size <= 1e-150]))
        return dead, [f"flat valley: {', '.join(dead)} moves nothing"]
    values, vectors = np.linalg.eigh(curvature / np.outer(size, size))
    if not len(values) or values[0] >= FLAT_CURVATURE * values[-1]:
        return (), []
    weight = np.abs(vectors[:, 0])
    mixed = tuple(map(str, names[weight > 0.3 * weight.max()]))
    return mixed, [f"flat valley: the data hold only a combination of {', '.join(mixed)}"]


def _second_opinion(problem: Problem, theta_p: Array, value: float) -> tuple[str, bool]:
    """What L-BFGS-B, with gradients by differences, makes of a displaced optimum; whether it found anything lower."""
    if len(problem.loss_n) > SECOND_ROWS:
        return "not asked: too many rows", False
    count, delta = len(problem.law.coefficients), problem.objective.deltas[-1]
    alive = np.append(theta_p[:count] > 0, np.ones(len(theta_p) - count, bool))
    living = int(alive[:count].sum())  # coefficients that are not nought are searched in logarithms
    low_x, high_x = problem.low_p[count:], problem.high_p[count:]
    scale = max(value, 1e-20)

    def objective(x_rx: Array) -> Array:
        theta_rp = np.zeros((len(x_rx), len(theta_p)))
        theta_rp[:, alive] = np.concatenate([np.exp(np.clip(x_rx[:, :living], -300, 300)), x_rx[:, living:]], axis=1)
        with np.errstate(over="ignore", invalid="ignore"):
            return np.nan_to_num(row_values(problem, theta_rp, delta) @ problem.weight_n / scale, nan=1e30, posinf=1e30)

    def with_gradient(x: Array) -> tuple[float, Array]:
        around = objective(x + DIFFERENCE * np.concatenate([np.zeros((1, len(x))), np.eye(len(x)), -np.eye(len(x))]))
        ahead, behind = np.split(around[1:], 2)
        return float(around[0]), (ahead - behind) / (2 * DIFFERENCE)

    random = np.random.default_rng(0).uniform(-DISPLACED, DISPLACED, int(alive.sum()))
    inner = np.concatenate([np.log(theta_p[:count][alive[:count]]), theta_p[count:]])
    inner = inner + random * np.append(np.ones(living), np.minimum(1.0, high_x - low_x))
    inner[living:] = np.clip(inner[living:], low_x, high_x)
    bounds = [(None, None)] * living + list(zip(low_x, high_x, strict=True))
    ended = minimize(
        with_gradient, inner, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": SECOND_STEPS}
    )
    gap = float(ended.fun) - value / scale if value > 1e-18 else 0.0
    if gap < -SAME_OPTIMUM:
        return f"a second solver (L-BFGS-B) found an objective {-gap:.1e} lower", True
    said = "ended at the same objective" if gap < SAME_OPTIMUM else f"stopped {gap:.1e} above"
    return f"L-BFGS-B from a displaced start {said}: nothing lower", False
