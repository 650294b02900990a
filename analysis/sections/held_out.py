"""Held-out rungs: what was foretold, and what was measured."""

from analysis.sections.section import Body, Grid, Line
from analysis.study import LEVEL_WORDS, Study
from analysis.wording import estimate, percent, short_number
from harness.refusal import Refusal

MOST_LISTED = 200  # held-out rungs in a table of the page


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
