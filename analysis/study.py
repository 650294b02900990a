"""Everything asked of one sweep's run folders, each answer computed once when it is first wanted."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.conventions import CONVENTIONS, add_counts
from analysis.fit import Fit, fit
from analysis.forecast import Forecast, forecast
from analysis.laws import LAWS
from analysis.laws.law import Law
from analysis.selection import usable
from analysis.table import load
from analysis.transfer import Transfer, transfer
from analysis.wording import rounded, span
from harness.record import Run, read_runs, read_sweep
from harness.refusal import Refusal, pick

LEVEL = 0.90
MOST_LINE_REPLICATES = 400  # a straight line settles sooner than a law
IMPORTED = "given"  # the convention of tables that came without parts


@dataclass(frozen=True)
class Study:
    """A sweep folder read under one law and one counting convention (None: those that its design declares).

    What the data cannot answer is refused when it is asked for.
    """

    root: Path
    law_name: str | None = None
    convention_name: str | None = None
    bootstrap: int = 1000

    @cached_property
    def design(self) -> dict[str, Any]:
        return read_sweep(self.root)

    @cached_property
    def runs(self) -> list[Run]:
        return read_runs(self.root)

    @property
    def law(self) -> Law:
        return pick(LAWS, self.law_name or self.design.get("law", "chinchilla"), "law")

    @property
    def convention(self) -> str:
        return self.convention_name or self.design.get("convention", "chinchilla")

    @cached_property
    def raw(self) -> pd.DataFrame:
        return load(self.root)

    @cached_property
    def table(self) -> pd.DataFrame:
        """Every point of every run, with N, D and C."""
        return add_counts(self.raw, self.convention)

    @cached_property
    def decayed(self) -> pd.DataFrame:
        """Finished rungs; refused where there are none."""
        rows, _ = usable(self.table, ("N", "D", "C", "loss"), held_out=True)
        if rows.empty:
            raise Refusal(f"{self.root} has no finished rung with a loss: launch the sweep, then ask again")
        return rows

    @property
    def fitted(self) -> pd.DataFrame:
        return self.decayed[~self.decayed["held_out"]]

    @property
    def held_out(self) -> pd.DataFrame:
        return self.decayed[self.decayed["held_out"]]

    @property
    def conventions(self) -> list[str]:
        return [name for name in CONVENTIONS if name != IMPORTED]

    @property
    def exponents(self) -> list[str]:
        return [exponent.name for exponent in self.law.exponents]

    @cached_property
    def _fits(self) -> dict[str, Fit | Refusal]:
        return {}

    def fit_under(self, convention: str) -> Fit:
        """The law fitted to the rungs that are not held out, as this convention counts them."""
        if convention not in self._fits:
            counted = add_counts(self.raw, convention)
            try:
                self._fits[convention] = fit(self.law, counted, bootstrap=self.bootstrap)
            except Refusal as refusal:
                self._fits[convention] = refusal
        known = self._fits[convention]
        if isinstance(known, Refusal):
            raise known
        return known

    @property
    def fit(self) -> Fit:
        return self.fit_under(self.convention)

    @cached_property
    def forecast(self) -> Forecast:
        """The held-out rungs as the fitted ones foretell them; refused where none is finished."""
        return forecast(self.law, self.table, LEVEL, bootstrap=self.bootstrap)

    @cached_property
    def transfers(self) -> dict[str, Transfer]:
        """Domain by domain, how loss there follows the training text; refused where no other domain was scored."""
        return transfer(self.table, level=LEVEL, bootstrap=min(self.bootstrap, MOST_LINE_REPLICATES))


def law_in_words(study: Study) -> dict[str, str]:
    """Parameter -> value and interval; where the data do not identify it, that, and no number."""
    known = study.fit
    intervals = known.intervals(LEVEL)
    return {name: parameter_in_words(known, name, *intervals[name]) for name in known.law.parameters}


def parameter_in_words(known: Fit, name: str, low: float, high: float) -> str:
    if not known.identified(name):
        return f"not identified: {known.doubt(name)}"
    return f"{rounded(known.parameters[name], (high - low) / 2)} ({span(low, high)})"
