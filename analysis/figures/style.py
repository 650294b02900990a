"""The look of every figure: colours for light and dark, sparse ticks, units, SVG that can stand in a page."""

import html
import io
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, NullLocator

from analysis.wording import power_of_ten, short_number

# These four are themselves in a PNG; in a page's SVG a CSS variable takes the place of each.
INK, SOFT, RULE, PAPER = "#1b1c1e", "#6b6e73", "#dcdee1", "#fefefe"
CSS = {INK: "var(--ink)", SOFT: "var(--soft)", RULE: "var(--rule)", PAPER: "var(--paper)"}

# Every colour has a contrast of at least 3 to white and to near-black (WCAG 2.1, 1.4.11). Blue and orange are the pair
# that colour-blind readers tell apart best, and no figure tells series apart by colour alone.
HELD_OUT = "#d43d51"
SERIES = ("#2f78c4", "#c96f0a", "#16876a", "#9a5fbf", "#8a7a12", "#b8558a")
MARKERS = ("o", "s", "^", "D", "v", "P")
MIDDLE = "#8a62c4"
SCALE = LinearSegmentedColormap.from_list("scale", ["#3f6fd8", MIDDLE, "#c45a86", "#cf7a12"])

Numbers = Sequence[float] | np.ndarray | pd.Series

INCHES = (5.6, 4.1)
PNG_DPI = 200
SIZES = {"font.size": 10.5, "axes.titlesize": 11.5, "axes.labelsize": 10.5, "legend.fontsize": 9.5}
FONTS = {"font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"], "svg.fonttype": "none"}
LINES = {
    "text.color": INK,
    "axes.facecolor": PAPER,
    "axes.labelcolor": INK,
    "axes.edgecolor": SOFT,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 5.5,
    "text.parse_math": False,  # names of corpora and tasks may hold a dollar sign
}
RC: dict[Any, Any] = SIZES | FONTS | LINES
HELD_OUT_MARK: dict[str, Any] = {
    "zorder": 4,
    "marker": "*",
    "markersize": 15,
    "markerfacecolor": PAPER,
    "markeredgecolor": HELD_OUT,
    "linestyle": "none",
}

NAMES = {"N": "parameters N", "D": "training tokens D", "C": "training compute C (FLOPs)"}
NUMBERS = {"N": short_number, "D": short_number, "C": power_of_ten}
LOSS = "validation loss (nats per token)"
MOST_DOTS = 4_000  # in one figure: more cover each other, and make an SVG that no browser opens
MOST_STARS = 400  # which are larger


