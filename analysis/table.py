"""Run folders become the one typed run table; the table becomes safe CSV."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from harness.anatomy import CHOICES
from harness.counts import counts
from harness.record import Run, read_runs, read_sweep
from harness.refusal import Refusal

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
    "kv_heads": "int64",
    "head_width": "int64",
    "mlp_width": "int64",
    "activation": "str",
    "norm": "str",
    "norm_epsilon": "float64",
    "qk_norm": "str",
    "rotary_base": "float64",
    "window": "int64",
    "parametrisation": "str",
    "base_width": "int64",
    "base_depth": "int64",
    "transferred": "int64",
    "labels": "str",
    "lm_weight": "float64",
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
    "eval_seconds": "float64",  # of scoring, up to the run's end
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
SPEC_COLUMNS += [*CHOICES, "parametrisation", "base_width", "base_depth"]
SPEC_COLUMNS += ["transferred", "labels", "lm_weight"]
SHAPE_COLUMNS = ("variant", "depth", "width", "heads", "context", "vocab_size")  # what parts are counted from
PART_COLUMNS = [name for name in SCHEMA if name.startswith(("params_", "flops_"))]

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
    # A copy is one block: pandas warns of columns that are added to a table of a hundred.
    return typed.drop_duplicates(["run_id", "tokens"], keep="last").reset_index(drop=True).copy()


def _rows(run: Run, sweep: str, held_out: bool) -> Iterable[dict[str, Any]]:
    spec, done = run.spec, run.done or {}
    same = {
        "sweep": sweep,
        "run_id": run.run_id,
        "trunk_id": spec.trunk_id,
        "held_out": held_out,
        "device": done.get("device", spec.device),
        "eval_seconds": done.get("eval_seconds"),
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
                **({"learning_rate": None} if run.elsewhere else {}),  # its spec's is nobody's
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
