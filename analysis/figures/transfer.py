"""Zero-shot transfer: bits per byte on other text against the training text's, and against compute."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from analysis.figures.style import MARKERS, PAPER, SERIES, SOFT, label_ends, legend, log_x
from analysis.study import Study

GRID = 60


@dataclass(frozen=True)
class Domain:
    """One domain's scores (bits per byte) along x, which rungs are held out, and the fitted curve (empty without one)."""

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
    rows, home = study.decayed, study.home
    domains = []
    for name, found in study.transfers.items():
        scored = rows[rows[f"lm_{name}/bpb"].notna()]
        x = scored[f"lm_{home}/bpb"].to_numpy()
        ends = np.array([x.min(), x.max()])
        curve = found.line.offset + found.line.slope * ends
        domains.append(Domain(name, x, scored[f"lm_{name}/bpb"].to_numpy(), scored["held_out"].to_numpy(), ends, curve))
    return Curves("loss", home, domains)


def against_compute(study: Study) -> Curves:
    """Each domain and the training text against C, with a power law and floor where one fits."""
    rows = study.decayed
    grid = np.geomspace(rows["C"].min(), rows["C"].max(), GRID)
    domains = []
    for name, found in study.transfers.items():
        scored = rows[rows[f"lm_{name}/bpb"].notna()]
        fit = found.compute_fit
        curve = (grid, fit.predict({"C": grid})) if fit is not None else (np.empty(0), np.empty(0))
        bpb, held_out = scored[f"lm_{name}/bpb"].to_numpy(), scored["held_out"].to_numpy()
        domains.append(Domain(name, scored["C"].to_numpy(), bpb, held_out, *curve))
    return Curves("C", study.home, domains)


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
