"""A spec refuses what cannot run, and its name is its content."""

from typing import Any

import pytest

from harness.anatomy import ANATOMIES
from harness.refusal import Refusal
from harness.spec import Spec, make_spec

FIELDS: dict[str, Any] = {"depth": 2, "width": 64, "heads": 4, "unique_tokens": 10_240_000, "tokens": 1_024_000}

# A change here renames every run on every disk.
GOLDEN = [
    ({}, "311953900e48", "db708dded8ce"),
    ({"tokens": 2048000}, "cd1606462711", "db708dded8ce"),
    ({"variant": "gpt2", "seed": 3}, "09128738c40f", "1aee10cc221e"),
    ({"parent": "0123456789ab"}, "88d961643c65", "106e0ce074e6"),
    ({"parent": "0123456789ab", "transferred": 1}, "80850c979c3b", "91aef4932042"),
    ({"labels": "sst2", "lm_weight": 0.0}, "5ba175e818c4", "a133d015b9ed"),
]


def make(**changes: Any) -> Spec:
    return make_spec(FIELDS | changes)


PARENT = "0123456789ab"

# Any valid change of one field; the test below fails if a field is missing here.
CHANGES: dict[str, Any] = {
    "seed": 1, "parent": PARENT, "variant": "gpt2", "depth": 3, "width": 128, "heads": 2, "context": 32,
    "vocab_size": 512, "corpus": "kjv", "tokenizer": "bpe", "unique_tokens": 5_120_000, "epochs": 2.0,
    "tokens": 2_048_000, "learning_rate": 0.01, "batch_tokens": 2_048, "schedule": "cosine", "warmup_tokens": 1_024,
    "cooldown_fraction": 0.3, "beta1": 0.8, "beta2": 0.99, "epsilon": 1e-9, "weight_decay": 0.2, "clip_norm": 2.0,
    "kv_heads": 2, "head_width": 8, "mlp_width": 100, "activation": "swiglu", "norm": "rms", "norm_epsilon": 1e-5,
    "qk_norm": "none", "rotary_base": 500_000.0, "window": 4, "parametrisation": "mup", "base_width": 32,
    "base_depth": 1, "transferred": 1, "labels": "sst2", "lm_weight": 0.25,
    "device": "cuda", "precision": "bf16", "kernel": "compiled", "eval_tokens": 1_024, "evals_per_doubling": 4,
}  # fmt: skip


@pytest.mark.parametrize("field", [name for name in Spec.model_fields if name != "schema_version"])
def test_every_field_takes_part_in_the_name(field: str) -> None:
    needed = {"vocab_size": {"tokenizer": "bpe"}, "window": {"variant": "gpt3"}}
    scales = {"parametrisation": "completep", "base_width": 64, "base_depth": 2}
    needed |= {"transferred": {"parent": PARENT}, "lm_weight": {"labels": "sst2"}}
    needed |= {"base_width": scales, "base_depth": scales, "parametrisation": {"base_width": 64}}
    changed = {**needed.get(field, {}), field: CHANGES[field]}
    assert make(**changed).run_id != make(**needed.get(field, {})).run_id


@pytest.mark.parametrize("variant", ANATOMIES)
def test_saying_what_is_so_unasked_changes_no_name(variant: str) -> None:
    for quiet in (make(variant=variant), make(variant=variant, parent=PARENT), make(variant=variant, labels="sst2")):
        assert make(**quiet.model_dump()).run_id == quiet.run_id
        assert make(**quiet.model_dump()).trunk_id == quiet.trunk_id


@pytest.mark.parametrize(("changes", "run_id", "trunk_id"), GOLDEN)
def test_golden_names(changes: dict[str, Any], run_id: str, trunk_id: str) -> None:
    spec = make(**changes)
    assert (spec.run_id, spec.trunk_id) == (run_id, trunk_id)


@pytest.mark.parametrize("width", [64.0, "64"])
def test_a_whole_number_is_one_however_it_is_written(width: Any) -> None:
    assert make(width=width).run_id == make(width=64).run_id


def test_json_round_trip_keeps_the_name() -> None:
    spec = make(learning_rate=0.003)
    assert Spec.model_validate_json(spec.model_dump_json()).run_id == spec.run_id


def test_budgets_share_a_trunk_only_where_the_rate_allows() -> None:
    assert make(tokens=512_000).trunk_id == make().trunk_id
    assert make(tokens=512_000, schedule="cosine").trunk_id != make(schedule="cosine").trunk_id
    assert make(seed=1).trunk_id != make().trunk_id


