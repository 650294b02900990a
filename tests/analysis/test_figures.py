"""Every figure of the catalogue: drawn from planted runs, legible on light and dark, safe beside others in one page."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex, to_rgb

from analysis.figures import FIGURES, Picture, picture
from analysis.figures import compute as compute_figure
from analysis.figures import forecast as forecast_figure
from analysis.figures import isoflop as isoflop_figure
from analysis.figures import surface as surface_figure
from analysis.figures import transfer as transfer_figure
from analysis.figures.style import (
    CSS,
    HELD_OUT,
    MOST_DOTS,
    MOST_STARS,
    RC,
    SCALE,
    SERIES,
    drawn,
    log_ticks,
    new_canvas,
)
from analysis.study import Study
from analysis.wording import estimate, percent, power_of_ten, rounded, short_number, with_error
from harness.refusal import Refusal
from tests.analysis.planted import LINES, SHAPES, write_planted
from tests.analysis.planted_finetuning import World, write_finetuning
from tests.analysis.planted_tasks import write_layers, write_tasks
from tests.analysis.valleys import write_coordinates, write_rates
from tests.analysis.worlds import planted_loss


@pytest.fixture(scope="module")
def study(planted: Path) -> Study:
    return Study(planted, bootstrap=40)


@pytest.fixture(scope="module")
def isoflop_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five budgets of nine sizes each, about the best one."""
    random = np.random.default_rng(0)
    rows = []
    for compute in np.geomspace(1e12, 1e15, 5):
        best = (compute / 6) ** 0.5 / 5
        sizes = best * np.geomspace(1 / 4, 4, 9)
        rows.append(pd.DataFrame({"N": sizes, "D": compute / 6 / sizes}))
    table = pd.concat(rows, ignore_index=True)
    noise = np.exp(0.002 * random.standard_normal(len(table)))
    path = tmp_path_factory.mktemp("tables") / "isoflop.csv"
    table.assign(loss=planted_loss(table["N"], table["D"]) * noise).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def pictures(
    study: Study, planted: Path, isoflop_table: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Picture]:
    results = tmp_path_factory.mktemp("results")
    tuned = Study(write_finetuning(results, World(noise=0.01, shapes=((1, 32), (2, 64)), seeds=(0, 1))), bootstrap=40)
    tasks = Study(write_tasks(results / "tasks"), bootstrap=40)
    others = {
        **dict.fromkeys(("zero_shot", "over_training", "shots", "aggregate", "arithmetic", "positions"), tasks),
        "layers": Study(write_layers(results / "layers")),
        "gain": tuned,
        "effective_data": tuned,
        "rates": Study(write_rates(results / "rates")),
        "coordinates": Study(write_coordinates(results / "coordinates")),
        "curve": Study(planted, law_name="power_floor_C", bootstrap=40),
        "isoflop": Study(isoflop_table, bootstrap=40),
    }
    return {name: picture(name, others.get(name, study)) for name in FIGURES}


def test_a_figure_suits_laws_of_so_many_variables(study: Study, planted: Path) -> None:
    one = Study(planted, law_name="power_C")
    assert FIGURES["curve"].suits(one)
    assert not FIGURES["curve"].suits(study)
    assert FIGURES["surface"].suits(study)
    assert not FIGURES["surface"].suits(one)


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_drawn_as_png_and_svg(pictures: dict[str, Picture], name: str) -> None:
    drawn = pictures[name]
    assert drawn.png.startswith(b"\x89PNG")
    assert len(drawn.png) > 10_000
    root = ElementTree.fromstring(drawn.svg)
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert FIGURES[name].title in texts
    inline = ElementTree.fromstring(drawn.inline)
    assert FIGURES[name].title in inline.attrib["aria-label"]
    assert inline.attrib["role"] == "img"


def test_figures_share_a_page_without_sharing_ids(pictures: dict[str, Picture]) -> None:
    page = "".join(drawn.inline for drawn in pictures.values())
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    wanted = set(re.findall(r'(?:href="|url\()#([^")]+)', page))
    assert wanted <= set(ids)


@pytest.mark.parametrize("name", FIGURES)
def test_the_page_decides_the_colour_of_text_and_paper(pictures: dict[str, Picture], name: str) -> None:
    inline = pictures[name].inline
    assert not any(colour in inline for colour in CSS)
    assert "var(--ink)" in inline
    assert "var(--paper)" in inline
    assert "#ffffff" not in inline
    assert "<style" not in inline
    assert "<metadata" not in inline


def test_the_same_data_give_the_same_bytes(pictures: dict[str, Picture], planted: Path) -> None:
    assert picture("compute", Study(planted, bootstrap=40)) == pictures["compute"]
    assert picture("compute", Study(planted, bootstrap=41)) != pictures["compute"]


