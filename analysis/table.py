"""Run folders, or people's own files, become the one typed run table; the table becomes safe CSV."""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.counts import counts
from harness.record import Run, read_runs, read_sweep
from harness.refusal import Refusal, nearest

SCHEMA: dict[str, str] = {
    "sweep": "str",
    "run_id": "str",
    "trunk_id": "str",
    "seed": "int64",
    "parent": "str",
    "held_out": "bool",
    "variant": "str",
    "depth": "int64",
    "width": "int64",
    "heads": "int64",
    "context": "int64",
    "vocab_size": "int64",
    "corpus": "str",
    "tokenizer": "str",
    "unique_tokens": "int64",
    "epochs": "float64",
    "tokens": "int64",
    "learning_rate": "float64",
    "batch_tokens": "int64",
    "schedule": "str",
    "phase": "str",
    "params_embedding": "int64",
    "params_position": "int64",
    "params_block": "int64",
    "params_norm": "int64",
    "params_head": "int64",
    "flops_block": "int64",
    "flops_attention": "int64",
    "flops_head": "int64",
    "seconds": "float64",
    "device": "str",
    "tokens_per_second": "float64",
    "mfu": "float64",
    "commit": "str",
    "versions": "str",
    "data_hash": "str",
    "train_loss": "float64",
    "loss": "float64",
    "loss_stderr": "float64",
}

SPEC_COLUMNS = ["seed", "parent", "variant", "depth", "width", "heads", "context", "vocab_size", "corpus", "tokenizer"]
SPEC_COLUMNS += ["unique_tokens", "batch_tokens", "schedule", "learning_rate"]
PART_COLUMNS = [name for name in SCHEMA if name.startswith(("params_", "flops_"))]

# What people call the columns of their own tables, in lower case.
ALIASES = {
    "params_given": ("params_given", "n", "params", "parameters", "model size", "model_size", "num_params"),
    "tokens": ("tokens", "d", "training tokens", "training_tokens", "num_tokens"),
    "flops_given": ("flops_given", "c", "flops", "flop", "compute", "training flop"),
    "loss": ("loss", "final_loss", "val_loss", "final loss"),
}
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def load(root: Path) -> pd.DataFrame:
    """The run table of results/<sweep>: a row per (run_id, tokens), failed runs left out, `SCHEMA` and then the scores.

    Refuses runs of one corpus and tokenizer whose data differ.
    """
    sweep = read_sweep(root)
    runs = [run for run in read_runs(root) if run.done is not None or run.failure is None]
    declared = {rung["run_id"] for rung in sweep["rungs"] if rung["held_out"]}
    held_out = {run.spec.trunk_id for run in runs if run.run_id in declared}
    _refuse_mixed_data(root, runs)
    rows = [row for run in runs for row in _rows(run, sweep["name"], run.spec.trunk_id in held_out)]
    scores = sorted({name for run in runs for point in run.points for name in point.scores})
    table = pd.DataFrame(rows, columns=[*SCHEMA, *scores])
    typed = table.astype(SCHEMA | dict.fromkeys(scores, "float64"))
    return typed.drop_duplicates(["run_id", "tokens"], keep="last").reset_index(drop=True)


def _rows(run: Run, sweep: str, held_out: bool) -> Iterable[dict[str, Any]]:
    spec, done = run.spec, run.done or {}
    same = {
        "sweep": sweep,
        "run_id": run.run_id,
        "trunk_id": spec.trunk_id,
        "held_out": held_out,
        "device": done.get("device", spec.device),
        "tokens_per_second": done.get("tokens_per_second"),
        "mfu": done.get("mfu"),
        "commit": done.get("commit"),
        "versions": json.dumps(done["versions"], sort_keys=True) if "versions" in done else None,
        "data_hash": done.get("data_hash"),
    }
    same |= {name: getattr(spec, name) for name in SPEC_COLUMNS}
    parts = counts(spec)
    same |= {name: getattr(parts, name) for name in PART_COLUMNS}
    own = f"lm_{spec.corpus}/nll"
    for point in run.points:
        yield (
            same
            | point.scores
            | {
                "tokens": point.tokens,
                "epochs": point.tokens / spec.unique_tokens,
                "phase": point.phase,
                "seconds": point.seconds,
                "train_loss": point.train_loss,
                "loss": point.scores.get(own),
                "loss_stderr": point.scores.get(f"{own}_stderr"),
            }
        )


def _refuse_mixed_data(root: Path, runs: Iterable[Run]) -> None:
    first: dict[tuple[str, str, int], tuple[str, str]] = {}
    for run in runs:
        digest = (run.done or {}).get("data_hash")
        if digest is None:
            continue
        key = (run.spec.corpus, run.spec.tokenizer, run.spec.vocab_size)
        seen_hash, seen_run = first.setdefault(key, (digest, run.run_id))
        if digest != seen_hash:
            raise Refusal(
                f"{root}: run {run.run_id} read {key[0]} data {digest[:12]}, run {seen_run} {seen_hash[:12]}: "
                "one sweep has one data set per corpus; move one side's run folders to a sweep of its own"
            )


