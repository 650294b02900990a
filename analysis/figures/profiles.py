"""The profile likelihood: how fast the fit worsens when a parameter is held off its optimum."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from analysis.figures.style import INK, SERIES, SOFT
from analysis.profile import Profile
from analysis.study import LEVEL_WORDS, Study
from harness.refusal import Refusal

DASHES = ("-", "--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)))
HIGHEST = 2.5  # of the drawn deviance, in heights of the interval


@dataclass(frozen=True)
class Profiles:
    found: list[Profile]


def compute(study: Study) -> Profiles:
    """The profiles of the study's exponents and floor; refused where none can be had."""
    found = [one for one in study.profiles.values() if one.value]  # what is nought has no percent of itself
    if not found:
        raise Refusal("no parameter has a profile: that needs a bootstrap, and more than a few trunks")
    return Profiles(found[: len(SERIES)])


def draw(result: Profiles, axes: Axes) -> None:
    height = result.found[0].height
    for i, one in enumerate(result.found):
        shown = one.deviance <= HIGHEST * height
        relative = 100 * (one.values[shown] / one.value - 1)
        axes.plot(
            relative, one.deviance[shown], linestyle=DASHES[i], color=SERIES[i], label=f"{one.name} = {one.value:.3g}"
        )
    axes.axhline(height, color=INK, linewidth=1, linestyle=":")
    axes.set_ylim(0, HIGHEST * height)
    axes.set_xlabel("held above or below its optimum (%)")
    axes.set_ylabel("deviance (1 at one spread of the bootstrap)")
    reach = max(np.abs(axes.get_xlim()))
    axes.set_xlim(-reach, reach)
    at: dict[str, Any] = {"xytext": (4, 4), "textcoords": "offset points", "color": SOFT}
    axes.annotate(f"{LEVEL_WORDS} interval", (-reach, height), **at)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=min(4, len(result.found)), handlelength=2.6)
