"""Effective data transferred against the text to fine-tune on: a panel a text, the law through what is known."""

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from analysis.effective_data import Domain, EffectiveData, Place
from analysis.figures.gain import Looks, by_domain
from analysis.figures.style import PAPER, SOFT, log_ticks
from analysis.scratch import BEYOND
from analysis.study import LEVEL_WORDS, Study
from analysis.wording import short_number
from harness.refusal import Refusal

ASIDE = 0.05  # of log10 D_F, between the first shape and the last: bars do not cover each other
ROOM = 2.0  # above the largest D_T and below the smallest, where marks stand that have no place on the axis
OPEN = 1e6  # times D_T: where the bar of an open end goes, which is out of the picture
GRID = 40


def compute(study: Study) -> EffectiveData:
    """The places of the study's fine-tuned runs; refused where D_T is known and positive in none."""
    found = study.effective_data
    if not any(place.transferred.value > 0 for place in found.places):
        raise Refusal("D_T is known and positive in no place, and the table of it says why")
    return found


def draw(result: EffectiveData, axes: Axes) -> None:
    panels, looks = by_domain(result, axes), Looks.of(result)
    known = [place.transferred.value for place in result.places if place.transferred.value > 0]
    bottom, top = min(known) / ROOM, max(known) * ROOM
    axes.set_yscale("log")
    axes.set_ylim(bottom, top)
    axes.yaxis.set_major_locator(FixedLocator(log_ticks(bottom, top)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short_number(value)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylabel(f"effective data transferred, D_T ({result.unit})")
    for panel, domain in zip(panels, result.domains, strict=True):
        _law(panel, domain, looks)
        for place in domain.places:
            _place(panel, place, looks)
    _key(result, axes)
    looks.key(axes)


def _law(axes: Axes, domain: Domain, looks: Looks) -> None:
    """The published form at each size, over the text that it was fitted to; nothing where it is not identified."""
    law, fitted = domain.law, [place for place in domain.known if place.low_data]
    if law is None:
        return
    texts = [place.unique_tokens for place in fitted]
    grid = np.geomspace(min(texts), max(texts), GRID)
    for shape, params in {(place.shape, place.params) for place in fitted}:
        curve = law.predict({"D_F": grid, "N": np.full_like(grid, params)})
        axes.plot(grid, curve, color=looks.colour(shape), linewidth=1.2, alpha=0.8)


def _place(axes: Axes, place: Place, looks: Looks) -> None:
    """D_T with its bar; a mark at the edge where it is beyond every run from scratch, or negative."""
    at = looks.shapes.index(place.shape) / max(len(looks.shapes) - 1, 1) - 0.5
    x, found, colour = place.unique_tokens * 10 ** (ASIDE * at), place.transferred, looks.colour(place.shape)
    if found.value > 0:
        look: dict[str, Any] = looks.line(place.parent_tokens) | {"linestyle": "none"}
        look |= {} if place.low_data else {"markerfacecolor": PAPER}
        ends = [found.value - max(found.low, 0.0)], [min(found.high, OPEN * found.value) - found.value]
        bar = None if math.isnan(found.low) else ends
        axes.errorbar(x, found.value, yerr=bar, color=colour, elinewidth=1.0, capsize=2, **look)
    elif found.value <= 0 or found.doubt == BEYOND:
        height, marker = (0.02, "v") if found.value <= 0 else (0.98, "^")
        axes.plot(x, height, marker, color=colour, markersize=4.5, transform=axes.get_xaxis_transform())


def _key(result: EffectiveData, axes: Axes) -> None:
    """Only what the panels have."""
    shown = {
        f"law ({LEVEL_WORDS} bars)": ("-", SOFT, any(domain.law for domain in result.domains)),
        "not in the law": ("o", PAPER, any(p.transferred.value > 0 and not p.low_data for p in result.places)),
        "beyond the largest from scratch": ("^", SOFT, any(p.transferred.doubt == BEYOND for p in result.places)),
        "negative": ("v", SOFT, any(p.transferred.value <= 0 for p in result.places)),
    }
    for words, (look, fill, there) in shown.items():
        if there:
            axes.plot([], [], look, color=SOFT, markerfacecolor=fill, markersize=4.5, label=words)
