"""The run table: exact types, planted values, refusals, and cells that no spreadsheet runs."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.table import SCHEMA, load, write
from harness.counts import counts
from harness.record import read_runs
from harness.refusal import Refusal
from tests.analysis.planted import BUDGETS, HELD_OUT_TOKENS, SHAPES, write_planted


def types(table: pd.DataFrame) -> dict[str, str]:
    return {name: str(dtype) for name, dtype in table.dtypes.items()}


def test_a_row_for_each_point_with_the_schema_first(planted: Path) -> None:
    table = load(planted)
    scores = [name for name in table if name not in SCHEMA]
    assert list(table.columns[: len(SCHEMA)]) == list(SCHEMA)
    assert types(table) == SCHEMA | dict.fromkeys(scores, "float64")
    finished = [run for run in read_runs(planted) if run.done]
    assert len(table) == sum(len(run.points) for run in finished)
    assert not table.duplicated(["run_id", "tokens"]).any()


def test_values_are_those_of_the_folders(planted: Path) -> None:
    table = load(planted).set_index(["run_id", "tokens"])
    for run in (run for run in read_runs(planted) if run.done):
        for point in run.points:
            row = table.loc[(run.run_id, point.tokens)]
            assert row["loss"] == point.scores["lm_sotu/nll"]
            assert row["lm_wiki/bpb_stderr"] == point.scores["lm_wiki/bpb_stderr"]
            assert row["trunk_id"] == run.spec.trunk_id
            assert row[[name for name in SCHEMA if name.startswith("params_")]].sum() == counts(run.spec).params


def test_a_trunk_is_held_out_whole_and_failures_are_left_out(planted: Path) -> None:
    table = load(planted)
    decayed = table[table["phase"] == "decayed"]
    assert len(decayed) == len(SHAPES) * len(BUDGETS) + 1
    held = decayed[decayed["held_out"]]
    assert held["tokens"].tolist() == [HELD_OUT_TOKENS]
    assert table.groupby("trunk_id")["held_out"].nunique().max() == 1
    assert set(table["run_id"]) == {run.run_id for run in read_runs(planted) if run.failure is None}


def test_an_empty_sweep_has_the_same_types(tmp_path: Path) -> None:
    table = load(write_planted(tmp_path / "empty", shapes=(), held_out=False, failed=False))
    assert len(table) == 0
    assert types(table) == SCHEMA


def test_what_was_not_measured_is_nan(tmp_path: Path, planted: Path) -> None:
    folder = next(run.folder for run in read_runs(write_planted(tmp_path / "holes", shapes=SHAPES[:2])) if run.done)
    lines = [json.loads(line) for line in (folder / "points.jsonl").read_text().splitlines()]
    del lines[-1]["scores"]["lm_wiki/bpb"]
    (folder / "points.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    row = load(tmp_path / "holes").query("run_id == @folder.name").iloc[-1]
    assert np.isnan(row["lm_wiki/bpb"])
    assert not np.isnan(row["lm_kjv/bpb"])


def test_mixed_data_are_refused(tmp_path: Path) -> None:
    root = write_planted(tmp_path / "mixed", shapes=SHAPES[:2])
    done = next(run.folder for run in read_runs(root) if run.done) / "done.json"
    done.write_text(done.read_text().replace("f00dfeed", "deadbeef"))
    with pytest.raises(Refusal, match=r"deadbeefdead.*one data set per corpus"):
        load(root)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_formulas_in_text_are_written_inert_and_numbers_as_they_are(tmp_path: Path, start: str) -> None:
    table = pd.DataFrame({"corpus": [f"{start}cmd|calc", "sotu", None], f"{start}x": [-1.5, 2.0, np.nan]})
    cells = pd.read_csv(write(table, tmp_path / "table.csv"), lineterminator="\n")
    assert cells["corpus"].tolist()[:2] == [f"'{start}cmd|calc", "sotu"]
    assert pd.isna(cells["corpus"][2])
    assert cells.columns[1].startswith("'")
    assert cells.iloc[0, 1] == -1.5
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]
