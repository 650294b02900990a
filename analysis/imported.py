"""People's own files, whatever they hold, become the one typed run table or a line that says what is wrong."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.files import NAMELESS, as_number, clean, kind_of, one_line, read_file
from analysis.table import PART_COLUMNS, SCHEMA, SHAPE_COLUMNS
from harness.anatomy import CHOICES, shape_of
from harness.counts import counts
from harness.refusal import Refusal, nearest

# What the short names of --columns mean; every other name is a column's own.
SHORT_NAMES = {
    "params": "params_given",
    "N": "params_given",
    "D": "tokens",
    "flops": "flops_given",
    "C": "flops_given",
    "L": "loss",
    "cluster": "trunk_id",
    "trunk": "trunk_id",
    "run": "trunk_id",
}
# What people call the columns of their own tables, likeliest first; letters are taken as spelled, since `d` is a width.
# Not `L`: it counts layers as often as losses.
ALIASES = {
    "params_given": (
        *("N", "params", "parameters", "model_size", "num_params", "n_params", "num_parameters", "n_parameters"),
        *("param_count", "parameter_count", "total_params", "params_total", "params_active_precise"),
    ),
    "tokens": ("D", "training_tokens", "train_tokens", "num_tokens", "n_tokens", "tokens_seen", "total_tokens"),
    "flops_given": ("C", "flops", "flop", "compute", "training_flop", "training_flops", "train_flops", "total_flops"),
    "loss": ("final_loss", "val_loss", "valid_loss", "validation_loss", "eval_loss"),
}
# Names that laws ask for beside the schema's; their columns hold numbers or are refused.
OTHER_NUMBERS = ("S", "M", "U", "aspect", "error", "accuracy", "noise", "weight")
# What rows of one training run have in common, likeliest first: they are no independent witnesses.
CLUSTERS = ("trunk_id", "trunk", "cluster", "cluster_id", "run_id", "run", "run_name")
TEXTS = frozenset(name for name, dtype in SCHEMA.items() if dtype == "str") | set(CLUSTERS)
# A seed only tells runs apart, so it may be a word.
NUMBERS = {*ALIASES, *OTHER_NUMBERS, *(name for name, dtype in SCHEMA.items() if dtype.endswith("64"))} - {"seed"}

DOUBLED = re.compile(r"(.*) \(column \d+\)")


def read(path: Path, columns: Mapping[str, str] | None = None) -> pd.DataFrame:
    """A run table from someone's own csv, tsv, jsonl (each also .gz) or parquet: numbers as float64, all else as text.

    `columns` maps our names (or `SHORT_NAMES`) to theirs, for names that `ALIASES` does not know. Tokens that are not
    given are flops_given / (6 params_given). Without a column of `CLUSTERS` every row is its own cluster. Which of
    their columns each of our names was taken from stands in `attrs["columns"]`, what was derived in `attrs["derived"]`.
    """
    wanted = _wanted(columns or {})
    texts = TEXTS | {theirs for ours, theirs in wanted.items() if ours in TEXTS}
    found = _found(read_file(path, texts), wanted, path)
    mapped = wanted | _recognised(found, wanted, path)
    clusters = [name for name in CLUSTERS if name in found and name not in mapped.values()]
    if "trunk_id" not in mapped and clusters:
        mapped["trunk_id"] = clusters[0]
    table = {ours: found[theirs] for ours, theirs in mapped.items()}
    taken = (set(mapped.values()) | table.keys()) - {"run_id"}  # which may also say what a cluster is
    table |= {name: found[name] for name in found if name not in taken}
    table |= {name: _numbers(table[name], name, mapped.get(name, name), path) for name in table if name in NUMBERS}
    _refuse_without_numbers(table, bool(wanted), path)
    derived = {}
    if "tokens" not in table and {"params_given", "flops_given"} <= table.keys():
        with np.errstate(all="ignore"):
            table["tokens"] = table["flops_given"] / (6 * table["params_given"])
        derived["tokens"] = "flops_given / (6 params_given)"
    typed = _with_parts(pd.DataFrame(table | _defaults(table, path)))
    typed.attrs = {"columns": mapped, "derived": derived, "own": list(table)}
    return typed


def _with_parts(table: pd.DataFrame) -> pd.DataFrame:
    """Parameters and FLOPs in parts, for the counting conventions, where the columns say how each model is cut."""
    if not set(SHAPE_COLUMNS) <= set(table.columns) or set(PART_COLUMNS) & set(table.columns):
        return table
    shapes = table[[*SHAPE_COLUMNS, *(name for name in CHOICES if name in table.columns)]]
    if shapes.isna().any(axis=None):
        return table
    whole = shapes.astype({name: dtype for name, dtype in SCHEMA.items() if name in shapes and dtype == "int64"})
    records: list[dict[str, Any]] = whole.to_dict("records")  # type: ignore[assignment]
    parts = [counts(shape_of(row)) for row in records]
    return table.assign(**{name: [float(getattr(part, name)) for part in parts] for name in PART_COLUMNS})


def _defaults(table: Mapping[str, pd.Series], path: Path) -> dict[str, pd.Series]:
    """What every run table has, where this one has not; `held_out` as true or false."""
    rows = len(next(iter(table.values())))
    run_id = table["run_id"] if "run_id" in table else pd.Series([f"row{i}" for i in range(rows)], dtype="str")
    sweep = path.name[: -len(kind_of(path))]
    defaults = {
        "sweep": pd.Series([one_line(sweep)] * rows, dtype="str"),
        "run_id": run_id,
        "trunk_id": run_id,
        "phase": pd.Series(["decayed"] * rows, dtype="str"),
        "loss_stderr": pd.Series(np.full(rows, np.nan)),
        "held_out": pd.Series(np.zeros(rows, dtype=bool)),
    }
    missing = {name: column for name, column in defaults.items() if name not in table}
    return missing | ({"held_out": _flags(table["held_out"], path)} if "held_out" in table else {})


# --- their names and ours


def _wanted(columns: Mapping[str, str]) -> dict[str, str]:
    """What --columns asks for, by our full names."""
    wanted: dict[str, str] = {}
    for name, theirs in columns.items():
        ours = SHORT_NAMES.get(clean(name), clean(name))
        if not ours:
            raise Refusal(
                f"--columns ={one_line(theirs)} has no name of ours: write NAME=COLUMN, for instance params=Size"
            )
        if ours in wanted:
            raise Refusal(f"--columns names {ours} twice ({wanted[ours]!r} and {clean(theirs)!r}): keep one of them")
        wanted[ours] = clean(theirs)
    return wanted


def _found(table: pd.DataFrame, wanted: Mapping[str, str], path: Path) -> dict[str, pd.Series]:
    """The columns without nameless ones and blank rows, if there are rows and all that is wanted."""
    nameless = [name for name in map(str, table.columns) if NAMELESS.fullmatch(name) and name not in wanted.values()]
    found = table.drop(columns=nameless).dropna(how="all", ignore_index=True)
    if found.empty:
        raise Refusal(f"{one_line(path)} has no rows: a table has a row for each run below its header; add them")
    names = [str(name) for name in found.columns]
    for ours, theirs in wanted.items():
        if theirs not in names:
            _refuse_doubled(theirs, ours, names, path)
            there = one_line(nearest(theirs, names), 2000)
            raise Refusal(f"{one_line(path)} has no column {theirs!r} (wanted for {ours}): {there}")
    return {name: found[name] for name in names}


def _recognised(found: Mapping[str, pd.Series], wanted: Mapping[str, str], path: Path) -> dict[str, str]:
    """Their columns for those of our names that were not asked for: our own name first, then `ALIASES` in order."""
    free = [name for name in found if name not in wanted.values() and (name in ALIASES or _has_numbers(found[name]))]
    several = [name for name in _doubled(found) if name not in wanted]
    # The last to enter stays, so that the leftmost column wins, and one spelled exactly so before all.
    spelled = {_folded(name): name for name in reversed([*free, *several])}
    spelled |= {name: name for name in [*free, *several]}
    mapped: dict[str, str] = {}
    for ours, aliases in ALIASES.items():
        keys = [key for name in (ours, *aliases) for key in (name, _folded(name)) if key in spelled]
        if keys and ours not in wanted:
            mapped[ours] = spelled[keys[0]]
    own = {name: name for name in several if name in SCHEMA or name in NUMBERS}
    for ours, theirs in (own | mapped).items():
        _refuse_doubled(theirs, ours, found, path)
    return mapped


def _has_numbers(column: pd.Series) -> bool:
    """Whether a cell at least begins like a number: a column of words called `compute` is no FLOPs."""
    if column.dtype == bool:
        return False
    return column.dtype == np.float64 or any(re.match(r"\W*[0-9]", text) for text in column.dropna())


def _doubled(names: Iterable[str]) -> dict[str, list[str]]:
    """The labels of names that stood above several columns."""
    labels: dict[str, list[str]] = {}
    for name in names:
        if match := DOUBLED.fullmatch(name):
            labels.setdefault(match[1], []).append(name)
    return {name: several for name, several in labels.items() if len(several) > 1}


def _refuse_doubled(theirs: str, ours: str, names: Iterable[str], path: Path) -> None:
    if several := _doubled(names).get(theirs):
        raise Refusal(
            f"{one_line(path)} has {len(several)} columns called {theirs!r} (wanted for {ours}): "
            f"rename one of them, or choose with --columns {ours}={several[0]!r}"
        )


def _folded(name: str) -> str:
    return name if len(name) == 1 else re.sub(r"[\s_-]+", "_", name.lower())


def _numbers(column: pd.Series, ours: str, theirs: str, path: Path) -> pd.Series:
    if column.dtype == np.float64:
        return column
    numbers = [as_number(cell) for cell in column]
    if None in numbers:
        row = numbers.index(None)
        cell = column.tolist()[row]
        why = "" if ours == theirs else f" (taken for {ours}; --columns {ours}=THEIRS takes another)"
        shown = one_line(repr(cell), 60)
        raise Refusal(f"{one_line(path)}, row {row}: {theirs}={shown} is not a number{why}; {_cure(str(cell))}")
    return pd.Series(numbers, dtype="float64")


def _cure(cell: str) -> str:
    if "%" in cell:
        return "write a fraction, 0.5 for 50 %, in the whole column"
    if re.fullmatch(r"[+-]?[0-9][0-9.,'_\s]*(e[+-]?[0-9]+)?", cell, re.IGNORECASE):
        return "write it with a point for decimals and nothing between thousands"
    if re.fullmatch(r"[+-]?[0-9.]+\s*[kmbgtpe]", cell, re.IGNORECASE):
        return "write it out, 7e9 for 7B"
    return "correct it or leave it empty"


def _refuse_without_numbers(table: Mapping[str, pd.Series], was_told: bool, path: Path) -> None:
    numeric = [name for name, column in table.items() if column.dtype == np.float64 and column.notna().any()]
    there = one_line(", ".join(table), 2000)
    if len(table) == 1:
        raise Refusal(
            f"{one_line(path)} has one column, {there!r}: a law needs at least two of numbers; if several stand in it, "
            "separate them by commas, semicolons or tabs"
        )
    if len(numeric) < 2:
        raise Refusal(
            f"{one_line(path)} has {len(numeric)} columns of numbers: a law needs at least two; "
            f"write plain numbers in more of them; there are: {there}"
        )
    if not was_told and not table.keys() & {*ALIASES, *OTHER_NUMBERS}:
        raise Refusal(
            f"{one_line(path)} has no column that looks like parameters, tokens, FLOPs or a loss: name them with "
            f"--columns params=THEIRS tokens=THEIRS loss=THEIRS; there are: {there}"
        )


def _flags(column: pd.Series, path: Path) -> pd.Series:
    words = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
    flags = column.astype("str").str.lower().map(words)
    if flags.isna().any():
        row = int(np.flatnonzero(flags.isna())[0])
        cell = one_line(repr(column.tolist()[row]), 60)
        raise Refusal(f"{one_line(path)}, row {row}: held_out={cell} is neither true nor false; correct it")
    return flags.astype("bool")
