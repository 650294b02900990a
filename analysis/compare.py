"""Runs or sweeps side by side: the spec fields that differ, scores with their noise, loss curves overlaid."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from analysis.wording import with_error
from harness.record import Run, read_run, read_runs, read_sweep
from harness.refusal import Refusal

CERTAINTY, BEYOND_NOISE = 0.975, 1.96  # |z| that chance exceeds once in twenty, where the noise is known
PLOT_COLUMNS, PLOT_LINES = 64, 14
X_NAMES = {"D": "tokens", "C": "FLOPs"}
MARKS = "oxabcdefghijk"
# Of a spec whose run was trained elsewhere these are nobody's.
TRAINING = [
    "unique_tokens", "epochs", "learning_rate", "batch_tokens", "schedule", "warmup_tokens", "cooldown_fraction",
    "beta1", "beta2", "epsilon", "weight_decay", "clip_norm", "device", "precision", "kernel", "evals_per_doubling",
]  # fmt: skip
BOOTSTRAP = 200  # replicates of each sweep's law: enough for an interval beside another, quick enough to wait for


@dataclass(frozen=True)
class Score:
    """One score of every side; differences and their errors are against the first side (whose own are nan)."""

    name: str
    values: tuple[float, ...]
    stderrs: tuple[float, ...]
    differences: tuple[float, ...]
    difference_stderrs: tuple[float, ...]
    threshold: float = BEYOND_NOISE

    @property
    def z(self) -> tuple[float, ...]:
        pairs = zip(self.differences, self.difference_stderrs, strict=True)
        return tuple(difference / error if error > 0 else math.nan for difference, error in pairs)

    @property
    def verdicts(self) -> tuple[str, ...]:
        """In words, per side, whether the difference to the first exceeds its noise."""
        words = ["" if math.isnan(d) else "noise unknown" for d in self.differences]
        for side, z in enumerate(self.z):
            if not math.isnan(z):
                words[side] = "beyond noise" if abs(z) > self.threshold else "within noise"
        return tuple(words)


@dataclass(frozen=True)
class Curve:
    label: str
    x: tuple[float, ...]
    loss: tuple[float, ...]


@dataclass(frozen=True)
class Comparison:
    """What sets the sides apart; `str()` is the text for a terminal."""

    kind: str  # runs or sweeps
    sides: tuple[str, ...]
    differs: dict[str, tuple[Any, ...]]
    scores: tuple[Score, ...]
    noise: str  # what the standard errors are made of
    x: str  # D or C
    curves: tuple[Curve, ...]
    laws: dict[str, dict[str, str]]  # side -> parameter -> value with interval, in words where it is not identified
    notes: tuple[str, ...]

    def to_json(self) -> str:
        scores = [asdict(score) | {"z": score.z, "verdicts": score.verdicts} for score in self.scores]
        return json.dumps(_finite(asdict(self) | {"scores": scores}), indent=1, allow_nan=False)

    def __str__(self) -> str:
        parts = [f"comparing {len(self.sides)} {self.kind}, differences are against the first"]
        parts += ["", *_columns([["differs", *self.sides], *([k, *map(_short, v)] for k, v in self.differs.items())])]
        if not self.differs:
            parts += ["no spec field differs"]
        parts += ["", *_columns([["score", *self.sides, "difference"], *map(_score_cells, self.scores)]), self.noise]
        if self.laws:
            names = list(dict.fromkeys(name for law in self.laws.values() for name in law))
            rows = [[name, *(self.laws[side].get(name, "") for side in self.sides)] for name in names]
            parts += ["", *_columns([["law", *self.sides], *rows])]
        parts += ["", *text_plot(self.curves, self.x), *(f"note: {note}" for note in self.notes)]
        return "\n".join(parts)


def compare(first: Path, second: Path, *more: Path, out: Path | None = None) -> Comparison:
    """Compares run folders with each other, or sweep folders; `out` gets curves.svg and curves.png."""
    paths = [first, second, *more]
    kinds = {path: "sweep" if (path / "sweep.json").is_file() else "run" for path in paths}
    if len(set(kinds.values())) > 1:
        words = ", ".join(f"{path} is a {kind}" for path, kind in kinds.items())
        raise Refusal(f"{words}: runs compare with runs and sweeps with sweeps; name folders of one kind")
    comparison = compare_sweeps(paths) if kinds[first] == "sweep" else compare_runs([read_run(path) for path in paths])
    if out is not None:
        from analysis.figures.overlay import write_overlay  # matplotlib is slow to import and seldom wanted here

        write_overlay(comparison.curves, comparison.x, out)
    return comparison


# --- runs


def compare_runs(runs: Sequence[Run]) -> Comparison:
    """The last point of each run, with the standard errors that it was scored with."""
    for run in runs:
        if not run.points:
            reason = run.failure["reason"] if run.failure else "it has not been trained yet"
            raise Refusal(f"run {run.run_id} has no points ({reason}): launch its sweep, or compare another run")
    sides = tuple(_distinct([run.run_id for run in runs]))
    specs = [_fields(run) for run in runs]
    said = {name for run in runs for name in run.spec.said}  # what follows from other fields differs with them
    differs = {name: tuple(s[name] for s in specs) for name in specs[0] if len({str(s[name]) for s in specs}) > 1}
    differs = {name: values for name, values in differs.items() if name in said}
    last = [run.points[-1].scores for run in runs]
    names = [name for name in dict.fromkeys(name for scores in last for name in scores) if not name.endswith("_stderr")]
    scores = tuple(_score(name, [_value_and_error(point, name) for point in last]) for name in names)
    noise = (
        "noise: the evaluation's, taken as independent; sides that score the same documents differ by less, "
        "other seeds by more"
    )
    curves = tuple(_training_curve(side, run) for side, run in zip(sides, runs, strict=True))
    return Comparison("runs", sides, differs, scores, noise, "D", curves, {}, tuple(_run_notes(runs)))


def _fields(run: Run) -> dict[str, Any]:
    """The run's spec, as far as anybody knows it."""
    unknown = TRAINING if run.elsewhere else []
    if run.points and run.points[-1].phase == "imported":
        unknown = [*unknown, "tokens"]
    return run.spec.model_dump() | dict.fromkeys(unknown, "unknown")


