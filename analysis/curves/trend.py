"""Effects of size, data or examples: least squares with intervals over trunks, and whether a paper's claim shows.

n rows, k coefficients, g trunks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from analysis.intervals import FEWEST_CLUSTERS, new_trunk_residuals, reach
from analysis.laws.jet import Array
from analysis.optimum import Quantity

POINT = 0.01  # of accuracy: an effect that is smaller for sure is none


def effect(design_nk: Array, y_n: Array, cluster_n: np.ndarray, contrast_k: Array, level: float = 0.90) -> Quantity:
    """A combination of least-squares coefficients, its interval robust to what trunks share (arXiv 1601.01981, CR2)."""
    inverse_kk = np.linalg.pinv(design_nk.T @ design_nk)
    coefficient_k = inverse_kk @ (design_nk.T @ y_n)
    value = float(contrast_k @ coefficient_k)
    clusters = int(cluster_n.max()) + 1
    if clusters < FEWEST_CLUSTERS:
        few = "one trunk is" if clusters == 1 else f"{clusters} trunks are"
        return Quantity(value, math.nan, math.nan, f"{few} too few; at least {FEWEST_CLUSTERS} are needed")
    left_n = new_trunk_residuals(design_nk, y_n - design_nk @ coefficient_k, cluster_n)
    pull_n = design_nk @ (inverse_kk @ contrast_k) * left_n
    error = float(np.sqrt((np.bincount(cluster_n, pull_n) ** 2).sum()))
    half = reach(clusters - int(np.linalg.matrix_rank(design_nk)) + 1, level) * error
    return Quantity(value, value - half, value + half)


def slope(x_n: Array, y_n: Array, cluster_n: np.ndarray, level: float = 0.90) -> Quantity:
    """Of y in x, by least squares; refused in words where x does not vary."""
    if len(np.unique(x_n)) < 2:
        return Quantity(math.nan, math.nan, math.nan, "there is nothing to compare")
    off_n = x_n - x_n.mean()
    return effect(np.stack([np.ones_like(off_n), off_n], axis=1), y_n, cluster_n, np.array([0.0, 1.0]), level)


def over_range(x_n: Array, y_n: Array, cluster_n: np.ndarray, level: float = 0.90) -> Quantity:
    """How much the straight line through y gains from the least x to the largest."""
    return scaled(slope(x_n, y_n, cluster_n, level), float(np.ptp(x_n)) if len(x_n) else 0.0)


def within_trunks(x_n: Array, y_n: Array, cluster_n: np.ndarray, level: float = 0.90) -> Quantity:
    """The same where trunks may lie at any level, and share the slope alone."""
    off_n, left_n = _centred(x_n, cluster_n), _centred(y_n, cluster_n)
    if not off_n.any():
        return Quantity(math.nan, math.nan, math.nan, "there is nothing to compare")
    return effect(off_n[:, None], left_n, cluster_n, np.array([np.ptp(x_n)]), level)


def _centred(values_n: Array, cluster_n: np.ndarray) -> Array:
    """Values less the mean of their trunk."""
    return np.asarray(values_n - (np.bincount(cluster_n, values_n) / np.bincount(cluster_n))[cluster_n])


def scaled(found: Quantity, factor: float) -> Quantity:
    """So many times the quantity, for a factor that is not negative."""
    return replace(found, value=factor * found.value, low=factor * found.low, high=factor * found.high)


@dataclass(frozen=True)
class Shape:
    """A paper's claim about a curve, as an effect that is positive where it holds; below `least` it is none."""

    claim: str
    source: str
    effect: Quantity
    least: float = POINT
    scale: float = 100.0  # to the unit that it is said in
    unit: str = "points"

    @property
    def holds(self) -> str:
        """yes, no, or undecided: by where the interval lies."""
        if self.effect.doubt:
            return "undecided"
        if self.effect.low > 0:
            return "yes"
        return "no" if self.effect.high < self.least else "undecided"

    @property
    def evidence(self) -> str:
        return self.effect.doubt or f"{self.effect.words(lambda share: f'{self.scale * share:+.3g}')} {self.unit}"

    @property
    def sentence(self) -> str:
        return f"{self.claim} ({self.source}): {self.holds}; {self.evidence}."

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        facts = {"claim": self.claim, "source": self.source, "holds": self.holds, "evidence": self.evidence}
        return facts | {"effect": self.effect.to_json(), "least": self.least}


def of_every(shapes: Sequence[Shape]) -> str:
    """yes where every claim holds, no where one does not, undecided else."""
    found = {shape.holds for shape in shapes}
    return "no" if "no" in found else "undecided" if "undecided" in found or not found else "yes"
