"""What a sweep says, in a few sentences for someone who reads nothing else."""

from collections.abc import Callable

from analysis.study import LEVEL, Study, parameter_in_words
from analysis.wording import rounded, span
from harness.refusal import Refusal


def headline(study: Study) -> list[str]:
    """One sentence each for the law, the held-out rungs, transfer and failures; what is missing says why."""
    return [_said(sentence, study) for sentence in (_law, _held_out, _transfer)] + _failures(study)


def _said(sentence: Callable[[Study], str], study: Study) -> str:
    try:
        return sentence(study)
    except Refusal as refusal:
        return f"{sentence.__doc__} Not answered yet: {refusal}."


def _law(study: Study) -> str:
    """Is there a law?"""
    fit, intervals = study.fit, study.fit.intervals(LEVEL)
    exponents = [f"{name} {parameter_in_words(fit, name, *intervals[name])}" for name in study.exponents]
    standing = "" if fit.converged else f" The fit did not settle ({', '.join(fit.status)}): do not quote it."
    return (
        f"{fit.rows} rungs of {fit.clusters} trunks are fitted by L = {fit.law.formula}, counted as "
        f"{study.convention}: {'; '.join(exponents)} ({LEVEL:.0%} intervals).{standing}"
    )


def _held_out(study: Study) -> str:
    """Does it foretell?"""
    found = study.forecast
    row = max(found.rows, key=lambda row: row.C)
    width = row.high - row.low
    judged = "inside" if row.inside else "outside"
    baselines = [f"{abs(error):.1%}" for error in (row.carried_error, row.line_error) if error == error]
    against = "better than" if row.beats_baselines else "no better than"
    more = f" Of {len(found.rows)} held-out rungs {found.inside} are inside." if len(found.rows) > 1 else ""
    return (
        f"At {row.beyond:.3g} times the compute of any fitted rung the law foretold "
        f"{rounded(row.predicted, width / 2)} ({span(row.low, row.high)}) nats per token; the first score was "
        f"{row.observed:.4f}: off by {abs(row.error):.1%}, {judged} the interval, {against} naive baselines "
        f"({' and '.join(baselines)}).{more}"
    )


def _transfer(study: Study) -> str:
    """What carries over to other text?"""
    parts, training = [], ""
    for domain in study.transfers.values():
        low, high = domain.line.slope_interval
        slope = f"slope {rounded(domain.line.slope, (high - low) / 2)}, {domain.verdict}"
        training = domain.training
        parts.append(f"{domain.domain} {domain.trend} with compute ({slope})")
    return f"Zero-shot, against the loss on {training}: {'; '.join(parts)}."


def _failures(study: Study) -> list[str]:
    lost = sum(run.done is None and run.failure is not None for run in study.runs)
    return [f"{lost} of {len(study.runs)} rungs failed and are in no fit; see Failures."] if lost else []
