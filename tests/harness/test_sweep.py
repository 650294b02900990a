"""Axes become rungs: each once, held-out ones apart, overrides everywhere."""

from pathlib import Path
from typing import Any

import pytest

from harness.refusal import Refusal
from harness.sweep import Sweep, find_sweep, over

BASE: dict[str, Any] = {"heads": lambda run: run["width"] // 16, "unique_tokens": 1_024_000, "warmup_tokens": 1_024}


def sweep(**changes: Any) -> Sweep:
    fields: dict[str, Any] = {
        "name": "planted",
        "question": "?",
        "base": BASE,
        "axes": [over("depth width", (1, 16), (2, 32)), over("tokens", 102_400, 204_800)],
    }
    return Sweep(**fields | changes)


def keep(fields: dict[str, Any]) -> dict[str, Any]:
    return fields


def test_axes_multiply_and_functions_follow() -> None:
    specs = [rung.spec for rung in sweep().rungs(keep)]
    assert [(s.depth, s.width, s.heads, s.tokens) for s in specs] == [
        (1, 16, 1, 102_400), (1, 16, 1, 204_800), (2, 32, 2, 102_400), (2, 32, 2, 204_800)
    ]  # fmt: skip


def test_overrides_replace_and_multiply_without_repeats() -> None:
    rungs = sweep(overrides={"width": [64, 128], "seed": [0, 1]}).rungs(keep)
    assert len(rungs) == len({rung.spec.run_id for rung in rungs}) == 2 * 2 * 2 * 2
    assert {rung.spec.heads for rung in rungs} == {4, 8}


def test_an_override_leaves_what_is_held_out() -> None:
    held_out = [over("depth width tokens", (3, 64, 409_600))]
    rungs = sweep(held_out=held_out, overrides={"width": [16], "seed": [7]}).rungs(keep)
    (held,) = (rung.spec for rung in rungs if rung.held_out)
    assert (held.depth, held.width, held.tokens, held.seed) == (3, 64, 409_600, 7)


def test_a_rule_that_cannot_be_computed_is_refused() -> None:
    with pytest.raises(Refusal, match="where cannot be computed"):
        sweep(where=lambda run: run["widht"] > 1).rungs(keep)


def test_where_filters() -> None:
    assert {rung.spec.depth for rung in sweep(where=lambda run: run["depth"] > 1).rungs(keep)} == {2}


def test_a_fitted_trunk_is_not_held_out() -> None:
    with pytest.raises(Refusal, match="held out whole"):
        sweep(held_out=[over("depth width tokens", (2, 32, 409_600))]).rungs(keep)


def test_nothing_left_is_refused() -> None:
    with pytest.raises(Refusal, match="no rungs left"):
        sweep(where=lambda run: False).rungs(keep)


def test_unknown_sweeps_name_the_nearest() -> None:
    folder = Path(__file__).parents[2] / "sweeps"
    with pytest.raises(Refusal, match="did you mean 'demo'"):
        find_sweep("demmo", folder)


@pytest.mark.parametrize(("text", "said"), [("1/0", "ZeroDivisionError"), ("x = 1", "has no SWEEP")])
def test_broken_sweep_files_are_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "broken.py"
    path.write_text(text)
    with pytest.raises(Refusal, match=said):
        find_sweep(str(path), tmp_path)
