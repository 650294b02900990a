"""Coordinate check: how far each activation moves in a few steps, against size: level lines are what transfers."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from analysis.optimum import Quantity
from analysis.rates import in_order, size_axis
from analysis.wording import estimate
from harness.refusal import Refusal

PREFIX = "coordinates/"
MOST_STEPS = 100  # longer runs than a coordinate check's
# Over a factor eight in size such a power moves an activation by √2, the factor that a best rate is held to.
LEVEL_POWER = 1 / 6


@dataclass(frozen=True)
class Part:
    """One activation under one parametrisation after so many steps: its root mean square change at each size.

    `power` is the exponent of change ~ size^power, by least squares over the sizes.
    """

    parametrisation: str
    name: str
    steps: int
    sizes: tuple[int, ...]
    change: tuple[float, ...]  # geometric means over seeds
    power: Quantity

    @property
    def verdict(self) -> str:
        low, high = self.power.low, self.power.high
        if self.power.doubt or not math.isfinite(low):
            return "not known"
        if low >= -LEVEL_POWER and high <= LEVEL_POWER:
            return "level"
        return "grows" if low > 0 else "shrinks" if high < 0 else "cannot be told"


@dataclass(frozen=True)
class Coordinates:
    """Parts by parametrisation, name and steps."""

    axis: str  # width or depth
    parts: tuple[Part, ...]
    level: float

    @property
    def parametrisations(self) -> list[str]:
        return list(dict.fromkeys(part.parametrisation for part in self.parts))

    @property
    def last(self) -> list[Part]:
        """Those after the most steps."""
        most = max(part.steps for part in self.parts)
        return [part for part in self.parts if part.steps == most]

    def to_table(self) -> pd.DataFrame:
        """A row per part, steps and size."""
        rows: list[dict[str, Any]] = []
        for part in self.parts:
            same = {"parametrisation": part.parametrisation, "part": part.name, "steps": part.steps}
            power = {"power": part.power.value, "power_low": part.power.low, "power_high": part.power.high}
            for size, change in zip(part.sizes, part.change, strict=True):
                rows.append(same | {self.axis: size, "change": change} | power | {"verdict": part.verdict})
        return pd.DataFrame(rows)

    def words(self) -> list[str]:
        """A sentence for each parametrisation: which activations are level, which are not."""
        return [self._words(name) for name in self.parametrisations]

    def _words(self, parametrisation: str) -> str:
        own = [part for part in self.last if part.parametrisation == parametrisation]
        said = []
        for verdict, lead in VERDICTS.items():
            names = [f"{part.name} {_power(part)}" for part in own if part.verdict == verdict]
            if names:
                said.append(f"{lead} {', '.join(names)}")
        return f"Under {parametrisation}, after {own[0].steps} steps, change ~ {self.axis}^x: {'; '.join(said)}."


VERDICTS = {"level": "level", "grows": "growing", "shrinks": "shrinking"}
VERDICTS |= {"cannot be told": "neither level nor clearly moving", "not known": "of too few sizes"}


def _power(part: Part) -> str:
    value, ends = estimate(part.power.value, part.power.low, part.power.high)
    return f"{value} ({ends})"


def columns(table: pd.DataFrame) -> list[str]:
    """Those of the check."""
    return [str(name) for name in table.columns if str(name).startswith(PREFIX) and table[name].notna().any()]


def is_check(table: pd.DataFrame) -> bool:
    """Whether the runs are a coordinate check: a few steps each, and activations measured."""
    if not {"tokens", "batch_tokens", "parametrisation", "width", "depth"} <= set(table.columns) or not columns(table):
        return False
    return bool((table["tokens"] <= MOST_STEPS * table["batch_tokens"]).all())


def coordinate_check(table: pd.DataFrame, level: float = 0.90) -> Coordinates:
    """Change of every activation against the one size that varies, at every count of steps that was scored."""
    if not is_check(table):
        raise Refusal(f"no runs of at most {MOST_STEPS} steps with coordinates/ columns: this is no coordinate check")
    scored = table[table[columns(table)].notna().any(axis=1)]
    scored = scored.assign(steps=(scored["tokens"] // scored["batch_tokens"]).astype(int))
    axis = size_axis(scored)
    parts = []
    for column in columns(scored):
        moved = scored[scored[column] > 0]
        moved = moved.assign(log=np.log(moved[column]))
        for (name, steps), rows in moved.groupby(["parametrisation", "steps"], sort=True):
            means = rows.groupby(axis)["log"].mean()
            sizes = tuple(int(size) for size in means.index.to_numpy())
            power = _slope(np.log(sizes), means.to_numpy(np.float64), level)
            change = tuple(float(value) for value in np.exp(means))
            parts.append(Part(str(name), column.removeprefix(PREFIX), int(str(steps)), sizes, change, power))
    ranks = {name: i for i, name in enumerate(in_order(scored["parametrisation"]))}
    order = {column.removeprefix(PREFIX): i for i, column in enumerate(columns(scored))}
    parts.sort(key=lambda part: (ranks[part.parametrisation], order[part.name], part.steps))
    return Coordinates(axis, tuple(parts), level)


def _slope(x: np.ndarray, y: np.ndarray, level: float) -> Quantity:
    """Least squares over the sizes; the interval is from how far they lie off the line."""
    if len(x) < 2:
        return Quantity(math.nan, math.nan, math.nan, "one size")
    off = x - x.mean()
    slope = float(off @ y / (off @ off))
    if len(x) < 3:
        return Quantity(slope, math.nan, math.nan)
    residual = y - y.mean() - slope * off
    error = math.sqrt(float(residual @ residual) / (len(x) - 2) / float(off @ off))
    half = float(student.ppf(0.5 + level / 2, len(x) - 2)) * error
    return Quantity(slope, slope - half, slope + half)