def _value_and_error(scores: Mapping[str, float], name: str) -> tuple[float, float]:
    return scores.get(name, math.nan), scores.get(f"{name}_stderr", math.nan)


def _score(name: str, sides: Sequence[tuple[float, float]]) -> Score:
    values, errors = zip(*sides, strict=True)
    differences = [math.nan, *(value - values[0] for value in values[1:])]
    between = [math.nan, *(math.hypot(error, errors[0]) for error in errors[1:])]
    return Score(name, values, errors, tuple(differences), tuple(between))


def _training_curve(label: str, run: Run) -> Curve:
    own = f"lm_{run.spec.corpus}/nll"
    known = [point for point in run.points if point.phase != "imported"]  # elsewhere nobody counted its tokens
    points = [(float(p.tokens), p.scores[own]) for p in known if math.isfinite(p.scores.get(own, math.nan))]
    return Curve(label, tuple(x for x, _ in points), tuple(loss for _, loss in points))


def _run_notes(runs: Sequence[Run]) -> Iterator[str]:
    for run in runs:
        if run.done is None:
            state = f"failed: {run.failure['reason']}" if run.failure else "not finished"
            yield f"{run.run_id} is {state}; its scores are from {run.points[-1].tokens} tokens, {run.points[-1].phase}"
    sources = {(run.spec.corpus, run.spec.tokenizer, run.spec.vocab_size) for run in runs}
    hashes = {run.done["data_hash"] for run in runs if run.done and not run.elsewhere}
    if len(sources) == 1 and len(hashes) > 1:
        yield "the runs name the same corpus but their data hashes differ: they did not read the same text"
    if len({run.spec.tokenizer + str(run.spec.vocab_size) for run in runs}) > 1:
        yield "tokenizers differ: nats per token do not compare, bits per byte (bpb) do"


