"""A launched sweep ends with the same table however often it is killed, and its study says what the folders say."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from harness import record
from harness.launch import Study, journal
from harness.record import Point
from harness.worker import PREEMPTED

ROOT = Path(__file__).parents[2]


def start(sweep_file: Path, results: Path, cache: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "sweeps", "launch", str(sweep_file), "--results", str(results), "--workers", "2"]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | {"SCALELAW_CACHE": str(cache)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def launch(sweep_file: Path, results: Path, cache: Path) -> Path:
    assert start(sweep_file, results, cache).wait() == 0
    return results / "planted"


def facts(root: Path) -> dict[str, list[Point]]:
    """Every run's points without what is effort."""
    runs = record.read_runs(root)
    assert all(run.done is not None for run in runs)
    return {run.run_id: [replace(point, seconds=0.0) for point in run.points] for run in runs}


def workers(launcher: int) -> Iterator[int]:
    """Child processes of the launcher."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == launcher and fields[0] != "Z":
            yield int(status.parent.name)


@pytest.fixture
def longer_sweep(sweep_file: Path) -> Path:
    """Eight times the budgets, sixteen times the held-out one, so that there is time to interrupt it."""
    text = sweep_file.read_text().replace("6_400, 12_800", "51_200, 102_400").replace("51_200))", "819_200))")
    sweep_file.write_text(text.replace("'unique_tokens': 61440", "'unique_tokens': 61440, 'epochs': 16"))
    return sweep_file


@pytest.mark.slow
def test_a_worker_that_is_told_to_stop_saves_and_says_so(longer_sweep: Path, tmp_path: Path, cache: Path) -> None:
    launcher = start(longer_sweep, tmp_path, cache)
    checkpoints = tmp_path / "planted" / "trunks"
    while not list(checkpoints.glob("*/heartbeat.json")):
        time.sleep(0.1)
    launcher.send_signal(signal.SIGINT)
    assert launcher.wait() == 130
    assert list(checkpoints.glob("*/*.ckpt"))
    command = [sys.executable, "-m", "sweeps", "worker", str(tmp_path / "planted"), "--cache", str(cache)]
    worker = subprocess.Popen(command, cwd=ROOT)
    while not any(record.is_claimed(lock) for lock in checkpoints.glob("*/lock")):
        time.sleep(0.1)
    time.sleep(1.0)
    worker.terminate()
    assert worker.wait() == PREEMPTED


@pytest.mark.slow
def test_ten_kills_leave_the_same_table(longer_sweep: Path, tmp_path: Path, cache: Path) -> None:
    clean = facts(launch(longer_sweep, tmp_path / "clean", cache))
    chance = random.Random(3)
    launcher = start(longer_sweep, tmp_path / "killed", cache)
    kills = {"worker": 0, "launcher": 0}
    while sum(kills.values()) < 10:
        time.sleep(chance.uniform(3.0, 6.0))
        assert launcher.poll() is None or launcher.returncode == -signal.SIGKILL, "it ended before ten kills"
        victims = list(workers(launcher.pid))
        if sum(kills.values()) % 3 == 2:
            launcher.kill()
            launcher.wait()
            launcher = start(longer_sweep, tmp_path / "killed", cache)
            kills["launcher"] += 1
        elif victims:
            os.kill(chance.choice(victims), signal.SIGKILL)
            kills["worker"] += 1
    assert launcher.wait() == 0
    assert min(kills.values()) >= 3
    assert facts(tmp_path / "killed" / "planted") == clean


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory, sweep_text: str, cache: Path) -> Path:
    folder = tmp_path_factory.mktemp("launched")
    (folder / "planted.py").write_text(sweep_text)
    return launch(folder / "planted.py", folder / "results", cache)


def trials(root: Path) -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name="planted", storage=journal(root / "optuna.journal")).get_trials()


def test_the_study_says_what_the_folders_say(launched: Path) -> None:
    told = {trial.user_attrs["run_id"]: trial for trial in trials(launched)}
    runs = record.read_runs(launched)
    assert len(trials(launched)) == len(told) == len(runs) == 7
    for run in runs:
        trial, loss = told[run.run_id], f"lm_{run.spec.corpus}/nll"
        assert trial.state == TrialState.COMPLETE
        assert {"depth", "width", "tokens"} <= set(trial.params)
        assert all(trial.params[name] == getattr(run.spec, name) for name in trial.params)
        assert trial.value == run.points[-1].scores[loss]
        assert trial.intermediate_values == {point.tokens: point.scores[loss] for point in run.points}


@pytest.mark.parametrize("damage", ["lost", "torn", "garbage"])
def test_a_lost_or_damaged_study_is_rebuilt(launched: Path, damage: str) -> None:
    before = {trial.user_attrs["run_id"]: trial.value for trial in trials(launched)}
    path = launched / "optuna.journal"
    if damage == "lost":
        path.unlink()
    elif damage == "torn":
        path.write_bytes(path.read_bytes()[:-20])
    else:
        path.write_text("no journal\n")
    Study(launched)
    assert {trial.user_attrs["run_id"]: trial.value for trial in trials(launched)} == before


def test_a_failed_rung_is_a_failed_trial_with_its_reason(launched: Path, tmp_path: Path, tiny: Any) -> None:
    spec = tiny()
    record.ask_for(tmp_path, spec)
    record.write_sweep(tmp_path, {"name": "planted", "rungs": [{"run_id": spec.run_id, "held_out": False}]})
    study = Study(tmp_path)
    record.fail(record.run_folder(tmp_path, spec.run_id), "loss is nan at step 3", kind="diverged")
    study.update()
    (trial,) = trials(tmp_path)
    assert trial.state == TrialState.FAIL
    assert trial.user_attrs["failure"] == "loss is nan at step 3"


def test_a_launcher_killed_while_it_lays_out_the_study(tmp_path: Path, tiny: Any) -> None:
    specs = [tiny(seed=seed) for seed in range(4)]
    for spec in specs:
        record.ask_for(tmp_path, spec)
    record.write_sweep(
        tmp_path, {"name": "planted", "rungs": [{"run_id": spec.run_id, "held_out": False} for spec in specs]}
    )
    study = Study(tmp_path)
    for trial in study.open.values():
        study.study.tell(trial, state=TrialState.FAIL)
    for run in list(study.runs.values())[:2]:  # and dies here, before it asks
        study.study.enqueue_trial(study._parameters(run.spec), user_attrs={"run_id": run.run_id})
    again = Study(tmp_path)
    assert set(again.open) == {spec.run_id for spec in specs}
    record.fail(record.run_folder(tmp_path, specs[0].run_id), "planted", kind="error")
    again.update()
    states = [trial.state for trial in trials(tmp_path) if trial.user_attrs["run_id"] == specs[0].run_id]
    assert TrialState.WAITING not in {trial.state for trial in trials(tmp_path)}
    assert states[-1] == TrialState.FAIL


def test_two_launches_of_one_sweep_work_together(sweep_file: Path, tmp_path: Path, cache: Path, launched: Path) -> None:
    pair = [start(sweep_file, tmp_path, cache) for _ in range(2)]
    assert [launcher.wait() for launcher in pair] == [0, 0]
    assert facts(tmp_path / "planted") == facts(launched)


def test_a_second_text_is_never_mixed_in(launched: Path, cache: Path, corpus: Path) -> None:
    path = launched / "sweep.json"
    design = json.loads(path.read_text())
    for facts_of_text in design["data"].values():
        facts_of_text["data_hash"] = "another"
    path.write_text(json.dumps(design))
    folder = launched.parents[1]
    done = subprocess.run(
        [sys.executable, "-m", "sweeps", "launch", str(folder / "planted.py"), "--results", str(folder / "results")],
        cwd=ROOT,
        env=os.environ | {"SCALELAW_CACHE": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "never mixed" in done.stderr
