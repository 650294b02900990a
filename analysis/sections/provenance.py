"""Where the numbers come from, and how to make the page again."""

import hashlib
import json
import shlex
from collections.abc import Sequence

import pandas as pd

from analysis.sections.section import Body, Grid, Line
from analysis.study import Study
from analysis.wording import share_of
from harness.record import Run

OPTIONS = ("objective", "delta", "weights", "noise", "drop_highest_loss", "seed")  # of a fit, as `scalelaw` takes them


def provenance(study: Study) -> Body:
    """Text, tokenizer, code and machines behind the rungs."""
    rows = study.decayed
    facts: list[tuple[str, pd.Series]] = [
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
    cells += [Line(["scoring took", scoring_cost(study.runs)])]
    cells += [Line(["machine", _list(pd.Series([run.done["device_name"] for run in study.runs if run.done]))])]
    manifest = [Line([key, _fact(value)]) for key, value in _manifest(study).items()]
    grids = [Grid("Behind the finished rungs", ["fact", "value"], cells)]
    if manifest:
        grids.append(Grid("The training text", ["fact", "value"], manifest))
    return Body(grids=grids)


def scoring_cost(runs: Sequence[Run]) -> str:
    """What scoring took beside what training took: of each trunk its largest rung, and the others' ends beside it."""
    by_trunk: dict[str, list[Run]] = {}
    for run in runs:
        if run.done is not None and run.done.get("eval_seconds") is not None:
            by_trunk.setdefault(run.spec.trunk_id, []).append(run)
    if not by_trunk:
        return "not recorded"
    spent: list[tuple[float, float]] = []
    for rungs in by_trunk.values():
        *others, largest = sorted(rungs, key=lambda run: run.spec.tokens)
        spent += [_seconds(largest), *(_seconds_alone(run) for run in others)]
    training, scoring = map(sum, zip(*spent, strict=True))
    trunks = "one trunk" if len(by_trunk) == 1 else f"{len(by_trunk)} trunks"
    return f"{share_of(scoring / training)} of the seconds of training, over {len(spent)} rungs of {trunks}"


def _seconds(run: Run) -> tuple[float, float]:
    """Of training and of scoring, from the trunk's start on."""
    done = run.done or {}
    return float(done["seconds"]), float(done["eval_seconds"])


def _seconds_alone(run: Run) -> tuple[float, float]:
    """Those after it left its trunk: a cool-down as fast as the trunk, and one of the points, which take alike."""
    training, scoring = _seconds(run)
    return training * (1 - run.spec.branch_step / run.spec.steps), scoring / len(run.points)


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


def _fact(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_fact(item)}" for key, item in value.items())
    return f"{value:,}" if isinstance(value, int) else str(value)


def _manifest(study: Study) -> dict[str, object]:
    """What the design recorded of each corpus when it was prepared, as `fact of corpus`."""
    data: dict[str, dict[str, object]] = study.design.get("data", {})
    return {f"{name} of {corpus}": value for corpus, facts in data.items() for name, value in facts.items()}


def own_table(study: Study) -> Body:
    """The file that was read, and how its columns were understood."""
    attrs = study.raw.attrs
    rows = [Line(["file", study.root.name]), Line(["sha256", hashlib.sha256(study.root.read_bytes()).hexdigest()])]
    rows += [Line(["rows", f"{len(study.raw):,}"])]
    rows += [Line([f"{ours} is", theirs]) for ours, theirs in attrs.get("columns", {}).items()]
    rows += [Line([f"{name} follows from", rule]) for name, rule in attrs.get("derived", {}).items()]
    return Body(grids=[Grid("The table", ["fact", "value"], rows)])


def recreate(study: Study) -> Body:
    """The commands that make this page again."""
    name = study.root.name if study.is_table else study.design["name"]
    words = ["scalelaw", "report", name, *([] if study.lawless else ["--law", study.law.name])]
    words += ["--convention", study.convention]
    words += ["--bootstrap", str(study.bootstrap)]
    if study.columns:
        words += ["--columns", *(f"{ours}={theirs}" for ours, theirs in study.columns.items())]
    for option in OPTIONS:
        if study.fitting.get(option) is not None:
            words += [f"--{option.replace('_', '-')}", str(study.fitting[option])]
    if study.is_table:
        return Body(["From the table's folder."], command=shlex.join(words))
    command = f"{shlex.join(['scalelaw', 'launch', name])}    # trains what is missing\n{shlex.join(words)}"
    return Body(["From the repository root; a finished sweep trains nothing and only draws."], command=command)
