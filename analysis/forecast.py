"""Held-out rungs predicted from the fitted ones beside naive baselines, and forecasts for rungs to come."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.fit import Fit, fit
from analysis.laws.jet import Array
from analysis.laws.law import Law
from analysis.selection import frontier, usable
from harness.refusal import Refusal

COUNTS = ("N", "D", "C")


@dataclass(frozen=True)
class HeldOut:
    """One held-out rung: errors are predicted / observed - 1; `beyond` is its compute over the largest fitted."""

    run_id: str
    trunk_id: str
    N: float
    D: float
    C: float
    beyond: float
    observed: float
    predicted: float
    low: float
    high: float
    error: float
    inside: bool | None  # None where there is no interval: too few trunks, or no bootstrap
    carried: float  # baseline: the loss of the fitted rung with the most compute
    carried_error: float
    line: float  # baseline: straight line of log loss against log C through the compute frontier; NaN without one
    line_error: float

    @property
    def beats_baselines(self) -> bool:
        others = [abs(error) for error in (self.carried_error, self.line_error) if np.isfinite(error)]
        return not others or abs(self.error) < min(others)


@dataclass(frozen=True)
class Forecast:
    """The law fitted without the held-out rungs, and how each of them came out."""

    fit: Fit
    level: float
    rows: tuple[HeldOut, ...]

    @property
    def inside(self) -> int:
        return sum(row.inside is True for row in self.rows)

    @property
    def mean_error(self) -> float:
        """Mean size of the relative error over the held-out rungs."""
        return float(np.mean([abs(row.error) for row in self.rows]))

    def to_table(self) -> pd.DataFrame:
        """One row per held-out rung."""
        return pd.DataFrame([vars(row) | {"beats_baselines": row.beats_baselines} for row in self.rows])

    def to_json(self) -> dict[str, Any]:
        """The fit and the held-out rungs as plain JSON values; a number that is not finite becomes null."""
        rows = [
            {
                name: None if isinstance(cell, float) and not np.isfinite(cell) else cell
                for name, cell in vars(row).items()
            }
            for row in self.rows
        ]
        return {"fit": self.fit.to_json(), "level": self.level, "held_out": rows}


def forecast(
    law: Law | str, table: pd.DataFrame, level: float = 0.90, phase: str | None = "decayed", **options: Any
) -> Forecast:
    """Fits the law to the rows that are not held out (`options` go to `fit`) and predicts those that are."""
    known = fit(law, table, phase=phase, **options)
    return score(known, table, held_out_rows(table, known.law, phase), level, phase)


def held_out_rows(table: pd.DataFrame, law: Law, phase: str | None = "decayed") -> pd.DataFrame:
    """Held-out rungs with what the law foretells; refused where there is none, or where a trunk is fitted as well."""
    if "held_out" not in table.columns or not table["held_out"].any():
        raise Refusal("no rung is held out: name one in the sweep's `held_out`, or mark rows in a column held_out")
    apart = table["held_out"].astype(bool)
    held, _ = usable(table[apart], (*law.variables, law.target), phase, held_out=True)
    if not len(held):
        raise Refusal(f"no held-out rung has a {law.target} yet: train it first, then ask for its forecast's score")
    shared = set(held.get("trunk_id", ())) & set(table.loc[~apart].get("trunk_id", ()))
    if shared:
        raise Refusal(f"trunk {min(map(str, shared))} is both fitted and held out: hold a whole trunk out")
    return held


def score(
    known: Fit, table: pd.DataFrame, held: pd.DataFrame, level: float = 0.90, phase: str | None = "decayed"
) -> Forecast:
    """How the held-out rungs came out under a law that was fitted to the table's others."""
    target = known.law.target
    naive = target == "loss" and "C" in table.columns  # the baselines are of loss against compute
    fitted, _ = usable(table, (*known.law.variables, *(("C",) if naive else ()), target), phase)
    predicted = known.predict(held)
    low, high = known.predict_interval(held, level)
    top = fitted.iloc[int(fitted["C"].to_numpy().argmax())] if naive else None
    line = frontier_line(fitted, held["C"].to_numpy(np.float64)) if naive else np.full(len(held), np.nan)
    rows = []
    for i, (_, row) in enumerate(held.iterrows()):
        observed = float(row[target])
        carried = float(top["loss"]) if top is not None else math.nan
        rows.append(
            HeldOut(
                run_id=str(row.get("run_id", i)),
                trunk_id=str(row.get("trunk_id", i)),
                **{name: float(row.get(name, math.nan)) for name in COUNTS},
                beyond=float(row["C"] / top["C"]) if top is not None else math.nan,
                observed=observed,
                predicted=float(predicted[i]),
                low=float(low[i]),
                high=float(high[i]),
                error=float(predicted[i] / observed - 1),
                inside=bool(low[i] <= observed <= high[i]) if np.isfinite(low[i]) else None,
                carried=carried,
                carried_error=carried / observed - 1,
                line=float(line[i]),
                line_error=float(line[i] / observed - 1),
            )
        )
    return Forecast(known, level, tuple(rows))


def frontier_line(table: pd.DataFrame, compute_c: Array) -> Array:
    """Loss from the straight line of log loss against log C through the frontier; NaN without two points."""
    best = frontier(table)
    if best["C"].nunique() < 2:
        return np.full(len(compute_c), np.nan)
    slope, intercept = np.polyfit(np.log(best["C"]), np.log(best["loss"]), 1)
    return np.asarray(np.exp(intercept + slope * np.log(compute_c)), dtype=np.float64)
