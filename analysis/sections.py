"""The catalogue of a report's sections: each turns a study into sentences and grids, or is refused with the reason."""

import contextlib
import hashlib
import json
import math
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from analysis.bakeoff import share
from analysis.conventions import CONVENTIONS
from analysis.coordinates import LEVEL_POWER
from analysis.fit import Fit
from analysis.optimum import RULE_TOKENS, Best, Quantity, Shapes, allocation, best
from analysis.rates import Curve, nats
from analysis.study import BESIDE, LEVEL, LEVEL_WORDS, Study, parameter_in_words
from analysis.table import PART_COLUMNS
from analysis.transfer import Transfer
from analysis.wording import estimate, on_clusters, percent, power_of_ten, short_number
from harness.refusal import Refusal

LONG, NUMBER_STARTS = 20, set("0123456789-+")
BUDGETS = (1, 10, 100)  # times the largest fitted compute
MOST_LISTED = 200  # held-out rungs in a table of the page
MOST_ROWS = 20_000  # that a page profiles, compares laws or fits parabolas on: more take minutes
VARIED = {
    "parametrisation": "parametrisation",
    "learning_rate": "rate",
    "seed": "seed",
}  # told of rungs that differ in it
OPTIONS = ("objective", "delta", "weights", "noise", "drop_highest_loss", "seed")  # of a fit, as `scalelaw` takes them


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
        """Columns that are set flush right: all their cells are short and start as numbers do."""
        columns = zip(*[row.cells for row in self.rows], strict=True)
        return [all(len(cell) < LONG and cell[:1] in NUMBER_STARTS for cell in column if cell) for column in columns]


@dataclass(frozen=True)
class Body:
    """Sentences, then grids with remarks below them, then a command to paste."""

    lines: Sequence[str] = ()
    grids: Sequence[Grid] = ()
    remarks: Sequence[str] = ()
    command: str = ""


@dataclass(frozen=True)
class Section:
    title: str
    body: Callable[[Study], Body]
    figures: tuple[str, ...] = ()
    of: Literal["both", "sweep", "table"] = "both"  # what has such a section
    needs: tuple[str, ...] = ()  # columns without which the question has no meaning
    asks: Callable[[Study], bool] = lambda study: True

    def suits(self, study: Study) -> bool:
        suited = self.of in ("both", "table" if study.is_table else "sweep")
        return suited and all(name in study.table for name in self.needs) and self.asks(study)


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
        value, reach = estimate(fit.parameters[name], low, high) if sure else ("not identified", "")
        rows.append(Line([name, value, reach, "identified" if sure else fit.doubt(name)]))
    left_out = "; ".join(f"{count} ({reason})" for reason, count in fit.excluded.items()) or "none"
    return Body(
        [
            f"{fit.law.target} = {fit.law.formula} ({fit.law.source}), counted as {study.convention}: "
            f"{CONVENTIONS[study.convention].formula}.",
            f"{on_clusters(fit.rows, fit.clusters, 'rungs')} were fitted; points left out: {left_out}. "
            f"Status: {', '.join(fit.status)}. {_certificate(fit)}",
            f"Intervals are {LEVEL_WORDS}, from {len(fit.draws)} resamplings of whole trunks, wider where there are "
            "few; they hold for this form of law, and what it leaves over shows whether the form holds."
            if len(fit.draws)
            else "There are no intervals: whole trunks are resampled for them, and here there are too few.",
        ],
        [
            Grid(
                f"Parameters of the {fit.law.name} law",
                ["parameter", "value", f"{LEVEL_WORDS} interval", "standing"],
                rows,
            )
        ],
    )


def _certificate(fit: Fit) -> str:
    words = fit.certificate
    return (
        f"Objective ({fit.options.objective}) {fit.objective:.8g}; {100 * words.starts_agreeing:.0f} % of "
        f"{words.starts} starts end there, {words.second_solver}."
    )


def largest_compute(study: Study) -> float:
    """Of the fitted rungs; refused where they have none."""
    study.everything("C")
    return float(study.fitted["C"].max())


