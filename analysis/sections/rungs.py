"""The rungs themselves: those that are finished, and those that will not be."""

import math

import pandas as pd

from analysis.sections.section import Body, Grid, Line
from analysis.study import Study
from analysis.wording import power_of_ten, short_number

VARIED = {
    "parametrisation": "parametrisation",
    "learning_rate": "rate",
    "seed": "seed",
    "corpus": "corpus",
    "unique_tokens": "unique tokens",
    "parent": "parent",
}  # told of rungs that differ in it


def rungs(study: Study) -> Body:
    """Every finished rung, held-out ones marked."""
    rows = study.decayed.sort_values(["N", "D"])
    varied = {name: words for name, words in VARIED.items() if name in rows and rows[name].nunique(dropna=False) > 1}
    header = [
        "shape",
        *varied.values(),
        "N",
        "tokens",
        "C",
        "loss",
        "± (score)",
        "training loss",
        "seconds",
        "tokens/s",
    ]
    header += ["held out", "run"]
    lines = []
    for _, row in rows.iterrows():
        cells = [shape_name(row), *(_plain(row[name]) for name in varied)]
        cells += [short_number(row["N"]), short_number(row["D"]), power_of_ten(row["C"])]
        cells += [f"{row['loss']:.4f}", _or_nothing(row["loss_stderr"], ".4f"), _or_nothing(row["train_loss"], ".4f")]
        cells += [_or_nothing(row["seconds"], ".0f"), _or_nothing(row["tokens_per_second"], ".0f")]
        lines.append(Line([*cells, "held out" if row["held_out"] else "", row["run_id"]], bool(row["held_out"])))
    note = (
        "Loss in nats per token. ± is what other documents would change, alike for all rungs: they were scored on the "
        "same ones, so that differences between rungs are surer than it."
    )
    return Body([note], [Grid(f"All {len(lines)} finished rungs", header, lines, folded=True)])


def shape_name(row: pd.Series) -> str:
    return f"{row['depth']}x{row['width']}"


def _plain(value: object) -> str:
    if isinstance(value, float):
        return _or_nothing(value, ".3g")
    return str(value)


def _or_nothing(value: float, style: str) -> str:
    return f"{value:{style}}" if math.isfinite(value) else ""


def failures(study: Study) -> Body:
    """Rungs that will not complete, and those that are still asked for."""
    lost = [run for run in study.runs if run.done is None and run.failure]
    waiting = sum(run.pending for run in study.runs)
    state = f"{len(lost)} of {len(study.runs)} rungs failed and are in no fit; {waiting} are still to be trained."
    rows = []
    for run in lost:
        spec, reason = run.spec, str((run.failure or {}).get("reason", "no reason was left"))
        rows.append(
            Line(
                [f"{spec.depth}x{spec.width}", short_number(spec.tokens), f"{spec.learning_rate:g}", reason, run.run_id]
            )
        )
    grid = Grid("Failed rungs", ["shape", "tokens", "learning rate", "reason", "run"], rows)
    return Body([state], [grid] if rows else [])
