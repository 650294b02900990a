"""A parabola through one budget's losses in log N: its vertex, its resamples, and the audit that may refuse it."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.fit import plain
from analysis.intervals import new_trunk_residuals
from analysis.laws.jet import Array

SAME_SIZE = 0.02  # counts of one model differ by less than this share; sizes of a grid by more
FEWEST_SIZES = 4  # three sizes carry a parabola, and nothing that could speak against it
FEWEST_BESIDE = 2  # sizes on either side of a minimum: with one, that size alone decides where it lies
# That parabolas err without noise on wide and on off-centre grids is shown in arXiv 2603.22339. The limits were
# measured here, on noiseless grids of 5 to 15 sizes at 1e13 to 1e22 FLOPs: within them N* is off by at most 10 % where
# one of alpha and beta is three times the other, and by 3 % on the published fits of Chinchilla's law. At a span of 64
# those are 20 and 7 %; at a span of 20 with the minimum 0.6 to 0.75 from the middle, 11 and 6 %.
WIDEST_SPAN = 20.0
OFF_CENTRE = 0.6
MOST_BIAS = 0.10  # what the two keep it to; where a law is known, its own answer on the budget's rows is held to it
RULES = {
    "few": "too few sizes",
    "concave": "no minimum",
    "edge": "minimum at the edge of the sizes",
    "wide": "sizes too far apart",
    "off_centre": "minimum off the grid's centre",
    "biased": "a minimum that the fitted law would not show there",
}


@dataclass(frozen=True)
class Curve:
    """log loss = c0 + c1 u + c2 u^2 with u = (log N - middle) / half, which runs from -1 to 1 over the sizes."""

    middle: float
    half: float
    coefficients: tuple[float, float, float]

    def at(self, params: Any) -> Array:
        """Loss at N."""
        c0, c1, c2 = self.coefficients
        u = (np.log(np.asarray(params, np.float64)) - self.middle) / self.half
        return np.asarray(np.exp(c0 + c1 * u + c2 * u * u))

    @property
    def centre(self) -> float:
        """The vertex as a share of the half-width: 0 in the grid's middle, 1 at its edge; NaN where there is none."""
        _, c1, c2 = self.coefficients
        return -c1 / (2 * c2) if c2 > 0 else math.nan

    @property
    def vertex(self) -> float:
        """log N of least loss; NaN where there is none."""
        return self.middle + self.half * self.centre


@dataclass(frozen=True)
class Refused:
    """Why a parabola takes no part: a rule of `RULES`, its value and its limit, and both in words with the cure."""

    rule: str
    value: float
    limit: float
    words: str

    def to_json(self) -> dict[str, Any]:
        return {"rule": self.rule, "value": plain(self.value), "limit": self.limit, "words": self.words}


def sizes_of(log_N_m: Array) -> tuple[Array, np.ndarray]:
    """The distinct sizes in logarithms, rising, and the size of every row; counts of one model are one size."""
    order = np.argsort(log_N_m, kind="stable")
    size_m = np.empty(len(log_N_m), int)
    size_m[order] = np.cumsum(np.diff(log_N_m[order], prepend=log_N_m[order[0]]) > SAME_SIZE)
    return np.bincount(size_m, log_N_m) / np.bincount(size_m), size_m


def _design(log_N_m: Array) -> tuple[float, float, Array]:
    """Middle and half-width of the sizes, and the powers 0 to 2 of u, [m, 3]."""
    middle, half = (log_N_m.max() + log_N_m.min()) / 2, np.ptp(log_N_m) / 2
    return float(middle), float(half), ((log_N_m - middle) / half)[:, None] ** np.arange(3)


def parabola(params: Any, loss: Any) -> Curve | None:
    """The least-squares parabola of log loss in log N; None with too few sizes.

    In log loss, whose minimum is the loss's own and whose fourth derivative, which off-centre grids feel, is smaller.
    """
    log_N_m, log_loss_m = (np.log(np.asarray(values, np.float64)) for values in (params, loss))
    if len(sizes_of(log_N_m)[0]) < FEWEST_SIZES:
        return None
    middle, half, powers_m3 = _design(log_N_m)
    c0, c1, c2 = (float(c) for c in np.linalg.lstsq(powers_m3, log_loss_m)[0])
    return Curve(middle, half, (c0, c1, c2))


def resampled_vertices(curve: Curve, params: Any, loss: Any, cluster_m: np.ndarray, counts_rm: Array) -> Array:
    """log N of least loss in every resample, NaN where the parabola has no minimum.

    A row drawn k times moves the parabola as k - 1 times its residual would, which is taken as it would show outside
    the fit. Weighting the few rows of a budget by k instead loses sizes: at 5 to 9 sizes those intervals came out 1.8
    to 3 times as wide as the spread over planted worlds, these as wide as it.
    """
    log_N_m, log_loss_m = (np.log(np.asarray(values, np.float64)) for values in (params, loss))
    _, _, powers_m3 = _design(log_N_m)
    residual_m = log_loss_m - powers_m3 @ np.array(curve.coefficients)
    outside_m = new_trunk_residuals(powers_m3, residual_m, np.unique(cluster_m, return_inverse=True)[1])
    moved_r3 = np.array(curve.coefficients) + ((counts_rm - 1) * outside_m) @ np.linalg.pinv(powers_m3).T
    _, c1_r, c2_r = moved_r3.T
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(c2_r > 0, curve.middle - curve.half * c1_r / (2 * c2_r), np.nan)


def audit(params: Any, curve: Curve | None) -> Refused | None:
    """The first rule that the parabola through these sizes breaks; None where it may take part."""
    sizes, _ = sizes_of(np.log(np.asarray(params, np.float64)))
    if curve is None or len(sizes) < FEWEST_SIZES:
        words = f"{len(sizes)} sizes, and a parabola needs {FEWEST_SIZES}: train more sizes at this budget"
        return Refused("few", len(sizes), FEWEST_SIZES, words)
    centre = curve.centre
    if math.isnan(centre):
        words = "the parabola does not open upwards, so it has no minimum: add sizes further out, or more seeds"
        return Refused("concave", curve.coefficients[2], 0.0, words)
    beside = {"smaller": int((sizes < curve.vertex).sum()), "larger": int((sizes > curve.vertex).sum())}
    side = min(beside, key=lambda name: beside[name])
    if beside[side] < FEWEST_BESIDE:
        fewest = beside[side]
        words = (
            f"{fewest or 'no'} {side} size{'' if fewest == 1 else 's'} than its minimum, and {FEWEST_BESIDE} are needed"
        )
        return Refused("edge", fewest, FEWEST_BESIDE, f"{words}: train {side} ones at this budget")
    span = math.exp(2 * curve.half)
    if span > WIDEST_SPAN:
        words = f"the sizes span a factor {span:.3g}, and beyond {WIDEST_SPAN:g} a parabola's minimum is biased"
        cure = f"keep those within a factor {WIDEST_SPAN**0.5:.2g} of the minimum"
        return Refused("wide", span, WIDEST_SPAN, f"{words}: {cure}")
    if abs(centre) > OFF_CENTRE:
        side = "larger" if centre > 0 else "smaller"
        words = (
            f"the minimum lies {abs(centre):.2f} of the half-width from the sizes' middle, and {OFF_CENTRE} is the most"
        )
        return Refused("off_centre", abs(centre), OFF_CENTRE, f"{words}: train {side} sizes or leave out the furthest")
    return None


def finite_exp(log: float) -> float:
    """NaN where the number is beyond what a float holds: the minimum of a parabola that is all but flat."""
    return math.exp(log) if abs(log) < 700 else math.nan
