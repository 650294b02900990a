"""The walls of the house: who may import whom, and what every file owes its reader."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("harness", "analysis", "sweeps")
FILES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))

# One home a dependency: the files (or folders) that may import it.
HOMES = {
    "lightning": ("harness/module.py", "harness/train.py"),
    "optuna": ("harness/launch.py",),
    "matplotlib": ("analysis/figures/",),
    "pandas": ("analysis/",),
    "lm_eval": ("harness/lm_eval.py",),
    "transformers": (),  # Hugging Face's folders are read and written without it
}
GROUND_FLOOR = {"refusal", "spec", "sweep", "record", "anatomy", "counts", "presets"}


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> Iterator[str]:
    """Dotted names imported anywhere in the file, those inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=name)
def test_rooms_stand_in_a_line(path: Path) -> None:
    room = name(path).split("/")[0]
    above = ROOMS[ROOMS.index(room) + 1 :]
    assert not [module for module in imports(path) if module.split(".")[0] in above]


@pytest.mark.parametrize("path", [p for p in FILES if name(p).startswith("analysis/")], ids=name)
def test_analysis_stands_on_the_ground_floor(path: Path) -> None:
    for module in imports(path):
        top, _, rest = module.partition(".")
        assert top not in ("torch", "lightning", "optuna")
        if top == "harness":
            assert rest.split(".")[0] in GROUND_FLOOR


@pytest.mark.parametrize("path", FILES, ids=name)
def test_each_dependency_has_one_home(path: Path) -> None:
    for module in imports(path):
        homes = HOMES.get(module.split(".")[0])
        assert homes is None or name(path).startswith(homes)


def test_launch_hands_over_a_command_line() -> None:
    assert not [module for module in imports(ROOT / "harness/launch.py") if module.startswith("harness.train")]


@pytest.mark.parametrize("path", FILES + sorted((ROOT / "tests").rglob("*.py")), ids=name)
def test_every_file_says_its_one_job(path: Path) -> None:
    text = path.read_text()
    if text:
        assert ast.get_docstring(ast.parse(text))
        assert text.startswith('"""')


@pytest.mark.parametrize(
    "words", [["--help"], ["status", "--results", "nowhere"], ["models"]], ids=lambda words: words[0]
)
def test_quick_commands_import_nothing_heavy(words: list[str]) -> None:
    program = (
        "import sys\nfrom sweeps.__main__ import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('torch', 'pandas', 'optuna') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_come_from_the_checkout(room: str, tmp_path: Path) -> None:
    """The three names exist on the public index: what is imported must be ours wherever the command is run from."""
    program = f"import {room}; print({room}.__file__)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert Path(done.stdout.strip()) == ROOT / room / "__init__.py"
