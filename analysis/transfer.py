"""Zero-shot transfer: each domain's bits per byte against size, data and compute, and against the training domain's."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from analysis.fit import Fit, fit
from analysis.intervals import interval
from analysis.laws.jet import Array
from analysis.selection import clusters_of, usable
from harness.refusal import Refusal

FALLS, RISES, UNCLEAR, UNKNOWN = "falls", "rises", "shows no clear trend", "has too few trunks for a trend"
DOMAIN_LAWS = ("chinchilla", "power_floor_C", "loss_to_loss")  # of N and D; of C; of the training domain's loss
LEAST_ROWS = 3  # a line through two points has no residual to judge it by


@dataclass(frozen=True)
class Line:
    """y = offset + slope x by least squares, intervals over resampled trunks; `gap` is the mean of y - x."""

    slope: float
    slope_interval: tuple[float, float]
    offset: float
    offset_interval: tuple[float, float]
    gap: float
    gap_interval: tuple[float, float]
    r2: float
    clusters: int
    draws_rp: Array = field(repr=False, compare=False)  # slope and offset of every resample

    def interval_at(self, x: Array, level: float) -> tuple[Array, Array]:
        """Interval of the line itself."""
        return interval(self.draws_rp[:, 1:] + self.draws_rp[:, :1] * x, self.at(x), level, self.clusters)

    def at(self, x: Array) -> Array:
        return self.offset + self.slope * x

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; a number that is not finite becomes null."""
        numbers = {name: _plain(getattr(self, name)) for name in ("slope", "offset", "gap", "r2")}
        names = ("slope_interval", "offset_interval", "gap_interval")
        return numbers | {name: [_plain(end) for end in getattr(self, name)] for name in names}


def _plain(number: float) -> float | None:
    return number if np.isfinite(number) else None


@dataclass(frozen=True)
class Transfer:
    """One domain: what its bits per byte do with compute, its laws where it falls, and its line."""

    domain: str
    training: str
    rows: int
    clusters: int
    trend: str
    fits: dict[str, Fit]  # of `DOMAIN_LAWS`; none for a domain that does not fall
    refused: dict[str, str]  # law -> why it could not be fitted
    line: Line  # of the domain's bits per byte against the training domain's
    verdict: str
    excluded: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        plain = {name: getattr(self, name) for name in ("domain", "training", "rows", "clusters", "trend", "verdict")}
        fits = {name: known.to_json() for name, known in self.fits.items()}
        return plain | {"excluded": self.excluded, "line": self.line.to_json(), "fits": fits, "refused": self.refused}


def transfer(
    table: pd.DataFrame,
    training: str | None = None,
    level: float = 0.90,
    bootstrap: int = 400,
    seed: int = 0,
    phase: str | None = "decayed",
) -> dict[str, Transfer]:
    """Domain -> transfer, for every column `lm_<domain>/bpb` but the training domain's; needs N, D and C."""
    name = training or _only_corpus(table)
    own = f"lm_{name}/bpb"
    found = [str(c)[3:-4] for c in table.columns if str(c).startswith("lm_") and str(c).endswith("/bpb")]
    if own not in table.columns:
        there = ", ".join(found) or "none"
        raise Refusal(f"no column {own!r}: transfer is judged against the training domain; scored are: {there}")
    if "corpus" in table.columns:
        table = table[table["corpus"] == name]
    others = [domain for domain in found if domain != name and table[f"lm_{domain}/bpb"].notna().any()]
    if not others:
        raise Refusal(f"only {name!r} was scored: transfer needs another domain; add lm_<corpus> to the sweep's tasks")
    study = _Study(table, name, level, bootstrap, seed, phase)
    return {domain: study.transfer(domain) for domain in others}


def _only_corpus(table: pd.DataFrame) -> str:
    corpora = sorted(set(table.get("corpus", pd.Series(dtype="object")).dropna().astype("str")))
    if len(corpora) != 1:
        listed = ", ".join(corpora) or "none"
        raise Refusal(f"the table's training corpora are {listed}: transfer is from one; pass its name as training")
    return corpora[0]


def verdict(slope_interval: tuple[float, float]) -> str:
    """How the slope's interval stands to one, the slope of a constant offset (arXiv 2001.08361, figure 8)."""
    low, high = slope_interval
    if not (np.isfinite(low) and np.isfinite(high)):
        return "not decided"
    if high < 0:
        return "below nought: rises as the training loss falls"
    if low <= 0:
        return "below one, contains nought: no clear relation" if high < 1 else "contains nought and one: not decided"
    if high < 1:
        return "below one"
    return "above one" if low > 1 else "contains one: not decided"


