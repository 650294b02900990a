"""Curves of compared runs or sweeps laid over each other, as files beside a comparison."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import matplotlib
import numpy as np
from matplotlib.axes import Axes

from analysis.figures.style import LOSS, MARKERS, RC, SERIES, label_ends, lay_out, log_x, new_canvas, to_png, to_svg


class Curve(Protocol):
    @property
    def label(self) -> str: ...
    @property
    def x(self) -> tuple[float, ...]: ...
    @property
    def loss(self) -> tuple[float, ...]: ...


def draw(curves: Sequence[Curve], variable: str, axes: Axes) -> None:
    """Loss against D or C, one line and marker a curve, each named at its end."""
    log_x(axes, variable, np.concatenate([curve.x for curve in curves]))
    ends = []
    for i, curve in enumerate(curves):
        colour, marker = SERIES[i % len(SERIES)], MARKERS[i % len(MARKERS)]
        axes.plot(curve.x, curve.loss, marker=marker, color=colour)
        if curve.x:
            ends.append((curve.x[-1], curve.loss[-1], curve.label, colour))
    axes.set_ylabel(LOSS)
    label_ends(axes, ends)


def write_overlay(curves: Sequence[Curve], variable: str, out: Path) -> None:
    """Writes curves.svg and curves.png into the folder."""
    out.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(RC | {"svg.hashsalt": "curves"}):
        canvas, axes = new_canvas()
        draw(curves, variable, axes)
        lay_out(canvas)
        (out / "curves.svg").write_text(to_svg(canvas))
        (out / "curves.png").write_bytes(to_png(canvas))