# --- sweeps


def compare_sweeps(roots: Sequence[Path]) -> Comparison:
    """Rungs matched by the spec fields whose values overlap; differences are paired and clustered by trunk."""
    sides = tuple(_distinct([read_sweep(root)["name"] for root in roots]))
    runs = [[run for run in read_runs(root) if run.done is not None] for root in roots]
    for side, done in zip(sides, runs, strict=True):
        if not done:
            raise Refusal(f"sweep {side} has no finished rung: launch it first")
    fields = list(type(runs[0][0].spec).model_fields)
    known = [[_fields(run) for run in done] for done in runs]
    values = {f: [{str(told[f]) for told in side} for side in known] for f in fields}
    apart = [f for f in fields if not set.intersection(*values[f])]
    matched = _match(runs, [f for f in fields if f not in apart])
    differs = {f: tuple(", ".join(sorted(found)) for found in values[f]) for f in apart}
    names = dict.fromkeys(name for pair in matched for run in pair for name in run.points[-1].scores)
    scores = tuple(_paired(name, matched) for name in names if not name.endswith("_stderr"))
    x, curves = _frontiers(sides, runs)
    counts = ", ".join(f"{len(done)} in {side}" for side, done in zip(sides, runs, strict=True))
    notes = [f"{len(matched)} rungs are matched ({counts} finished); the others have no partner"]
    noise = "noise: spread of the paired differences over trunks (over one pair: the evaluation's)"
    laws = {side: _law(root) for side, root in zip(sides, roots, strict=True)}
    return Comparison("sweeps", sides, differs, scores, noise, x, curves, laws, tuple(notes))


def _match(runs: Sequence[Sequence[Run]], shared: Sequence[str]) -> list[tuple[Run, ...]]:
    """Tuples of runs, one a sweep, that agree in the shared fields; of several equals the first is taken."""
    keyed: list[dict[tuple[str, ...], Run]] = []
    for done in runs:
        sides: dict[tuple[str, ...], Run] = {}
        for run in done:
            known = _fields(run)
            sides.setdefault(tuple(str(known[f]) for f in shared), run)
        keyed.append(sides)
    return [tuple(side[key] for side in keyed) for key in keyed[0] if all(key in side for side in keyed)]


def _paired(name: str, matched: Sequence[tuple[Run, ...]]) -> Score:
    """Means over the matched rungs that all have the score, and the mean difference with its clustered error."""
    pairs = [pair for pair in matched if all(math.isfinite(run.points[-1].scores.get(name, math.nan)) for run in pair)]
    if len(pairs) < 2:
        points = [run.points[-1].scores for run in pairs[0]] if pairs else [{}] * len(matched[0])
        return _score(name, [_value_and_error(point, name) for point in points])
    columns = list(zip(*[[run.points[-1].scores[name] for run in pair] for pair in pairs], strict=True))
    trunks = [pair[0].spec.trunk_id for pair in pairs]
    differences, errors = [math.nan], [math.nan]
    for column in columns[1:]:
        gaps = [value - base for value, base in zip(column, columns[0], strict=True)]
        differences.append(sum(gaps) / len(gaps))
        errors.append(_clustered_error(gaps, trunks))
    means = tuple(sum(column) / len(column) for column in columns)
    from scipy.special import stdtrit  # numpy: not wanted where two runs are compared

    # An error from few trunks is itself unsure: Student's t in place of the normal.
    threshold = float(stdtrit(max(len(set(trunks)) - 1, 1), CERTAINTY))
    return Score(name, means, (math.nan,) * len(means), tuple(differences), tuple(errors), threshold)


