"""The page: whole from planted runs, useful from few, self-contained, honest about what is not identified."""

import re
import shlex
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.figures import FIGURES
from analysis.headline import headline
from analysis.laws import LAWS
from analysis.optimum import Shapes, best
from analysis.report import write_report
from analysis.sections import SECTIONS
from analysis.sections.held_out import MOST_LISTED
from analysis.sections.section import MOST_ROWS
from analysis.study import Study
from analysis.wording import power_of_ten, short_number
from harness.record import read_runs
from harness.refusal import Refusal
from sweeps.__main__ import parser as command_parser
from sweeps._laws import make_study
from tests.analysis.catalogue import design, truth
from tests.analysis.planted import BUDGETS, SHAPES, write_planted
from tests.analysis.worlds import planted_loss

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


def test_every_section_and_figure_stands(whole: Path, planted: Path) -> None:
    page, study = whole.read_text(), Study(planted, bootstrap=40)
    stands = {name for name, section in SECTIONS.items() if section.suits(study)}
    assert set(SECTIONS) - stands >= {"table", "rates", "coordinates", "fine-tuned"}
    for name, section in SECTIONS.items():
        assert (f'<h2 id="{name}">{section.title}</h2>' in page) == (name in stands)
    assert "Not here" not in page
    assert "Not answered" not in page
    asked = {"compute"} | {figure for name in stands for figure in SECTIONS[name].figures}
    # The planted sweep has no isoFLOP budgets.
    drawn = {name for name in asked if FIGURES[name].suits(study)} - {"isoflop"}
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


# --- tables


def write_world(path: Path, rows: int = 60, held_out: int = 0, seed: int = 0) -> Path:
    """A table of the planted pair law, as many of its rows held out."""
    random = np.random.default_rng(seed)
    n, d = np.exp(random.uniform(10, 18, rows)), np.exp(random.uniform(12, 22, rows))
    table = pd.DataFrame({"N": n, "D": d, "loss": planted_loss(n, d) * np.exp(0.005 * random.standard_normal(rows))})
    table.assign(held_out=np.arange(rows) < held_out).to_csv(path, index=False)
    return path


@pytest.mark.parametrize("name", LAWS)
def test_every_law_has_a_page(tmp_path: Path, name: str) -> None:
    law, rows = LAWS[name], design(name)
    rows = rows.sample(max(10, len(law.parameters) + 4), random_state=0)
    if {"N", "D"} <= set(rows):
        rows = rows.assign(C=6 * rows["N"] * rows["D"])
    noise = np.exp(1e-3 * np.random.default_rng(0).standard_normal(len(rows)))
    rows[law.target] = law.predict(truth(name), rows) * noise
    path = tmp_path / "own.csv"
    rows.to_csv(path, index=False)
    study = Study(path, law_name=name, bootstrap=25)
    page = write_report(study, tmp_path / "page").read_text()
    parse(page)
    box = re.search(r'class="headline".*?</section>', page, re.DOTALL)
    assert box is not None
    assert f"{study.fit.rows} independent rows are fitted by {law.target} =" in box.group()
    for exponent in law.judged:
        assert re.search(rf"{exponent} ([-0-9]|not identified)", box.group())
    body = SECTIONS["law"].body(study)
    assert [row.cells[0] for row in body.grids[0].rows] == list(law.parameters)
    assert "nan" not in re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL)


def test_a_law_without_an_exponent_to_judge_has_a_page_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    law = LAWS["chinchilla"]
    scales = tuple(replace(exponent, judged=False) for exponent in law.exponents)
    monkeypatch.setitem(LAWS, "unjudged", replace(law, name="unjudged", exponents=scales, judged=()))
    study = Study(write_world(tmp_path / "own.csv", rows=14), law_name="unjudged", bootstrap=25)
    assert study.exponents == []
    page = write_report(study, tmp_path / "page").read_text()
    assert "alpha + B / D^beta, counted as given.</p>" in page
    for ask in (FIGURES["exponents"].compute, SECTIONS["conventions"].body):
        with pytest.raises(Refusal, match="law unjudged has no exponent"):
            ask(study)


def test_the_page_of_a_table_speaks_of_rows_and_of_the_table(tmp_path: Path) -> None:
    study = Study(write_world(tmp_path / "own.csv", rows=14, held_out=2), bootstrap=25)
    page = write_report(study, tmp_path / "page").read_text()
    assert "derived from the table" in page
    assert not re.search(r"\brungs?\b", page)
    assert "nats per token" not in page
    assert "Held-out rows" in page


def test_the_command_makes_the_same_study_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "my own $table's.csv"
    table = pd.read_csv(write_world(tmp_path / "own.csv"))
    table.rename(columns={"N": "Model size, in 'all'", "loss": "final; loss"}).assign(w=1.0).to_csv(path, index=False)
    columns = {"params": "Model size, in 'all'", "loss": "final; loss"}
    fitting = {"objective": "lad", "delta": 0.01, "weights": "w", "drop_highest_loss": 3, "seed": 7}
    study = Study(path, "coupled", bootstrap=30, columns=columns, fitting=fitting)
    words = shlex.split(SECTIONS["recreate"].body(study).command)
    assert words[0] == "scalelaw"
    monkeypatch.chdir(tmp_path)
    again = make_study(command_parser().parse_args(words[1:]), Path)
    assert (again.law, again.convention, again.bootstrap) == (study.law, study.convention, study.bootstrap)
    assert (again.columns, again.fitting) == (columns, fitting)
    assert again.fit.parameters == study.fit.parameters