def luminance(colour: str) -> float:
    channels = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return float(np.dot(channels, [0.2126, 0.7152, 0.0722]))


@pytest.mark.parametrize("colour", [*SERIES, HELD_OUT, *(to_hex(SCALE(x)) for x in np.linspace(0, 1, 9))])
@pytest.mark.parametrize("paper", ["#fefefe", "#16181b"])
def test_every_colour_reads_on_light_and_dark(colour: str, paper: str) -> None:
    light, dark = sorted([luminance(colour), luminance(paper)], reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 3  # WCAG 2.1, 1.4.11


def test_held_out_rungs_are_never_drawn_as_fitted_ones(study: Study) -> None:
    result = compute_figure.compute(study)
    assert result.held_out["held_out"].all()
    assert not result.fitted["held_out"].any()
    with matplotlib.rc_context(RC):
        _, axes = new_canvas()
        compute_figure.draw(result, axes)
    dots = axes.collections[-1].get_offsets()
    assert len(dots) == len(study.fitted)
    stars = [line for line in axes.lines if line.get_marker() == "*"]
    assert [list(star.get_xdata()) for star in stars] == [list(study.held_out["C"])]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A table of 9,000 rows, 1,000 of them held out."""
    random = np.random.default_rng(0)
    n, d = np.exp(random.uniform(10, 16, 9_000)), np.exp(random.uniform(12, 18, 9_000))
    table = pd.DataFrame({"N": n, "D": d, "loss": planted_loss(n, d) * np.exp(0.01 * random.standard_normal(9_000))})
    path = tmp_path_factory.mktemp("tables") / "many.csv"
    table.assign(held_out=np.arange(9_000) % 9 == 0).to_csv(path, index=False)
    return Study(path, bootstrap=20)


@pytest.mark.parametrize("name", ["compute", "size", "data", "residuals", "surface"])
def test_of_many_rows_some_are_drawn_and_it_is_said(many: Study, name: str) -> None:
    result = FIGURES[name].compute(many)
    with matplotlib.rc_context(RC):
        _, axes = new_canvas()
        FIGURES[name].draw(result, axes)
    assert max(len(dots.get_offsets()) for dots in axes.collections) == MOST_DOTS
    stars = [line for line in axes.lines if line.get_marker() == "*"]
    assert [len(line.get_xdata()) for line in stars] == [MOST_STARS]
    texts = re.findall(r">([^<>]*of [^<>]*)<", picture(name, many).svg)
    assert {"4,000 of 8,000 fitted rows", "400 of 1,000 held-out rows (not fitted)"} <= set(texts)


def test_the_drawn_rows_are_the_same_ones_every_time_and_all_where_they_are_few() -> None:
    assert (drawn(MOST_DOTS) == np.arange(MOST_DOTS)).all()
    some = drawn(1_000_000)
    assert len(np.unique(some)) == len(some) == MOST_DOTS
    assert (some == drawn(1_000_000)).all()
    assert some.mean() == pytest.approx(500_000, rel=0.05)


def test_of_many_held_out_rows_the_forecast_shows_those_of_most_compute(many: Study) -> None:
    result = forecast_figure.compute(many)
    assert len(result.names) == len(result.rows) == forecast_figure.MOST_ROWS
    assert result.rows["C"].min() == many.held_out["C"].nlargest(forecast_figure.MOST_ROWS).min()
    assert f"the {forecast_figure.MOST_ROWS} of 1,000 held-out rows" in picture("forecast", many).svg


def test_a_table_has_rows_where_a_sweep_has_rungs(study: Study, many: Study) -> None:
    for name in ("compute", "residuals", "surface"):
        assert "rung" in picture(name, study).inline
        assert "rung" not in picture(name, many).inline


def test_the_axis_of_a_tables_loss_claims_no_unit(isoflop_table: Path, many: Study) -> None:
    for name, table in (("isoflop", Study(isoflop_table, bootstrap=0)), ("forecast", many), ("compute", many)):
        drawn_figure = picture(name, table)
        assert "nats per token" not in drawn_figure.svg
        assert re.search(r">loss[<,]", drawn_figure.svg)
    assert isoflop_figure.compute(Study(isoflop_table, bootstrap=0)).loss_words == "loss"


def test_the_best_path_is_named_only_where_it_is_in_the_picture(tmp_path: Path, study: Study) -> None:
    n, d = (axis.ravel() for axis in np.meshgrid(np.geomspace(1e4, 3e4, 8), np.geomspace(1e9, 3e9, 8)))
    noise = np.exp(1e-4 * np.random.default_rng(0).standard_normal(len(n)))
    path = tmp_path / "aside.csv"
    pd.DataFrame({"N": n, "D": d, "loss": planted_loss(n, d) * noise}).to_csv(path, index=False)
    for one, inside in ((Study(path, bootstrap=0), False), (study, True)):
        result = surface_figure.compute(one)
        assert (len(result.best_N) > 0) == inside
        with matplotlib.rc_context(RC):
            _, axes = new_canvas()
            surface_figure.draw(result, axes)
        assert ("law's best size" in axes.get_legend_handles_labels()[1]) == inside
        assert ((result.best_N >= result.N[0]) & (result.best_N <= result.N[-1])).all()
        assert ((result.best_D >= result.D[0]) & (result.best_D <= result.D[-1])).all()


def test_the_exponents_of_a_figure_are_those_of_the_law(planted: Path) -> None:
    rows = FIGURES["exponents"].compute(Study(planted, "kaplan", bootstrap=40))
    assert {row.exponent for row in rows} == {"alpha_N", "alpha_D"}
    with pytest.raises(Refusal, match="one of D_T, which no compute makes least"):
        compute_figure.compute(Study(planted, "transferred_data", bootstrap=0))


def test_the_frontier_lies_below_every_prediction(study: Study) -> None:
    result = compute_figure.compute(study)
    best = np.interp(np.log(study.decayed["C"]), np.log(result.C), result.loss)
    assert (best <= study.fit.predict(study.decayed) + 1e-4).all()
    assert (result.low <= result.loss).all()
    assert (result.loss <= result.high).all()


def test_the_frontier_says_where_it_lies_beyond_what_was_fitted(planted: Path, study: Study) -> None:
    result = compute_figure.compute(study)
    assert result.beyond[-1]  # the held-out rung's compute: no fitted rung comes near
    assert not result.beyond.all()
    assert not compute_figure.compute(Study(planted, "power_C", bootstrap=10)).beyond.any()


def test_transfer_lines_are_the_planted_ones_and_a_rising_domain_gets_no_law(study: Study) -> None:
    lines = {domain.name: domain for domain in transfer_figure.against_training(study).domains}
    for name, (offset, slope) in LINES.items():
        assert lines[name].curve == pytest.approx(offset + slope * lines[name].curve_x, abs=0.02)
    by_compute = {domain.name: domain for domain in transfer_figure.against_compute(study).domains}
    assert len(by_compute["python"].curve) == 0
    assert len(by_compute["wiki"].curve) > 0


def test_a_far_domain_does_not_squeeze_the_near_ones(study: Study) -> None:
    groups = transfer_figure.near_each_other(transfer_figure.against_training(study).domains)
    assert [sorted(domain.name for domain in group) for group in groups] == [["python"], ["kjv", "wiki"]]


def test_transfer_curves_lie_in_their_intervals(study: Study) -> None:
    drawn = [*transfer_figure.against_training(study).domains, *transfer_figure.against_compute(study).domains]
    for domain in drawn:
        assert len(domain.low) == len(domain.curve)
        assert (domain.low <= domain.curve).all()
        assert (domain.curve <= domain.high).all()


def test_a_figure_without_its_data_says_why(tmp_path: Path) -> None:
    few = Study(write_planted(tmp_path / "few", shapes=SHAPES[:1], held_out=False, lines={}, far=False), bootstrap=20)
    for name in ("compute", "size", "data", "training"):
        assert picture(name, few).png
    for name in ("forecast", "residuals", "exponents", "transfer_loss", "transfer_compute"):
        with pytest.raises(Refusal):
            picture(name, few)


@pytest.mark.parametrize(("low", "high"), [(1e4, 1.1e4), (2e4, 9e5), (1e10, 1e13), (1e3, 1e15), (3e5, 4e6)])
def test_ticks_are_few_and_inside(low: float, high: float) -> None:
    ticks = log_ticks(low, high)
    assert 2 <= len(ticks) <= 6
    assert all(low <= tick <= high for tick in ticks)


def test_numbers_carry_no_more_digits_than_they_mean() -> None:
    assert [short_number(x) for x in (999, 1e3, 25_600, 1.55e6, 3e9)] == ["999", "1k", "25.6k", "1.55M", "3G"]
    assert power_of_ten(1e12) == "10¹²"
    assert power_of_ten(2.5e13) == "2.5·10¹³"
    assert rounded(0.34567, 0.05) == "0.346"
    assert rounded(1234.5, 300) == "1,230"
    assert rounded(27.5, 1447) == "30"
    assert estimate(27.5, 2.43, 2896) == ("28", "2 to 2,900")
    assert estimate(1.4298, 1.3230, 1.5939) == ("1.43", "1.32 to 1.59")
    assert estimate(0.5, float("nan"), float("nan")) == ("0.5", "no interval")
    assert percent(1.234) == "+123.4 %"
    assert with_error(1.23456, 0.0123) == "1.235 ± 0.012"
    assert with_error(0.5, float("nan"), "+") == "+0.5"
