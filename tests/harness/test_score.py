"""A finished run is scored on new tasks as it would have been at its end, and the scores join its row of the table."""

import json
from pathlib import Path
from typing import Any

import pytest

from analysis.table import load
from harness import record
from harness.dataset import prepare
from harness.refusal import Refusal
from harness.score import score_run
from harness.tasks import find_task
from harness.weights import tokenizer_of
from tests.conftest import Command

MISTAKES = {
    ("nothing", "--tasks", "lm_sotu"): "nothing",
    ("one", "--tasks", "lm_nowhere"): "nowhere",
    ("one", "--tasks", "lm_sotu", "--corpus", "sotu"): "name neither",
    ("one",): "--tasks",
    ("one", "--tasks", "sciq", "--limit", "9"): "sciq@limit=",
}


@pytest.fixture
def sweep(tmp_path: Path, scalelaw: Command, corpus: Path, tiny: Any) -> Path:
    """One rung, scored on a text at its end."""
    fields = tiny(tokens=6_400, unique_tokens=6_400).model_dump(mode="json", exclude={"schema_version", "parent"})
    file = tmp_path / "one.py"
    file.write_text(
        "from harness.sweep import Sweep\n"
        f"SWEEP = Sweep(name='one', question='?', base={fields!r}, axes=[], tasks=('lm_{corpus}',))\n"
    )
    done = scalelaw("launch", file, "--workers", "1")
    assert done.returncode == 0, done.stderr
    return tmp_path / "results" / "one"


@pytest.fixture
def text(tmp_path: Path) -> Path:
    folder = tmp_path / "other"
    folder.mkdir()
    for number in range(40):
        (folder / f"{number}.txt").write_text(f"ba ki lo {number} mu sel tor " * 10)
    return folder


def test_a_score_given_later_is_the_one_given_at_the_end_and_joins_the_table(
    sweep: Path, scalelaw: Command, corpus: Path, text: Path, cache: Path
) -> None:
    (run,) = record.read_runs(sweep)
    again = score_run(run, [find_task(f"lm_{corpus}")], cache)
    before = run.points[-1].scores
    assert again == {name: before[name] for name in again}
    assert again
    done = scalelaw("score", run.run_id, "--tasks", f"lm_{text}", "--json")
    assert done.returncode == 0, done.stderr
    scores = json.loads(done.stdout)[run.run_id]
    assert set(scores) == {f"lm_{text}/{metric}" for metric in ("nll", "nll_stderr", "bpb", "bpb_stderr")}
    row = load(sweep).query("phase == 'decayed'").iloc[0]
    assert {name: row[name] for name in scores} == scores
    assert row[f"lm_{corpus}/nll"] == before[f"lm_{corpus}/nll"]
    assert "±" in scalelaw("score", sweep, "--tasks", f"lm_{text}").stdout
    for file in text.glob("*.txt"):
        file.write_text(file.read_text() + "tor")
    changed = scalelaw("score", sweep, "--tasks", f"lm_{text}")
    assert changed.returncode == 2
    assert "never mixed" in changed.stderr
    for words, said in MISTAKES.items():
        done = scalelaw("score", *words)
        assert done.returncode == 2
        assert said in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_ids_of_a_text_that_changed_are_not_read_as_the_old_ones(
    tiny: Any, text: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cache = tmp_path_factory.mktemp("own")
    fields = {"corpus": str(text), "tokenizer": "bpe", "vocab_size": 270, "unique_tokens": 2_048, "tokens": 2_048}
    spec = tiny(**fields, warmup_tokens=0)
    read = prepare(str(text), "bpe", 270, cache).data_hash
    record.ask_for(tmp_path / "sweep", spec)
    folder = record.run_folder(tmp_path / "sweep", spec.run_id)
    last = record.Point(spec.steps, spec.tokens, "decayed", None, None, None, {})
    record.finish(folder, [last], {"run_id": spec.run_id, "seconds": 1.0, "data_hash": read})
    run = record.read_run(folder)
    assert tokenizer_of(run, cache).vocab_size == 270
    for file in text.glob("*.txt"):
        file.write_text(file.read_text() + "selsel")
    with pytest.raises(Refusal, match="other text"):
        tokenizer_of(run, cache)
