"""What a sweep says, in a few sentences for someone who reads nothing else."""

import contextlib
from collections.abc import Callable

from analysis.curves.scores import zero_shot_names
from analysis.figures.layers import has_layers
from analysis.optimum import Shapes, best
from analysis.sections.optimum import largest_compute
from analysis.sections.section import four_digits
from analysis.sections.tasks import effects
from analysis.study import LEVEL, LEVEL_WORDS, Study, parameter_in_words
from analysis.wording import estimate, on_clusters, percent, power_of_ten, short_number
from harness.refusal import Refusal


def headline(study: Study) -> list[str]:
    """One sentence each for the law, the held-out rungs, transfer and failures; what is missing says why."""
    if study.lawless:
        return [*_without_law(study), *_failures(study)]
    asked = [_law, _held_out, _transfer] if not study.is_table else [_law, _best]
    asked += [effects] if not study.is_table and zero_shot_names(study.raw) else []
    return [_said(sentence, study) for sentence in asked] + _failures(study)


def _said(sentence: Callable[[Study], str], study: Study) -> str:
    try:
        return sentence(study)
    except Refusal as refusal:
        return f"{sentence.__doc__} Not answered yet: {refusal}."


def _without_law(study: Study) -> list[str]:
    """What a study says that was made for another question: its own answers, and that no law is asked."""
    found = []
    with contextlib.suppress(Refusal):
        found += study.rates.words() if study.varies_rate else []
    with contextlib.suppress(Refusal):
        found += study.coordinates.words() if study.checks_coordinates else []
    with contextlib.suppress(Refusal):
        found += study.effective_data.words() if study.fine_tunes else []
    with contextlib.suppress(Refusal):
        found += [f"{effects(study)}."] if has_layers(study.raw) else []
    return [*found, f"{study.lawless[0].upper()}{study.lawless[1:]}."]


def _law(study: Study) -> str:
    """Is there a law?"""
    fit, intervals = study.fit, study.fit.intervals(LEVEL)
    exponents = [f"{name} {parameter_in_words(fit, name, *intervals[name])}" for name in study.exponents]
    level = f" ({LEVEL_WORDS} intervals)" if any(map(fit.identified, study.exponents)) else ""
    found = f": {'; '.join(exponents)}{level}" if exponents else ""
    standing = "" if fit.converged else f" The fit did not settle ({', '.join(fit.status)}): do not quote it."
    return (
        f"{on_clusters(fit.rows, fit.clusters, 'rungs')} are fitted by {fit.law.target} = {fit.law.formula}, counted "
        f"as {study.convention}{found}.{standing}"
    )


def _best(study: Study) -> str:
    """What should be trained next?"""
    found = best(study.fit, [10 * largest_compute(study)], Shapes.of(study.fitted), LEVEL)[0]
    budget = f"At ten times the largest fitted compute, {power_of_ten(found.flops)} FLOPs,"
    doubt = found.params.doubt if found.params else found.loss.doubt
    if doubt:
        return f"{budget} the law's best choice is not known: {doubt}."
    loss = found.loss.words(four_digits)
    if found.params is None or found.tokens is None:
        return f"{budget} the law's loss is {loss}."
    size, data = found.params.words(short_number), found.tokens.words(short_number)
    return f"{budget} the law's best choice is {size} parameters and {data} tokens, for a loss of {loss}."


def _held_out(study: Study) -> str:
    """Does it foretell?"""
    found = study.forecast
    row = max(found.rows, key=lambda row: row.C)
    value, ends = estimate(row.predicted, row.low, row.high)
    judged = {True: "inside the interval", False: "outside the interval", None: "with no interval to judge by"}
    against = "better than every" if row.beats_baselines else "not better than every"
    more = (
        f" Of {len(found.rows)} held-out rungs {found.inside} are inside; the mean size of their errors is "
        f"{100 * found.mean_error:.1f} %."
        if len(found.rows) > 1
        else ""
    )
    return (
        f"At {row.beyond:.3g} times the compute of the largest fitted rung the law foretold {value} ({ends}) nats per "
        f"token; the first score was {row.observed:.4f}: the forecast is off by {percent(row.error)}, "
        f"{judged[row.inside]}, {against} naive baseline (the largest rung's loss carried on "
        f"{percent(row.carried_error)}, a straight line {percent(row.line_error)}).{more}"
    )


def _transfer(study: Study) -> str:
    """What carries over to other text?"""
    found = list(study.transfers.values())
    parts = []
    for domain in found:
        slope, ends = estimate(domain.line.slope, *domain.line.slope_interval)
        parts.append(f"{domain.domain} {domain.trend} with compute (slope {slope}, {ends}: {domain.verdict})")
    return f"Zero-shot, in bits per byte against the loss on {found[0].training}: {'; '.join(parts)}."


def _failures(study: Study) -> list[str]:
    lost = sum(run.done is None and run.failure is not None for run in study.runs)
    return [f"{lost} of {len(study.runs)} rungs failed and are in no fit; see Failures."] if lost else []
