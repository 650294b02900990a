"""The run table: exact types, planted values, refusals, and cells that no spreadsheet runs."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.table import SCHEMA, load, read, write
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


OWN = pd.DataFrame({"Model Size": [1e6, 2e6, 4e6], "Training FLOP": [6e15, 1.2e16, 4.8e16], "loss": [3.0, 2.8, 2.5]})


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_own_tables_of_every_kind_read_alike(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"own{suffix}"
    writers = {
        ".csv": lambda: OWN.to_csv(path, index=False),
        ".jsonl": lambda: OWN.to_json(path, orient="records", lines=True),
        ".parquet": lambda: OWN.to_parquet(path),
    }
    writers[suffix]()
    table = read(path)
    assert table["params_given"].tolist() == [1e6, 2e6, 4e6]
    assert table["tokens"].tolist() == pytest.approx([1e9, 1e9, 2e9])
    assert table["trunk_id"].nunique() == 3
    assert not table["held_out"].any()
    assert (table["phase"] == "decayed").all()


def test_columns_are_renamed_on_request_and_never_doubled(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    OWN.assign(final=[1.0, 2.0, 3.0], tokens=[1.0, 1.0, 1.0], seen=[5, 6, 7]).to_csv(path, index=False)
    table = read(path, {"loss": "final", "tokens": "seen", "params_given": "Model Size"})
    assert table["loss"].tolist() == [1.0, 2.0, 3.0]
    assert table["tokens"].tolist() == [5, 6, 7]
    assert table.columns.is_unique


@pytest.mark.parametrize(
    ("content", "columns", "words"),
    [
        ("a,loss\n1,2\n", {}, "no column for params_given"),
        ("N,D,loss\n1,2,3\n", {"loss": "los"}, "did you mean 'loss'"),
        ("N,D,loss\n1,2,much\n", {}, "row 0: loss='much' is not a number"),
        ("N,D,loss,held_out\n1,2,3,perhaps\n", {}, "held_out='perhaps'"),
        ("", {}, "cannot be read as csv"),
    ],
)
def test_bad_tables_are_refused_in_one_line(tmp_path: Path, content: str, columns: dict[str, str], words: str) -> None:
    (tmp_path / "own.csv").write_text(content)
    with pytest.raises(Refusal, match=words) as refusal:
        read(tmp_path / "own.csv", columns)
    assert "\n" not in str(refusal.value)


def test_unknown_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "own.xlsx").write_text("")
    with pytest.raises(Refusal, match="is not a file"):
        read(tmp_path / "none.csv")
    with pytest.raises(Refusal, match=r"'\.xlsx'"):
        read(tmp_path / "own.xlsx")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_formulas_in_text_are_written_inert_and_numbers_as_they_are(tmp_path: Path, start: str) -> None:
    table = pd.DataFrame({"corpus": [f"{start}cmd|calc", "sotu", None], f"{start}x": [-1.5, 2.0, np.nan]})
    cells = pd.read_csv(write(table, tmp_path / "table.csv"), lineterminator="\n")
    assert cells["corpus"].tolist()[:2] == [f"'{start}cmd|calc", "sotu"]
    assert pd.isna(cells["corpus"][2])
    assert cells.columns[1].startswith("'")
    assert cells.iloc[0, 1] == -1.5
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]
