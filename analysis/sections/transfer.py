"""Zero-shot transfer: loss on text that was not trained on."""

import pandas as pd

from analysis.sections.section import Body, Grid, Line
from analysis.study import LEVEL, LEVEL_WORDS, Study, parameter_in_words
from analysis.transfer import Transfer
from analysis.wording import estimate


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
