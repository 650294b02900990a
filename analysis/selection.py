"""Which rows of a table are fitted, and why the others are not: the one place that decides."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.laws import LAWS
from analysis.laws.jet import Array
from analysis.laws.law import Law
from harness.refusal import Refusal

DEARER = "a cheaper row has a lower loss"  # why a row is not on the compute frontier


@dataclass(frozen=True)
class Selection:
    """The rows of one fit: columns of the law's variables, the target, weights, clusters, what was left out and why."""

    columns: Mapping[str, Array]
    loss_n: Array
    weight_n: Array
    noise_n: Array  # known standard deviation of each row's target; one where none is known
    cluster_n: np.ndarray
    stratum_c: np.ndarray  # the stratum of each cluster
    excluded: Mapping[str, int]
    data_hash: str

    @property
    def clusters(self) -> int:
        return int(self.cluster_n.max()) + 1


def usable(
    table: pd.DataFrame,
    names: tuple[str, ...],
    phase: str | None = "decayed",
    held_out: bool = False,
    signed: tuple[str, ...] = (),
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Rows of the phase (None: any) with finite, positive values in the named columns, and counts of those left out.

    Held-out rows are left out unless `held_out` is True; columns named in `signed` may have any sign.
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
    numbers = {name: _numbers(table[name]) for name in names}
    kept = np.ones(len(table), bool)
    for name, values in numbers.items():
        lost = kept & ~np.isfinite(values)
        if lost.any():
            excluded[f"{name} is not a finite number"] = int(lost.sum())
        kept &= ~lost
    for name, values in numbers.items():
        low = np.flatnonzero(kept & (values <= 0))
        if len(low) and name not in signed:
            row = table.index[low[0]]
            raise Refusal(
                f"{name}={values[low[0]]:g} in row {row} (the first is 0): logarithms need positive values; drop it"
            )
    if not kept.all():
        table, numbers = table[kept], {name: values[kept] for name, values in numbers.items()}
    return table.assign(**numbers), excluded


def _numbers(column: pd.Series) -> Array:
    if column.dtype != np.float64:
        column = pd.to_numeric(column, errors="coerce").astype("float64")
    return np.asarray(column.to_numpy(np.float64))


def _refuse_bad_column(table: pd.DataFrame, name: str) -> None:
    found = int((table.columns == name).sum())
    if found == 0:
        own = [str(column) for column in table.attrs.get("own", table.columns)]
        there = ", ".join([*own[:12], *(["..."] if len(own) > 12 else [])])
        fitting = [law.name for law in LAWS.values() if {*law.variables, law.target} <= {*own, *table.columns}]
        others = f"; laws that its columns carry: {', '.join(fitting[:6])}" if fitting else ""
        raise Refusal(
            f"the table has no column {name!r}, and the fit needs it; it has: {there}; name it with "
            f"--columns {name}=THEIRS{others}"
        )
    if found > 1:
        raise Refusal(f"the table has {found} columns called {name!r}: keep one of them")


def clusters_of(table: pd.DataFrame, same: tuple[str, ...] = ()) -> np.ndarray:
    """A number for each row's trunk; rows without a trunk stand for themselves.

    Where every row does, rows that agree in the columns `same` are one: a row copied is no second witness.
    """
    own = np.arange(len(table))
    if "trunk_id" in table.columns:
        names = pd.Series([f"row {i}" for i in own], index=table.index)
        trunks = table["trunk_id"].astype("object").where(table["trunk_id"].notna(), names)
        own = np.asarray(pd.factorize(trunks)[0])
    if same and len(table) and own.max() + 1 == len(table) and not table[same[-1]].is_unique:
        own = np.asarray(table.groupby(list(same), sort=False).ngroup())
    return own


def _strata(table: pd.DataFrame, cluster_n: np.ndarray, fewest: int) -> np.ndarray:
    """The seed of every cluster as a number; seeds with fewer clusters than `fewest` are drawn from together.

    A stratum of one cluster would be drawn in every resample, and add nothing to any interval.
    """
    clusters = int(cluster_n.max()) + 1
    if "seed" not in table.columns:
        return np.zeros(clusters, int)
    first = np.unique(cluster_n, return_index=True)[1]
    stratum_c, _ = pd.factorize(table["seed"].to_numpy()[first])
    sizes = np.bincount(stratum_c + 1)[stratum_c + 1]  # a missing seed is -1
    stratum_c = np.where(sizes < fewest, -1, stratum_c)
    if 0 < (stratum_c == -1).sum() < fewest and len(np.unique(stratum_c)) > 1:
        stratum_c = np.where(stratum_c == -1, np.bincount(stratum_c[stratum_c >= 0]).argmax(), stratum_c)
    return np.asarray(pd.factorize(stratum_c)[0])


def frontier(table: pd.DataFrame, target: str = "loss") -> pd.DataFrame:
    """The rows that no cheaper (or equally dear) row beats, by rising C."""
    ordered = table.sort_values(["C", target])
    before = ordered[target].cummin().shift(fill_value=np.inf)
    return ordered[ordered[target] < before]


def chosen(
    law: Law,
    table: pd.DataFrame,
    phase: str | None = "decayed",
    held_out: bool = False,
    extra: tuple[str, ...] = (),
    drop_highest_loss: int = 0,
    logarithmic: bool = True,
) -> tuple[pd.DataFrame, dict[str, int]]:
    """The rows that a fit of the law sees, and counts of those that it does not, by the reason."""
    signed = (*extra, *(() if logarithmic else (law.target,)))
    rows, excluded = usable(table, (*law.variables, law.target, *extra), phase, held_out, signed)
    if drop_highest_loss:
        highest = np.argsort(-rows[law.target].to_numpy(), kind="stable")[:drop_highest_loss]
        rows = rows.iloc[np.setdiff1d(np.arange(len(rows)), highest)]
        excluded[f"among the {drop_highest_loss} highest losses"] = len(highest)
    if law.on_frontier:
        best = frontier(rows, law.target)
        if len(best) < len(rows):
            excluded[DEARER] = len(rows) - len(best)
        rows = best
    return rows, excluded


def select(
    law: Law,
    rows: pd.DataFrame,
    excluded: Mapping[str, int],
    weights: str | None = None,
    noise: str | None = None,
    fewest: int = 5,
) -> Selection:
    """The `chosen` rows as the engine wants them; refuses those that cannot carry the law.

    `weights` and `noise` name columns; the noise is the standard deviation of the target, in its own units.
    """
    _refuse_thin(law, rows, excluded)
    extra = tuple(name for name in (weights, noise) if name)
    columns = {name: rows[name].to_numpy(np.float64) for name in law.variables}
    loss_n = rows[law.target].to_numpy(np.float64)
    ones = np.ones(len(rows))
    weight_n = rows[weights].to_numpy(np.float64) if weights else ones
    noise_n = rows[noise].to_numpy(np.float64) if noise else ones
    if weight_n.min() < 0 or weight_n.max() <= 0:
        raise Refusal(f"{weights}={weight_n.min():g} is the least weight: weights are not negative, nor all nought")
    if noise_n.min() <= 0:
        raise Refusal(f"{noise}={noise_n.min():g} is the least noise: a standard deviation is positive; correct it")
    cluster_n = clusters_of(rows, (*law.variables, law.target))
    digest = hashlib.sha256(",".join((*law.variables, law.target, *extra)).encode())
    for values in (*columns.values(), loss_n, cluster_n, *(rows[name] for name in extra)):
        digest.update(np.ascontiguousarray(values, dtype="<f8").tobytes())
    stratum_c = _strata(rows, cluster_n, fewest)
    return Selection(columns, loss_n, weight_n, noise_n, cluster_n, stratum_c, excluded, digest.hexdigest())


def _refuse_thin(law: Law, rows: pd.DataFrame, excluded: Mapping[str, int]) -> None:
    wanted = len(law.parameters) + 1
    if len(rows) < wanted:
        why = "; ".join(f"{count} left out: {reason}" for reason, count in excluded.items())
        raise Refusal(
            f"{len(rows)} usable rows: law {law.name!r} has {len(law.parameters)} parameters and needs at least "
            f"{wanted} rows; train more rungs or take a smaller law{' (' + why + ')' if why else ''}"
        )
    for name in law.variables:
        values = rows[name].to_numpy(np.float64)
        if values.min() == values.max():
            raise Refusal(
                f"{name} has one distinct value ({values[0]:g}): law {law.name!r} needs at least 2; "
                f"vary it, or fit a law without {name}"
            )
    targets = rows[law.target].to_numpy(np.float64)
    if targets.min() == targets.max():
        raise Refusal(
            f"every {law.target} is {targets[0]:g}: nothing falls, so no law can be read; check the {law.target} column"
        )