def optimum(study: Study) -> Body:
    """What a budget buys at best: size, data, shape, loss, and what a rule of thumb throws away."""
    largest = largest_compute(study)
    found = best(study.fit, [largest * times for times in BUDGETS], Shapes.of(study.fitted), LEVEL)
    header: dict[str, Callable[[Best], str]] = {
        "budget (FLOPs)": lambda one: power_of_ten(one.flops),
        "times the largest": lambda one: f"{one.flops / largest:.3g}",
        "N*": lambda one: _words(one.params, short_number),
        "D*": lambda one: _words(one.tokens, short_number),
        "D*/N*": lambda one: _words(one.tokens_per_param, three_digits),
        "loss": lambda one: _words(one.loss, four_digits),
        "aspect": lambda one: _words(one.aspect, three_digits),
        "depth": lambda one: _words(one.depth, three_digits),
        "width": lambda one: _words(one.width, four_digits),
        f"wasted at D = {RULE_TOKENS:g} N": lambda one: _words(one.wasted, lambda part: f"{100 * part:.3g} %"),
    }
    columns = {name: cells for name, show in header.items() if any(cells := [show(one) for one in found])}
    notes = [
        f"{LEVEL_WORDS} intervals over trunks, of the law's curve. Beyond the largest fitted budget they are the law's "
        "word alone: if its form bends there, no interval knows."
    ]
    quantities = [part for one in found for part in vars(one).values() if isinstance(part, Quantity)]
    with contextlib.suppress(Refusal):
        a, b = allocation(study.fit, largest, Shapes.of(study.fitted), LEVEL)
        quantities += [a, b]
        notes.append(f"N* grows as C^a and D* as C^b: a is {a.words(three_digits)}, b is {b.words(three_digits)}.")
    if found[0].shape_from:
        notes.append(f"Depth and width follow from N* by {found[0].shape_from}.")
    doubts = dict.fromkeys(part.doubt for part in quantities if part.doubt)
    lines = [Line(cells) for cells in zip(*columns.values(), strict=True)]
    grid = Grid("Compute-optimal choices", list(columns), lines)
    return Body(notes, [grid], [f"Not known: {doubt}." for doubt in doubts])


def three_digits(number: float) -> str:
    return f"{number:.3g}"


def four_digits(number: float) -> str:
    return f"{number:.4g}"


def _words(found: Quantity | None, number: Callable[[float], str]) -> str:
    return found.words(number) if found else ""


def profiles(study: Study) -> Body:
    """Each parameter's interval by profile likelihood beside the bootstrap's."""
    _refuse_many(study, "--profile all")
    found, intervals = study.profiles, study.fit.intervals(LEVEL)
    if not found:
        raise Refusal("no parameter has both a bootstrap interval, which scales a profile, and a coordinate of its own")
    lines = []
    for name, one in found.items():
        pairs = zip(one.open_ends, (one.low, one.high), strict=True)
        ends = ["none found" if is_open else f"{end:.4g}" for is_open, end in pairs]
        lines.append(Line([name, f"{one.value:.4g}", *ends, *(f"{end:.4g}" for end in intervals[name])]))
    header = ["parameter", "value", "profile: low", "profile: high", "bootstrap: low", "bootstrap: high"]
    note = (
        "A profile's width is borrowed from the bootstrap, so that trunks count as clusters, and it is no second "
        "opinion on it. Only its lopsidedness is new: how much further the objective lets the parameter go to one side."
    )
    return Body([note], [Grid(f"Profile beside bootstrap, {LEVEL_WORDS} intervals", header, lines)])


def isoflops(study: Study) -> Body:
    """Compute-optimal allocation by minimum over curves, by isoFLOP parabolas that were audited, and by the law."""
    _refuse_many(study, "--isoflop")
    return Body([_sentence(words) for words in study.isoflop.words()])


def _refuse_many(study: Study, option: str) -> None:
    """Refused beyond `MOST_ROWS`."""
    rows = len(study.fitted) + len(study.held_out)
    if rows > MOST_ROWS:
        raise Refusal(
            f"{rows:,} rows take minutes, and a page answers this for at most {MOST_ROWS:,}: ask for it alone with "
            f"scalelaw fit {study.root.name} {option}"
        )


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + ("" if words.endswith(".") else ".")