@dataclass(frozen=True)
class _Study:
    """The table and the settings that every domain shares."""

    table: pd.DataFrame
    training: str
    level: float
    bootstrap: int
    seed: int
    phase: str | None

    def transfer(self, domain: str) -> Transfer:
        own, column = f"lm_{self.training}/bpb", f"lm_{domain}/bpb"
        rows, excluded = usable(self.table, (own, column, "N", "D", "C"), self.phase)
        if len(rows) < LEAST_ROWS or rows[own].nunique() < 2:
            raise Refusal(f"{len(rows)} rungs have both {own} and {column}: a line needs {LEAST_ROWS} that differ")
        source, target = rows[own].to_numpy(np.float64), rows[column].to_numpy(np.float64)
        cluster_n = clusters_of(rows)
        line = self.line(source, target, cluster_n)
        trend = _trend(self.line(np.log(rows["C"].to_numpy(np.float64)), target, cluster_n).slope_interval)
        fits, refused = self.fits(rows.assign(loss=target, S=source)) if trend == FALLS else ({}, {})
        return Transfer(
            domain=domain,
            training=self.training,
            rows=len(rows),
            clusters=line.clusters,
            trend=trend,
            fits=fits,
            refused=refused,
            line=line,
            verdict=verdict(line.slope_interval),
            excluded=excluded,
        )

    def fits(self, rows: pd.DataFrame) -> tuple[dict[str, Fit], dict[str, str]]:
        """Every law that fits, and why the others do not."""
        fits, refused = {}, {}
        for law in DOMAIN_LAWS:
            try:
                fits[law] = fit(law, rows, bootstrap=self.bootstrap, seed=self.seed, phase=None)
            except Refusal as refusal:
                refused[law] = str(refusal)
        return fits, refused

    def line(self, x_n: Array, y_n: Array, cluster_n: np.ndarray) -> Line:
        """Least squares with a bootstrap over trunks; x and y are centred first, so that sums keep their digits."""
        x_mean, y_mean = float(x_n.mean()), float(y_n.mean())
        x, y = x_n - x_mean, y_n - y_mean
        clusters = int(cluster_n.max()) + 1
        terms = np.stack([np.ones_like(x), x, y, x * x, x * y])
        sums_sc = np.stack([np.bincount(cluster_n, term, minlength=clusters) for term in terms])
        point = _least_squares(sums_sc.sum(axis=1)[:, None], x_mean, y_mean)[:, 0]
        random = np.random.default_rng(self.seed)
        replicates = self.bootstrap if clusters > 1 else 0
        counts_rc = random.multinomial(clusters, np.full(clusters, 1 / clusters), size=replicates).astype(np.float64)
        draws = _least_squares(sums_sc @ counts_rc.T, x_mean, y_mean)
        draws = draws[:, np.isfinite(draws).all(axis=0)]
        low, high = interval(draws.T, point, self.level, clusters)
        ends = [(float(a), float(b)) for a, b in zip(low, high, strict=True)]
        residual = y - point[0] * x
        total = float((y**2).sum())
        r2 = 1 - float((residual**2).sum()) / total if total > 0 else float("nan")
        return Line(
            float(point[0]), ends[0], float(point[1]), ends[1], float(point[2]), ends[2], r2, clusters, draws[:2].T
        )


def _least_squares(sums_sr: Array, x_mean: float, y_mean: float) -> Array:
    """Slope, offset and mean gap y - x of every column of the sums 1, x, y, xx, xy; NaN where all x agree."""
    count, x, y, xx, xy = sums_sr
    spread = xx - x * x / count
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(spread > 1e-12 * np.maximum(xx, 1e-300), (xy - x * y / count) / spread, np.nan)
    x_bar, y_bar = x_mean + x / count, y_mean + y / count
    return np.stack([slope, y_bar - slope * x_bar, y_bar - x_bar])


def _trend(slope_interval: tuple[float, float]) -> str:
    """What the loss does with log compute, from its slope's interval."""
    low, high = slope_interval
    if np.isnan(low):
        return UNKNOWN
    if high < 0:
        return FALLS
    return RISES if low > 0 else UNCLEAR
