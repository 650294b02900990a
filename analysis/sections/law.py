"""The fitted law: its parameters, how sure they are, and what counting does to them."""

import contextlib

import pandas as pd

from analysis.conventions import CONVENTIONS
from analysis.curves.power import loss_over_compute
from analysis.fit import Fit
from analysis.sections.section import Body, Grid, Line, refuse_many, sentence
from analysis.study import BESIDE, LEVEL, LEVEL_WORDS, Study, parameter_in_words
from analysis.wording import estimate, on_clusters
from harness.refusal import Refusal


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
            *_over_compute(study),
        ],
        [
            Grid(
                f"Parameters of the {fit.law.name} law",
                ["parameter", "value", f"{LEVEL_WORDS} interval", "standing"],
                rows,
            )
        ],
    )


def _over_compute(study: Study) -> list[str]:
    """GPT-3's figure 3.1, which stands on top of the page."""
    try:
        return [sentence(shape.sentence) for shape in loss_over_compute(study.fitted, LEVEL)]
    except Refusal:  # a table without compute
        return []


def _certificate(fit: Fit) -> str:
    words = fit.certificate
    return (
        f"Objective ({fit.options.objective}) {fit.objective:.8g}; {100 * words.starts_agreeing:.0f} % of "
        f"{words.starts} starts end there, {words.second_solver}."
    )


def profiles(study: Study) -> Body:
    """Each parameter's interval by profile likelihood beside the bootstrap's."""
    refuse_many(study, "--profile all")
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
