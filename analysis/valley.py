"""A cubic through one curve's losses near their lowest: where it is least, and how far that place may move.

s seed, k place (in octaves, rising), m run in the window, p power, r draw.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.interpolate import PchipInterpolator

from analysis.laws.jet import Array

# Losses rise slowly to one side and steeply to the other. Measured on the worlds of tests/analysis/valleys.py: a
# parabola's minimum lies .05 to .15 octaves beside theirs, a cubic's within .03, with a third of the scatter of the
# lowest mean. Of windows those that the losses bound err least: one of fixed width about the lowest mean follows its
# noise. What no window mends is a cliff half an octave above the vertex: there a cubic's minimum is .1 octaves too low.
POWERS = 4
WINDOW = 1.5  # octaves to either side of the vertex at most
MOST_RISE = 0.03  # over the lowest loss, as a share of it: beyond, the climb to divergence bends the cubic
FEWEST_PLACES = 6
MOST_MOVES = 6
COMPARABLE = 0.10  # a rise beyond which a loss says nothing of its seed


@dataclass(frozen=True)
class Losses:
    """Losses of seeds at places, [s, k]; NaN where no run ended."""

    x_k: Array
    loss_sk: Array

    @property
    def mean_k(self) -> Array:
        """Means over seeds, as they would be had every seed a run at every place."""
        rough_k = np.nanmean(self.loss_sk, axis=0)
        near_k = rough_k <= (1 + COMPARABLE) * rough_k.min()
        whole_k = near_k & np.isfinite(self.loss_sk).all(axis=0)
        if not whole_k.any():
            return np.asarray(rough_k)
        own_s = (self.loss_sk[:, whole_k] - rough_k[whole_k]).mean(axis=1)
        return np.asarray(np.nanmean(self.loss_sk - own_s[:, None], axis=0))

    def between(self, x: Array) -> Array:
        """Means interpolated at x without overshooting; NaN outside the places."""
        return np.asarray(PchipInterpolator(self.x_k, self.mean_k, extrapolate=False)(x))


@dataclass(frozen=True)
class Valley:
    """loss = sum of powers_p (x - centre)^p between `low` and `high`, the mean of the seeds.

    `basis_pp` turns coefficients of polynomials that are orthogonal over the runs into `powers_p`; `spread_pp` is the
    covariance of those coefficients in units of `noise`, were every run's scatter its own. `between_p` sums the squared
    deviations of the seeds from their mean in those units, of which `seeds - 1` are free.
    """

    centre: float
    low: float
    high: float
    powers_p: Array
    basis_pp: Array
    spread_pp: Array
    noise: float
    freedom: int
    between_p: Array
    seeds: int

    def at(self, x: Array | np.float64) -> Array:
        return cubic(self.powers_p, x - self.centre)

    @property
    def vertex(self) -> float:
        """Where the loss is least; NaN where that is an end of the window."""
        z = float(lowest(self.powers_p[None], self.low - self.centre, self.high - self.centre)[0])
        return self.centre + z if self.low < self.centre + z < self.high else math.nan


@dataclass(frozen=True)
class Widening:
    """Variance between seeds over what the runs' own scatter gives, by order and never below one; pooled over curves.

    A seed's runs share initialisation and data order, so that its losses may lie high, or tilt, at all rates together.
    """

    factor_p: Array
    freedom: int  # 0 where every curve has one seed

    @staticmethod
    def of(valleys: Sequence[Valley]) -> "Widening":
        free = sum(one.seeds - 1 for one in valleys)
        if not free:
            return Widening(np.ones(POWERS), 0)
        return Widening(np.maximum(np.sum([one.between_p for one in valleys], axis=0) / free, 1.0), free)

    def draws(self, of: Valley, count: int, random: np.random.Generator) -> Array:
        """Powers as other runs might give them, [r, p]: Student's t of what the cubic leaves over, wider by order."""
        tilts = self.freedom > 0 and self.factor_p[1] > 1
        freedom = min(of.freedom, self.freedom) if tilts else of.freedom
        root_pp = np.linalg.cholesky(of.spread_pp + 1e-14 * np.eye(POWERS))
        heavy_r = np.sqrt(freedom / random.chisquare(freedom, count))
        normal_rp = random.standard_normal((count, POWERS)) @ root_pp.T * np.sqrt(self.factor_p)
        return np.asarray(of.powers_p + of.noise * (heavy_r[:, None] * normal_rp) @ of.basis_pp.T)


def cubic(powers_rp: Array, z: Array | np.float64) -> Array:
    """Its value at z, one for each cubic or one for all."""
    a_r, b_r, c_r, d_r = np.moveaxis(powers_rp, -1, 0)
    return np.asarray(a_r + z * (b_r + z * (c_r + z * d_r)))