def _clustered_error(values: Sequence[float], clusters: Sequence[str]) -> float:
    """Standard error of the mean when values of one cluster belong together; nan for a single cluster."""
    mean = sum(values) / len(values)
    sums = dict.fromkeys(clusters, 0.0)
    for value, cluster in zip(values, clusters, strict=True):
        sums[cluster] += value - mean
    count = len(sums)
    if count < 2:
        return math.nan
    return math.sqrt(count / (count - 1) * sum(total**2 for total in sums.values())) / len(values)


def _frontiers(sides: Sequence[str], runs: Sequence[Sequence[Run]]) -> tuple[str, tuple[Curve, ...]]:
    """Each sweep's best loss at or below each compute (FLOPs in parts, unbranched)."""
    from harness.counts import counts

    curves = []
    for side, done in zip(sides, runs, strict=True):
        # Of what came from elsewhere D may be unknown.
        known = [run for run in done if run.points[-1].phase == "decayed"]
        last = [(counts(run.spec).flops * float(run.spec.tokens), run) for run in known]
        points: list[tuple[float, float]] = []
        for flops, run in sorted(last, key=lambda pair: pair[0]):
            loss = run.points[-1].scores.get(f"lm_{run.spec.corpus}/nll", math.inf)
            if loss < min((best for _, best in points), default=math.inf):
                points.append((flops, loss))
        curves.append(Curve(side, tuple(x for x, _ in points), tuple(loss for _, loss in points)))
    return "C", tuple(curves)


def _law(root: Path) -> dict[str, str]:
    from analysis.study import Study, law_in_words  # numpy, pandas: not wanted where two runs are compared

    try:
        return law_in_words(Study(root, bootstrap=BOOTSTRAP))
    except Refusal as refusal:
        return {"law": str(refusal)}


# --- text


def _distinct(names: Sequence[str]) -> list[str]:
    return [name if names.count(name) == 1 else f"{name}#{i + 1}" for i, name in enumerate(names)]


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _score_cells(score: Score) -> list[str]:
    cells = [score.name]
    for value, error in zip(score.values, score.stderrs, strict=True):
        cells.append("not measured" if math.isnan(value) else with_error(value, error))
    differences = zip(score.differences, score.difference_stderrs, score.z, score.verdicts, strict=True)
    words = []
    for difference, error, z, verdict in differences:
        if not math.isnan(difference):
            words.append(
                f"{with_error(difference, error, '+')} {verdict}" + ("" if math.isnan(z) else f" (z {z:+.1f})")
            )
    return [*cells, "; ".join(words)]


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def text_plot(curves: Sequence[Curve], x: str) -> list[str]:
    """Loss against log x in characters, one mark a curve; later curves stand above earlier ones."""
    points = [(math.log(x), loss) for curve in curves for x, loss in zip(curve.x, curve.loss, strict=True)]
    if not points:
        return ["no losses to plot"]
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    low, high = min(y for _, y in points), max(y for _, y in points)
    cells = [[" "] * PLOT_COLUMNS for _ in range(PLOT_LINES)]
    for mark, curve in zip(MARKS, curves, strict=False):
        for at, loss in zip(curve.x, curve.loss, strict=True):
            column = round((math.log(at) - left) / ((right - left) or 1) * (PLOT_COLUMNS - 1))
            line = round((high - loss) / ((high - low) or 1) * (PLOT_LINES - 1))
            cells[line][column] = mark
    edges = {0: f"{high:.3f}", PLOT_LINES - 1: f"{low:.3f}"}
    lines = [f"{edges.get(i, ''):>8} |{''.join(row).rstrip()}" for i, row in enumerate(cells)]
    first, last = f"{math.exp(left):.3g}", f"{math.exp(right):.3g} {X_NAMES[x]}, log scale"
    key = ", ".join(f"{mark} {curve.label}" for mark, curve in zip(MARKS, curves, strict=False))
    return [f"loss, nats per token: {key}", *lines, f"{'':>8} +{'-' * PLOT_COLUMNS}", f"{'':>9} {first}  to  {last}"]


def _finite(value: Any) -> Any:
    """NaN becomes null: JSON has no word for it."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
