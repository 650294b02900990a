"""Over the whole catalogue: names, floors and frozen facts of every task."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.refusal import Refusal
from harness.tasks import CHOICES, FILES, SUITES, TASKS, expanded, find_task
from harness.tasks.choice import Choice
from tests.harness.planted_models import Table

CONTEXT = 512


@pytest.fixture(scope="module")
def even() -> Table:
    """Every byte is as likely as another."""
    return Table(torch.full((256, 256), -math.log(256)), CONTEXT)


@pytest.mark.parametrize("name", TASKS)
def test_every_task_is_found_by_its_name(name: str) -> None:
    assert find_task(name).name == name


@pytest.mark.parametrize("name", CHOICES)
def test_who_knows_nothing_scores_the_floor(name: str, tiny: Any, even: Table, tmp_path_factory: Any) -> None:
    """By the rule `token` all choices tie for a model without preferences, and its accuracy is the floor exactly."""
    cache = tmp_path_factory.getbasetemp() / "tasks"
    spec = tiny(context=CONTEXT, batch_tokens=CONTEXT)
    task = find_task(f"{name}@limit=16")
    found = task.score(even, task.load(spec, cache), "cpu")
    scores = {column.rsplit("/", 1)[1]: value for column, value in found.items()}
    assert scores["nll_token"] == pytest.approx(math.log(256), rel=1e-6)
    assert scores["acc_token" if "acc_token" in scores else "acc_exact"] == pytest.approx(scores["chance"])
    assert scores["items"] == 16
    assert 0 <= scores["cut"] <= 1
    facts = task.facts(spec, cache)
    assert facts["items"] == 16 < facts["of"]
    assert facts["data_hash"] != find_task(f"{name}@limit=8").facts(spec, cache)["data_hash"]


@pytest.mark.parametrize("suite", SUITES)
def test_a_suite_is_made_of_tasks(suite: str) -> None:
    names = expanded([suite, suite])
    assert names == list(dict.fromkeys(SUITES[suite]))
    assert all(find_task(name).name == name for name in names)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_such_task", "no_such_task"),
        ("sciqq", "did you mean 'sciq'"),
        ("lm_sotu@k=4", "k"),
        ("coordinates@k=1", "no variations"),
        ("sciq@shots=4", "shots"),
        ("sciq@k=four", "four"),
        ("sciq@k=", "write k=VALUE"),
        ("sciq@k", "write k=VALUE"),
        ("sciq@", "no option ''"),
        ("sciq@k=4,shuffled=0", "shuffled has no value"),
        ("lm_wiki@detokeniser=", "write detokeniser=VALUE"),
        ("sciq@k=-1", "from 0"),
        ("sciq@limit=0", "from 1"),
        ("sciq@shuffled", "no answer to shuffle"),
        ("lm_nowhere", "nowhere"),
    ],
)
def test_a_wrong_name_is_answered_in_one_line(name: str, words: str) -> None:
    with pytest.raises(Refusal, match=words) as refused:
        find_task(name)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("told", ["k=4", "k=4,shuffled", "limit=16", "k=2,limit=16"])
def test_a_variation_is_part_of_the_name(told: str) -> None:
    task = find_task(f"sciq@{told}")
    assert task.name == f"sciq@{told}"
    assert isinstance(task, Choice)
    assert find_task("sciq@limit=16,k=2").name == "sciq@k=2,limit=16"


def test_a_file_of_ones_own_is_a_task(tmp_path: Path, tiny: Any, even: Table, cache: Path) -> None:
    lines = {
        "questions_": [{"context": f"{n}", "choices": ["a", "b"], "answer": n % 2} for n in range(40)],
        "pairs_": [{"good": f"a {n}", "bad": f"b {n}"} for n in range(40)],
        "judgements_": [{"sentence": f"a {n}", "label": n % 2} for n in range(40)],
    }
    assert {*lines, "lm_", "positions_"} == set(FILES)
    for kind, rows in lines.items():
        path = tmp_path / f"{kind}.jsonl"
        path.write_text("\n".join(map(json.dumps, rows)))
        task = find_task(f"{kind}{path}")
        found = task.score(even, task.load(tiny(context=64), cache), "cpu")
        assert {column.rsplit("/", 1)[0] for column in found} == {f"{kind}{path}"}
        assert found[f"{kind}{path}/chance"] == 0.5
        assert found[f"{kind}{path}/nll_token"] == pytest.approx(math.log(256), rel=1e-6)
        with pytest.raises(Refusal, match="nowhere"):
            find_task(f"{kind}nowhere.jsonl").facts(tiny(), cache)


def test_judgements_of_one_kind_are_refused(tmp_path: Path, tiny: Any, cache: Path) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text("\n".join(json.dumps({"sentence": f"a {n}", "label": int(n > 0)}) for n in range(9)))
    with pytest.raises(Refusal, match="8 acceptable sentences and 1 others"):
        find_task(f"judgements_{path}").load(tiny(context=64), cache)


def test_an_at_sign_of_a_source_is_no_variation(tmp_path: Path) -> None:
    folder = tmp_path / "me@home"
    folder.mkdir()
    (folder / "own.txt").write_text("one two")
    for source in (f"{folder}/own.txt", "hf:someone/something@main"):
        assert find_task(f"lm_{source}").name == f"lm_{source}"
        assert find_task(f"lm_{source}@stride=4").name == f"lm_{source}@stride=4"


def test_a_child_has_no_coordinates(tiny: Any, cache: Path) -> None:
    """It moves from its parent's weights, not from those that its seed draws."""
    with pytest.raises(Refusal, match="parent=0123456789ab"):
        find_task("coordinates").load(tiny(parent="0123456789ab"), cache)
