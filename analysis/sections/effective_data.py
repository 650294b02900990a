"""Fine-tuned against from scratch: gains, the text that they are worth, what they follow, and the laws of it."""

import math
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from analysis.effective_data import EFFECTS, FROM_PARENT, Domain, Place
from analysis.fit import Fit
from analysis.laws.powers import TRANSFERRED
from analysis.optimum import Quantity
from analysis.scratch import CAPPED, LATE, SETTLED
from analysis.sections.section import Body, Grid, Line
from analysis.study import LEVEL_WORDS, Study, parameter_in_words
from analysis.wording import short_number, with_error

MARK = " †"  # of a gain one side of which has no budget at its lowest loss


def effective_data(study: Study) -> Body:
    """By text: the gain and D_T of every place, the slopes of the gain, and what laws of D_T say."""
    found = study.effective_data
    method = (
        "A place is one shape after one pre-training on one amount of text. Both sides are stopped at the budget of "
        "their lowest validation loss. The gain is the loss from scratch less the fine-tuned one at the same D_F; D_T "
        f"is how many more {found.unit} than D_F a run from scratch needs for the fine-tuned loss, read off its own "
        f"kind's falling curve, smooth in log D. Intervals are {LEVEL_WORDS}, Student's over seeds, paired where both "
        f"sides have the same ones. N is counted as {study.convention}. From text to Python alpha was .18 and beta .38 "
        "(arXiv 2102.01293)."
    )
    grids = [grid for domain in found.domains for grid in _grids(domain, found.unit)]
    return Body([*found.words(), method], grids, [*_unknown(found.places), *_unsettled(found.places), *found.notes])


def _unknown(places: Sequence[Place]) -> list[str]:
    """How often D_T is not known, and why."""
    reasons = Counter(place.transferred.doubt for place in places if place.transferred.doubt)
    words = "; ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    return [f"D_T is not known in {reasons.total()} of {len(places)} places: {words}."] if reasons else []


def _unsettled(places: Sequence[Place]) -> list[str]:
    """How often a side had no budget at its lowest loss, and what that means."""
    reasons = Counter(place.unsettled for place in places if place.unsettled)
    if not reasons:
        return []
    words = "; ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    return [
        f"{MARK.strip()} In {reasons.total()} places a side has no budget at its lowest loss: {words}. "
        f"{CAPPED.capitalize()}: its last budget is its best and the last doubling of steps brought more than "
        f"{SETTLED:g} bits per byte, or it has one budget; {LATE}: its first budget is its best and the next doubling "
        "cost more than that."
    ]


def _grids(domain: Domain, unit: str) -> list[Grid]:
    gains = f"{domain.name}: gain in bits per byte, ± half of its {LEVEL_WORDS} interval, at each D_F ({unit})"
    worth = f"{domain.name}: D_T ({unit}) at each D_F, with its {LEVEL_WORDS} interval"
    grids = [_by_text(domain, gains, _gain), _by_text(domain, worth, lambda place: _reach(place.transferred))]
    if domain.trends:
        lines = [Line([EFFECTS[name][0], *_slope(trend)]) for name, trend in domain.trends.items()]
        caption = f"{domain.name}: what the gain follows, all other things alike"
        grids.append(Grid(caption, ["with each doubling of", "bits per byte", "what it does"], lines))
    header = ["law", "parameters", "values of D_T", "usually off by", "remarks"]
    left_out = "; ".join(f"{count} {reason}" for reason, count in domain.left_out.items())
    caption = f"{domain.name}: laws of D_T, one value a seed" + (f"; left out: {left_out}" if left_out else "")
    return [*grids, Grid(caption, header, [Line(cells) for cells in _laws(domain)])]


def _by_text(domain: Domain, caption: str, cell: Callable[[Place], str]) -> Grid:
    """A row for each shape and pre-training, a column for each D_F."""
    texts = sorted({place.unique_tokens for place in domain.places})
    rows: dict[tuple[str, ...], dict[int, str]] = {}
    for place in domain.places:
        key = place.shape, short_number(place.params), short_number(place.parent_tokens)
        rows.setdefault(key, {})[place.unique_tokens] = cell(place)
    lines = [Line([*key, *(cells.get(text, "") for text in texts)]) for key, cells in rows.items()]
    return Grid(caption, ["shape", "N", f"{domain.parent_corpus} read", *map(short_number, texts)], lines)


def _gain(place: Place) -> str:
    if place.gain.doubt:
        return place.gain.doubt
    half = (place.gain.high - place.gain.low) / 2
    return with_error(place.gain.value, half, "+") + (MARK if place.unsettled else "")


def _reach(found: Quantity) -> str:
    """An amount of text and its interval, of which an end may be open; the reason where it is not known."""
    if found.doubt:
        return found.doubt
    ends = f"{short_number(found.low)} to {short_number(found.high)}"
    if math.isinf(found.high):
        ends = f"{short_number(found.low)} or more"
    return short_number(found.value) + ("" if math.isnan(found.low) else f" ({ends})")


def _slope(trend: Quantity) -> list[str]:
    if trend.doubt:
        return ["not known", trend.doubt]
    if math.isnan(trend.low):
        return [with_error(trend.value, math.nan, "+"), "not told by one seed"]
    told = "the gain grows" if trend.low > 0 else "the gain shrinks" if trend.high < 0 else "seeds do not tell"
    return [with_error(trend.value, (trend.high - trend.low) / 2, "+"), told]


def _laws(domain: Domain) -> list[list[str]]:
    rows = []
    for law in (TRANSFERRED, FROM_PARENT):
        if law.name in domain.fits:
            known = domain.fits[law.name]
            off = f"factor {math.exp(np.sqrt(np.mean(known.residuals**2))):.2f}"
            rows.append([f"D_T = {law.formula}", _parameters(known), str(known.rows), off, ", ".join(known.status)])
        elif law.name in domain.refused:
            rows.append([f"D_T = {law.formula}", "", "", "", domain.refused[law.name]])
    return rows


def _parameters(known: Fit) -> str:
    if known.general_doubt:
        return f"none identified: {known.general_doubt}"
    ends = known.intervals()
    return "; ".join(f"{name} {parameter_in_words(known, name, *ends[name])}" for name in known.law.parameters)
