"""Runs a laid-out sweep: owns its Optuna study, keeps workers alive, and tells the study what they leave.

The run folders are the truth and the queue; the study is what dashboards show, rebuilt from the folders when lost.
"""

import contextlib
import hashlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from harness import record
from harness.executors import EXECUTORS, Started
from harness.progress import Progress, read_progress
from harness.record import Point, Run
from harness.refusal import Refusal, pick
from harness.spec import Spec
from harness.worker import PREEMPTED, pending

POLL_SECONDS = 1.0
IDLE_TIMES = 30  # the launcher rests so many times as long as it took to look: workers need the cores
DEATHS_ALLOWED = 20  # workers that end one after another while no rung is committed

# Always parameters of a trial; the second group only where the sweep varies them.
SHOWN = ("depth", "width", "tokens")
SHOWN_IF_VARIED = ("learning_rate", "batch_tokens", "seed", "unique_tokens", "context")

Show = Callable[[Progress], None]

optuna.logging.set_verbosity(optuna.logging.WARNING)


# --- the study


class Study:
    """The sweep's Optuna study; only the launcher that holds the sweep's lock opens it."""

    def __init__(self, root: Path, storage_url: str | None = None) -> None:
        self.root = root
        self.runs = {run_id: record.read_run(record.run_folder(root, run_id)) for run_id in record.run_ids(root)}
        self.held_out = {rung["run_id"] for rung in record.read_sweep(root)["rungs"] if rung["held_out"]}
        self.distributions = distributions([run.spec for run in self.runs.values()])
        name = record.read_sweep(root)["name"]
        if storage_url:  # which other results folders may share
            name = f"{name}-{hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:8]}"
        storage = storage_from(storage_url) if storage_url else journal(root / "optuna.journal")
        self.study = optuna.create_study(study_name=name, storage=storage, direction="minimize", load_if_exists=True)
        self.open: dict[str, Trial] = {}
        self.told_steps: dict[str, set[int]] = {}
        self._attach()

    def _attach(self) -> None:
        """Gives every run one trial: those of an earlier launch are taken up again, finished runs are added whole."""
        known: set[str] = set()
        for trial in self.study.get_trials(deepcopy=False):
            run = self.runs.get(trial.user_attrs.get("run_id", ""))
            if run is None or run.run_id in known or not _agrees(trial, run):
                continue
            known.add(run.run_id)
            if trial.state == TrialState.RUNNING:
                self.open[run.run_id] = self._reopened(trial)
        missing = [run for run_id, run in self.runs.items() if run_id not in known]
        self.study.add_trials([self._finished(run) for run in missing if run.done])
        for run in missing:
            if run.done is None:
                self.study.enqueue_trial(self._parameters(run.spec), user_attrs=self._attributes(run))
        for _ in self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            asked = self.study.ask(self.distributions)
            run_id = asked.user_attrs.get("run_id", "")
            if run_id in self.runs and run_id not in self.open:
                self.open[run_id] = asked
            else:  # a launcher was killed between laying it out and asking for it
                self.study.tell(asked, state=TrialState.FAIL)

    def _reopened(self, trial: FrozenTrial) -> Trial:
        # Optuna has no public way back from a stored trial to one that takes reports.
        reopened = Trial(self.study, trial._trial_id)
        self.told_steps[trial.user_attrs["run_id"]] = set(trial.intermediate_values)
        return reopened

    def _parameters(self, spec: Spec) -> dict[str, int | float]:
        return {name: getattr(spec, name) for name in self.distributions}

    def _attributes(self, run: Run) -> dict[str, str | bool]:
        return {"run_id": run.run_id, "trunk_id": run.spec.trunk_id, "held_out": run.run_id in self.held_out}

    def _finished(self, run: Run) -> FrozenTrial:
        return optuna.trial.create_trial(
            state=TrialState.COMPLETE,
            value=_loss(run.spec, run.points[-1]),
            params=self._parameters(run.spec),
            distributions=self.distributions,
            user_attrs=self._attributes(run),
            intermediate_values={point.tokens: _loss(run.spec, point) for point in run.points},
        )

    def update(self) -> None:
        """Reports new evaluations at their tokens, and tells the runs that ended."""
        for run_id, trial in list(self.open.items()):
            run = record.read_run(record.run_folder(self.root, run_id))
            self._report(trial, run)
            if run.done:
                self.study.tell(trial.number, _loss(run.spec, run.points[-1]))
            elif run.failure:
                trial.set_user_attr("failure", run.failure["reason"])
                self.study.tell(trial.number, state=TrialState.FAIL)
            if not run.pending:
                del self.open[run_id]

    def _report(self, trial: Trial, run: Run) -> None:
        points = run.points
        if run.pending:
            trunk = record.read_points(record.trunk_folder(self.root, run.spec.trunk_id))
            points = [point for point in trunk if point.step <= run.spec.branch_step]
        told = self.told_steps.setdefault(run.run_id, set())
        for point in points:
            if point.tokens not in told:
                trial.report(_loss(run.spec, point), step=point.tokens)
                told.add(point.tokens)


