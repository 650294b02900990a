"""Loss against the text there is to train on: runs stopped where their loss is lowest, and the falling curve of these.

Losses are bits per byte. s seed, d amount of text.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.interpolate import PchipInterpolator
from scipy.special import stdtrit

from analysis.laws.jet import Array
from analysis.optimum import Quantity

SETTLED = 0.01  # bits per byte that a doubling of steps may still change: a tenth or less of a text's worth
CAPPED, LATE = "capped by steps", "stopped too late"  # why the budgets of a run do not bracket its lowest loss
BEYOND = "beyond the largest from scratch"  # why a loss is worth no known amount of text
BELOW = "below the smallest from scratch"
NOTHING = "no run from scratch"


@dataclass(frozen=True)
class Stopped:
    """Runs that differ in their seed alone, each stopped at the budget of its lowest loss (early stopping)."""

    bpb_s: pd.Series = field(compare=False)
    # What a doubling of steps did at the end of the budgets where the lowest loss is, mean over seeds; 0 inside.
    brought: float  # by the last one, down to the lowest loss; inf where there is one budget
    cost: float  # by the first one, up from the lowest loss

    @property
    def mean(self) -> float:
        return float(self.bpb_s.mean())

    @property
    def doubt(self) -> str:
        """Why another budget would have had a lower loss; empty where none would."""
        return CAPPED if self.brought > SETTLED else LATE if self.cost > SETTLED else ""


def stopped(rows: pd.DataFrame) -> Stopped:
    """From rows of one shape and text with seed, tokens, learning_rate and bpb."""
    ends = {seed: _stop(part) for seed, part in rows.groupby("seed")}
    bpb_s = pd.Series({seed: lowest for seed, (lowest, _, _) in ends.items()})
    return Stopped(bpb_s, *(float(np.mean([end[i] for end in ends.values()])) for i in (1, 2)))


def _stop(rows: pd.DataFrame) -> tuple[float, float, float]:
    """The lowest loss of one seed, and at its learning rate what the budgets beside it say (see `Stopped`)."""
    rows = rows.sort_values("bpb")
    alike = rows[rows["learning_rate"] == rows["learning_rate"].iloc[0]]
    budgets, lowest = np.unique(alike["tokens"], return_index=True)
    bpb_n = alike["bpb"].to_numpy()[lowest]
    if len(bpb_n) == 1:
        return float(bpb_n[0]), math.inf, 0.0
    slopes, best = np.diff(bpb_n) / np.diff(np.log2(budgets)), int(bpb_n.argmin())
    brought, cost = -slopes[-1] if best == len(slopes) else 0.0, slopes[0] if best == 0 else 0.0
    return float(bpb_n[best]), float(brought), float(cost)


@dataclass(frozen=True)
class Scratch:
    """One shape trained from scratch on growing amounts of text."""

    by_text: Mapping[int, Stopped] = field(compare=False)

    @cached_property
    def settled(self) -> dict[int, Stopped]:
        """By rising text, those whose lowest loss is known."""
        return {tokens: self.by_text[tokens] for tokens in sorted(self.by_text) if not self.by_text[tokens].doubt}

    @cached_property
    def curve(self) -> tuple[Array, Array]:
        """Text and loss of the settled runs' means; neighbours that do not fall are one point, their mean."""
        weights = [len(one.bpb_s) for one in self.settled.values()]
        log_d, bpb_d = _falling(np.log(list(self.settled)), [one.mean for one in self.settled.values()], weights)
        return np.exp(log_d), bpb_d

    def of(self, seed: object) -> "Scratch":
        """The same of one seed, or of all where some amount of text lacks it."""
        own = {tokens: one.bpb_s[one.bpb_s.index == seed] for tokens, one in self.settled.items()}
        if not all(map(len, own.values())):
            return self
        return Scratch({tokens: Stopped(bpb_s, 0.0, 0.0) for tokens, bpb_s in own.items()})

    def worth(self, bpb: float) -> float:
        """The text with which a run from scratch has this loss, smooth in log D between runs; 0 or inf beyond."""
        tokens_d, bpb_d = self.curve
        if not len(bpb_d) or bpb < bpb_d[-1]:
            return math.inf
        if bpb > bpb_d[0] or len(bpb_d) == 1:
            return 0.0
        return float(np.exp(PchipInterpolator(-bpb_d, np.log(tokens_d))(-bpb)))

    def doubt(self, bpb: float) -> str:
        """Why this loss is worth no known amount of text; empty where it is."""
        if not self.by_text:
            return NOTHING
        worth, end = self.worth(bpb), BEYOND
        if 0 < worth < math.inf:
            return ""
        outside = [tokens for tokens in self.by_text if tokens > max(self.settled, default=0)]
        if not worth:
            outside, end = [tokens for tokens in self.by_text if tokens < min(self.settled)], BELOW
        return f"from scratch {self.by_text[min(outside)].doubt}" if outside else end

    def at(self, tokens: float) -> pd.Series:
        """Loss by seed, straight in log D between the settled amounts of text around."""
        amounts = list(self.settled)
        above = int(np.clip(np.searchsorted(amounts, tokens), 1, len(amounts) - 1))
        low, high = amounts[above - 1], amounts[above]
        share = math.log(tokens / low) / math.log(high / low)
        return ((1 - share) * self.settled[low].bpb_s + share * self.settled[high].bpb_s).dropna()


def _falling(x: Iterable[float], y: Iterable[float], weights: Iterable[float]) -> tuple[Array, Array]:
    """Places and values of a strictly falling curve: neighbours that do not fall are pooled into their mean."""
    pooled: list[Array] = []  # weight, and weighted sums of x and y
    for place, value, weight in zip(x, y, weights, strict=True):
        pooled.append(weight * np.array([1.0, place, value]))
        while len(pooled) > 1 and pooled[-1][2] / pooled[-1][0] >= pooled[-2][2] / pooled[-2][0]:
            last = pooled.pop()
            pooled[-1] = pooled[-1] + last
    sums = np.array(pooled).reshape(-1, 3)
    return sums[:, 1] / sums[:, 0], sums[:, 2] / sums[:, 0]


def difference(first_s: pd.Series, second_s: pd.Series, level: float) -> Quantity:
    """First less second, with Student's interval over seeds: paired where both have the same ones, else Welch's."""
    value = float(first_s.mean() - second_s.mean())
    count = len(first_s), len(second_s)
    if min(count) < 2:
        return Quantity(value, math.nan, math.nan)
    if set(first_s.index) == set(second_s.index):
        variance, freedom = float((first_s - second_s).var()) / count[0], count[0] - 1.0
    else:
        parts = [float(one.var()) / len(one) for one in (first_s, second_s)]
        variance = sum(parts)
        doubled = sum(part**2 / (n - 1) for part, n in zip(parts, count, strict=True))
        freedom = variance**2 / doubled if doubled else min(count) - 1.0
    half = float(stdtrit(freedom, 0.5 + level / 2)) * math.sqrt(variance)
    return Quantity(value, value - half, value + half)
