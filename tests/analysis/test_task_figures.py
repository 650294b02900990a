"""Figures of tasks: drawn from planted runs, and a verdict on each paper's shape that comes out both ways."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest

from analysis.curves.trend import Shape, of_every
from analysis.figures import FIGURES, Picture, picture
from analysis.figures.aggregate import aggregate
from analysis.figures.arithmetic import arithmetic
from analysis.figures.layers import layers
from analysis.figures.lm_domains import lm_domains, sizes_table
from analysis.figures.over_training import over_training
from analysis.figures.positions import along_context
from analysis.figures.shots import shot_curves
from analysis.figures.style import RC, new_canvas
from analysis.figures.tiles import MOST_PANELS, means_at
from analysis.figures.zero_shot import zero_shot
from analysis.study import Study
from harness.refusal import Refusal
from tests.analysis.planted import write_planted
from tests.analysis.planted_tasks import BUDGETS, TRUTHS, World, fine_tuned, task_table, write_layers, write_tasks

# Every figure of scores over runs that learned no labels, by what makes it of a table.
MADE: dict[str, Callable[[pd.DataFrame], object]] = {
    "zero_shot": lambda table: zero_shot(table, 20),
    "over_training": over_training,
    "shots": shot_curves,
    "aggregate": aggregate,
    "arithmetic": arithmetic,
    "lm_domains": lm_domains,
    "positions": along_context,
}
FOLLOWING = World(coin=False)
FLAT = World(follows=False, items=50_000, trunk_noise=0.005, coin=False)


def shapes(result: object) -> Sequence[Shape]:
    return result.shapes  # type: ignore[attr-defined,no-any-return]


@pytest.fixture(scope="module")
def following() -> pd.DataFrame:
    return task_table(FOLLOWING)


@pytest.fixture(scope="module")
def flat() -> pd.DataFrame:
    return task_table(FLAT)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return Study(write_tasks(tmp_path_factory.mktemp("results") / "tasks"), bootstrap=40)


@pytest.fixture(scope="module")
def pictures(study: Study) -> dict[str, Picture]:
    return {name: picture(name, study) for name in MADE}


# --- the shapes


@pytest.mark.parametrize("name", MADE)
def test_a_planted_effect_shows(following: pd.DataFrame, name: str) -> None:
    found = shapes(MADE[name](following))
    assert of_every(found) == "yes", [shape.sentence for shape in found]


@pytest.mark.parametrize("name", MADE)
def test_where_there_is_none_it_is_not_seen(flat: pd.DataFrame, name: str) -> None:
    found = shapes(MADE[name](flat))
    assert of_every(found) == "no", [shape.sentence for shape in found]
    assert not any(shape.holds == "yes" for shape in found)


@pytest.mark.parametrize("make", [lambda table: zero_shot(table, 0), over_training, aggregate])
def test_few_items_leave_it_undecided_mostly(make: Callable[[pd.DataFrame], object]) -> None:
    world = World(follows=False, items=40, trunk_noise=0.0, coin=False)
    held = [shape.holds for seed in range(12) for shape in shapes(make(task_table(world, seed)))]
    # One in twenty is a yes by chance; more than three of twelve are one in five hundred.
    assert held.count("yes") <= 3
    assert held.count("undecided") >= 4


def test_a_domain_that_rises_denies_the_claim_for_all(following: pd.DataFrame) -> None:
    rising = following.assign(**{"lm_python/bpb": 5 + 0.1 * np.log(following["N"])})
    held = {shape.claim.split()[3]: shape.holds for shape in lm_domains(rising).shapes}
    assert held["python"] == "no"
    assert held["wiki"] == "yes"


@pytest.mark.parametrize(
    ("gains", "every", "whole"),
    [
        ((0.05, 0.05, 0.05, 0.05), "yes", "yes"),
        ((0.05, -0.05, 0.05, 0.05), "no", "yes"),
        ((0.0, 0.0, 0.0, 0.0), "no", "no"),
        ((-0.04, -0.04, -0.04, -0.04), "no", "no"),
    ],
)
def test_layers_help_where_they_were_planted_to(gains: tuple[float, ...], every: str, whole: str) -> None:
    result = layers(fine_tuned(gains, seeds=5, noise=0.002))
    assert [shape.holds for shape in result.shapes] == [every, whole], [shape.sentence for shape in result.shapes]
    line = result.panels["sst2"][0]
    assert line.means.mean == pytest.approx(0.6 + np.cumsum([0, *gains]), abs=0.005)
    assert line.scratch.mean == pytest.approx([0.55], abs=0.005)


def test_one_seed_decides_nothing_about_layers() -> None:
    result = layers(fine_tuned((0.05,) * 4, seeds=1))
    assert {shape.holds for shape in result.shapes} == {"undecided"}
    assert np.isnan(result.panels["sst2"][0].means.half).all()


def test_shapes_are_on_one_line_each_and_plain_values(following: pd.DataFrame) -> None:
    for make in MADE.values():
        for shape in shapes(make(following)):
            assert "\n" not in shape.sentence
            assert shape.to_json()["holds"] == shape.holds


# --- what is drawn


@pytest.mark.parametrize("name", MADE)
def test_every_figure_of_tasks_is_drawn(pictures: dict[str, Picture], study: Study, name: str) -> None:
    assert FIGURES[name].suits(study)
    assert len(pictures[name].png) > 10_000
    root = ElementTree.fromstring(pictures[name].svg)
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert FIGURES[name].title in texts
    assert picture(name, study) == pictures[name]


def test_a_task_at_chance_says_so(pictures: dict[str, Picture], study: Study) -> None:
    assert ">at chance<" in pictures["zero_shot"].svg
    panels = {panel.task: panel for panel in zero_shot(study.table, 20).panels}
    assert panels["coin"].remark == "at chance"
    assert not len(panels["coin"].curve)
    assert len(panels["sciq"].curve)
    assert not panels["sciq"].remark
    idle = over_training(study.table)
    assert idle.at_chance == ("coin",)
    assert "coin" not in idle.tasks
    assert ">coin<" in pictures["over_training"].svg
    none = task_table(World(tasks=("add2",), items=100)).assign(**{"add2@k=4/acc_exact": 0.0})
    assert all(task.at_chance for task in arithmetic(none).tasks)
    nothing = none.assign(**{"add2/acc_exact": 0.0, "add2@k=1/acc_exact": 0.0})
    assert [panel.remark for panel in shot_curves(nothing).panels] == ["at chance"]


def test_zero_shot_shows_one_budget_baselines_and_the_held_out_rung(following: pd.DataFrame) -> None:
    table = following.assign(**{"sciq/acc_most_frequent": 0.31, "sciq/acc_most_frequent_stderr": 0.01})
    panel = next(part for part in zero_shot(table, 20).panels if part.task == "sciq")
    assert panel.baselines == {"most_frequent": pytest.approx(0.31)}
    rows = table[(table["phase"] == "decayed") & ~table["held_out"] & (table["D"] == max(BUDGETS))]
    assert panel.accuracy[~panel.held_out] == pytest.approx(rows["sciq/acc_byte"].to_numpy())
    assert panel.held_out.sum() == 1
    assert (panel.low <= panel.curve).all()
    assert (panel.curve <= panel.high).all()
    assert panel.chance == 0.25


def test_more_tasks_than_panels_are_named() -> None:
    table = task_table(World(tasks=("sciq",), shots=(0,)), held=False)
    copies = {
        name.replace("sciq", f"task{i}"): table[name]
        for i in range(MOST_PANELS + 2)
        for name in table
        if "sciq" in name
    }
    result = zero_shot(pd.concat([table[["N", "D", "C", "trunk_id", "phase"]], pd.DataFrame(copies)], axis=1), 0)
    assert len(result.panels) == MOST_PANELS
    assert len(result.left_out) == 2


def test_over_training_counts_a_trunks_checkpoint_once(study: Study) -> None:
    result = over_training(study.table)
    model = result.models[-1]
    stops = study.table[(study.table["N"] == model.N) & (study.table["phase"] == "stable")]
    assert list(model.on_the_way["sciq"].x) == sorted(stops["D"].unique())
    assert max(part.mean.max() for part in model.cooled.values()) == pytest.approx(1.0)
    with pytest.raises(Refusal, match="scored on the way"):
        over_training(study.table[study.table["phase"] == "decayed"])


def test_aggregate_is_the_mean_over_tasks(following: pd.DataFrame) -> None:
    result = aggregate(following)
    assert [setting.name for setting in result.settings] == ["zero-shot", "one-shot", "few-shot"]
    rows = following[(following["phase"] == "decayed") & ~following["held_out"] & (following["D"] == max(BUDGETS))]
    rules = {task: "exact" if truth.is_open else "byte" for task, truth in TRUTHS.items()}
    few = np.mean([rows[f"{task}@k=4/acc_{rule}"] for task, rule in rules.items()], axis=0)
    assert result.settings[2].means.mean == pytest.approx(few)
    # Of four tasks a mean is about twice as sure as one of them.
    single = np.mean([line.half for line in result.settings[0].tasks.values()])
    assert result.settings[0].means.half.mean() == pytest.approx(single / 2, rel=0.25)


def test_arithmetic_is_asked_with_most_examples(following: pd.DataFrame) -> None:
    result = arithmetic(following)
    assert result.k == 4
    assert [task.name for task in result.tasks] == ["add2", "add3"]
    assert result.loss_metric == "nll_byte"
    assert not any(task.at_chance for task in result.tasks)


def test_the_table_of_sizes_has_a_row_a_size(following: pd.DataFrame) -> None:
    table = sizes_table(following)
    rows = following[(following["phase"] == "decayed") & ~following["held_out"] & (following["D"] == max(BUDGETS))]
    assert table["N"].to_numpy() == pytest.approx(rows["N"].to_numpy())
    assert table["lm_wiki"].to_numpy() == pytest.approx(rows["lm_wiki/bpb"].to_numpy())
    assert table["sciq"].to_numpy() == pytest.approx(rows["sciq/acc_byte"].to_numpy())
    assert [name for name in table if "@" in name] == []


def test_a_mean_is_as_unsure_as_its_scores_or_as_they_differ() -> None:
    alike = means_at(np.array([1.0, 1.0]), np.array([0.5, 0.5]), np.array([0.02, 0.02]))
    apart = means_at(np.array([1.0, 1.0]), np.array([0.3, 0.7]), np.array([0.02, 0.02]))
    assert alike.half == pytest.approx(1.645 * 0.02, rel=1e-3)
    assert apart.half == pytest.approx(1.645 * 0.2, rel=1e-3)


def test_layers_are_drawn_for_every_shape_and_labelled_set() -> None:
    first, second = fine_tuned((0.05,) * 4), fine_tuned((0.02,) * 3, depth=3).assign(width=48)
    other = first.rename(columns=lambda name: name.replace("sst2", "rte")).assign(labels="rte")
    result = layers(pd.concat([first, second, other], ignore_index=True))
    assert {labels: len(lines) for labels, lines in result.panels.items()} == {"sst2": 2, "rte": 1}
    with matplotlib.rc_context(RC):
        canvas, axes = new_canvas()
        FIGURES["layers"].draw(result, axes)
    words = [text.get_text() for legend in canvas.legends for text in legend.get_texts()]
    assert sum("over seeds" in text for text in words) == 2
    assert "from scratch" in words


def test_layers_are_read_from_run_folders(tmp_path: Path) -> None:
    study = Study(write_layers(tmp_path / "layers"), bootstrap=0)
    assert FIGURES["layers"].suits(study)
    assert not any(FIGURES[name].suits(study) for name in MADE)
    drawn = picture("layers", study)
    assert ">sst2<" in drawn.svg
    assert "transferred blocks" in drawn.inline


@pytest.mark.parametrize("name", MADE)
def test_one_size_and_one_trunk_are_drawn_and_decide_nothing(name: str) -> None:
    result = MADE[name](task_table(World(tasks=("add2",), items=200), sizes=[1e5], held=False))
    assert {shape.holds for shape in shapes(result)} == {"undecided"}
    with matplotlib.rc_context(RC):
        _, axes = new_canvas()
        FIGURES[name].draw(result, axes)


def test_a_study_without_tasks_has_no_such_figures(tmp_path: Path) -> None:
    bare = Study(write_planted(tmp_path / "bare", held_out=False, failed=False), bootstrap=0)
    for name in (*MADE, "layers"):
        assert FIGURES[name].suits(bare) == (name == "lm_domains")
    for name in ("zero_shot", "over_training", "shots", "aggregate", "arithmetic", "layers"):
        with pytest.raises(Refusal) as refused:
            FIGURES[name].compute(bare)
        assert "\n" not in str(refused.value)
