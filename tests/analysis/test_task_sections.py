"""Sections about tasks: what stands in their grids is in the run table, and no word is stronger than the scores."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.curves.chance import in_words, least_likely
from analysis.curves.hold_out import hold_out
from analysis.curves.scores import finished_names, scores
from analysis.figures.aggregate import aggregate
from analysis.figures.over_training import over_training
from analysis.figures.shots import shot_curves
from analysis.figures.zero_shot import zero_shot
from analysis.headline import headline
from analysis.incontext import in_context
from analysis.sections import SECTIONS
from analysis.sections.provenance import scoring_cost
from analysis.sections.section import Body, Grid
from analysis.sections.tasks import SAME_ITEMS, effects
from analysis.study import Study
from analysis.wording import share_of
from harness.record import read_runs, write_json
from harness.spec import Spec
from tests.analysis.planted import write_planted
from tests.analysis.planted_tasks import (
    BUDGETS,
    POINT_SECONDS,
    SHAPES,
    SMALL,
    TOKENS_A_SECOND,
    World,
    task_table,
    write_layers,
    write_tasks,
)

OF_TASKS = ("tasks", "in-context", "other-text")
LATE = {"late/acc_byte": 0.6, "late/nll_byte": 1.0, "late/chance": 0.25, "late/items": 400.0}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return Study(write_tasks(tmp_path_factory.mktemp("results") / "tasks", seeds=2), bootstrap=40)


@pytest.fixture(scope="module")
def bodies(study: Study) -> dict[str, Body]:
    return {name: SECTIONS[name].body(study) for name in OF_TASKS}


def cells(grid: Grid) -> dict[str, list[str]]:
    """First cell of a row -> the others."""
    return {row.cells[0]: list(row.cells[1:]) for row in grid.rows}


def ends(study: Study) -> list[pd.DataFrame]:
    """Rungs of the smallest and of the largest size at the largest budget, which all sizes share."""
    rows = study.table[(study.table["phase"] == "decayed") & (study.table["D"] == max(BUDGETS))]
    return [rows[rows["N"] == size] for size in (rows["N"].min(), rows["N"].max())]


# --- without examples


@pytest.mark.parametrize("task", [*SMALL.tasks, "coin"])
def test_a_task_has_its_floor_and_its_means_at_both_ends(study: Study, bodies: dict[str, Body], task: str) -> None:
    metric, chance, *found = cells(bodies["tasks"].grids[0])[task]
    assert float(chance.split()[0]) / 100 == study.table[f"{task}/chance"].mean()
    for cell, nats, rows in zip(found[:2], found[2:4], ends(study), strict=True):
        assert len(rows) == 2
        assert cell.startswith(f"{share_of(rows[f'{task}/{metric}'].mean())} ± ")
        # Beside acc_byte stands nll_byte; exact answers have theirs summed, which was not planted.
        assert nats == (f"{rows[f'{task}/nll_byte'].mean():.3g}" if metric == "acc_byte" else "")


def test_what_rises_is_told_from_what_is_at_chance(bodies: dict[str, Body]) -> None:
    found = cells(bodies["tasks"].grids[0])
    assert [found[task][-1] for task in SMALL.tasks] == ["rises with N"] * len(SMALL.tasks)
    assert found["coin"][-1].startswith("at chance: ")
    assert SAME_ITEMS in bodies["tasks"].lines


def test_few_trunks_are_not_said_to_rise() -> None:
    few = scores(task_table(sizes=(1e4, 1e5, 1e6), held=False), "sciq", ("N",))
    assert in_words(few, "N").startswith("above guessing; with N not known: 3 trunks are too few")
    one = scores(task_table(sizes=(1e6,), held=False), "sciq", ("N",))
    assert in_words(one, "N") == "above guessing; with N not known: there is nothing to compare"


@pytest.mark.parametrize("chance", [0.0, 0.25])
def test_no_right_answer_is_never_above_chance(chance: float) -> None:
    assert all(least_likely(0.0, items, 0.90) <= chance for items in range(1, 3_000))
    assert all(0 < least_likely(1 / items, items, 0.90) < 1 / items for items in range(2, 3_000))


def test_held_out_scores_are_those_of_the_largest_size_where_none_is_declared(
    study: Study, bodies: dict[str, Body]
) -> None:
    held = study.score_hold_out
    largest = study.table[study.table["N"] == study.table["N"].max()]
    assert {one.run_id for one in held.foretold} == set(largest["run_id"])
    assert {one.task for one in held.foretold} == {"sciq", "sciq@k=4", "add2", "add2@k=4"}
    assert {name for name in held.refused if ":" not in name} == {"coin", "coin@k=4"} & set(finished_names(study.table))
    grid = bodies["tasks"].grids[1]
    assert held.chosen.replace("_", " ") in grid.caption
    assert len(grid.rows) == len(held.of(held.chosen)) == 4 * largest["run_id"].nunique()
    assert len(bodies["tasks"].remarks) == 1
    assert bodies["tasks"].remarks[0].endswith("says which): coin.")
    assert set(held.words()) <= set(bodies["tasks"].lines)


def test_runs_that_start_from_others_are_neither_foretold_nor_held_out() -> None:
    table = task_table(World(tasks=("sciq",), shots=(0,)), held=False).drop(columns="held_out").assign(parent=None)
    child = table.tail(3).assign(N=1e9, parent="0123456789ab", run_id="child")
    found = hold_out(pd.concat([table, child], ignore_index=True), ["sciq"], bootstrap=0)
    alone = hold_out(table, ["sciq"], bootstrap=0)
    assert [(one.run_id, one.method, one.predicted) for one in found.foretold] == [
        (one.run_id, one.method, one.predicted) for one in alone.foretold
    ]


def test_a_task_that_some_rungs_were_scored_on_later_leaves_the_others_whole(tmp_path: Path) -> None:
    root = write_tasks(tmp_path / "tasks")
    largest = [run for run in read_runs(root) if run.spec.tokens == max(BUDGETS)]
    for run in largest[:2]:
        write_json(run.folder / "scores.json", {"scores": LATE})
    later = Study(root, bootstrap=0)
    found = cells(SECTIONS["tasks"].body(later).grids[0])
    assert list(found) == ["add2", "coin", "late", "sciq"]
    assert "not known" in found["late"][-1]
    assert "in the mean of 3 of 4 tasks" in zero_shot(later.table, 0).shapes[0].claim
    assert zero_shot(later.table, 0).shapes[0].holds == "yes"
    assert "late" not in {*over_training(later.table).tasks, *over_training(later.table).at_chance}


def test_a_task_that_only_the_held_out_rung_has_is_not_drawn() -> None:
    table = task_table(World(tasks=("sciq",), shots=(0,)))
    late = {name: np.where(table["held_out"], value, np.nan) for name, value in LATE.items()}
    assert [panel.task for panel in zero_shot(table.assign(**late), 0).panels] == ["sciq", "coin"]
    assert over_training(table.assign(**late)).tasks == ("sciq",)


# --- with examples


def test_slopes_over_examples_are_means_at_both_ends(study: Study, bodies: dict[str, Body]) -> None:
    for line in bodies["in-context"].grids[0].rows:
        task, metric, *_ = found = list(line.cells)
        one = in_context(study.table, task, metric)
        unit = 100 if metric.startswith("acc") else 1
        for cell, size in zip(found[4:6], (one.rows["N"].min(), one.rows["N"].max()), strict=True):
            assert float(cell) == pytest.approx(unit * one.shots.slope_n[one.rows["N"] == size].mean(), abs=0.051)
        assert found[-1] == one.verdict


def test_examples_at_chance_decide_nothing_and_say_so() -> None:
    nothing = task_table(World(tasks=("add2",), items=64, coin=False)).assign(
        **{f"add2{k}/acc_exact": 0.0 for k in ("", "@k=1", "@k=4")}
    )
    found = in_context(nothing, "add2")
    assert found.at_chance
    assert found.shape.holds == "undecided"
    assert "at chance" in found.verdict
    assert "at chance" in found.shape.evidence
    assert not in_context(task_table(World(tasks=("add2",))), "add2").at_chance


def test_a_task_that_was_never_asked_without_examples_has_a_panel() -> None:
    table = task_table(World(tasks=("sciq",), coin=False))
    asked = table[[name for name in map(str, table) if not name.startswith("sciq/")]]
    panel = shot_curves(asked).panels[0]
    assert panel.chance == 0.25
    assert len(panel.right[0].x) == 2


def test_tasks_with_one_example_at_most_stand_aside_where_others_have_more() -> None:
    table = task_table(World(tasks=("sciq", "copa"), coin=False))
    mixed = table[[name for name in map(str, table) if not name.startswith(("sciq@k=4", "copa@k=1"))]]
    found = aggregate(mixed)
    assert found.tasks == ("copa",)
    assert [setting.name for setting in found.settings] == ["zero-shot", "few-shot"]


# --- other text, blocks, overlap


def test_other_text_has_a_row_a_size(study: Study, bodies: dict[str, Body]) -> None:
    grid = bodies["other-text"].grids[0]
    assert len(grid.rows) == len(SHAPES) == study.table["N"].nunique()
    assert {"lm_sotu", "lm_wiki", "lm_kjv", "sciq"} <= set(grid.header)


@pytest.mark.parametrize(("gain", "word"), [(0.06, "shown"), (-0.06, "not so here")])
def test_the_headline_of_transferred_blocks_is_the_planted_one(tmp_path: Path, gain: float, word: str) -> None:
    layers = Study(write_layers(tmp_path / "layers", (gain,) * 3, seeds=5), bootstrap=0)
    assert not SECTIONS["tasks"].suits(layers)
    assert len(SECTIONS["layers"].body(layers).lines) == 2
    assert effects(layers).startswith(f"Of the papers' effects, {word}: every transferred block helps (sst2, 3x64)")
    assert any(effects(layers) in line for line in headline(layers))


def test_overlap_is_the_designs(tmp_path: Path) -> None:
    root = write_tasks(tmp_path / "tasks")
    assert not SECTIONS["overlap"].suits(Study(root))
    design = json.loads((root / "sweep.json").read_text())
    facts = {"n": 13, "texts": 64, "touched": 2, "short": 8}
    write_json(root / "sweep.json", design | {"overlap": {"sotu": {"sciq": facts}}})
    counted = Study(root)
    assert SECTIONS["overlap"].suits(counted)
    assert cells(SECTIONS["overlap"].body(counted).grids[0]) == {"sciq": ["sotu", "64", "2", "8"]}


# --- what scoring cost


def test_the_cost_of_scoring_counts_a_trunk_once_and_every_rungs_end(study: Study) -> None:
    points = study.table.drop_duplicates(["trunk_id", "tokens", "phase"])
    scoring = POINT_SECONDS * len(points)
    *others, largest = BUDGETS
    alone = sum(tokens * Spec.model_fields["cooldown_fraction"].default for tokens in others)
    training = study.table["trunk_id"].nunique() * (largest + alone) / TOKENS_A_SECOND
    said = scoring_cost(study.runs)
    assert float(said.split(" %")[0]) == pytest.approx(100 * scoring / training, abs=0.1)
    assert said.endswith(f"over {len(study.runs)} rungs of {2 * len(SHAPES)} trunks")
    some = [run for run in study.runs if run.spec.trunk_id == study.runs[0].spec.trunk_id]
    assert scoring_cost(some).endswith("over 3 rungs of one trunk")


def test_runs_that_kept_no_time_of_scoring_have_no_cost(tmp_path: Path) -> None:
    assert scoring_cost(read_runs(write_planted(tmp_path / "bare", failed=True))) == "not recorded"