def test_best_choices_are_told_for_the_largest_fitted_compute(tmp_path: Path) -> None:
    table = pd.read_csv(write_world(tmp_path / "own.csv", held_out=5))
    table.loc[table["held_out"], "D"] *= 1e9
    table.to_csv(tmp_path / "own.csv", index=False)
    study = Study(tmp_path / "own.csv", bootstrap=25)
    grid = SECTIONS["optimum"].body(study).grids[0]
    largest = float(study.fitted["C"].max())
    assert largest < study.held_out["C"].min()
    known = best(study.fit, [largest], Shapes.of(study.fitted))[0]
    assert known.params is not None
    assert grid.rows[0].cells[grid.header.index("times the largest")] == "1"
    assert grid.rows[0].cells[grid.header.index("N*")] == known.params.words(short_number)
    assert f"{power_of_ten(10 * largest)} FLOPs" in headline(study)[1]


def test_what_is_not_known_is_said_once_and_has_no_number(tmp_path: Path) -> None:
    """Losses that rise with compute carry no best choice."""
    table = pd.read_csv(write_world(tmp_path / "own.csv", rows=14))
    table.assign(loss=(table["N"] * table["D"]) ** 0.1).to_csv(tmp_path / "own.csv", index=False)
    study = Study(tmp_path / "own.csv", bootstrap=25)
    body = SECTIONS["optimum"].body(study)
    for column in ("N*", "D*", "loss"):
        assert [row.cells[body.grids[0].header.index(column)] for row in body.grids[0].rows] == ["not known"] * 3
    assert len(body.remarks) == 1
    assert body.remarks[0].startswith("Not known: the fit lies in a flat valley")
    assert "not known: the fit lies in a flat valley" in headline(study)[1]
    page = write_report(study, tmp_path / "page", ["bake-off"]).read_text()
    assert page.index("not known</td>") < page.index("Not known: the fit lies in a flat valley")


def test_numbers_of_best_choices_have_few_digits(tmp_path: Path) -> None:
    grid = SECTIONS["optimum"].body(Study(write_world(tmp_path / "own.csv", rows=400), bootstrap=25)).grids[0]
    for row in grid.rows:
        for number in re.findall(r"\d[\d.]*", " ".join(row.cells)):
            assert len(number.replace(".", "").strip("0")) <= 4, number


def test_a_profile_is_called_no_second_opinion(tmp_path: Path) -> None:
    body = SECTIONS["profile"].body(Study(write_world(tmp_path / "own.csv"), bootstrap=25))
    assert body.grids[0].caption == "Profile beside bootstrap, 90 % intervals"
    assert "borrowed from the bootstrap" in body.lines[0]


def test_many_rows_are_refused_what_takes_minutes(tmp_path: Path) -> None:
    study = Study(write_world(tmp_path / "own.csv", rows=MOST_ROWS + 1), bootstrap=10)
    for name, option in (("isoflop", "--isoflop"), ("bake-off", "--bake-off"), ("profile", "--profile all")):
        with pytest.raises(Refusal, match=rf"20,001 rows take minutes.*scalelaw fit own.csv {option}"):
            SECTIONS[name].body(study)


def test_of_many_held_out_rows_the_page_lists_some_and_the_table_all(tmp_path: Path) -> None:
    study = Study(write_world(tmp_path / "own.csv", rows=MOST_LISTED + 50, held_out=MOST_LISTED + 1), bootstrap=10)
    body = SECTIONS["held-out"].body(study)
    assert len(body.grids[0].rows) == MOST_LISTED
    assert "200 of 201 stand here" in body.lines[-1]
    assert len(study.forecast.to_table()) == MOST_LISTED + 1


@pytest.mark.slow
def test_a_large_table_has_a_page_that_a_browser_opens(tmp_path: Path) -> None:
    path = write_world(tmp_path / "own.csv", rows=200_000, held_out=10_000)
    page = write_report(Study(path, bootstrap=50), tmp_path / "page")
    parse(page.read_text())
    drawn = list(page.parent.glob("*.svg"))
    assert {"compute", "residuals", "surface", "size", "data"} <= {path.stem for path in drawn}
    assert max(path.stat().st_size for path in drawn) < 3_000_000
    assert len(pd.read_csv(page.parent / "runs.csv", usecols=["loss"])) == 200_000


def test_sections_can_be_left_out(planted: Path, tmp_path: Path) -> None:
    page = write_report(Study(planted, bootstrap=20), tmp_path, ["bake-off", "transfer"]).read_text()
    assert 'id="law"' in page
    assert 'id="bake-off"' not in page
    assert 'id="transfer"' not in page
    with pytest.raises(Refusal, match="bake-off"):
        write_report(Study(planted), tmp_path, ["bakeoff"])
