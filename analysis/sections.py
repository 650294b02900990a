"""The catalogue of a report's sections: each turns a study into sentences and grids, or is refused with the reason."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.conventions import CONVENTIONS
from analysis.study import LEVEL, Study, parameter_in_words
from analysis.wording import power_of_ten, rounded, short_number
from harness.refusal import Refusal


@dataclass(frozen=True)
class Line:
    cells: Sequence[str]
    held_out: bool = False


@dataclass(frozen=True)
class Grid:
    caption: str
    header: Sequence[str]
    rows: Sequence[Line]
    folded: bool = False

    @property
    def numeric(self) -> list[bool]:
        """Columns that are set flush right: all their cells start as numbers do."""
        columns = zip(*[row.cells for row in self.rows], strict=True)
        return [all(cell[:1] in set("0123456789-+") for cell in column if cell) for column in columns]


@dataclass(frozen=True)
class Body:
    """Sentences, then grids, then a command to paste."""

    lines: Sequence[str] = ()
    grids: Sequence[Grid] = ()
    command: str = ""


@dataclass(frozen=True)
class Section:
    title: str
    body: Callable[[Study], Body]
    figures: tuple[str, ...] = ()


def shape_name(row: pd.Series) -> str:
    return f"{row['depth']}x{row['width']}"


# --- the law


def law(study: Study) -> Body:
    """Every parameter with its interval and standing; what was fitted and what was left out."""
    fit = study.fit
    intervals = fit.intervals(LEVEL)
    rows = []
    for name in fit.law.parameters:
        low, high = intervals[name]
        sure = fit.identified(name)
        value = rounded(fit.parameters[name], (high - low) / 2) if sure else "not identified"
        reach = f"{rounded(low, high - low)} to {rounded(high, high - low)}" if sure else ""
        rows.append(Line([name, value, reach, "identified" if sure else fit.doubt(name)]))
    left_out = "; ".join(f"{count} ({reason})" for reason, count in fit.excluded.items()) or "none"
    return Body(
        [
            f"L = {fit.law.formula} ({fit.law.source}), nats per token, counted as {study.convention}: "
            f"{CONVENTIONS[study.convention].formula}.",
            f"{fit.rows} rungs of {fit.clusters} trunks were fitted; points left out: {left_out}. "
            f"Status: {', '.join(fit.status)}.",
            f"Intervals are {LEVEL:.0%}, from {len(fit.draws)} resamplings of whole trunks, wider where trunks are few.",
        ],
        [Grid(f"Parameters of the {fit.law.name} law", ["parameter", "value", f"{LEVEL:.0%} interval", "standing"], rows)],
    )


def conventions(study: Study) -> Body:
    """The same law under every way of counting: how much of the conclusion is bookkeeping."""
    rows, exponents = [], [exponent.name for exponent in study.law.exponents]
    for name in study.conventions:
        try:
            fit = study.fit_under(name)
        except Refusal as refusal:
            rows.append(Line([name, CONVENTIONS[name].formula, *([str(refusal)] + [""] * len(exponents))[: len(exponents)]]))
            continue
        intervals = fit.intervals(LEVEL)
        words = [parameter_in_words(fit, exponent, *intervals[exponent]) for exponent in exponents]
        rows.append(Line([name, CONVENTIONS[name].formula, *words]))
    return Body(
        ["Training runs are the same in every row; only what is called N and C differs."],
        [Grid("Exponents under each convention", ["convention", "what is counted", *exponents], rows)],
    )


# --- rungs


def rungs(study: Study) -> Body:
    """Every finished rung, held-out ones marked."""
    header = "shape,N,tokens,C,loss,± (score),training loss,seconds,tokens/s,held out,run".split(",")
    lines = []
    for _, row in study.decayed.sort_values(["N", "D"]).iterrows():
        cells = [shape_name(row), short_number(row["N"]), short_number(row["D"]), power_of_ten(row["C"])]
        cells += [f"{row['loss']:.4f}", _or_nothing(row["loss_stderr"], ".4f"), _or_nothing(row["train_loss"], ".4f")]
        cells += [_or_nothing(row["seconds"], ".0f"), _or_nothing(row["tokens_per_second"], ".0f")]
        lines.append(Line([*cells, "held out" if row["held_out"] else "", row["run_id"]], bool(row["held_out"])))
    return Body(grids=[Grid(f"All {len(lines)} finished rungs", header, lines, folded=True)])


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
        rows.append(Line([f"{spec.depth}x{spec.width}", short_number(spec.tokens), f"{spec.learning_rate:g}", reason, run.run_id]))
    grid = Grid("Failed rungs", ["shape", "tokens", "learning rate", "reason", "run"], rows)
    return Body([state], [grid] if rows else [])


# --- where it comes from


def provenance(study: Study) -> Body:
    """Text, tokenizer, code and machines behind the rungs."""
    rows = study.decayed
    facts = [
        ("corpus", rows["corpus"]),
        ("tokenizer", rows["tokenizer"]),
        ("data hash", rows["data_hash"]),
        ("unique tokens", rows["unique_tokens"].map("{:,}".format)),
        ("times read", rows["epochs"].map("{:.2g}".format)),
        ("model variant", rows["variant"]),
        ("device", rows["device"]),
        ("commit", rows["commit"]),
    ]
    cells = [Line([name, _list(column)]) for name, column in facts]
    versions = {name: _list(pd.Series(found)) for name, found in _versions(rows["versions"]).items()}
    cells += [Line([f"version of {name}", found]) for name, found in versions.items()]
    cells += [Line(["machine", _list(pd.Series([run.done["device_name"] for run in study.runs if run.done]))])]
    manifest = [Line([key, str(value)]) for key, value in _manifest(study).items()]
    grids = [Grid("Behind the finished rungs", ["fact", "value"], cells)]
    if manifest:
        grids.append(Grid("The training text", ["fact", "value"], manifest))
    return Body(grids=grids)


def _list(column: pd.Series, most: int = 6) -> str:
    found = list(dict.fromkeys(str(value) for value in column.dropna()))
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more or "not recorded"


def _versions(column: pd.Series) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for text in column.dropna().unique():
        for name, version in json.loads(text).items():
            found.setdefault(name, []).append(version)
    return found


def _manifest(study: Study) -> dict[str, object]:
    """What a rung's done.json says of its corpus, where it says it."""
    facts = next((run.done["data"] for run in study.runs if run.done and "data" in run.done), {})
    return {name: value for name, value in facts.items() if not isinstance(value, dict | list)}


def recreate(study: Study) -> Body:
    """The commands that make this page again."""
    name = study.design["name"]
    chosen = f" --law {study.law.name} --convention {study.convention}"
    command = f"python -m sweeps launch {name}    # trains what is missing\npython -m sweeps report {name}{chosen}"
    return Body(["From the repository root; a finished sweep trains nothing and only draws."], command=command)
