"""Shared by all tests: a corpus with a planted statistic, tiny specs, and sweep files made from them."""

import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.spec import Spec, make_spec

os.environ["OMP_NUM_THREADS"] = "1"

ROOT = Path(__file__).parent.parent

Command = Callable[..., subprocess.CompletedProcess[str]]

TINY: dict[str, Any] = {
    "depth": 1,
    "width": 16,
    "heads": 1,
    "context": 16,
    "unique_tokens": 32_768,
    "tokens": 12_800,
    "batch_tokens": 128,
    "warmup_tokens": 1_280,
    "learning_rate": 0.01,
    "eval_tokens": 1_024,
    "evals_per_doubling": 2,
}

SYLLABLES = ["ba", "de", "ki", "lo", "mu", "ran", "sel", "tor"]


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty made-up documents in which each syllable leans on the one before, so that there is something to learn."""
    source = random.Random(7)
    folder = tmp_path_factory.mktemp("corpus") / "planted"
    folder.mkdir()
    for number in range(60):
        syllable, words = 0, []
        for _ in range(400):
            syllable = (syllable + source.choice([1, 1, 1, 3])) % len(SYLLABLES)
            words.append(SYLLABLES[syllable] + (" " if source.random() < 0.4 else ""))
        (folder / f"{number:02d}.txt").write_text("".join(words) + f" {number}\n")
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def tiny(corpus: Path) -> Any:
    """Makes a tiny Spec on the planted corpus, with any field changed."""

    def make(**fields: Any) -> Spec:
        return make_spec({**TINY, "corpus": str(corpus), **fields})

    return make


SWEEP_FILE = '''"""A planted sweep."""

from harness.sweep import Sweep, over

SWEEP = Sweep(
    name="planted",
    question="Does the machinery hold?",
    base={base!r},
    axes=[over("depth width", (1, 16), (1, 32), (2, 16)), over("tokens", 6_400, 12_800)],
    held_out=[over("depth width tokens", (2, 32, 51_200))],
)
'''


@pytest.fixture(scope="session")
def sweep_text(corpus: Path) -> str:
    """A sweep of four trunks and seven rungs that trains in seconds."""
    return SWEEP_FILE.format(base={**TINY, "corpus": str(corpus), "unique_tokens": 61_440})


@pytest.fixture
def sweep_file(tmp_path: Path, sweep_text: str) -> Path:
    path = tmp_path / "planted.py"
    path.write_text(sweep_text)
    return path


@pytest.fixture
def scalelaw(tmp_path: Path, cache: Path) -> Command:
    """Runs the command in a process of its own, with results in a folder of this test's."""

    def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "sweeps", *map(str, words), "--results", str(tmp_path / "results")],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=os.environ | {"SCALELAW_CACHE": str(cache)},
            check=False,
        )

    return run
