"""Coordinate check: root mean square change of each activation against size, a panel a parametrisation."""

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator

from analysis.coordinates import Coordinates, Part
from analysis.figures.style import MARKERS, SERIES, SOFT, columns, label_ends, log_ticked
from analysis.study import Study

FAINT = 0.35


def compute(study: Study) -> Coordinates:
    """The study's coordinate check; refused where none was made."""
    return study.coordinates


def draw(result: Coordinates, axes: Axes) -> None:
    panels = columns(axes, result.parametrisations, result.axis)
    names = list(dict.fromkeys(part.name for part in result.parts))
    sizes = sorted({size for part in result.parts for size in part.sizes})
    steps = sorted({part.steps for part in result.parts})
    for panel, parametrisation in zip(panels, result.parametrisations, strict=True):
        panel.set_yscale("log")
        panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        panel.yaxis.set_minor_locator(NullLocator())
        for part in result.parts:
            if part.parametrisation == parametrisation:
                _part(panel, part, names.index(part.name), part.steps == steps[-1])
        log_ticked(panel, sizes, sizes)
    for panel, parametrisation in zip(panels, result.parametrisations, strict=True):
        last = [part for part in result.last if part.parametrisation == parametrisation]
        ends = [(part.sizes[-1], part.change[-1], _label(part), SERIES[names.index(part.name) % 6]) for part in last]
        label_ends(panel, [(float(x), y, text, colour) for x, y, text, colour in ends])
    axes.set_ylabel("root mean square change")
    axes.plot([], [], "o-", color=SOFT, label=f"after {steps[-1]} steps, with x in change ~ {result.axis}^x")
    if len(steps) > 1:
        fewer = " and ".join(", ".join(map(str, steps[:-1])).rsplit(", ", 1))
        axes.plot([], [], "-", color=SOFT, alpha=FAINT, linewidth=1, label=f"after {fewer}")
    axes.figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)


def _part(axes: Axes, part: Part, index: int, last: bool) -> None:
    colour, marker = SERIES[index % 6], MARKERS[index % 6]
    if last:
        axes.plot(part.sizes, part.change, marker=marker, color=colour)
    else:
        axes.plot(part.sizes, part.change, color=colour, alpha=FAINT, linewidth=1)


def _label(part: Part) -> str:
    power = round(part.power.value, 2) + 0.0  # no minus before nought
    return f"{part.name} {power:+.2f}".replace("_", " ")