def test_budgets_of_one_parent_and_pool_share_a_trunk() -> None:
    child = make(parent=PARENT)
    assert make(parent=PARENT, tokens=512_000).trunk_id == child.trunk_id != make().trunk_id
    assert make(parent=PARENT, unique_tokens=1_024_000).trunk_id != child.trunk_id
    assert make(parent="ba9876543210").trunk_id != child.trunk_id


def test_unasked_all_blocks_are_taken_from_a_parent_and_none_without() -> None:
    assert make(parent=PARENT, depth=3).transferred == 3
    assert make(parent=PARENT, depth=3, transferred=0).transferred == 0
    assert make(depth=3).transferred == 0


def test_evaluations_of_a_smaller_budget_are_among_those_of_the_trunk() -> None:
    small, large = make(tokens=512_000, evals_per_doubling=3), make(evals_per_doubling=3)
    assert set(small.eval_steps[:-1]) <= set(large.eval_steps[:-1])
    assert small.eval_steps[-1] == small.steps
    assert all(step <= small.branch_step for step in small.eval_steps[:-1])


REFUSED = [
    ({"width": 65}, "width=65"),
    ({"heads": 3}, "heads=3"),
    ({"batch_tokens": 1_000}, "use 1024"),
    ({"tokens": 1_000_000}, "use 1000448"),
    ({"tokens": 20_480_000}, "epochs=2"),
    ({"depht": 2}, "did you mean 'depth'"),
    ({"depth": 0}, "depth=0"),
    ({"learning_rate": float("nan")}, "learning_rate"),
    ({"learning_rate": float("inf")}, "learning_rate"),
    ({"warmup_tokens": 1_000_000}, "cool-down"),
    ({"vocab_size": 300}, "use 256"),
    ({"depth": "two"}, "depth='two'"),
    ({"depth": True}, "depth=True"),
    ({"parent": "ladder"}, "parent='ladder' is no run id"),
    ({"parent": PARENT, "transferred": 3}, "use transferred=2"),
    ({"parent": PARENT, "transferred": -1}, "transferred=-1"),
    ({"transferred": 1}, "say parent"),
    ({"lm_weight": 0.25}, "say labels"),
    ({"labels": "sst2", "lm_weight": -1.0}, "lm_weight=-1"),
    ({"labels": "sst2", "kernel": "compiled"}, "use kernel=eager"),
    ({"variant": "modem"}, "did you mean 'modern'"),
    ({"width": 66, "heads": 22}, "rotates 3 features in pairs"),
    (
        {"variant": "neox", "width": 48},
        "rotates 3 features in pairs: it must be even and at least 2; use width=44",
    ),
    ({"kv_heads": 3}, "heads=4 is not divisible by kv_heads=3"),
    ({"variant": "gpt2", "kv_heads": 2}, "use kv_heads=4"),
    ({"variant": "gpt2", "activation": "swiglu"}, "use activation=gelu"),
    ({"variant": "gpt2", "qk_norm": "rms"}, "qk_norm='rms'"),
    ({"norm": "layer"}, "plain_rms or rms"),
    ({"window": 32}, "variant=gpt3"),
    ({"variant": "gpt3", "window": 65}, "at most 64"),
    ({"variant": "gpt2", "rotary_base": 10_000.0}, "learned positions"),
    ({"rotary_base": 0.5}, "use 10000"),
    ({"base_width": 32}, "knows no base width"),
    ({"parametrisation": "mup", "base_width": 32, "base_depth": 1}, "knows no base depth"),
    ({"parametrisation": "mup"}, "say base_width"),
    ({"parametrisation": "completep", "base_width": 32}, "say base_depth"),
    ({"variant": "gpt1", "parametrisation": "completep", "base_width": 64, "base_depth": 2}, "use parametrisation=mup"),
    ({"parametrisation": "mop"}, "parametrisation='mop'"),
    ({"cooldown_fraction": 0.0001}, "cooldown_fraction"),
    ({"schedule": "cosine", "warmup_tokens": 9_000_000}, "warmup_tokens"),
]


@pytest.mark.parametrize(("changes", "said"), REFUSED, ids=lambda value: str(value))
def test_bad_values_are_refused_in_one_line(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(Refusal) as refusal:
        make(**changes)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)