def read(path: Path, columns: Mapping[str, str] | None = None) -> pd.DataFrame:
    """A run table from someone's own csv, parquet or jsonl: `params_given`, `tokens`, `loss` and all else.

    `columns` maps our names to theirs, for names that `ALIASES` does not know. Tokens that are not given are
    flops_given / (6 params_given). Without a `trunk_id` column every row is its own cluster.
    """
    table = _rename(_read_file(path), dict(columns or {}), path)
    needed = ["params_given", "loss"] if "flops_given" in table else ["params_given", "tokens", "loss"]
    for name in needed:
        if name not in table:
            there = ", ".join(map(str, table.columns))
            raise Refusal(
                f"{path} has no column for {name}: a table needs parameters, tokens (or FLOPs) and loss; name it with "
                f"--columns {name}=THEIRS; there are: {there}"
            )
    numeric = [name for name, dtype in SCHEMA.items() if dtype in ("int64", "float64") and name in table]
    for name in {*numeric, *needed, *(["flops_given"] if "flops_given" in table else [])}:
        table[name] = _numbers(table[name], name, path)
    if "tokens" not in table:
        table["tokens"] = table["flops_given"] / (6 * table["params_given"])
    rows = [f"row{i}" for i in range(len(table))]
    defaults: dict[str, Any] = {
        "sweep": path.stem,
        "run_id": rows,
        "held_out": False,
        "phase": "decayed",
        "loss_stderr": np.nan,
    }
    table = table.assign(**{name: value for name, value in defaults.items() if name not in table})
    if "trunk_id" not in table:
        table["trunk_id"] = table["run_id"]
    texts = {name: "str" for name, dtype in SCHEMA.items() if dtype == "str" and name in table}
    table["held_out"] = _flags(table["held_out"], path)
    return table.astype(texts).reset_index(drop=True)


def _read_file(path: Path) -> pd.DataFrame:
    readers: dict[str, Callable[[Path], pd.DataFrame]] = {
        ".csv": lambda file: pd.read_csv(file),
        ".parquet": pd.read_parquet,
        ".jsonl": lambda file: pd.read_json(file, lines=True),
    }
    if not path.is_file():
        raise Refusal(f"{path} is not a file: a table is a .csv, .parquet or .jsonl file; give its path")
    if path.suffix not in readers:
        raise Refusal(f"{path} ends in {path.suffix!r}: a table is one of {', '.join(readers)}; convert it")
    try:
        return readers[path.suffix](path)
    except (ValueError, OSError, UnicodeError) as error:  # pandas' and pyarrow's parser errors are ValueErrors
        first_line = (str(error).splitlines() or ["unreadable"])[0]
        raise Refusal(f"{path} cannot be read as {path.suffix[1:]}: {first_line}; write it again") from None


def _rename(table: pd.DataFrame, columns: dict[str, str], path: Path) -> pd.DataFrame:
    for ours, theirs in columns.items():
        if theirs not in table:
            raise Refusal(
                f"{path} has no column {theirs!r} (wanted for {ours}): {nearest(theirs, map(str, table.columns))}"
            )
    by_lower = {str(name).strip().lower(): name for name in reversed(table.columns)}
    for ours, names in ALIASES.items():
        found = [by_lower[name] for name in names if name in by_lower and by_lower[name] not in columns.values()]
        if ours not in columns and found:
            columns[ours] = found[0]
    # A column that already has one of our names but was given up for another would appear twice.
    stale = [ours for ours, theirs in columns.items() if ours in table and theirs != ours]
    return table.drop(columns=stale).rename(columns={theirs: ours for ours, theirs in columns.items()})


def _numbers(column: pd.Series, name: str, path: Path) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce").astype("float64")
    wrong = numbers.isna() & column.notna()
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise Refusal(f"{path}, row {row}: {name}={column.iloc[row]!r} is not a number; correct it or leave it empty")
    return numbers


def _flags(column: pd.Series, path: Path) -> pd.Series:
    words = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
    flags = column.astype("str").str.lower().map(words)
    if flags.isna().any():
        row = int(np.flatnonzero(flags.isna())[0])
        raise Refusal(f"{path}, row {row}: held_out={column.iloc[row]!r} is neither true nor false; correct it")
    return flags.astype("bool")


def write(table: pd.DataFrame, path: Path) -> Path:
    """The table as CSV; text that a spreadsheet would run as a formula gets a leading apostrophe."""
    safe = table.rename(columns=_inert)
    for name in safe.columns[[not pd.api.types.is_numeric_dtype(dtype) for dtype in safe.dtypes]]:
        safe[name] = safe[name].map(_inert, na_action="ignore")
    staged = path.with_name(f"{path.name}.{os.getpid()}.part")
    safe.to_csv(staged, index=False)
    os.replace(staged, path)
    return path


def _inert(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) else cell
