"""A rung's numbers depend on its spec alone: not on branching, on interruptions, or on what else its trunk holds."""

import math
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from harness import checkpoint, record
from harness.models import VARIANTS
from harness.module import GPTModule
from harness.record import Point
from harness.schedule import learning_rate
from harness.spec import Spec
from harness.train import Preempted, Trunk


def train(root: Path, cache: Path, specs: list[Spec], stop: threading.Event | None = None) -> None:
    for spec in specs:
        record.ask_for(root, spec)
    Trunk(root, specs, {"tasks": [], "data": {}}, cache, stop or threading.Event()).train()


def facts(root: Path, spec: Spec) -> list[Point]:
    """The run's points without what is effort."""
    run = record.read_run(record.run_folder(root, spec.run_id))
    assert run.done is not None
    return [replace(point, seconds=0.0) for point in run.points]


def test_a_branch_equals_the_run_that_was_never_branched(tmp_path: Path, cache: Path, tiny: Any) -> None:
    budgets = [tiny(tokens=tokens) for tokens in (6_400, 12_800, 25_600)]
    train(tmp_path / "trunk", cache, budgets)
    for spec in budgets:
        train(tmp_path / "alone", cache, [spec])
        assert facts(tmp_path / "trunk", spec) == facts(tmp_path / "alone", spec)


def test_a_grown_trunk_equals_one_laid_out_whole(tmp_path: Path, cache: Path, tiny: Any) -> None:
    small, large = tiny(tokens=10_240), tiny(tokens=25_600)  # the small one branches off at an evaluation
    train(tmp_path / "whole", cache, [small, large])
    train(tmp_path / "grown", cache, [small])
    train(tmp_path / "grown", cache, [large])
    for spec in (small, large):
        assert facts(tmp_path / "grown", spec) == facts(tmp_path / "whole", spec)


@pytest.mark.parametrize("fields", [{"schedule": "cosine"}, {"epochs": 4.0, "unique_tokens": 6_400}], ids=str)
def test_every_kind_of_run_survives_interruption(tmp_path: Path, cache: Path, tiny: Any, fields: Any) -> None:
    specs = [tiny(tokens=tokens, **fields) for tokens in (12_800, 25_600)]
    for spec in specs:
        train(tmp_path / "whole", cache, [spec])
        with pytest.raises(Preempted):
            train(tmp_path / "cut", cache, [spec], StopAtStep(70))
        train(tmp_path / "cut", cache, [spec])
        assert facts(tmp_path / "cut", spec) == facts(tmp_path / "whole", spec)
        assert len({point.step for point in facts(tmp_path / "cut", spec)}) == len(facts(tmp_path / "cut", spec))


class StopAtStep(threading.Event):
    """Set after so many looks, that is, after so many steps."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.left = 2 * step

    def is_set(self) -> bool:
        self.left -= 1
        return self.left <= 0


@pytest.mark.parametrize("step", [3, 41, 90])
def test_an_interrupted_run_ends_as_if_it_had_not_been(tmp_path: Path, cache: Path, tiny: Any, step: int) -> None:
    spec = tiny()
    train(tmp_path / "whole", cache, [spec])
    with pytest.raises(Preempted):
        train(tmp_path / "cut", cache, [spec], StopAtStep(step))
    train(tmp_path / "cut", cache, [spec])
    assert facts(tmp_path / "cut", spec) == facts(tmp_path / "whole", spec)


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_learns(tmp_path: Path, cache: Path, tiny: Any, variant: str) -> None:
    spec = tiny(tokens=25_600, variant=variant)
    train(tmp_path, cache, [spec])
    losses = [point.scores[f"lm_{spec.corpus}/nll"] for point in facts(tmp_path, spec)]
    assert losses[-1] < losses[0] < math.log(256)


def test_seeds_differ_and_repeat(tmp_path: Path, cache: Path, tiny: Any) -> None:
    ends = []
    for folder, seed in (("a", 0), ("b", 1), ("c", 0)):
        train(tmp_path / folder, cache, [tiny(seed=seed)])
        ends.append(facts(tmp_path / folder, tiny(seed=seed))[-1])
    assert ends[0] == ends[2] != ends[1]


def test_a_run_that_diverges_is_failed_with_its_reason(tmp_path: Path, cache: Path, tiny: Any) -> None:
    specs = [tiny(learning_rate=1e6, tokens=tokens, variant="gpt2") for tokens in (6_400, 12_800)]
    train(tmp_path, cache, specs)
    for spec in specs:
        run = record.read_run(record.run_folder(tmp_path, spec.run_id))
        assert run.done is None
        assert run.failure is not None
        assert run.failure["kind"] == "diverged"
        assert "loss" in run.failure["reason"]


@pytest.mark.parametrize("schedule", ["wsd", "cosine"])
def test_the_rate_rises_and_falls(tiny: Any, schedule: str) -> None:
    spec = tiny(schedule=schedule)
    rates = [learning_rate(spec, step) for step in range(spec.steps)]
    top = rates.index(max(rates))
    assert max(rates) == pytest.approx(spec.learning_rate)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert 0 < rates[-1] < 0.3 * spec.learning_rate


def test_the_rate_of_a_trunk_knows_no_budget(tiny: Any) -> None:
    small, large = tiny(tokens=6_400), tiny(tokens=25_600)
    for step in range(small.branch_step):
        assert learning_rate(small, step) == learning_rate(large, step)


@pytest.mark.parametrize("damage", ["torn", "flipped", "gone"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "trunk.ckpt"
    for step in (1, 2):
        checkpoint.save(path, {"step": step, "weight": torch.full((8,), float(step))})
    content = bytearray(path.read_bytes())
    if damage == "torn":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        content[-100] ^= 1
        path.write_bytes(content)
    else:
        path.unlink()
    state = checkpoint.load(path)
    assert state is not None
    assert state["step"] == 1


def test_a_state_with_a_group_of_nothing_is_taken_up(tmp_path: Path, tiny: Any) -> None:
    """As trunks left it when a model without vectors still had a group for them."""
    left, found = GPTModule(tiny()), GPTModule(tiny(seed=1))
    state = left.state()
    state["optimizer"]["param_groups"].append({**state["optimizer"]["param_groups"][0], "params": []})
    checkpoint.save(tmp_path / "trunk.ckpt", state)
    found.restore(checkpoint.load(tmp_path / "trunk.ckpt") or {})
    assert all(torch.equal(a, b) for a, b in zip(left.parameters(), found.parameters(), strict=True))


def test_a_checkpoint_that_would_run_code_is_not_loaded(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "ran",))

    checkpoint.save(tmp_path / "trunk.ckpt", {"step": 1, "bomb": Bomb()})
    assert checkpoint.load(tmp_path / "trunk.ckpt") is None
    assert not (tmp_path / "ran").exists()
