"""From bootstrap draws to intervals that stay honest with few clusters, and what a new trunk adds to them."""

import numpy as np
from scipy.special import ndtri, stdtrit

from analysis.laws.jet import Array

# With fewer clusters than this a resample says next to nothing about the spread of the next one.
FEWEST_CLUSTERS = 5
# Shares of the draws between whose quantiles the spread is read, and how far apart a normal distribution has them.
NORMAL_SPANS = ((0.25, 1.3489795), (0.05, 3.2897073))


def reach(clusters: int, level: float) -> float:
    """Student's t: how many standard deviations an interval from so few clusters must reach to either side."""
    return float(stdtrit(max(clusters - 1, 1), 0.5 + level / 2))


def interval(draws: Array, point: Array, level: float, clusters: int) -> tuple[Array, Array]:
    """The point, plus and minus Student's t times the draws' spread (first axis); in logarithms where all is positive.

    The spread is read from quantiles: a few resamples that lost what identifies a parameter do not stretch it. Read
    from the quartiles alone its intervals cover .89 on average, from the outer quantiles alone .91: hence the mean of
    both (results/README.md, coverage). Where more draws are nought than the level leaves out, the lower end is. NaN
    without draws or from fewer than `FEWEST_CLUSTERS` clusters.
    """
    if not len(draws) or clusters < FEWEST_CLUSTERS:
        return np.full_like(point, np.nan), np.full_like(point, np.nan)
    shares = [share for share, _ in NORMAL_SPANS]
    with np.errstate(all="ignore"):
        lower, upper = (np.quantile(draws, at, axis=0) for at in (shares, [1 - share for share in shares]))
        bottom = np.quantile(draws, 0.5 - level / 2, axis=0)
        in_logs = (lower[0] > 0) & (np.asarray(point) > 0) & (draws.min(axis=0) >= 0)
        spans = np.where(in_logs, np.log(upper) - np.log(lower), upper - lower)
        spans = np.stack([span / normal for span, (_, normal) in zip(spans, NORMAL_SPANS, strict=True)])
        spread = np.where(np.isfinite(spans[1]), spans.mean(axis=0), spans[0])
        half = reach(clusters, level) * spread
        low = np.where(in_logs, point * np.exp(-half), point - half)
        high = np.where(in_logs, point * np.exp(half), point + half)
    return np.where(in_logs & (bottom <= 0), 0.0, low), high


def new_trunk_interval(
    draws: Array, noise: Array, point: Array, level: float, clusters: int, logarithmic: bool = True
) -> tuple[Array, Array]:
    """Quantiles of draws with noise on them, moved away from the point as few clusters ask for.

    The noise is one of logarithms, or else of the quantity itself.
    """
    if not len(draws) or clusters < FEWEST_CLUSTERS:
        return np.full_like(point, np.nan), np.full_like(point, np.nan)
    factor = reach(clusters, level) / float(ndtri(0.5 + level / 2))
    with np.errstate(all="ignore"):
        middle, spread = (np.log(np.maximum(part, 1e-300)) if logarithmic else part for part in (point, draws))
        below, above = np.quantile(spread + noise, [0.5 - level / 2, 0.5 + level / 2], axis=0) - middle
        ends = middle + factor * np.minimum(below, 0), middle + factor * np.maximum(above, 0)
        return (np.exp(ends[0]), np.exp(ends[1])) if logarithmic else ends


def new_trunk_residuals(jacobian_np: Array, residual_n: Array, cluster_n: np.ndarray) -> Array:
    """Residuals as a trunk outside the fit would show them: (I - H_gg)^(-1/2) e_g, by cluster (arXiv 1601.01981).

    A fit pulls itself towards the rows that it sees; H is its least-squares hat matrix.
    """
    scaled = jacobian_np / np.maximum(np.linalg.norm(jacobian_np, axis=0), 1e-300)
    orthogonal, sizes, _ = np.linalg.svd(scaled, full_matrices=False)
    orthogonal = orthogonal[:, sizes > 1e-10 * sizes.max()]
    if int(cluster_n.max()) + 1 == len(residual_n):  # every row is a cluster of its own
        leverage = (orthogonal**2).sum(axis=1)
        return np.asarray(residual_n / np.sqrt(np.maximum(1 - leverage, 0.05)))
    adjusted = np.empty_like(residual_n)
    order = np.argsort(cluster_n, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(cluster_n[order])) + 1):
        # I - QQ' differs from I only on the span of the trunk's rows of Q, so a small SVD gives its inverse root.
        left, singular, _ = np.linalg.svd(orthogonal[rows], full_matrices=False)
        shrink = np.sqrt(np.maximum(1 - singular**2, 0.05))  # a trunk that alone decides a parameter shows no residual
        own = residual_n[rows]
        adjusted[rows] = own + left @ ((1 / shrink - 1) * (left.T @ own))
    return adjusted
