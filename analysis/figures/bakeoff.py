"""Which law loses where: held-out errors of every law on every split, shaded by size."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm, to_rgb
from matplotlib.patches import Rectangle

from analysis.bakeoff import BASELINES, BEATS, BEST, ROUNDING, TIES, UNSURE, BakeOff, Entry, share
from analysis.figures.style import INK, SERIES
from analysis.study import Study

MOST_LAWS = 14  # rows that stay legible at a figure's height, beside the baselines
PALE, DEEP = "#e9f0fa", "#0d2f5e"  # one hue by lightness: readable in grey and to the colour-blind
SHADES = LinearSegmentedColormap.from_list("shades", [PALE, "#7fa8d8", DEEP])
DARK_TEXT, LIGHT_TEXT = "#101114", "#fcfcfd"  # on a cell, whatever the page's own colours are
FRAME = SERIES[1]
FONT = 8.0
GAP = 0.35  # between the laws and the baselines, in rows


def compute(study: Study) -> BakeOff:
    """The study's bake-off; refused where its table carries no split or no law."""
    found: BakeOff = study.bake_off_in_short
    return found


def draw(result: BakeOff, axes: Axes) -> None:
    laws = [*result.alike]
    shown = [*laws[:MOST_LAWS], *BASELINES]
    rows = {name: i + GAP * (name in BASELINES) for i, name in enumerate(shown)}
    splits = [split.name for split in result.splits]
    errors = [entry.rms for entry in result.entries if entry.law in rows and entry.scored]
    low = max(min(errors), ROUNDING)
    scale = LogNorm(low, max(*errors, 1.01 * low), clip=True)
    for column, split in enumerate(splits):
        for name, y in rows.items():
            _cell(axes, result.entry(name, split), column, y, scale)
    axes.set_xlim(-0.5, len(splits) - 0.5)
    axes.set_ylim(max(rows.values()) + 0.55, -0.55)
    axes.set_xticks(np.arange(len(splits)), [_stacked(name) for name in splits], fontsize=FONT)
    axes.set_yticks([*rows.values()], [_label(result, name) for name in rows], fontsize=FONT)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(_note(result, len(laws) - MOST_LAWS), fontsize=FONT, loc="left")


def _cell(axes: Axes, entry: Entry, x: float, y: float, scale: LogNorm) -> None:
    """One error in percent on its shade; the best has a heavy frame, what ties with it a light one."""
    if not entry.scored:
        axes.text(x, y, "–", ha="center", va="center", fontsize=FONT, color=INK)
        return
    shade = SHADES(scale(entry.rms))
    axes.add_patch(Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor=shade, linewidth=0))
    framed = {BEST: 2.4, TIES: 1.0, BEATS: 2.4}.get(entry.verdict)
    if framed:
        frame = Rectangle((x - 0.45, y - 0.41), 0.90, 0.82, fill=False, edgecolor=FRAME, linewidth=framed, zorder=3)
        axes.add_patch(frame)
    text = f"{share(entry.rms)}{'?' * (entry.verdict == UNSURE)}{'' if entry.sound else '†'}"
    weight = "bold" if entry.verdict in (BEST, TIES, BEATS) else "normal"
    axes.text(x, y, text, ha="center", va="center", fontsize=FONT, color=_on(shade), weight=weight, zorder=4)


def _on(shade: tuple[float, float, float, float]) -> str:
    """The text colour that has more contrast with the shade (WCAG 2.1)."""
    channels = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(shade)]
    luminance = float(np.dot(channels, [0.2126, 0.7152, 0.0722]))
    return DARK_TEXT if luminance > 0.18 else LIGHT_TEXT


def _stacked(split: str) -> str:
    """`small_to_large` on two lines."""
    first, _, last = split.rpartition("_")
    return f"{first} {last}".strip().replace("_", " ") if not first else f"{first.replace('_', ' ')}\n{last}"


def _label(result: BakeOff, name: str) -> str:
    others = result.alike.get(name, ())
    return f"{name} = {others[0]}" if len(others) == 1 else f"{name} (+{len(others)} alike)" if others else name


def _note(result: BakeOff, hidden: int) -> str:
    said = "heavy frame: least error of the laws; light frame: not told apart from it"
    marks = [
        ("? no interval", any(entry.verdict == UNSURE for entry in result.entries)),
        ("† converged with a reservation", not all(entry.sound for entry in result.entries if entry.scored)),
        ("– not fitted", not all(entry.scored for entry in result.entries)),
        (f"{hidden} laws err more", hidden > 0),
    ]
    more = "; ".join(words for words, wanted in marks if wanted)
    return f"{said}\n{more}" if more else said