def log_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """At most `most` round values (1, 2, 5 or 1, 3 or 1 a decade, or every few decades) between low and high."""
    if high < 4 * low:
        return [float(tick) for tick in MaxNLocator(4).tick_values(low, high) if low <= tick <= high]
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for leads in ((1, 2, 5), (1, 3), (1,)):
        ticks = [lead * 10.0**e for e in range(first, last + 1) for lead in leads if low <= lead * 10.0**e <= high]
        if len(ticks) <= most:
            return ticks
    return ticks[:: -(-len(ticks) // most)]


def log_x(axes: Axes, variable: str, values: Numbers) -> None:
    """Makes N, D or C a logarithmic x axis a little wider than the values, labelled with its unit."""
    low, high = float(np.min(values)), float(np.max(values))
    pad = max((high / low) ** 0.06, 1.1)
    axes.set_xscale("log")
    axes.set_xlim(low / pad, high * pad)
    _label(axes.xaxis, variable, low / pad, high * pad)


def log_axis(axes: Axes, which: str, variable: str, values: Numbers) -> None:
    """Makes N, D or C a logarithmic x or y axis from the smallest to the largest value, labelled with its unit."""
    low, high = float(np.min(values)), float(np.max(values))
    axes.set(**{f"{which}scale": "log", f"{which}lim": (low, high)})
    _label(axes.xaxis if which == "x" else axes.yaxis, variable, low, high)


def log_ticked(axes: Axes, values: Numbers, ticks: Sequence[float] | None = None) -> None:
    """A logarithmic x axis of plain numbers a little wider than the values, at given ticks or at round ones."""
    low, high = float(np.min(values)), float(np.max(values))
    pad = max((high / low) ** 0.04, 1.05)
    axes.set_xscale("log")
    axes.set_xlim(low / pad, high * pad)
    axes.xaxis.set_major_locator(FixedLocator(ticks or log_ticks(low / pad, high * pad)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def _label(axis: Axis, variable: str, low: float, high: float) -> None:
    axis.set_major_locator(FixedLocator(log_ticks(low, high)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: NUMBERS[variable](value)))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())
    axis.set_label_text(NAMES[variable])


def colour_scale(axes: Axes, variable: str, values: Numbers) -> Callable[[Any], Any]:
    """Colours by the logarithm of N or D, with a colour bar beside the axes in place of a crowded legend."""
    low, high = float(np.min(values)), float(np.max(values))
    if low == high:
        low, high = low / 1.5, high * 1.5
    scale = ScalarMappable(LogNorm(low, high), SCALE)
    bar = axes.figure.colorbar(scale, ax=axes, pad=0.02, aspect=30)
    bar.outline.set_visible(False)
    _label(bar.long_axis, variable, low, high)
    return scale.to_rgba


def ranked(count: int) -> list[Any]:
    """Colours of the scale for so many values in their order."""
    return [SCALE(i / max(count - 1, 1)) for i in range(count)]


def drawn(rows: int, most: int = MOST_DOTS) -> np.ndarray:
    """Positions of the rows that a figure draws: all, or `most` at random, the same ones in every figure."""
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(0).choice(rows, most, replace=False))


def how_many(rows: int, label: str, most: int = MOST_DOTS) -> str:
    """`fitted rung`, or `4,000 of 1,000,000 fitted rungs` where not all are drawn."""
    return label if rows <= most else f"{most:,} of {rows:,} {label.replace('rung', 'rungs', 1)}"


def rungs(axes: Axes, table: pd.DataFrame, x: str, y: str, colours: np.ndarray, label: str = "fitted rung") -> None:
    """Fitted rungs: filled dots, so that a held-out star never looks like one."""
    some = drawn(len(table))
    dots = table.iloc[some]
    axes.scatter(dots[x], dots[y], c=colours[some], s=36, edgecolors=PAPER, linewidths=0.6, zorder=3)
    axes.plot([], [], "o", color=MIDDLE, label=how_many(len(table), label))


def stars(axes: Axes, table: pd.DataFrame, x: str, y: str, label: str = "held-out rung (not fitted)") -> None:
    """Held-out rungs, where there are any."""
    if len(table):
        some = table.iloc[drawn(len(table), MOST_STARS)]
        axes.plot(some[x], some[y], **HELD_OUT_MARK, label=how_many(len(table), label, MOST_STARS))


def legend(axes: Axes) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="best", handlelength=1.6, borderaxespad=0.3)


def label_ends(axes: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Writes (x, y, text, colour) to the right of each line's end, pushed apart where they would cover each other."""
    height = math.log if axes.get_yscale() == "log" else float
    low, high = (height(end) for end in axes.get_ylim())
    gap = (high - low) * 1.3 * axes.figure.dpi / 72 * SIZES["font.size"] / axes.bbox.height
    floor = low
    for x, y, text, colour in sorted(ends, key=lambda end: end[1]):
        floor = max(height(y), floor)
        axes.annotate(
            text,
            (x, y),
            (10, (floor - height(y)) / (high - low) * axes.bbox.height * 72 / axes.figure.dpi),
            textcoords="offset points",
            color=colour,
            va="center",
            annotation_clip=False,
        )
        floor += gap


def new_canvas() -> tuple[Canvas, Axes]:
    canvas = Canvas(figsize=INCHES, layout="constrained")
    return canvas, canvas.add_subplot()


def panels(axes: Axes, heights: Sequence[float]) -> list[Axes]:
    """Splits the axes into panels of these heights, one above the other, with one x axis; the first is `axes`."""
    canvas = axes.figure
    grid = canvas.add_gridspec(len(heights), 1, height_ratios=heights)
    axes.set_subplotspec(grid[0])
    stacked = [axes, *(canvas.add_subplot(grid[i], sharex=axes) for i in range(1, len(heights)))]
    for panel in stacked[:-1]:
        panel.tick_params(labelbottom=False)
    return stacked


def columns(axes: Axes, names: Sequence[str], variable: str) -> list[Axes]:
    """Splits the axes into named panels side by side, on a canvas widened for them, with one y axis and x variable.

    The first is `axes`.
    """
    canvas = axes.get_figure(root=True)
    assert canvas is not None  # `new_canvas` made the axes on one
    canvas.set_size_inches(INCHES[0] * (1 + 0.5 * (len(names) - 1)), INCHES[1] * 1.12)
    grid = canvas.add_gridspec(1, len(names))
    axes.set_subplotspec(grid[0])
    beside = [axes, *(canvas.add_subplot(grid[i], sharex=axes, sharey=axes) for i in range(1, len(names)))]
    for panel, name in zip(beside, names, strict=True):
        # The name stands where the title makes way for it; the variable where a legend below does.
        panel.xaxis.set_label_position("top")
        panel.set_xlabel(name, loc="left")
        at: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points"}
        panel.annotate(variable, (0.5, 0), (0, -24), ha="center", va="top", **at)
    for panel in beside[1:]:
        panel.tick_params(labelleft=False)
    return beside


def lay_out(canvas: Canvas) -> None:
    """Settles the layout once, for every file that is made of the figure."""
    FigureCanvasAgg(canvas)
    engine = canvas.get_layout_engine()
    assert engine is not None  # `new_canvas` asks for one
    engine.execute(canvas)
    canvas.set_layout_engine("none")


def to_png(canvas: Canvas) -> bytes:
    FigureCanvasAgg(canvas)
    buffer = io.BytesIO()
    canvas.savefig(buffer, format="png", dpi=PNG_DPI, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


def to_svg(canvas: Canvas) -> str:
    """The figure as an SVG file: text as text, no date, so that the same data give the same bytes."""
    FigureCanvasSVG(canvas)
    buffer = io.StringIO()
    canvas.savefig(buffer, format="svg", facecolor=PAPER, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def for_page(svg: str, name: str, description: str) -> str:
    """The SVG as part of a page: its own ids, the page's colours and width, and a description for screen readers."""
    inner = svg[svg.index("<svg") :]
    box = re.search(r'viewBox="[^"]*"', inner)
    assert box is not None
    inner = inner[inner.index(">") + 1 :]
    inner = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", inner, flags=re.DOTALL)
    inner = re.sub(r'\bid="', f'id="{name}-', inner)
    inner = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{name}-", inner)
    for colour, variable in CSS.items():
        inner = inner.replace(colour, variable)
    label = html.escape(description, quote=True)
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'<svg {names} class="figure" role="img" aria-label="{label}" {box.group()}>{inner}'