def _agrees(trial: FrozenTrial, run: Run) -> bool:
    """Whether the trial says what the folder says; what does not is overtaken by a new trial."""
    if trial.state == TrialState.COMPLETE:
        return run.done is not None
    if trial.state == TrialState.FAIL:
        return run.done is None and run.failure is not None
    return trial.state == TrialState.RUNNING


def _loss(spec: Spec, point: Point) -> float:
    return point.scores[f"lm_{spec.corpus}/nll"]


def distributions(specs: Sequence[Spec]) -> dict[str, BaseDistribution]:
    """The range of each parameter over the design; integers and rates, so that a sweep may grow later."""
    ranges: dict[str, BaseDistribution] = {}
    for name in SHOWN + SHOWN_IF_VARIED:
        values = [getattr(spec, name) for spec in specs]
        if name in SHOWN_IF_VARIED and min(values) == max(values):
            continue
        if isinstance(values[0], float):
            ranges[name] = FloatDistribution(min(values), max(values), log=True)
        else:
            ranges[name] = IntDistribution(min(values), max(values))
    return ranges


def journal(path: Path) -> BaseStorage:
    """Optuna's journal file; one that a crash left damaged is put aside, to be rebuilt from the run folders."""
    path = path.absolute()  # with a relative path a stale lock waits for ever
    # Only the holder of the launch lock comes here, so a lock on the journal is a dead launcher's.
    Path(f"{path}.lock").unlink(missing_ok=True)
    if path.exists() and not _whole(path):
        os.replace(path, f"{path}.damaged-{time.time_ns()}")
    return JournalStorage(JournalFileBackend(str(path)))


def _whole(path: Path) -> bool:
    """Optuna overlooks a torn last line, writes behind it, and can then never read the file again."""
    with path.open("rb") as lines:
        try:
            return all(line.endswith(b"\n") and isinstance(json.loads(line), dict) for line in lines)
        except ValueError:
            return False


def storage_from(url: str) -> BaseStorage:
    try:
        return optuna.storages.get_storage(url)
    except Exception as error:
        raise Refusal(
            f"--storage {url!r} does not open ({str(error).splitlines()[0]}): give an SQLAlchemy URL such as "
            "sqlite:///study.db, or leave it out for a journal file beside the runs"
        ) from None


# --- the workers


class Workers:
    """Keeps up to `count` workers running while there are trunks that nobody has claimed."""

    def __init__(self, root: Path, cache: Path, count: int, executor: str) -> None:
        self.root, self.count = root, count
        self.start = pick(EXECUTORS, executor, "executor")
        self.command = [sys.executable, "-m", "sweeps", "worker", str(root), "--cache", str(cache)]
        self.command += ["--parent", str(os.getpid())]
        self.running: list[Started] = []
        self.deaths = 0

    def keep(self) -> None:
        """Replaces workers that ended while work is left."""
        codes = [worker.poll() for worker in self.running]
        self.deaths += sum(code is not None for code in codes)
        self.running = [worker for worker, code in zip(self.running, codes, strict=True) if code is None]
        trunks = {spec.trunk_id for spec in pending(self.root)}
        claimed = sum(record.is_claimed(record.trunk_folder(self.root, trunk_id) / "lock") for trunk_id in trunks)
        alive = len(self.running)
        starting = max(0, alive - claimed)  # have claimed nothing yet
        for slot in range(alive, min(self.count, alive + len(trunks) - claimed - starting)):
            self.running.append(self.start(self.command, self.root / "logs" / f"worker-{slot}.log"))

    def stop(self) -> None:
        """Asks every worker to save and end, and waits for it."""
        for worker in self.running:
            with contextlib.suppress(ProcessLookupError):
                worker.terminate()
        while any(worker.poll() is None for worker in self.running):
            time.sleep(0.1)


def launch(
    root: Path, cache: Path, workers: int, show: Show, executor: str = "local", storage_url: str | None = None
) -> int:
    """Trains what is missing; returns 0, or 1 if a rung failed. A second launch of a live sweep only adds workers."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(PREEMPTED))
    crew = Workers(root, cache, workers, executor)
    study: Study | None = None
    finished = -1
    with contextlib.ExitStack() as held:
        held.callback(crew.stop)
        while True:
            looked = time.monotonic()
            if study is None and _own(root, held):
                study = Study(root, storage_url)
            progress = read_progress(root)
            if study:
                study.update()
            show(progress)
            if progress.waiting == 0:
                return int(bool(progress.failed))
            if len(progress.done) + len(progress.failed) > finished:
                finished, crew.deaths = len(progress.done) + len(progress.failed), 0
            if crew.deaths > DEATHS_ALLOWED:
                raise Refusal(
                    f"{crew.deaths} workers ended without finishing a rung: read {root / 'logs'}/worker-0.log, "
                    "mend the cause, and launch again"
                )
            crew.keep()
            time.sleep(max(POLL_SECONDS, IDLE_TIMES * (time.monotonic() - looked)))


def _own(root: Path, held: contextlib.ExitStack) -> bool:
    """Takes the sweep's lock for as long as `held` lives, if no other launcher has it."""
    with contextlib.ExitStack() as attempt:
        if not attempt.enter_context(record.claim(root / "launch.lock", patience=0)):
            return False
        held.enter_context(attempt.pop_all())
        return True
