"""A spec refuses what cannot run, and its name is its content."""

from typing import Any

import pytest

from harness.refusal import Refusal
from harness.spec import Spec, make_spec

FIELDS: dict[str, Any] = {"depth": 2, "width": 64, "heads": 4, "unique_tokens": 10_240_000, "tokens": 1_024_000}

# A change here renames every run on every disk: raise SCHEMA_VERSION and say so in the lab book.
GOLDEN = [
    ({}, "311953900e48", "db708dded8ce"),
    ({"tokens": 2048000}, "cd1606462711", "db708dded8ce"),
    ({"variant": "gpt2", "seed": 3}, "09128738c40f", "1aee10cc221e"),
]


def make(**changes: Any) -> Spec:
    return make_spec(FIELDS | changes)


# Any valid change of one field; the test below fails if a field is missing here.
CHANGES: dict[str, Any] = {
    "seed": 1, "variant": "gpt2", "depth": 3, "width": 128, "heads": 2, "context": 32,
    "vocab_size": 512, "corpus": "kjv", "tokenizer": "bpe", "unique_tokens": 5_120_000, "epochs": 2.0,
    "tokens": 2_048_000, "learning_rate": 0.01, "batch_tokens": 2_048, "schedule": "cosine", "warmup_tokens": 1_024,
    "cooldown_fraction": 0.3, "beta1": 0.8, "beta2": 0.99, "epsilon": 1e-9, "weight_decay": 0.2, "clip_norm": 2.0,
    "device": "cuda", "precision": "bf16", "kernel": "compiled", "eval_tokens": 1_024, "evals_per_doubling": 4,
}  # fmt: skip


@pytest.mark.parametrize("field", [name for name in Spec.model_fields if name not in ("schema_version", "parent")])
def test_every_field_takes_part_in_the_name(field: str) -> None:
    changes = {field: CHANGES[field]}
    if field == "vocab_size":
        changes["tokenizer"] = "bpe"
    other = make(tokenizer="bpe") if field == "vocab_size" else make()
    assert make(**changes).run_id != other.run_id


@pytest.mark.parametrize(("changes", "run_id", "trunk_id"), GOLDEN)
def test_golden_names(changes: dict[str, Any], run_id: str, trunk_id: str) -> None:
    spec = make(**changes)
    assert (spec.run_id, spec.trunk_id) == (run_id, trunk_id)


def test_json_round_trip_keeps_the_name() -> None:
    spec = make(learning_rate=0.003)
    assert Spec.model_validate_json(spec.model_dump_json()).run_id == spec.run_id


def test_budgets_share_a_trunk_only_where_the_rate_allows() -> None:
    assert make(tokens=512_000).trunk_id == make().trunk_id
    assert make(tokens=512_000, schedule="cosine").trunk_id != make(schedule="cosine").trunk_id
    assert make(seed=1).trunk_id != make().trunk_id


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
    ({"parent": "0123456789ab"}, "parent="),
    ({"cooldown_fraction": 0.0001}, "cooldown_fraction"),
    ({"schedule": "cosine", "warmup_tokens": 9_000_000}, "warmup_tokens"),
]


@pytest.mark.parametrize(("changes", "said"), REFUSED, ids=lambda value: str(value))
def test_bad_values_are_refused_in_one_line(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(Refusal) as refusal:
        make(**changes)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)
