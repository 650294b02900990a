"""Axes become rungs: each once, held-out ones apart, overrides everywhere."""

from pathlib import Path
from typing import Any

import pytest

from harness.refusal import Refusal
from harness.sweep import Sweep, find_sweep, over

BASE: dict[str, Any] = {"heads": lambda run: run["width"] // 16, "unique_tokens": 1_024_000, "warmup_tokens": 1_024}
# What else a preset with GPT-2's vocabulary and a context of 1024 wants.
PRESET_TEXT: dict[str, Any] = {"tokenizer": "gpt2", "batch_tokens": 1_024, "tokens": 102_400}


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


@pytest.mark.parametrize(
    "changes",
    [
        {"base": BASE | {"preset": "GPT-2 medium"}},
        {"base": BASE | {"preset": "chinchilla-3530m"}, "axes": [over("preset", "gpt2-medium")]},
        {"overrides": {"preset": ["gpt2-medium"]}},
    ],
    ids=["base", "axis", "override"],
)
def test_a_preset_is_its_shape(changes: dict[str, Any]) -> None:
    """Wherever it stands: a preset replaces the one before it whole, its width of heads too."""
    changes = {"axes": []} | changes | {"base": changes.get("base", BASE) | PRESET_TEXT}
    (spec,) = (rung.spec for rung in sweep(**changes).rungs(keep))
    assert (spec.variant, spec.depth, spec.width, spec.heads, spec.head_width) == ("gpt2", 24, 1024, 16, 64)
    assert (spec.context, spec.vocab_size, spec.mlp_width) == (1024, 50_257, 4096)


def test_fields_after_a_preset_win() -> None:
    base = BASE | PRESET_TEXT | {"depth": 7, "preset": "gpt2-medium", "width": 512}
    specs = [rung.spec for rung in sweep(base=base, axes=[over("depth", 1, 2)]).rungs(keep)]
    assert [(s.depth, s.width, s.heads, s.mlp_width) for s in specs] == [(1, 512, 16, 2048), (2, 512, 16, 2048)]
    (spec,) = (rung.spec for rung in sweep(base=base, axes=[]).rungs(keep))
    assert spec.depth == 24


def test_a_preset_leaves_what_is_held_out() -> None:
    held_out = [over("depth width heads tokens", (30, 2048, 32, 409_600))]
    rungs = sweep(base=BASE | PRESET_TEXT, axes=[], held_out=held_out, overrides={"preset": ["gpt2"]}).rungs(keep)
    assert [(r.spec.depth, r.spec.width, r.spec.heads) for r in rungs] == [(12, 768, 12), (30, 2048, 32)]


def test_a_preset_is_held_to_the_tokenizer() -> None:
    bytewise = BASE | PRESET_TEXT | {"tokenizer": "bytes"}
    with pytest.raises(Refusal, match="vocab_size=50257 does not fit tokenizer=bytes: use 256"):
        sweep(base=bytewise, axes=[], overrides={"preset": ["gpt2-medium"]}).rungs(keep)


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(Refusal, match="did you mean 'gpt2-medium'"):
        sweep(overrides={"preset": ["gpt2-medum"]}).rungs(keep)


def test_an_override_is_one_field() -> None:
    with pytest.raises(Refusal, match="no spec field is called 'depth width'"):
        sweep(overrides={"depth width": [1]}).rungs(keep)


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
