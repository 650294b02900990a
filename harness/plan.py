"""What a sweep will cost before anything is trained: rungs, trunks, FLOPs, seconds, and what already stands."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import record
from harness.counts import Parts, counts
from harness.record import Run
from harness.refusal import Refusal
from harness.spec import Spec
from harness.sweep import HELD_OUT_RATIO, Rung

# One core of an AVX-512 machine, fp32, as the steps of the `ladder` study took it (results/ladder/report/runs.csv).
STEP_SECONDS, LAYER_SECONDS, CPU_FLOPS = 1.0e-3, 1.0e-3, 4.0e10
# A launch-bound tiny model on a data-centre GPU; replaced by what the first finished runs show.
GPU_STEP_SECONDS, GPU_FLOPS = 4.0e-3, 1.0e14


@dataclass(frozen=True)
class PlannedRung:
    """One row of the plan; `flops` is what the rung would cost alone, `seconds` what it adds to its trunk here."""

    spec: Spec
    held_out: bool
    parts: Parts
    flops: float
    seconds: float
    state: str  # done, failed or pending


@dataclass(frozen=True)
class Plan:
    rungs: list[PlannedRung]

    @property
    def trunks(self) -> int:
        return len({rung.spec.trunk_id for rung in self.rungs})

    @property
    def pending(self) -> list[PlannedRung]:
        return [rung for rung in self.rungs if rung.state == "pending"]

    @property
    def flops_trained(self) -> float:
        """What training every trunk once and branching costs."""
        return sum(trunk_flops(trunk) for trunk in by_trunk([rung.spec for rung in self.rungs]))

    @property
    def flops_unbranched(self) -> float:
        return sum(rung.flops for rung in self.rungs)

    def seconds_left(self, workers: int) -> float:
        """The longest trunk bounds it from below however many workers there are."""
        trunks: dict[str, float] = {}
        for rung in self.pending:
            trunks[rung.spec.trunk_id] = trunks.get(rung.spec.trunk_id, 0.0) + rung.seconds
        return max(sum(trunks.values()) / workers, max(trunks.values(), default=0.0))


def make_plan(rungs: Sequence[Rung], root: Path) -> Plan:
    """Costs from closed forms; seconds are scaled to the runs that already stand in `root`."""
    check_held_out(rungs)
    runs = {run_id: record.read_run(record.run_folder(root, run_id)) for run_id in record.run_ids(root)}
    scale = seconds_scale(list(runs.values()))
    before: dict[str, int] = {}
    seconds: dict[str, float] = {}
    for spec in sorted((rung.spec for rung in rungs), key=lambda spec: spec.tokens):
        shared = before.get(spec.trunk_id, 0)
        seconds[spec.run_id] = scale * step_seconds(spec) * (spec.steps - shared)
        before[spec.trunk_id] = max(shared, spec.branch_step if spec.schedule == "wsd" else 0)
    return Plan(
        [
            PlannedRung(
                spec=rung.spec,
                held_out=rung.held_out,
                parts=counts(rung.spec),
                flops=counts(rung.spec).flops * rung.spec.tokens,
                seconds=seconds[rung.spec.run_id],
                state=_state(runs.get(rung.spec.run_id)),
            )
            for rung in rungs
        ]
    )


def check_held_out(rungs: Sequence[Rung]) -> None:
    """A forecast is only one if it reaches well beyond what was fitted."""
    fitted = max(counts(rung.spec).flops * rung.spec.tokens for rung in rungs if not rung.held_out)
    for rung in rungs:
        cost = counts(rung.spec).flops * rung.spec.tokens
        if rung.held_out and cost < HELD_OUT_RATIO * fitted:
            raise Refusal(
                f"held-out rung depth={rung.spec.depth} width={rung.spec.width} tokens={rung.spec.tokens} costs "
                f"{cost:.3g} FLOPs, {cost / fitted:.2f}x the dearest fitted rung: a forecast must reach at least "
                f"{HELD_OUT_RATIO:g}x; raise its tokens or shape, or shrink the fitted grid"
            )


def _state(run: Run | None) -> str:
    if run is None or run.pending:
        return "pending"
    return "done" if run.done is not None else "failed"


# --- trunks


def trunk_tokens(specs: Sequence[Spec]) -> int:
    """Tokens that one trunk and the cool-downs of its rungs really train on."""
    if specs[0].schedule == "cosine":
        return sum(spec.tokens for spec in specs)
    cooldowns = sum((spec.steps - spec.branch_step) * spec.batch_tokens for spec in specs)
    return max(spec.branch_step for spec in specs) * specs[0].batch_tokens + cooldowns


def trunk_flops(specs: Sequence[Spec]) -> float:
    return float(trunk_tokens(specs) * counts(specs[0]).flops)


def by_trunk(specs: Sequence[Spec]) -> list[list[Spec]]:
    """Rungs grouped by trunk, dearest trunk first, so that the last one to finish is small."""
    trunks: dict[str, list[Spec]] = {}
    for spec in specs:
        trunks.setdefault(spec.trunk_id, []).append(spec)
    return sorted(trunks.values(), key=trunk_flops, reverse=True)


# --- seconds


def step_seconds(spec: Spec) -> float:
    """A first guess of one training step's time: dispatch a layer plus arithmetic."""
    flops = counts(spec).flops * spec.batch_tokens
    if spec.device == "cuda":
        return GPU_STEP_SECONDS + flops / GPU_FLOPS
    return STEP_SECONDS + LAYER_SECONDS * spec.depth + flops / CPU_FLOPS


def seconds_scale(runs: Sequence[Run]) -> float:
    """Median of measured over guessed seconds among finished runs; 1 before there are any."""
    ratios = [run.done["seconds"] / (step_seconds(run.spec) * run.spec.steps) for run in runs if run.done is not None]
    return statistics.median(ratios) if ratios else 1.0