def bakeoff(study: Study) -> Body:
    """Laws against rows that they were not fitted to: which loses where."""
    _refuse_many(study, "--bake-off")
    found = study.bake_off_in_short
    rows = []
    for entry in found.entries:
        ends = f"{share(entry.rms_low)} to {share(entry.rms_high)}" if math.isfinite(entry.rms_low) else ""
        error, bias = (share(entry.rms), percent(entry.bias)) if entry.scored else ("", "")
        cells = [entry.split, entry.law, error, ends, bias, entry.verdict]
        rows.append(Line([*cells, share(entry.fitted_rms) if math.isfinite(entry.fitted_rms) else ""]))
    header = ["held out", "law", "error (%)", f"{LEVEL_WORDS} interval", "mean error", "verdict", "on fitted rows (%)"]
    return Body(
        [_sentence(words) for words in found.summary()], [Grid("Every law on every split", header, rows, folded=True)]
    )


def conventions(study: Study) -> Body:
    """The same law under every way of counting: how much of the conclusion is bookkeeping."""
    rows, exponents = [], study.exponents
    if not exponents:
        raise Refusal(f"law {study.law.name} has no exponent that a claim may rest on, which could be compared")
    for name in study.conventions:
        try:
            fit = study.fit_under(name)
        except Refusal as refusal:
            rows.append(Line([name, CONVENTIONS[name].formula, str(refusal), *[""] * (len(exponents) - 1)]))
            continue
        intervals = fit.intervals(LEVEL)
        words = [parameter_in_words(fit, exponent, *intervals[exponent]) for exponent in exponents]
        rows.append(Line([name, CONVENTIONS[name].formula, *words]))
    return Body(
        [
            "Training runs are the same in every row; only what is called N and C differs. A law of N and D does not "
            "see C, so that conventions with the same N give it the same exponents; those that count differently than "
            f"{study.convention} have {min(study.bootstrap, BESIDE)} resamplings.",
        ],
        [Grid("Exponents under each convention", ["convention", "what is counted", *exponents], rows)],
    )


def law_table(study: Study) -> pd.DataFrame:
    """A row per convention and parameter; numbers as they are, with `identified` beside them."""
    rows = []
    for name in study.conventions:
        with contextlib.suppress(Refusal):
            fit = study.fit_under(name)
            for parameter, (low, high) in fit.intervals(LEVEL).items():
                known = {"value": fit.parameters[parameter], "low": low, "high": high}
                said = {
                    "identified": fit.identified(parameter),
                    "doubt": fit.doubt(parameter),
                    "data_hash": fit.data_hash,
                }
                rows.append({"convention": name, "law": fit.law.name, "parameter": parameter} | known | said)
    if not rows:
        raise Refusal("the law could not be fitted under any counting convention: train more rungs")
    return pd.DataFrame(rows)


# --- held-out rungs and transfer


def held_out(study: Study) -> Body:
    """The forecast of every held-out rung, its first score, and what naive baselines would have said."""
    if study.law.target != "loss":
        raise Refusal(f"law {study.law.name} is one of {study.law.target}, and forecasts are scored on the loss")
    found = study.forecast
    header = ["rung", "times largest C", "measured", "forecast", f"{LEVEL_WORDS} interval", "error", "inside"]
    header += ["carried on: error", "straight line: error", "beats both"]
    lines = []
    for row in found.rows[:MOST_LISTED]:
        predicted, ends = estimate(row.predicted, row.low, row.high)
        inside = {True: "yes", False: "no", None: "no interval"}[row.inside]
        cells = [f"N {short_number(row.N)}, D {short_number(row.D)}", f"{row.beyond:.3g}", f"{row.observed:.4f}"]
        cells += [predicted, ends, percent(row.error), inside]
        cells += [percent(row.carried_error), percent(row.line_error), "yes" if row.beats_baselines else "no"]
        lines.append(Line(cells, held_out=True))
    declared = study.design.get("law", study.law.name)
    notes = [
        "Errors are forecast over measured, less one. Carried on: the loss of the fitted rung with the most compute. "
        "Straight line: log loss against log C through the fitted frontier. The interval is for a new trunk: it holds "
        "the spread over resampled trunks and the scatter of a trunk around the law."
    ]
    if declared != study.law.name:
        notes.append(
            f"The law declared before training was {declared}; {study.law.name} was chosen for this page, afterwards."
        )
    if len(found.rows) > MOST_LISTED:
        notes.append(f"The first {MOST_LISTED} of {len(found.rows):,} stand here, all of them in held_out.csv.")
    return Body(notes, [Grid("Held-out rungs", header, lines)])


