"""Which rows of a table are fitted, and why the others are not: the one place that decides."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.laws.law import Array, Law
from harness.refusal import Refusal


@dataclass(frozen=True)
class Selection:
    """The rows of one fit: columns of the law's variables, the loss, cluster numbers, what was left out and why."""

    columns: Mapping[str, Array]
    loss_n: Array
    cluster_n: np.ndarray
    excluded: Mapping[str, int]
    data_hash: str

    @property
    def clusters(self) -> int:
        return int(self.cluster_n.max()) + 1


def usable(
    table: pd.DataFrame, names: tuple[str, ...], phase: str | None = "decayed", held_out: bool = False
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Rows of the phase (None: any) with finite, positive values in the named columns, and counts of those left out.

    Held-out rows are left out unless `held_out` is True.
    """
    for name in names:
        _refuse_bad_column(table, name)
    excluded: dict[str, int] = {}
    if not held_out and "held_out" in table.columns:
        kept_back = table["held_out"].to_numpy(bool)
        if kept_back.any():
            excluded["held out"] = int(kept_back.sum())
        table = table[~kept_back]
    if phase is not None and "phase" in table.columns:
        other = table["phase"].to_numpy() != phase
        if other.any():
            excluded[f"phase is not {phase}"] = int(other.sum())
        table = table[~other]
    numbers = table[list(names)].apply(pd.to_numeric, errors="coerce").astype("float64")
    for name in names:
        lost = ~np.isfinite(numbers[name].to_numpy())
        if lost.any():
            excluded[f"{name} is not a finite number"] = int(lost.sum())
        numbers, table = numbers[~lost], table[~lost]
    for name in names:
        low = numbers[name].min() if len(numbers) else 1.0
        if low <= 0:
            raise Refusal(f"{name}={low:g} in row {numbers[name].idxmin()}: logarithms need positive values; drop it")
    return table.assign(**{name: numbers[name] for name in names}), excluded


def _refuse_bad_column(table: pd.DataFrame, name: str) -> None:
    found = int((table.columns == name).sum())
    if found == 0:
        known = ", ".join(map(str, table.columns[:12]))
        raise Refusal(f"the table has no column {name!r}, and the fit needs it; it has: {known}")
    if found > 1:
        raise Refusal(f"the table has {found} columns called {name!r}: keep one of them")


def clusters_of(table: pd.DataFrame) -> np.ndarray:
    """A number for each row's trunk; rows without a trunk stand for themselves."""
    if "trunk_id" not in table.columns:
        return np.arange(len(table))
    own = pd.Series([f"row {i}" for i in range(len(table))], index=table.index)
    return np.asarray(pd.factorize(table["trunk_id"].astype("object").where(table["trunk_id"].notna(), own))[0])


def select(law: Law, table: pd.DataFrame, phase: str | None = "decayed", held_out: bool = False) -> Selection:
    """The rows that the law is fitted to; refuses a table that cannot carry the law."""
    rows, excluded = usable(table, (*law.variables, "loss"), phase, held_out)
    wanted = len(law.parameters) + 1
    if len(rows) < wanted:
        why = "; ".join(f"{count} left out: {reason}" for reason, count in excluded.items())
        raise Refusal(
            f"{len(rows)} usable rows: law {law.name!r} has {len(law.parameters)} parameters and needs at least "
            f"{wanted} rows; train more rungs or take a smaller law{' (' + why + ')' if why else ''}"
        )
    columns = {name: rows[name].to_numpy(np.float64) for name in law.variables}
    for name, values in columns.items():
        if len(np.unique(values)) < 2:
            raise Refusal(
                f"{name} has one distinct value ({values[0]:g}): law {law.name!r} needs at least 2; "
                f"vary it, or fit a law without {name}"
            )
    loss_n = rows["loss"].to_numpy(np.float64)
    if len(np.unique(loss_n)) < 2:
        raise Refusal(f"every loss is {loss_n[0]:g}: nothing falls, so no law can be read; check the loss column")
    cluster_n = clusters_of(rows)
    digest = hashlib.sha256(",".join((*law.variables, "loss")).encode())
    for values in (*columns.values(), loss_n, cluster_n):
        digest.update(np.ascontiguousarray(values, dtype="<f8").tobytes())
    return Selection(columns, loss_n, cluster_n, excluded, digest.hexdigest())
