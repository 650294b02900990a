"""Gain from pre-training against the text to fine-tune on: a panel a text, a line a shape and pre-training."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from analysis.effective_data import EffectiveData, Place
from analysis.figures.style import MARKERS, PAPER, SOFT, columns, log_ticked, log_ticks, ranked
from analysis.study import LEVEL_WORDS, Study
from analysis.wording import short_number

DASHES = ("-", "--", ":", "-.")
LABEL_SHARE = 0.13  # of the axis that a label takes
MOST_TICKS = 6


@dataclass(frozen=True)
class Looks:
    """A colour for each shape by its size, a marker and dashes for each pre-training."""

    shapes: tuple[str, ...]
    parent_tokens: tuple[int, ...]
    unit: str

    @classmethod
    def of(cls, found: EffectiveData) -> "Looks":
        by_size = sorted({(place.params, place.shape) for place in found.places})
        shapes = tuple(dict.fromkeys(shape for _, shape in by_size))
        return cls(shapes, tuple(sorted({place.parent_tokens for place in found.places})), found.unit)

    def colour(self, shape: str) -> Any:
        return ranked(len(self.shapes))[self.shapes.index(shape)]

    def line(self, parent_tokens: int) -> dict[str, Any]:
        i = self.parent_tokens.index(parent_tokens)
        return {"marker": MARKERS[i % len(MARKERS)], "linestyle": DASHES[i % len(DASHES)], "markersize": 4.5}

    def key(self, axes: Axes) -> None:
        """What is so far labelled on the axes, then shapes, then pre-trainings, below all panels."""
        for shape in self.shapes:
            axes.plot([], [], color=self.colour(shape), linewidth=3, label=f"shape {shape}")
        for tokens in self.parent_tokens:
            words = f"after {short_number(tokens)} {self.unit}"
            axes.plot([], [], color=SOFT, linewidth=1.2, **self.line(tokens), label=words)
        axes.figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4, columnspacing=1.2)


def compute(study: Study) -> EffectiveData:
    """The places of the study's fine-tuned runs; refused where there are none."""
    return study.effective_data


def draw(result: EffectiveData, axes: Axes) -> None:
    panels, looks = by_domain(result, axes), Looks.of(result)
    for panel, domain in zip(panels, result.domains, strict=True):
        panel.axhline(0.0, color=SOFT, linewidth=1.0)
        for own in lines(domain.places):
            _line(panel, [place for place in own if not place.gain.doubt], looks)
    axes.set_ylabel("gain (bits per byte)")
    axes.fill_between([], [], [], color=SOFT, alpha=0.25, linewidth=0, label=f"{LEVEL_WORDS} interval, seeds")
    axes.plot([], [], "o", color=SOFT, markerfacecolor=PAPER, markersize=4.5, label="not at its lowest")
    looks.key(axes)


def by_domain(result: EffectiveData, axes: Axes) -> list[Axes]:
    """A panel for each domain, with the text to fine-tune on along x."""
    texts = sorted({place.unique_tokens for place in result.places})
    ticks = _apart(texts) if len(texts) <= MOST_TICKS else log_ticks(texts[0], texts[-1])
    panels = columns(axes, [domain.name for domain in result.domains], f"text to fine-tune on, D_F ({result.unit})")
    for panel in panels:
        log_ticked(panel, texts, ticks)
        panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short_number(value)))
    return panels


def lines(places: Sequence[Place]) -> list[list[Place]]:
    """Places that differ in the text to fine-tune on alone, by rising text."""
    found: dict[tuple[str, float, int], list[Place]] = {}
    for place in sorted(places, key=lambda place: place.unique_tokens):
        found.setdefault((place.shape, place.params, place.parent_tokens), []).append(place)
    return list(found.values())


def _line(axes: Axes, own: Sequence[Place], looks: Looks) -> None:
    if not own:
        return
    colour, look = looks.colour(own[0].shape), looks.line(own[0].parent_tokens)
    texts, gains = [place.unique_tokens for place in own], [place.gain for place in own]
    if all(math.isfinite(gain.low) for gain in gains):
        ends = [gain.low for gain in gains], [gain.high for gain in gains]
        axes.fill_between(texts, *ends, color=colour, alpha=0.15, linewidth=0)
    axes.plot(texts, [gain.value for gain in gains], color=colour, linewidth=1.3, **look)
    unsettled = [place for place in own if place.unsettled]
    hollow = look | {"linestyle": "none", "markerfacecolor": PAPER}
    axes.plot([p.unique_tokens for p in unsettled], [p.gain.value for p in unsettled], color=colour, **hollow)


def _apart(values: Sequence[float]) -> list[float]:
    """Those of rising values whose labels have room beside the one before."""
    kept = [values[0]]
    least = (values[-1] / values[0]) ** LABEL_SHARE
    for value in values[1:]:
        if value > least * kept[-1]:
            kept.append(value)
    return kept