def lowest(powers_rp: Array, low: float, high: float) -> Array:
    """Where each cubic has its minimum between low and high, or else the lower of the two ends, [r]."""
    _, b_r, c_r, d_r = powers_rp.T
    with np.errstate(all="ignore"):
        root_r = np.sqrt(c_r**2 - 3 * b_r * d_r)
        # The root where the curvature is positive, written so that no near numbers are subtracted.
        inner_r = np.where(c_r > 0, -b_r / (c_r + root_r), (root_r - c_r) / (3 * d_r))
    end_r = np.where(cubic(powers_rp, np.float64(low)) <= cubic(powers_rp, np.float64(high)), low, high)
    return np.asarray(np.where((inner_r > low) & (inner_r < high), inner_r, end_r))


def valley(losses: Losses) -> Valley | str:
    """The cubic about the lowest losses; where there is none, why, in words."""
    mean_k, x_k = losses.mean_k, losses.x_k
    centre, bottom = float(x_k[mean_k.argmin()]), float(mean_k.min())
    window_k = np.zeros(len(x_k), bool)
    for _ in range(MOST_MOVES):
        before_k, window_k = window_k, _window(x_k, mean_k, centre, bottom)
        if window_k.sum() < FEWEST_PLACES:
            near = f"{window_k.sum()} of them within {WINDOW:g} octaves of the lowest loss"
            return f"{near}, and {FEWEST_PLACES} are needed"
        if (before_k == window_k).all():
            break
        found = _fitted(losses, window_k)
        z = lowest(found.powers_p[None], found.low - found.centre, found.high - found.centre)
        centre, bottom = found.centre + float(z[0]), float(cubic(found.powers_p, z)[0])
    return found


def _window(x_k: Array, mean_k: Array, centre: float, bottom: float) -> np.ndarray:
    """Places near the centre whose losses have not begun to climb; the nearest ones whatever their losses."""
    away_k = np.abs(x_k - centre)
    low_k = mean_k <= (1 + MOST_RISE) * bottom
    low_k[np.argsort(away_k, kind="stable")[:FEWEST_PLACES]] = True
    return np.asarray(low_k & (away_k <= WINDOW + 1e-9))


def _fitted(losses: Losses, window_k: np.ndarray) -> Valley:
    """Least squares over the window's runs, with an offset for every seed."""
    seed_m, place_m = np.nonzero(np.isfinite(losses.loss_sk) & window_k)
    loss_m, x_k = losses.loss_sk[seed_m, place_m], losses.x_k[window_k]
    centre = float(x_k.mean())
    orthogonal_mp, upper_pp = np.linalg.qr((losses.x_k[place_m] - centre)[:, None] ** np.arange(POWERS))
    offsets_ms = (seed_m[:, None] == np.unique(seed_m)).astype(np.float64)
    seeds = offsets_ms.shape[1]
    design = np.concatenate([offsets_ms, orthogonal_mp[:, 1:]], axis=1)
    found = np.linalg.lstsq(design, loss_m)[0]
    residual_m = loss_m - design @ found
    freedom = max(len(loss_m) - design.shape[1], 1)
    noise = max(math.sqrt(float(residual_m @ residual_m) / freedom), 1e-12)
    # The first polynomial is a constant, whose coefficient is the mean of the offsets in its units.
    to_orders = np.zeros((POWERS, design.shape[1]))
    to_orders[0, :seeds] = 1 / seeds / orthogonal_mp[0, 0]
    to_orders[1:, seeds:] = np.eye(POWERS - 1)
    basis_pp = np.linalg.inv(upper_pp)
    return Valley(
        centre=centre,
        low=float(x_k[0]),
        high=float(x_k[-1]),
        powers_p=basis_pp @ to_orders @ found,
        basis_pp=basis_pp,
        spread_pp=to_orders @ np.linalg.pinv(design.T @ design) @ to_orders.T,
        noise=noise,
        freedom=freedom,
        **_between(orthogonal_mp, loss_m, seed_m, noise),
    )


def _between(orthogonal_mp: Array, loss_m: Array, seed_m: np.ndarray, noise: float) -> dict[str, Any]:
    """Squared deviations of seeds' own cubics from their mean, in units of each one's scatter, which also weighs it.

    A seed without a run at the far rates knows its cubic worse than one with; equal weights would read that as a tilt.
    """
    own_sp, unit_sp = [], []
    for seed in np.unique(seed_m):
        rows = seed_m == seed
        if rows.sum() >= FEWEST_PLACES:
            inverse_pm = np.linalg.pinv(orthogonal_mp[rows])
            own_sp.append(inverse_pm @ loss_m[rows])
            unit_sp.append(noise * np.sqrt((inverse_pm**2).sum(axis=1)))
    if len(own_sp) < 2:
        return {"between_p": np.zeros(POWERS), "seeds": 1}
    own, weight_sp = np.array(own_sp), np.array(unit_sp) ** -2.0
    mean_p = (weight_sp * own).sum(axis=0) / weight_sp.sum(axis=0)
    return {"between_p": (weight_sp * (own - mean_p) ** 2).sum(axis=0), "seeds": len(own)}
