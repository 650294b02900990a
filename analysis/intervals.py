"""From bootstrap draws to intervals that stay honest with few clusters, and what a new trunk adds to them."""

from statistics import NormalDist

import numpy as np

from analysis.laws.law import Array

# With fewer clusters than this a resample says next to nothing about the spread of the next one.
FEWEST_CLUSTERS = 5


def student_quantile(probability: float, freedom: float) -> float:
    """Student's t quantile by the expansion in 1 / freedom (Abramowitz and Stegun 26.7.5); within 1 % from 4 on."""
    z = NormalDist().inv_cdf(probability)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92_160,
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, start=1))


def widening(clusters: int, level: float) -> float:
    """How much longer an interval from so few resampled clusters must be: sqrt(G / (G-1)) t_(G-1) / z.

    Resampling G clusters shows a variance (G-1) / G too small, and knows its own size only as well as G-1 squares do.
    """
    freedom = max(clusters - 1, 1)
    upper = 0.5 + level / 2
    stretch = student_quantile(upper, freedom) / NormalDist().inv_cdf(upper)
    return float(np.sqrt(clusters / freedom) * stretch)


def interval(draws: Array, point: Array, level: float, clusters: int) -> tuple[Array, Array]:
    """Quantiles over the first axis, moved away from the point by `widening`; in logarithms where all is positive.

    The point is always inside; NaN without draws or from fewer than `FEWEST_CLUSTERS` clusters.
    """
    if not len(draws) or clusters < FEWEST_CLUSTERS:
        return np.full_like(point, np.nan), np.full_like(point, np.nan)
    factor = widening(clusters, level)
    low, high = np.quantile(draws, [0.5 - level / 2, 0.5 + level / 2], axis=0)
    low, high = np.minimum(low, point), np.maximum(high, point)
    positive = (low > 0) & (np.asarray(point) > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = []
        for end in (low, high):
            in_logs = np.exp(np.log(point) + factor * (np.log(end) - np.log(point)))
            ends.append(np.where(positive, in_logs, point + factor * (end - point)))
    return ends[0], ends[1]


def new_trunk_residuals(jacobian_np: Array, residual_n: Array, cluster_n: np.ndarray) -> Array:
    """Residuals as a trunk outside the fit would show them: (I - H_gg)^(-1/2) e_g, by cluster (arXiv 1601.01981).

    A fit pulls itself towards the rows that it sees; H is its least-squares hat matrix.
    """
    scaled = jacobian_np / np.maximum(np.linalg.norm(jacobian_np, axis=0), 1e-300)
    orthogonal, sizes, _ = np.linalg.svd(scaled, full_matrices=False)
    orthogonal = orthogonal[:, sizes > 1e-10 * sizes.max()]
    adjusted = np.empty_like(residual_n)
    order = np.argsort(cluster_n, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(cluster_n[order])) + 1):
        # I - QQ' differs from I only on the span of the trunk's rows of Q, so a small SVD gives its inverse root.
        left, singular, _ = np.linalg.svd(orthogonal[rows], full_matrices=False)
        shrink = np.sqrt(np.maximum(1 - singular**2, 0.05))  # a trunk that alone decides a parameter shows no residual
        own = residual_n[rows]
        adjusted[rows] = own + left @ ((1 / shrink - 1) * (left.T @ own))
    return adjusted
