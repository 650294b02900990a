"""Zero-shot transfer: bits per byte on other text against the training text's, and against compute."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.figures.style import MARKERS, PAPER, SERIES, SOFT, label_ends, legend, log_x
from analysis.study import Study
from analysis.transfer import Transfer

GRID = 60


@dataclass(frozen=True)
class Domain:
    """One domain's scores (bits per byte) along x, held-out flags, and the fitted curve (empty without one)."""

    name: str
    x: np.ndarray
    bpb: np.ndarray
    held_out: np.ndarray
    curve_x: np.ndarray
    curve: np.ndarray


@dataclass(frozen=True)
class Curves:
    variable: str  # "loss" or "C"
    home: str
    domains: list[Domain]


def against_training(study: Study) -> Curves:
    """Each domain against the training text, with the straight line fitted to the rungs that are not held out."""
    domains = []
    for found in study.transfers.values():
        scored = _scored(study, found)
        x = scored[f"lm_{found.training}/bpb"].to_numpy()
        ends = np.array([x.min(), x.max()])
        domains.append(_domain(found.domain, scored, x, ends, found.line.at(ends)))
    return Curves("loss", found.training, domains)


def against_compute(study: Study) -> Curves:
    """Each domain against C, with a power law and floor where one fits."""
    domains = []
    for found in study.transfers.values():
        scored = _scored(study, found)
        grid = np.geomspace(scored["C"].min(), scored["C"].max(), GRID) if found.compute_fit else np.empty(0)
        curve = found.compute_fit.predict({"C": grid}) if found.compute_fit else grid
        domains.append(_domain(found.domain, scored, scored["C"].to_numpy(), grid, curve))
    return Curves("C", found.training, domains)


def _scored(study: Study, found: Transfer) -> pd.DataFrame:
    names = [f"lm_{found.training}/bpb", f"lm_{found.domain}/bpb"]
    return study.decayed.dropna(subset=names)


def _domain(name: str, scored: pd.DataFrame, x: np.ndarray, curve_x: np.ndarray, curve: np.ndarray) -> Domain:
    return Domain(name, x, scored[f"lm_{name}/bpb"].to_numpy(), scored["held_out"].to_numpy(bool), curve_x, curve)


def draw(result: Curves, axes: Axes) -> None:
    every = np.concatenate([domain.x for domain in result.domains])
    if result.variable == "C":
        log_x(axes, "C", every)
    else:
        axes.axline((every.mean(), every.mean()), slope=1, color=SOFT, linewidth=0.8, label="same as on training text")
        axes.set_xlabel(f"{result.home}, its validation text (bits per byte)")
    colours = _styles(result)
    for domain in result.domains:
        colour, marker = colours[domain.name]
        seen = ~domain.held_out
        axes.plot(domain.x[seen], domain.bpb[seen], marker, color=colour, markersize=4.5, alpha=0.85)
        axes.plot(domain.x[~seen], domain.bpb[~seen], "*", color=colour, markerfacecolor=PAPER, markersize=13)
        axes.plot(domain.curve_x, domain.curve, color=colour, linewidth=1.3)
    axes.plot([], [], "*", color=SOFT, markerfacecolor=PAPER, markersize=12, label="held-out rung (not fitted)")
    axes.set_ylabel("zero-shot loss (bits per byte)")
    axes.margins(y=0.06)
    label_ends(axes, _ends(result, colours))
    legend(axes)


def _styles(result: Curves) -> Mapping[str, tuple[str, str]]:
    styles = [(SERIES[i % len(SERIES)], MARKERS[i % len(MARKERS)]) for i in range(len(result.domains))]
    return {domain.name: style for domain, style in zip(result.domains, styles, strict=True)}


def _ends(result: Curves, colours: Mapping[str, tuple[str, str]]) -> list[tuple[float, float, str, str]]:
    """Where each domain's name stands: at its rightmost rung."""
    ends = []
    for domain in result.domains:
        last = int(domain.x.argmax())
        ends.append((float(domain.x[last]), float(domain.bpb[last]), domain.name, colours[domain.name][0]))
    return ends
