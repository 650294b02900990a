"""Profile likelihood: how much worse the best fit is when one parameter is held at another value."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.fit import Fit, one_thread, plain, pose, selected
from analysis.intervals import interval, reach
from analysis.laws.jet import Array
from analysis.solve import Problem, polish
from harness.refusal import Refusal, pick

POINTS, SPREADS = 61, 4.0  # values on a profile, and how many spreads of the bootstrap it reaches to either side
OPEN = 200.0  # how far beyond its box a coordinate may go where variables are not centred, in logarithms
PASSES = 3  # how often each value is tried again from its neighbours' optima


@dataclass(frozen=True)
class Profile:
    """The deviance at each value of the parameter: twice the objective's excess, scaled to one at one spread.

    The scale is the bootstrap's, so that trunks count as clusters; the shape is the objective's own. Ends are infinite
    (or nought) where the deviance stays below `height` as far as was looked: the data do not bound the parameter there.
    """

    name: str
    value: float
    values: Array
    deviance: Array
    height: float
    low: float
    high: float
    level: float

    @property
    def open_ends(self) -> tuple[bool, bool]:
        return not np.isfinite(self.low), not np.isfinite(self.high)

    def to_json(self) -> dict[str, Any]:
        ends = {"value": plain(self.value), "interval": [plain(self.low), plain(self.high)], "level": self.level}
        return ends | {"values": self.values.tolist(), "deviance": self.deviance.tolist()}


@np.errstate(all="ignore")
def profile(known: Fit, table: pd.DataFrame, name: str, level: float = 0.90) -> Profile:
    """The parameter's profile for a fit that was made from the table; needs the fit's bootstrap."""
    pick(known.parameters, name, f"parameter of {known.law.name}")
    if known.general_doubt or known.certificate.flat:
        why = known.general_doubt or f"it lies in a flat valley of {', '.join(known.certificate.flat)}"
        raise Refusal(f"{name} of {known.law.name} has no profile: {why}")
    low, high = (float(end[0]) for end in interval(*_one(known, name), level, known.clusters))
    if not (np.isfinite(low) and high > low):
        raise Refusal(f"{name} has no bootstrap interval, and a profile is scaled by it: fit with --bootstrap 1000")
    value = known.parameters[name]
    in_logs = name in known.law.scales and low > 0
    spread = (np.log(high / low) if in_logs else high - low) / 2 / reach(known.clusters, level)
    steps = np.linspace(-SPREADS, SPREADS, POINTS) * spread
    values = value * np.exp(steps) if in_logs else value + steps
    problem, theta_p, number, divided_by = _coordinate(known, table, name)
    floor, ceiling = problem.low_p[number] * divided_by, problem.high_p[number] * divided_by
    values = values[(values >= floor) & (values <= ceiling)]
    with one_thread():
        excess = _excess(problem, theta_p, number, values / divided_by)
    at = np.log(values / value) if in_logs else values - value
    near = [float(np.interp(side * spread, at, excess)) for side in (-1, 1) if at.min() <= side * spread <= at.max()]
    scale = float(np.mean(near)) if near and np.mean(near) > 0 else np.nan
    deviance, height = excess / scale, reach(known.clusters, level) ** 2
    return Profile(name, value, values, deviance, height, *_ends(values, deviance, height, value, floor), level)


def _one(known: Fit, name: str) -> tuple[Array, Array]:
    number = known.law.parameters.index(name)
    return known.draws[:, number : number + 1], known.theta[number : number + 1]


def _coordinate(known: Fit, table: pd.DataFrame, name: str) -> tuple[Problem, Array, int, float]:
    """A problem in which the parameter is a coordinate, the optimum there, its number, and what it was divided by.

    Exponents and floors are coordinates of the problem as it was solved, scales where variables are not centred.
    """
    law = known.law
    selection = selected(law, table, known.options)
    names = (*law.coefficients, *(exponent.name for exponent in law.exponents))
    for centred in (True, False):
        problem, centre, loss_centre = pose(law, selection, known.options, centred)
        if not centred:  # the box is one of centred coordinates
            open_p = np.append(np.zeros(len(law.coefficients)), np.full(len(law.exponents), OPEN))
            problem = replace(problem, low_p=problem.low_p - open_p, high_p=problem.high_p + open_p)
        theta_p = law.from_natural(known.theta[None], centre)[0]
        theta_p[: len(law.coefficients)] /= loss_centre
        for number in (number for number, other in enumerate(names) if other == name):
            divided_by = loss_centre if number < len(law.coefficients) else 1.0
            if np.isclose(theta_p[number] * divided_by, known.parameters[name], rtol=1e-9):
                return problem, theta_p, number, divided_by
    can = [other for other in law.parameters if other in names and other not in law.extents]
    raise Refusal(
        f"{name} of {law.name} is made of several of the search's coordinates and has no profile of its own: "
        f"profile one of {', '.join(can)}"
    )


def _excess(problem: Problem, theta_p: Array, number: int, value_v: Array) -> Array:
    """Twice the objective's excess over the optimum's, with the coordinate held at each value."""
    start_vp = np.tile(theta_p, (len(value_v), 1))
    start_vp[:, number] = value_v
    deltas, weight_1n = problem.objective.deltas, problem.weight_n[None]
    found = polish(problem, start_vp, weight_1n, deltas, held={number: value_v})
    theta_vp, best_v = found.theta_rp, found.value_r
    for step in [1, -1] * PASSES:
        from_vp = np.roll(theta_vp, step, axis=0)
        from_vp[:, number] = value_v
        found = polish(problem, from_vp, weight_1n, deltas, held={number: value_v})
        better_v = found.value_r < best_v
        if not better_v.any():
            continue
        theta_vp[better_v], best_v[better_v] = found.theta_rp[better_v], found.value_r[better_v]
    least = polish(problem, theta_p[None], weight_1n, deltas).value_r[0]
    return np.asarray(np.maximum(2 * (best_v - min(least, best_v.min())), 0.0))


def _ends(values: Array, deviance: Array, height: float, value: float, floor: float) -> tuple[float, float]:
    """Where the deviance first crosses the height on either side of the optimum."""
    inside = deviance <= height
    middle = int(np.abs(values - value).argmin())
    below, above = np.flatnonzero(~inside[:middle]), np.flatnonzero(~inside[middle:])

    def crossing(outer: int, inner: int) -> float:
        share = (height - deviance[inner]) / (deviance[outer] - deviance[inner])
        return float(values[inner] + share * (values[outer] - values[inner]))

    at_floor = bool(np.isclose(values[0], floor, atol=1e-9 * abs(value) + 1e-12)) or floor == 0.0
    lowest = floor if at_floor else -np.inf
    low = crossing(below[-1], below[-1] + 1) if len(below) else lowest
    high = crossing(middle + above[0], middle + above[0] - 1) if len(above) else np.inf
    return low, high
