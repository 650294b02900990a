"""Zero-shot transfer: bits per byte on other text against the training text's, and against compute."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.figures.style import MARKERS, PAPER, SERIES, SOFT, label_ends, log_x, panels
from analysis.study import LEVEL, LEVEL_WORDS, Study
from analysis.transfer import Transfer

GRID = 60
FAR = 1.0  # bits per byte of empty space between domains that put them into panels of their own
NO_CURVE = np.empty(0)


@dataclass(frozen=True)
class Domain:
    """One domain's scores (bits per byte) along x, held-out flags, and the fitted curve (empty without one)."""

    name: str
    x: np.ndarray
    bpb: np.ndarray
    held_out: np.ndarray
    curve_x: np.ndarray
    curve: np.ndarray
    low: np.ndarray
    high: np.ndarray


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
        grid = np.linspace(x.min(), x.max(), GRID)
        domains.append(_domain(found, scored, x, grid, found.line.at(grid), found.line.interval_at(grid, LEVEL)))
    return Curves("loss", _home(study), domains)


def against_compute(study: Study) -> Curves:
    """Each domain against C, with a power law and floor where one fits."""
    domains = []
    for found in study.transfers.values():
        scored, law = _scored(study, found), found.fits.get("power_floor_C")
        x, grid, curve, ends = scored["C"].to_numpy(), NO_CURVE, NO_CURVE, (NO_CURVE, NO_CURVE)
        if law:
            grid = np.geomspace(x.min(), x.max(), GRID)
            curve, ends = law.predict({"C": grid}), law.curve_interval({"C": grid}, LEVEL)
        domains.append(_domain(found, scored, x, grid, curve, ends))
    return Curves("C", _home(study), domains)


def _home(study: Study) -> str:
    return next(iter(study.transfers.values())).training


def _scored(study: Study, found: Transfer) -> pd.DataFrame:
    names = [f"lm_{found.training}/bpb", f"lm_{found.domain}/bpb"]
    return study.decayed.dropna(subset=names)


def _domain(
    found: Transfer,
    scored: pd.DataFrame,
    x: np.ndarray,
    curve_x: np.ndarray,
    curve: np.ndarray,
    ends: tuple[np.ndarray, np.ndarray],
) -> Domain:
    bpb, held_out = scored[f"lm_{found.domain}/bpb"].to_numpy(), scored["held_out"].to_numpy(bool)
    return Domain(found.domain, x, bpb, held_out, curve_x, curve, *ends)


def draw(result: Curves, axes: Axes) -> None:
    groups = near_each_other(result.domains)
    styles = {domain.name: (SERIES[i % 6], MARKERS[i % 6]) for i, domain in enumerate(result.domains)}
    stacked = panels(axes, [1.0 + 0.5 * (len(group) > 1) for group in groups])
    for panel, group in zip(stacked, groups, strict=True):
        for domain in group:
            _draw_domain(panel, result.variable, domain, *styles[domain.name])
        panel.margins(y=0.12)
        _name_ends(panel, group, styles)
    every = np.concatenate([domain.x for domain in result.domains])
    bottom = stacked[-1]
    if result.variable == "C":
        for panel in stacked:
            log_x(panel, "C", every)
        for panel in stacked[:-1]:
            panel.set_xlabel("")
    else:
        bottom.set_xlabel(f"{result.home}, its validation text (bits per byte)")
        bottom.plot([], [], ":", color=SOFT, label="slope one")
    bottom.plot([], [], color=SOFT, label=f"fit, {LEVEL_WORDS} interval")
    bottom.plot([], [], "*", color=SOFT, markerfacecolor=PAPER, markersize=12, label="held out (not fitted)")
    bottom.figure.supylabel("zero-shot loss (bits per byte)", fontsize="medium")
    bottom.figure.legend(*bottom.get_legend_handles_labels(), loc="outside lower center", ncols=3)


def near_each_other(domains: Sequence[Domain]) -> list[list[Domain]]:
    """Domains in panels from the highest loss to the lowest; a far domain does not squeeze the near ones."""
    groups: list[list[Domain]] = []
    floor = np.inf
    for domain in sorted(domains, key=lambda domain: -float(domain.bpb.max())):
        if domain.bpb.max() < floor - FAR or not groups:
            groups.append([])
        groups[-1].append(domain)
        floor = min(floor, float(domain.bpb.min()))
    return groups


def _draw_domain(axes: Axes, variable: str, domain: Domain, colour: str, marker: str) -> None:
    seen = ~domain.held_out
    if len(domain.curve):
        axes.fill_between(domain.curve_x, domain.low, domain.high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(domain.curve_x, domain.curve, color=colour, linewidth=1.3)
    if variable == "loss":
        middle, mean = float(domain.x[seen].mean()), float(domain.bpb[seen].mean())
        x = np.array([domain.x.min(), domain.x.max()])
        axes.plot(x, mean + x - middle, ":", color=SOFT, linewidth=1.2)
    axes.plot(domain.x[seen], domain.bpb[seen], marker, color=colour, markersize=4.5, alpha=0.85)
    axes.plot(domain.x[~seen], domain.bpb[~seen], "*", color=colour, markerfacecolor=PAPER, markersize=13)


def _name_ends(axes: Axes, group: Sequence[Domain], styles: dict[str, tuple[str, str]]) -> None:
    """Writes each domain's name beside its rightmost rung."""
    ends = []
    for domain in group:
        last = int(domain.x.argmax())
        ends.append((float(domain.x[last]), float(domain.bpb[last]), domain.name, styles[domain.name][0]))
    label_ends(axes, ends)
