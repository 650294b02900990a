"""The command as its users type it: the whole path on a planted corpus, and one line for every mistake."""

import json
from pathlib import Path
from typing import Any

import pytest


def test_the_whole_path(scalelaw: Any, sweep_file: Path, tmp_path: Path) -> None:
    plan = json.loads(scalelaw("plan", sweep_file, "--json").stdout)
    assert (plan["trunks"], len(plan["rungs"])) == (4, 7)
    launched = scalelaw("launch", sweep_file, "--workers", "2")
    assert launched.returncode == 0, launched.stderr
    status = json.loads(scalelaw("status", "planted", "--json").stdout)["planted"]
    assert (len(status["done"]), status["failed"], status["running"], status["launcher"]) == (7, {}, {}, False)
    fitted = scalelaw("fit", "planted", "--bootstrap", "50", "--json")
    assert fitted.returncode == 0, fitted.stderr
    assert json.loads(fitted.stdout)["rows"] == 6
    report = scalelaw("report", "planted", "--bootstrap", "50")
    assert report.returncode == 0, report.stderr
    assert (tmp_path / "results/planted/report/report.html").stat().st_size > 10_000
    runs = [rung["run_id"] for rung in plan["rungs"][:2]]
    compared = scalelaw("compare", *runs)
    assert compared.returncode == 0, compared.stderr
    assert "tokens" in compared.stdout
    before = sorted(path.stat().st_mtime_ns for path in (tmp_path / "results/planted/runs").rglob("*"))
    assert scalelaw("launch", sweep_file).returncode == 0
    assert before == sorted(path.stat().st_mtime_ns for path in (tmp_path / "results/planted/runs").rglob("*"))
    other = scalelaw("launch", sweep_file, "--set", "seed=5")
    assert other.returncode == 2
    assert "--results" in other.stderr


def wrong(*words: str) -> list[str]:
    return list(words)


MISTAKES = [
    (wrong("plan", "demmo"), "did you mean 'demo'"),
    (wrong("plan", "demo", "--set", "widht=64"), "did you mean 'width'"),
    (wrong("plan", "demo", "--set", "width"), "FIELD=VALUE"),
    (wrong("plan", "demo", "--set", "width=abc"), "width='abc'"),
    (wrong("plan", "demo", "--set", "width=65", "--set", "heads=4"), "width=65"),
    (wrong("plan", "demo", "--set", "variant=modren"), "did you mean 'modern'"),
    (wrong("plan", "demo", "--set", "parent=12e4"), "parent='12e4' is no run id"),
    (wrong("launch", "demo", "--set", "unique_tokens=90112000"), "use unique_tokens="),
    (wrong("launch", "demo", "--set", "corpus=sout"), "Did you mean 'sotu'"),
    (wrong("plan", "demo", "--set", "unique_tokens=51200"), "epochs="),
    (wrong("status", "demo"), "nothing was launched"),
    (wrong("report", "nothing"), "nothing was launched"),
    (wrong("fit", "nothing"), "nothing was launched"),
    (wrong("compare", "0123456789ab", "ba9876543210"), "no single run or sweep"),
    (wrong("compare", "demo"), "no single run"),
    (wrong("dashboard", "demo"), "nothing was launched"),
]


@pytest.mark.parametrize(("words", "said"), MISTAKES, ids=[" ".join(words) for words, _ in MISTAKES])
def test_a_mistake_gets_one_line_and_exit_code_two(scalelaw: Any, words: list[str], said: str) -> None:
    done = scalelaw(*words)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not done.stdout
