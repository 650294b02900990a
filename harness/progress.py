"""How far a launched sweep is, read from its folder alone: done, running, failed and why, and when it will end."""

from dataclasses import dataclass
from pathlib import Path

from harness import record
from harness.plan import by_trunk, seconds_scale, step_seconds, trunk_tokens
from harness.record import Run


@dataclass(frozen=True)
class Running:
    """A trunk that a living worker holds."""

    run: Run
    step: int
    phase: str
    tokens_per_second: float


@dataclass(frozen=True)
class Progress:
    total: int
    done: list[Run]
    failed: list[Run]
    running: list[Running]
    launcher: bool  # whether a launch is alive
    fraction: float  # of the sweep's estimated training seconds
    seconds_left: float  # of work, for one worker
    longest_trunk_seconds: float

    @property
    def waiting(self) -> int:
        return self.total - len(self.done) - len(self.failed)

    def eta_seconds(self, workers: int) -> float:
        return max(self.seconds_left / max(1, workers), self.longest_trunk_seconds)


def read_progress(root: Path) -> Progress:
    runs = record.read_runs(root)
    pending = {run.run_id: run for run in runs if run.pending}
    scale = seconds_scale(runs)
    running, left = [], []
    for trunk in by_trunk([run.spec for run in pending.values()]):
        folder = record.trunk_folder(root, trunk[0].trunk_id)
        beat = record.heartbeat(folder)
        tokens = trunk_tokens(trunk)
        if beat and record.is_claimed(folder / "lock"):
            tokens = max(0, tokens - beat["step"] * trunk[0].batch_tokens)
            if beat["run_id"] in pending:
                running.append(Running(pending[beat["run_id"]], beat["step"], beat["phase"], beat["tokens_per_second"]))
        left.append(scale * step_seconds(trunk[0]) * tokens / trunk[0].batch_tokens)
    total_seconds = sum(
        scale * step_seconds(trunk[0]) * trunk_tokens(trunk) / trunk[0].batch_tokens
        for trunk in by_trunk([run.spec for run in runs if run.failure is None])
    )
    return Progress(
        total=len(runs),
        done=[run for run in runs if run.done is not None],
        failed=[run for run in runs if run.done is None and run.failure is not None],
        running=running,
        launcher=record.is_claimed(root / "launch.lock"),
        fraction=1 - sum(left) / total_seconds if total_seconds else 1.0,
        seconds_left=sum(left),
        longest_trunk_seconds=max(left, default=0.0),
    )
