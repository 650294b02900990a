"""Assembles one self-contained HTML page of a sweep or a table, its figures (png, svg) and tables (csv) beside it."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from analysis.figures import FIGURES, picture, suited
from analysis.headline import headline
from analysis.sections import SECTIONS
from analysis.sections.law import law_table
from analysis.sections.section import Grid
from analysis.sections.tasks import slopes_table
from analysis.sections.transfer import transfer_table
from analysis.study import Study
from analysis.table import write
from harness.record import replace_bytes
from harness.refusal import Refusal, pick

PAGE = "report.html"
MAIN_FIGURES = (
    "rates",
    "coordinates",
    "layers",
    "gain",
    "curve",
    "compute",
)  # the first that suits the study stands on top


@dataclass(frozen=True)
class Drawn:
    """A figure as the page shows it, or the reason why it is missing."""

    name: str
    title: str
    reading: str
    inline: str = ""
    missing: str = ""


@dataclass(frozen=True)
class Part:
    """A section as the page shows it."""

    id: str
    title: str
    lines: list[str] = field(default_factory=list)
    grids: list[Grid] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    figures: list[Drawn] = field(default_factory=list)
    command: str = ""
    missing: str = ""


def write_report(study: Study, out: Path, without: Sequence[str] = ()) -> Path:
    """Writes out/report.html and what stands beside it, some sections left out; returns the page's path.

    What the data do not carry is said in its place; only a folder without a sweep.json or with mixed data is refused.
    """
    left_out = {pick({name: name for name in SECTIONS}, name, "section") for name in without}
    wanted = [name for name, section in SECTIONS.items() if section.suits(study) and name not in left_out]
    main = next(name for name in MAIN_FIGURES if FIGURES[name].suits(study))
    tables = _tables(study)
    out.mkdir(parents=True, exist_ok=True)
    for file, table in tables.items():
        write(table, out / file)
    page = _template().render(
        name=study.design["name"],
        question=study.design.get("question", ""),
        headline=[suited(sentence, study) for sentence in headline(study)],
        main=_draw(main, study, out),
        sections=[_part(name, study, out, main) for name in wanted],
        tables=list(tables),
        source="table" if study.is_table else "run folders",
    )
    replace_bytes(out / PAGE, page.encode())
    return out / PAGE


def _template() -> Template:
    folder = FileSystemLoader(Path(__file__).parent)
    return Environment(loader=folder, autoescape=True, undefined=StrictUndefined).get_template("report.html")


def _tables(study: Study) -> dict[str, pd.DataFrame]:
    """What the page shows, for other programs: every point, and whatever of the rest the data carry."""
    makers: dict[str, Callable[[], pd.DataFrame]] = {
        "law.csv": lambda: law_table(study),
        "held_out.csv": lambda: study.forecast.to_table(),
        "transfer.csv": lambda: transfer_table(study),
        "rates.csv": lambda: study.rates.to_table(),
        "coordinates.csv": lambda: study.coordinates.to_table(),
        "effective_data.csv": lambda: study.effective_data.to_table(),
        "scores_foretold.csv": lambda: study.score_hold_out.to_table(),
        "in_context.csv": lambda: slopes_table(study),
    }
    tables = {"runs.csv": study.table}
    for file, make in makers.items():
        with contextlib.suppress(Refusal):
            tables[file] = make()
    return tables


def _part(name: str, study: Study, out: Path, main: str) -> Part:
    section = SECTIONS[name]
    try:
        body = section.body(study)
    except Refusal as refusal:
        return Part(name, section.title, missing=suited(f"Not here: {refusal}.", study))
    drawn = [_draw(name, study, out) for name in section.figures if name != main and FIGURES[name].suits(study)]
    lines, remarks = ([suited(line, study) for line in some] for some in (body.lines, body.remarks))
    grids = [
        replace(grid, caption=suited(grid.caption, study), header=[suited(head, study) for head in grid.header])
        for grid in body.grids
    ]
    return Part(name, section.title, lines, grids, remarks, drawn, body.command)


def _draw(name: str, study: Study, out: Path) -> Drawn:
    title, reading = (suited(words, study) for words in (FIGURES[name].title, FIGURES[name].reading))
    try:
        drawn = picture(name, study)
    except Refusal as refusal:
        return Drawn(name, title, reading, missing=suited(str(refusal), study))
    replace_bytes(out / f"{name}.svg", drawn.svg.encode())
    replace_bytes(out / f"{name}.png", drawn.png)
    return Drawn(name, title, reading, drawn.inline)