def transfer(study: Study) -> Body:
    """Per domain: the trend, slope and gap against the training text, how the slope stands to one, and the laws."""
    found = list(study.transfers.values())
    training = found[0].training
    header = ["domain", "with compute", "slope", f"{LEVEL_WORDS} interval", "slope against one", "mean gap"]
    header += [f"{LEVEL_WORDS} interval", "R²"]
    lines = []
    for domain in found:
        line = domain.line
        slope, gap = estimate(line.slope, *line.slope_interval), estimate(line.gap, *line.gap_interval)
        lines.append(Line([domain.domain, domain.trend, *slope, domain.verdict, *gap, f"{line.r2:.2f}"]))
    return Body(
        [
            f"Rungs were trained on {training} alone and scored, untrained, on the validation text of the others; "
            "all in bits per byte. A slope of one would be a constant offset (arXiv 2001.08361, figure 8); below one, "
            "a gain on the training text brings a smaller one elsewhere.",
            f"{found[0].rows} rungs of {found[0].clusters} trunks are in each line; held-out rungs are in none. In the "
            f"laws S is the loss on {training}.",
        ],
        [
            Grid(
                f"Loss elsewhere = offset + slope x loss on {training}; gap = loss elsewhere - loss there",
                header,
                lines,
            ),
            Grid(
                "Laws of each domain's own loss",
                ["domain", "law", "exponents", "remarks"],
                [Line(cells) for domain in found for cells in _domain_laws(domain)],
            ),
        ],
    )


def _domain_laws(domain: Transfer) -> list[list[str]]:
    """Domain, formula, exponents in words and remarks, for each law that was asked for."""
    if not domain.fits:
        return [[domain.domain, "none", "", f"{domain.trend} with compute: no falling law is fitted"]]
    rows = []
    for known in domain.fits.values():
        intervals, words = known.intervals(LEVEL), []
        for name in known.law.judged:
            sure = parameter_in_words(known, name, *intervals[name]) if known.identified(name) else "not identified"
            words.append(f"{name} {sure}")
        rows.append([domain.domain, f"L = {known.law.formula}", "; ".join(words), ", ".join(known.status)])
    return rows + [[domain.domain, law, "", reason] for law, reason in domain.refused.items()]


def transfer_table(study: Study) -> pd.DataFrame:
    """A row per domain, with the line's numbers."""
    rows = []
    for domain in study.transfers.values():
        line = domain.line
        known = {"slope": line.slope, "slope_low": line.slope_interval[0], "slope_high": line.slope_interval[1]}
        known |= {"offset": line.offset, "gap": line.gap, "r2": line.r2, "rows": domain.rows}
        rows.append({"domain": domain.domain, "trend": domain.trend, "verdict": domain.verdict} | known)
    return pd.DataFrame(rows)


# --- learning rates


def rates(study: Study) -> Body:
    """The best learning rate of each size, its drift, and what the smallest size's best rate costs elsewhere."""
    found = study.rates
    ends = f"{LEVEL_WORDS} interval"
    header = [found.axis, "best rate", ends, "lowest tried", "loss there", "at the base rate", "excess", ends, "share"]
    header += ["seeds", "rates", "failed"]
    grids = [
        Grid(f"Best learning rates, {name}", header, [_curve(curve) for curve in found.of(name)])
        for name in found.parametrisations
    ]
    base = found.curves[0].size
    notes = [
        *found.words(),
        f"The base rate is the best rate of {found.axis} {base} under the same parametrisation. An excess whose "
        "interval begins at 0 cannot be told from none.",
    ]
    return Body(notes, grids, [*found.doubts(), *found.notes])


