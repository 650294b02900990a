"""The page: whole from planted runs, useful from few, self-contained, honest about what is not identified."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from analysis.figures import FIGURES
from analysis.headline import headline
from analysis.report import write_report
from analysis.sections import SECTIONS
from analysis.study import Study
from harness.record import read_runs
from harness.refusal import Refusal
from tests.analysis.planted import BUDGETS, SHAPES, write_planted

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Balanced(HTMLParser):
    """Collects tags and attributes; fails on a tag that is closed out of order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parse(page: str) -> Balanced:
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    return parser


@pytest.fixture(scope="module")
def whole(planted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(Study(planted, bootstrap=40), tmp_path_factory.mktemp("report"))


def test_the_page_needs_nothing_else(whole: Path) -> None:
    page = whole.read_text()
    parsed = parse(page)
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _, _ in parsed.attributes}
    for _, name, value in parsed.attributes:
        if name in ("href", "src", "xlink:href"):
            assert value.startswith(("#", "data:image/png")) or (whole.parent / value).is_file(), value
    assert "url(http" not in page
    assert "@import" not in page
    assert "prefers-color-scheme: dark" in page
    assert "width=device-width" in page


def test_every_section_and_figure_stands(whole: Path) -> None:
    page = whole.read_text()
    for name, section in SECTIONS.items():
        assert (f'<h2 id="{name}">{section.title}</h2>' in page) == (section.of != "table")
    assert "Not here" not in page
    assert "Not answered" not in page
    # The planted sweep has no isoFLOP budgets, and its law more than one variable.
    drawn = set(FIGURES) - {"isoflop", "curve"}
    assert {path.stem for path in whole.parent.glob("*.svg")} == drawn
    assert {path.stem for path in whole.parent.glob("*.png")} == drawn
    assert page.count('role="img"') == len(drawn)


def test_ids_are_unique_and_tables_have_headers(whole: Path) -> None:
    page = whole.read_text()
    ids = [value for _, name, value in parse(page).attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert page.count("<table>") == page.count("<thead>") == page.count("<caption>")


def test_the_headline_says_law_forecast_transfer_and_failures(whole: Path) -> None:
    box = re.search(r'class="headline".*?</section>', whole.read_text(), re.DOTALL)
    assert box is not None
    for words in (
        "24 rungs of 8 trunks",
        "first score was",
        "every naive baseline",
        "wiki falls",
        "1 of 26 rungs failed",
    ):
        assert words in box.group()


def test_reasons_and_provenance_are_shown(whole: Path) -> None:
    page = whole.read_text()
    for words in (
        "loss was nan at step 61",
        "f00dfeed",
        "0123abc",
        "a planted machine",
        "public domain",
        "tokens: 11,000,000",
        "2.13.0",
        "scalelaw report planted",
    ):
        assert words in page


def test_tables_stand_beside(whole: Path) -> None:
    tables = {path.name: pd.read_csv(path) for path in whole.parent.glob("*.csv")}
    assert set(tables) == {"runs.csv", "law.csv", "held_out.csv", "transfer.csv"}
    assert tables["held_out.csv"]["observed"].notna().all()
    assert set(tables["transfer.csv"]["domain"]) == {"wiki", "kjv", "python"}
    assert {"N", "D", "C"} <= set(tables["runs.csv"])


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        ({"shapes": SHAPES[:1], "budgets": tuple(BUDGETS[0] * k for k in range(1, 7))}, "N has one distinct value"),
        ({"shapes": SHAPES[:1], "budgets": (256_000,)}, "usable rows"),
        ({"shapes": (), "failed": False}, "no finished rung"),
        ({"shapes": SHAPES[:4], "lines": {}, "far": False}, "transfer needs another domain"),
    ],
)
def test_too_little_data_gives_a_page_that_says_so(tmp_path: Path, options: dict, missing: str) -> None:
    root = write_planted(tmp_path / "few", held_out=False, **options)
    page = write_report(Study(root, bootstrap=20), tmp_path / "out").read_text()
    parse(page)
    assert missing in page
    assert "no rung is held out" in page


def test_few_trunks_give_no_interval_and_no_verdict(tmp_path: Path) -> None:
    study = Study(write_planted(tmp_path / "few", shapes=SHAPES[1:8:3], failed=False), bootstrap=20)
    bodies = [SECTIONS[name].body(study) for name in ("law", "held-out", "transfer")]
    cells = [cell for body in bodies for grid in body.grids for row in grid.rows for cell in row.cells]
    text = " ".join([*headline(study), *(line for body in bodies for line in body.lines), *cells])
    for words in ("3 trunks are too few", "no interval to judge by", "too few trunks for a trend", "no intervals"):
        assert words in text
    assert not re.search(r"\bnan\b|outside the interval|below one\)", text)
    with pytest.raises(Refusal, match="no exponent has an interval"):
        FIGURES["exponents"].compute(study)


def test_an_exponent_that_is_not_identified_is_never_a_number(tmp_path: Path) -> None:
    root = write_planted(tmp_path / "narrow", shapes=((3, 64), (2, 80)), held_out=False)
    study = Study(root, bootstrap=60)
    sentence = headline(study)[0]
    assert "alpha not identified" in sentence
    assert not re.search(r"alpha \d", sentence)
    cells = {row.cells[0]: row.cells[1] for row in SECTIONS["law"].body(study).grids[0].rows}
    assert cells["alpha"] == "not identified"


def test_a_held_out_rung_without_an_interval_is_not_called_outside(planted: Path) -> None:
    study = Study(planted, bootstrap=0)
    sentence = headline(study)[1]
    assert "no interval to judge by" in sentence
    assert "outside" not in sentence
    assert "nan" not in " ".join(headline(study))
    assert "no interval" in SECTIONS["held-out"].body(study).grids[0].rows[0].cells


def test_conventions_that_count_alike_share_a_fit_and_others_do_not(planted: Path) -> None:
    study = Study(planted, bootstrap=20)
    assert study.fit_under("exact") is study.fit
    assert study.forecast.fit is study.fit
    assert study.fit_under("kaplan").parameters != study.fit.parameters
    by_compute = Study(planted, "power_C", bootstrap=20)
    assert by_compute.fit_under("exact").parameters != by_compute.fit.parameters


def test_text_of_the_sweep_is_escaped(tmp_path: Path) -> None:
    root = write_planted(tmp_path / "odd", shapes=(), held_out=False, failed=False)
    (root / "sweep.json").write_text((root / "sweep.json").read_text().replace("Does a", "<script>alert(1)</script>"))
    assert "<script>" not in write_report(Study(root, bootstrap=20), tmp_path / "out").read_text()


def test_a_law_chosen_afterwards_is_called_so(tmp_path: Path) -> None:
    root = write_planted(tmp_path / "other", shapes=SHAPES[:4])
    body = SECTIONS["held-out"].body(Study(root, "power_floor_C", "exact", bootstrap=20))
    assert any("declared before training was chinchilla" in line for line in body.lines)


def test_no_sweep_is_refused_and_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"sweep\.json"):
        write_report(Study(tmp_path), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert read_runs(tmp_path) == []
