"""What stands on disk is whole, written once, and survives torn lines and dead holders."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness import record
from harness.record import Point
from harness.refusal import Refusal


def point(step: int) -> Point:
    return Point(step, step * 128, "stable", 0.01, 3.2, step * 0.1, {"lm_x/nll": 1 / 3})


def test_points_round_trip_and_a_torn_line_is_left_out(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        record.append_point(tmp_path, point(step))
    with (tmp_path / "points.jsonl").open("ab") as file:
        file.write(b'{"step": 4, "tok')
    assert record.read_points(tmp_path) == [point(1), point(2), point(3)]


def test_resumed_points_are_cut_to_the_checkpoint(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        record.append_point(tmp_path, point(step))
    assert record.keep_points(tmp_path, until_step=2) == [point(1), point(2)] == record.read_points(tmp_path)


def test_a_rung_is_committed_once(tmp_path: Path, tiny: Any) -> None:
    spec = tiny()
    record.ask_for(tmp_path, spec)
    folder = record.run_folder(tmp_path, spec.run_id)
    assert record.finish(folder, [point(1)], {"winner": 1, "seconds": 1.0})
    assert not record.finish(folder, [point(1)], {"winner": 2, "seconds": 1.0})
    assert record.read_run(folder).done == {"winner": 1, "seconds": 1.0}
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_an_edited_spec_is_refused(tmp_path: Path, tiny: Any) -> None:
    spec = tiny()
    record.ask_for(tmp_path, spec)
    folder = record.run_folder(tmp_path, spec.run_id)
    path = folder / "spec.json"
    path.write_text(path.read_text().replace('"depth": 1', '"depth": 2'))
    with pytest.raises(Refusal, match="edited"):
        record.read_run(folder)


def test_runs_come_in_the_order_of_the_design(tmp_path: Path, tiny: Any) -> None:
    specs = [tiny(seed=seed) for seed in range(4)]
    for spec in specs:
        record.ask_for(tmp_path, spec)
    order = [specs[i].run_id for i in (2, 0, 3, 1)]
    record.write_sweep(tmp_path, {"rungs": [{"run_id": run_id} for run_id in order]})
    assert [run.run_id for run in record.read_runs(tmp_path)] == order


@pytest.mark.parametrize("text", ["", "[]", "\xff", '{"schema_version": 1}', '{"schema_version": 9, "rungs": []}'])
def test_a_damaged_design_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "sweep.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(Refusal):
        record.read_sweep(tmp_path)


def test_a_claim_excludes_others_and_dies_with_its_holder(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom harness import record\n"
        f"with record.claim(Path({str(lock)!r})) as mine:\n    print(mine, flush=True)\n    time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    with holder.stdout:
        assert holder.stdout.readline() == "True\n"
        assert record.is_claimed(lock)
        with record.claim(lock) as mine:
            assert not mine
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    assert not record.is_claimed(lock)
    with record.claim(lock) as mine:
        assert mine
