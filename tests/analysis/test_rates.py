"""Best learning rates of planted curves: found, covered by their intervals, refused where the runs do not show them."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.coordinates import coordinate_check
from analysis.headline import headline
from analysis.rates import Rates, rate_curves
from analysis.report import write_report
from analysis.sections import SECTIONS
from analysis.study import Study
from analysis.valley import FEWEST_PLACES, Losses, Valley, valley
from harness.refusal import Refusal
from sweeps.__main__ import main
from tests.analysis.valleys import BEST, DRIFTS, FLOORS, GRID, SHAPES, SIZES, world, write_coordinates, write_rates

DRAWS = 400


def planted_rates(shape: str = "steep to the right", seed: int = 0, keep: str = "", **fields: object) -> Rates:
    table = world(SHAPES[shape], np.random.default_rng(seed), **fields)  # type: ignore[arg-type]
    return rate_curves(table.query(keep) if keep else table, seed=seed, draws=DRAWS)


def truth(parametrisation: str, width: int) -> float:
    """log2 of the best rate; every shape has its minimum at nought."""
    return BEST + DRIFTS[parametrisation] * SIZES.index(width)


def errors(found: Rates) -> np.ndarray:
    return np.array([np.log2(c.vertex.value) - truth(c.parametrisation, c.size) for c in found.curves])


def test_a_seed_without_a_run_far_off_is_not_taken_for_one_that_tilts() -> None:
    """Deviations between seeds that scatter alone makes are 1 on average, however unlike their places."""
    random, x_k = np.random.default_rng(3), np.concatenate([[-1.5], np.arange(-1, 1.01, 0.25)])
    found = []
    for _ in range(300):
        loss_sk = 2 + 0.01 * x_k**2 + random.normal(0, 0.005, (2, len(x_k)))
        loss_sk[1, 0] = np.nan
        curve = valley(Losses(x_k, loss_sk))
        assert isinstance(curve, Valley)
        found.append(curve.between_p)
    assert np.mean(found, axis=0) == pytest.approx(np.ones(4), abs=0.4)


@pytest.mark.parametrize("column", ["qk_norm", "heads", "mlp_width", "base_width"])
def test_two_models_at_one_place_are_refused_by_what_differs(column: str) -> None:
    table = world(SHAPES["even"], np.random.default_rng(0))
    other = table.assign(loss=table["loss"] + 1, **{column: 7})
    with pytest.raises(Refusal, match=column):
        rate_curves(pd.concat([table.assign(**{column: 5}), other]))


# --- one curve


@pytest.mark.parametrize("name", SHAPES)
def test_without_noise_the_vertex_is_the_curves_own(name: str) -> None:
    for shift in (-0.4, -0.1, 0.3):
        found = valley(Losses(GRID, 2 + SHAPES[name](GRID - shift)[None]))
        assert isinstance(found, Valley)
        assert found.vertex == pytest.approx(shift, abs=0.035)
        assert found.at(np.array(found.vertex)) == pytest.approx(2, abs=2e-3)


def test_a_seed_that_lies_higher_moves_no_vertex_though_some_of_its_runs_are_missing() -> None:
    loss_k = 2 + SHAPES["even"](GRID)
    whole = valley(Losses(GRID, np.stack([loss_k, loss_k + 0.2])))
    gaps = np.stack([loss_k, np.where(np.isin(np.arange(13), (2, 4, 11)), np.nan, loss_k + 0.2)])
    holed = valley(Losses(GRID, gaps))
    assert isinstance(whole, Valley)
    assert isinstance(holed, Valley)
    assert holed.vertex == pytest.approx(whole.vertex, abs=1e-3)
    assert holed.at(np.array(0.0)) == pytest.approx(whole.at(np.array(0.0)), abs=1e-4)


def test_too_few_rates_about_the_lowest_are_counted() -> None:
    coarse = np.arange(-6.0, 7.0)
    assert valley(Losses(coarse, 2 + 0.01 * coarse[None] ** 2)) == (
        f"3 of them within 1.5 octaves of the lowest loss, and {FEWEST_PLACES} are needed"
    )


# --- coverage


@pytest.mark.parametrize(
    ("shape", "seeds", "noise", "tilt"),
    [
        ("even", 2, 0.003, 0.0),
        ("even", 1, 0.010, 0.0),
        ("steep to the right", 2, 0.005, 0.0),
        ("steep to the right", 2, 0.003, 0.003),
        ("lopsided", 3, 0.005, 0.0),
        ("flat", 3, 0.003, 0.0),
    ],
)
def test_ninety_percent_intervals_hold_the_truth_about_as_often(
    shape: str, seeds: int, noise: float, tilt: float
) -> None:
    """40 worlds of 8 curves each, and of the drift 80; the cubic errs less than the rate of the lowest mean."""
    vertices, drifts, missed, tried = [], [], [], []
    for number in range(40):
        found = planted_rates(shape, number, seeds=seeds, noise=noise, tilt=tilt)
        for curve in found.curves:
            at = 2 ** truth(curve.parametrisation, curve.size)
            tried.append(np.log2(curve.lowest_tried / at))
            if not curve.vertex.doubt:
                vertices.append(curve.vertex.low <= at <= curve.vertex.high)
                missed.append(np.log2(curve.vertex.value / at))
        for drift in found.drifts:
            if len(drift.sizes) == len(SIZES):
                exponent = DRIFTS[drift.parametrisation]
                drifts += [drift.ratio.low <= 8**exponent <= drift.ratio.high]
                drifts += [drift.exponent.low <= exponent <= drift.exponent.high]
    assert len(vertices) >= 300
    assert 0.85 <= np.mean(vertices) <= 0.97
    assert np.mean(drifts) >= 0.82
    assert abs(np.mean(missed)) < 0.03
    assert np.std(missed) < 0.65 * np.std(tried)


def test_what_the_base_rate_costs_is_covered_too() -> None:
    drifts, held = {"standard": -0.4}, []
    loss = SHAPES["steep to the right"]
    for number in range(100):
        found = rate_curves(world(loss, np.random.default_rng(number), drifts=drifts), seed=number, draws=DRAWS)
        for i, curve in enumerate(found.curves[1:], start=1):
            if not curve.excess.doubt:
                held.append(curve.excess.low <= float(loss(np.array(0.4 * i))) <= curve.excess.high)
    assert len(held) >= 290
    assert 0.82 <= np.mean(held) <= 0.97


# --- what is said


def test_drift_and_excess_come_back() -> None:
    found = planted_rates(noise=0.002)
    standard, completep = found.drifts
    assert (standard.parametrisation, completep.parametrisation) == ("standard", "completep")
    assert standard.verdict == "moves by more than a factor √2"
    assert completep.verdict == "holds within a factor √2"
    assert standard.exponent.value == pytest.approx(-1, abs=0.03)
    assert completep.exponent.value == pytest.approx(0, abs=0.03)
    costs = [curve.excess for curve in found.of("completep")]
    assert all(cost.low == 0 and cost.value < 0.002 for cost in costs)
    doubled = found.of("standard")[1]
    assert doubled.excess.value == pytest.approx(float(SHAPES["steep to the right"](np.array(1.0))), rel=0.15)
    assert doubled.at_base == pytest.approx(doubled.loss.value + doubled.excess.value)
    for curve in found.curves:
        assert curve.loss.value == pytest.approx(FLOORS[SIZES.index(curve.size)], abs=0.015)


def test_a_rate_that_was_tried_at_no_other_size_has_no_cost_there() -> None:
    found = planted_rates()
    largest = found.of("standard")[-1]
    assert re.search(r"it is 0\.01\d+, and the largest that trained there, .* nats already", largest.excess.doubt)
    assert "costs at width 256 is not known" in found.words()[0]


def test_an_edge_is_refused_in_words() -> None:
    left = planted_rates(keep="learning_rate > 2 ** -5.8 or parametrisation != 'completep'").of("completep")
    assert "the lowest loss is at the smallest rate tried" in left[0].vertex.doubt
    right = planted_rates(keep="learning_rate < 2 ** -6.2 or parametrisation != 'completep'")
    assert "the lowest loss is at the largest rate tried" in right.of("completep")[0].vertex.doubt
    assert right.drifts[1].verdict == "not known"
    assert "whether the best rate moves with width is not known: at width 32" in right.words()[1]
    assert right.of("completep")[1].excess.doubt


def test_runs_that_failed_are_said_to_bound_the_rates() -> None:
    table = world(SHAPES["even"], np.random.default_rng(0))
    for most, words in (
        (-8.3, "at the largest rate that trained, 0.00"),
        (-8.0, "do not bracket a minimum: from 0.00"),
    ):
        lost = table.query(f"width == 128 and parametrisation == 'standard' and learning_rate > 2**{most}")
        curve = rate_curves(table.drop(lost.index), lost, draws=DRAWS).of("standard")[2]
        assert words in curve.vertex.doubt
        assert "on runs failed" in curve.vertex.doubt
        assert len(curve.failed) == len(lost)


def test_what_scatter_hides_is_not_told() -> None:
    found = planted_rates("flat", noise=0.08, seeds=1)
    assert sum(bool(curve.vertex.doubt) for curve in found.curves) >= 6
    assert any("wider than a factor 2" in c.vertex.doubt or "do not bracket" in c.vertex.doubt for c in found.curves)


def test_grids_may_differ_and_runs_be_missing() -> None:
    table = world(SHAPES["even"], np.random.default_rng(1), noise=0.003)
    thinned = table.drop(table.sample(frac=0.15, random_state=0).index)
    found = rate_curves(thinned, draws=DRAWS)
    assert not any(curve.vertex.doubt for curve in found.curves)
    assert np.abs(errors(found)).max() < 0.2


def test_one_seed_claims_no_interval_of_the_loss_and_says_so() -> None:
    found = planted_rates(seeds=1)
    assert all(np.isnan(curve.loss.low) and np.isfinite(curve.vertex.low) for curve in found.curves)
    assert "with one seed" in found.notes[-1]
    assert "2 seeds" in planted_rates().notes[-1]


def test_the_same_runs_give_the_same_answer_in_any_order() -> None:
    table = world(SHAPES["even"], np.random.default_rng(0))
    again = rate_curves(table.sample(frac=1, random_state=1), draws=DRAWS)
    pd.testing.assert_frame_equal(rate_curves(table, draws=DRAWS).to_table(), again.to_table())


def test_what_does_not_compare_is_refused() -> None:
    table = world(SHAPES["even"], np.random.default_rng(0))
    with pytest.raises(Refusal, match="to the end at 6 learning rates"):
        rate_curves(table[table["learning_rate"] > 2**-5])
    with pytest.raises(Refusal, match="width and depth both vary"):
        rate_curves(pd.concat([table, table.assign(depth=4)]))
    with pytest.raises(Refusal, match="corpus varies"):
        rate_curves(table.assign(corpus=np.where(table["seed"] == 0, "sotu", "kjv")))
    shorter = table[table["width"] == 32].assign(tokens=1_000)
    found = rate_curves(pd.concat([table.assign(tokens=2_000), shorter]), draws=DRAWS)
    assert "208 runs of 2,000 tokens are read, the other 52 are not" in found.notes[0]


# --- the page and the command


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rates(tmp_path_factory.mktemp("results") / "swept")


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_coordinates(tmp_path_factory.mktemp("results") / "checked")


def test_the_page_of_a_rate_sweep_asks_no_law_and_says_so(swept: Path, tmp_path: Path) -> None:
    page = write_report(Study(swept), tmp_path).read_text()
    assert "Not here" not in page
    assert "Not answered" not in page
    box = re.search(r'class="headline".*?</section>', page, re.DOTALL)
    assert box is not None
    for words in ("No law is asked of swept", "Under completep, from width 32 to 256", "rungs failed"):
        assert words in box.group()
    for name in ("rates", "rungs", "failures", "provenance", "recreate"):
        assert f'<h2 id="{name}">{SECTIONS[name].title}</h2>' in page
    for name in ("law", "isoflop", "bake-off", "transfer", "coordinates"):
        assert f'<h2 id="{name}">' not in page
    assert "--law" not in SECTIONS["recreate"].body(Study(swept)).command
    assert {path.name for path in tmp_path.glob("*.csv")} == {"runs.csv", "rates.csv"}
    assert {path.stem for path in tmp_path.glob("*.svg")} == {"rates"}
    table = pd.read_csv(tmp_path / "rates.csv")
    assert len(table) == 8
    assert {"width", "best_rate", "best_rate_low", "excess", "excess_high", "best_rate_doubt"} <= set(table)
    assert page.count('role="img"') == 1


def test_a_sweep_over_depth_has_a_page(tmp_path: Path) -> None:
    study = Study(write_rates(tmp_path / "deep", seeds=1, axis="depth"))
    assert study.rates.axis == "depth"
    assert "best learning rates, completep" in write_report(study, tmp_path / "page").read_text().lower()


def test_the_page_of_a_coordinate_check(checked: Path, tmp_path: Path) -> None:
    page = write_report(Study(checked), tmp_path).read_text()
    assert "Not here" not in page
    assert "Under completep, after 20 steps, change ~ width^x: level embedding" in page
    assert "No law is asked of checked" in page
    assert {path.name for path in tmp_path.glob("*.csv")} == {"runs.csv", "coordinates.csv"}
    assert {path.stem for path in tmp_path.glob("*.svg")} == {"coordinates"}


def test_a_rate_sweep_that_has_just_begun_waits_for_rates_and_asks_no_law(tmp_path: Path) -> None:
    study = Study(write_rates(tmp_path / "begun", highest=-7.9))
    assert study.lawless
    page = write_report(study, tmp_path / "page").read_text()
    assert "no size was trained to the end at 6 learning rates" in page
    assert "usable rows" not in page


def test_a_named_law_is_fitted_all_the_same(swept: Path) -> None:
    study = Study(swept, law_name="power_N", bootstrap=20)
    assert not study.lawless
    assert study.fit.rows > 100
    assert "are fitted by" in headline(study)[0]


def test_the_planted_powers_of_a_coordinate_check_come_back(checked: Path) -> None:
    found = coordinate_check(Study(checked).raw)
    assert found.axis == "width"
    assert {part.steps for part in found.parts} == {5, 10, 20}
    verdicts = {(part.parametrisation, part.name): part.verdict for part in found.last}
    assert verdicts["standard", "logits"] == verdicts["standard", "last_block"] == "grows"
    assert {verdict for (name, _), verdict in verdicts.items() if name == "completep"} == {"level"}
    last = {(part.parametrisation, part.name): part for part in found.last}
    assert last["standard", "last_block"].power.value == pytest.approx(0.9, abs=0.06)
    with pytest.raises(Refusal, match="no coordinate check"):
        coordinate_check(Study(checked).raw.assign(batch_tokens=1))


def test_fit_answers_for_rates_without_a_law(swept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--results", str(swept.parent)]
    assert main(["fit", "swept", "--rates", *where]) == 0
    said = capsys.readouterr().out
    assert "best learning rate of each width" in said
    assert "Under standard, from width 32 to 256" in " ".join(said.split())
    assert main(["fit", "swept", "--rates", "--json", *where]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["rates"]["drifts"]["completep"]["verdict"] == "holds within a factor √2"
    assert len(facts["rates"]["curves"]) == 8
    assert main(["fit", "swept", *where]) == 2
    assert "no law is asked of swept" in capsys.readouterr().err
