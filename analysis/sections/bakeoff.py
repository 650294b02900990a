"""Laws against each other on rows that they were not fitted to."""

import math

from analysis.bakeoff import share
from analysis.sections.section import Body, Grid, Line, refuse_many, sentence
from analysis.study import LEVEL_WORDS, Study
from analysis.wording import percent


def bakeoff(study: Study) -> Body:
    """Laws against rows that they were not fitted to: which loses where."""
    refuse_many(study, "--bake-off")
    found = study.bake_off_in_short
    rows = []
    for entry in found.entries:
        ends = f"{share(entry.rms_low)} to {share(entry.rms_high)}" if math.isfinite(entry.rms_low) else ""
        error, bias = (share(entry.rms), percent(entry.bias)) if entry.scored else ("", "")
        cells = [entry.split, entry.law, error, ends, bias, entry.verdict]
        rows.append(Line([*cells, share(entry.fitted_rms) if math.isfinite(entry.fitted_rms) else ""]))
    header = ["held out", "law", "error (%)", f"{LEVEL_WORDS} interval", "mean error", "verdict", "on fitted rows (%)"]
    return Body(
        [sentence(words) for words in found.summary()], [Grid("Every law on every split", header, rows, folded=True)]
    )
