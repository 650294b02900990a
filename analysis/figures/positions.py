"""Loss against the position in the context: how far back a model of each size reads with profit."""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes

from analysis.curves.scores import at_one_budget, pretrained
from analysis.curves.trend import Shape, over_range
from analysis.figures.tiles import name_tiles, tiles
from analysis.laws.jet import Array
from analysis.selection import clusters_of, usable
from analysis.study import LEVEL, Study
from analysis.wording import short_number
from harness.refusal import Refusal

COLUMN = re.compile(r"positions_(.+)/nll_at_(\d+)$")
SMALLER = 0.01  # nats: a gain that is smaller for sure is none
SOURCE = "arXiv 2001.08361, figure 20"


@dataclass(frozen=True)
class Text:
    """Nats a token of one text, a row for each size, a column for each first position of a bucket."""

    name: str
    first_p: Array
    params_n: Array
    nll_np: Array


@dataclass(frozen=True)
class Positions:
    texts: list[Text]
    shapes: tuple[Shape, ...]


def texts_of(table: pd.DataFrame) -> list[str]:
    """Texts whose loss was taken apart by position."""
    found = (COLUMN.match(str(name)) for name in table.columns)
    return list(dict.fromkeys(match[1] for match in found if match))


def compute(study: Study) -> Positions:
    """Every text at the budget that most sizes share."""
    return along_context(study.table)


def along_context(table: pd.DataFrame) -> Positions:
    """The same of a table with N."""
    texts, shapes = [], []
    for name in texts_of(table):
        matches = (COLUMN.match(str(column)) for column in table.columns)
        first = sorted(int(match[2]) for match in matches if match and match[1] == name)
        columns = [f"positions_{name}/nll_at_{place}" for place in first]
        rows = at_one_budget(usable(pretrained(table), ("N", *columns))[0])
        if rows.empty:
            raise Refusal(f"no finished rung has all of positions_{name}: score it")
        means = rows.groupby("N")[columns].mean()
        texts.append(Text(name, np.array(first, np.float64), means.index.to_numpy(np.float64), means.to_numpy()))
        early, late = rows[columns[0]].to_numpy(np.float64), rows[columns[-1]].to_numpy(np.float64)
        more = over_range(np.log(rows["N"].to_numpy(np.float64)), early - late, clusters_of(rows), LEVEL)
        claim = f"larger models gain more from what stands before, on {name}"
        shapes.append(Shape(claim, SOURCE, more, SMALLER, 1.0, "nats"))
    if not texts:
        raise Refusal("no text was scored by position: add positions_<corpus> to the sweep's tasks")
    return Positions(texts, tuple(shapes))


def draw(result: Positions, axes: Axes) -> None:
    panels = tiles(axes, len(result.texts))
    for panel, text in zip(panels, result.texts, strict=True):
        for place, (params, nll_p) in enumerate(zip(text.params_n, text.nll_np, strict=True)):
            colour = colormaps["viridis"](0.85 * place / max(1, len(text.params_n) - 1))
            panel.plot(
                text.first_p, nll_p, "o-", color=colour, linewidth=1.3, markersize=3.5, label=short_number(params)
            )
        panel.set_xscale("log")
        panel.set_xticks(text.first_p[::2], [f"{first:g}" for first in text.first_p[::2]])
        panel.minorticks_off()
    panels[0].set_ylabel("loss (nats per token)")
    name_tiles(panels, [text.name for text in result.texts], "tokens before the target (first of a bucket)")
    lines = panels[0].get_legend_handles_labels()
    panels[0].figure.legend(*lines, title="parameters N", loc="outside lower center", ncols=3)