def _curve(curve: Curve) -> Line:
    unknown = ["not known", ""]
    best, ends = estimate(curve.vertex.value, curve.vertex.low, curve.vertex.high)
    loss = f"{curve.loss.value:.4f}"
    known = [*unknown] if curve.vertex.doubt else [best, ends]
    cells = [str(curve.size), *known, three_digits(curve.lowest_tried), "" if curve.vertex.doubt else loss]
    if curve.excess.doubt:
        cells += ["not known", "", "", ""]
    else:
        cells += [f"{curve.at_base:.4f}", *nats(curve.excess), percent(curve.share)]
    return Line([*cells, str(curve.seeds), str(len(curve.losses.x_k)), str(len(curve.failed))])


def coordinates(study: Study) -> Body:
    """How far activations move in a few steps, against size."""
    found = study.coordinates
    sizes = list(dict.fromkeys(size for part in found.last for size in part.sizes))
    lines = []
    for part in found.last:
        changes = dict(zip(part.sizes, part.change, strict=True))
        power, ends = estimate(part.power.value, part.power.low, part.power.high)
        cells = [part.parametrisation, part.name, *(f"{changes[s]:.3g}" if s in changes else "" for s in sizes)]
        lines.append(Line([*cells, power, ends, part.verdict]))
    header = [
        "parametrisation",
        "activation",
        *(f"{found.axis} {size}" for size in sizes),
        "x",
        f"{LEVEL_WORDS} interval",
    ]
    notes = [
        *found.words(),
        f"Root mean square change since initialisation, fitted by change ~ {found.axis}^x through the sizes; the "
        f"interval is from how far they lie off that line. Level: x within {LEVEL_POWER:.2f} of nought, a factor √2 "
        "over eight times the size.",
    ]
    return Body(notes, [Grid(f"After {found.last[0].steps} steps", [*header, "verdict"], lines)])


# --- rungs


def rungs(study: Study) -> Body:
    """Every finished rung, held-out ones marked."""
    rows = study.decayed.sort_values(["N", "D"])
    varied = {name: words for name, words in VARIED.items() if name in rows and rows[name].nunique() > 1}
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


def _plain(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


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


# --- where it comes from


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
    cells += [Line(["machine", _list(pd.Series([run.done["device_name"] for run in study.runs if run.done]))])]
    manifest = [Line([key, _fact(value)]) for key, value in _manifest(study).items()]
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


def lawful(study: Study) -> bool:
    return not study.lawless


SECTIONS: dict[str, Section] = {
    "rates": Section("Learning rate across size", rates, ("rates",), asks=lambda study: study.varies_rate),
    "coordinates": Section(
        "Coordinate check", coordinates, ("coordinates",), asks=lambda study: study.checks_coordinates
    ),
    "law": Section("The law", law, ("size", "data", "residuals", "surface"), asks=lawful),
    "held-out": Section("Held out", held_out, ("forecast",), asks=lawful),
    "optimum": Section("Best choices", optimum, needs=("C",), asks=lawful),
    "profile": Section("How sure", profiles, ("profiles",), asks=lawful),
    "conventions": Section("Counting conventions", conventions, ("exponents",), needs=tuple(PART_COLUMNS), asks=lawful),
    "isoflop": Section("IsoFLOP", isoflops, ("isoflop",), needs=("N", "D", "C"), asks=lawful),
    "bake-off": Section("Bake-off", bakeoff, ("bakeoff",), needs=("N", "D", "C"), asks=lawful),
    "transfer": Section("Zero-shot transfer", transfer, ("transfer_loss", "transfer_compute"), "sweep", asks=lawful),
    "rungs": Section("Rungs", rungs, ("training",), "sweep"),
    "failures": Section("Failures", failures, of="sweep"),
    "provenance": Section("Data and provenance", provenance, of="sweep"),
    "table": Section("The table", own_table, of="table"),
    "recreate": Section("Make this page again", recreate),
}
