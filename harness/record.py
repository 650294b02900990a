"""What a run LEAVES: spec, points, done or failed, and what its trunk is doing now; read and written here alone.

results/<sweep>/
    sweep.json                   the frozen design: rungs, held-out flags, tasks, law
    runs/<run_id>/spec.json      a rung that is asked for
    runs/<run_id>/points.jsonl   its measurements, written whole when it ends
    runs/<run_id>/done.json      stands if and only if the rung is complete
    runs/<run_id>/scores.json    what it was scored on after it had ended, and which texts that read
    runs/<run_id>/failed.json    why it will not complete
    trunks/<trunk_id>/           lock, heartbeat, points so far, checkpoints (never committed)
"""

import contextlib
import fcntl
import functools
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness.refusal import Refusal
from harness.spec import Spec, make_spec

SCHEMA_VERSION = 1
ELSEWHERE = "trained elsewhere"  # the device_name of a run whose weights came in a folder
Json = dict[str, Any]
IMPORTED = "imported"  # the results folder of runs that were trained elsewhere
UNKNOWN = "unknown"  # the corpus of one of them, where nobody said it


@dataclass(frozen=True)
class Point:
    """One evaluation of one run; losses are nats per token, `seconds` is training time up to here."""

    step: int
    tokens: int
    phase: str  # warmup, stable or decayed; imported where nobody knows how many tokens the weights were trained on
    learning_rate: float | None  # None, as in the next two: trained elsewhere
    train_loss: float | None
    seconds: float | None
    scores: dict[str, float]


@dataclass(frozen=True)
class Run:
    folder: Path
    spec: Spec
    done: Json | None
    failure: Json | None

    @property
    def run_id(self) -> str:
        return self.folder.name

    @functools.cached_property
    def points(self) -> list[Point]:
        """Its measurements; the last one with what it was scored on later."""
        points = read_points(self.folder)
        later = (read_json(self.folder / "scores.json") or {}).get("scores", {})
        return [*points[:-1], replace(points[-1], scores=later | points[-1].scores)] if points else []

    @property
    def pending(self) -> bool:
        return self.done is None and self.failure is None

    @property
    def elsewhere(self) -> bool:
        """Whether it was trained elsewhere: then nothing here knows how."""
        return (self.done or {}).get("device_name") == ELSEWHERE


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Replaces the file whole: a reader sees the old text or the new one, also after a crash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_bytes(path, (json.dumps(value, indent=1) + "\n").encode())


def replace_bytes(path: Path, content: bytes) -> None:
    staged = _staged(path, content)
    os.replace(staged, path)


def commit(path: Path, value: Mapping[str, Any]) -> bool:
    """Writes the file unless it stands already (then False): of two writers one wins, and nothing is torn."""
    staged = _staged(path, (json.dumps(value, indent=1) + "\n").encode())
    try:
        os.link(staged, path)
        return True
    except FileExistsError:
        return False
    finally:
        staged.unlink()


def _staged(path: Path, content: bytes) -> Path:
    staged = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    try:
        with staged.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        staged.unlink(missing_ok=True)
        raise
    return staged


def sweep_out(folder: Path) -> None:
    """Removes what a killed writer staged; only for who holds the folder's claim."""
    for staged in folder.glob(".*.*"):
        staged.unlink(missing_ok=True)


def read_json(path: Path) -> Json | None:
    """The object in the file, or None where there is none (or one that a crash of the disk tore)."""
    try:
        value = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return value if isinstance(value, dict) else None


# --- runs


def run_folder(root: Path, run_id: str) -> Path:
    return root / "runs" / run_id


def ask_for(root: Path, spec: Spec) -> None:
    """Lays the rung into the queue: a folder with its spec.json."""
    folder = run_folder(root, spec.run_id)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "spec.json").exists():
        commit(folder / "spec.json", spec.model_dump(mode="json"))


def read_run(folder: Path) -> Run:
    """The run in this folder; refuses a spec.json that does not hash to the folder's name."""
    run = Run(folder, _read_spec(folder), read_json(folder / "done.json"), read_json(folder / "failed.json"))
    if run.done is not None and not ("seconds" in run.done and (folder / "points.jsonl").is_file()):
        raise Refusal(
            f"{folder} has a done.json without seconds or points, so it was damaged: delete done.json, launch again"
        )
    return run


@functools.cache
def _read_spec(folder: Path) -> Spec:
    """Read once a process: a spec.json never changes."""
    fields = read_json(folder / "spec.json")
    if fields is None:
        raise Refusal(
            f"{folder} holds no readable spec.json, so it is no run: name a folder under results/<sweep>/runs"
        )
    try:
        spec = make_spec(fields)
    except Refusal as refusal:
        raise Refusal(f"{folder}/spec.json is no valid spec ({refusal}): it was edited; restore it") from None
    if spec.run_id != folder.name:
        raise Refusal(
            f"{folder}/spec.json hashes to {spec.run_id}, not to its folder's name: it was edited; restore it"
        )
    return spec


def read_runs(root: Path) -> list[Run]:
    """Every run of the sweep folder, in the order of sweep.json."""
    return [read_run(run_folder(root, run_id)) for run_id in run_ids(root)]


def run_ids(root: Path) -> list[str]:
    """Ids of the runs laid out in the folder: those of sweep.json in its order, then any others."""
    there = {path.parent.name for path in (root / "runs").glob("*/spec.json")}
    design = read_json(root / "sweep.json") or {}
    ordered = [rung["run_id"] for rung in design.get("rungs", []) if rung["run_id"] in there]
    return ordered + sorted(there - set(ordered))


def finish(folder: Path, points: Sequence[Point], done: Mapping[str, Any]) -> bool:
    """Commits a rung once: first its points, then done.json, which makes them count."""
    replace_bytes(folder / "points.jsonl", b"".join(_line(point) for point in points))
    return commit(folder / "done.json", done)


def add_scores(folder: Path, scores: Mapping[str, float], data: Mapping[str, Json]) -> None:
    """Adds to what a finished run was scored on after its end; `data` is what each task's text is known by."""
    with claim(folder / "scores.lock", patience=1000):
        known = read_json(folder / "scores.json") or {}
        merged = {name: {**known.get(name, {}), **new} for name, new in (("scores", scores), ("data", data))}
        write_json(folder / "scores.json", merged)


def fail(folder: Path, reason: str, **facts: Any) -> None:
    commit(folder / "failed.json", {"reason": reason, "time": time.time(), **facts})


def forgive(folder: Path) -> None:
    """Puts a failed rung back into the queue."""
    (folder / "failed.json").unlink(missing_ok=True)


# --- points


def _line(point: Point) -> bytes:
    return (json.dumps(asdict(point), allow_nan=False) + "\n").encode()


def read_points(folder: Path) -> list[Point]:
    """The points of a run or trunk folder; a last line torn by a crash is left out."""
    try:
        lines = (folder / "points.jsonl").read_text().splitlines()
    except FileNotFoundError:
        return []
    points = []
    for line in lines:
        with contextlib.suppress(json.JSONDecodeError):
            points.append(Point(**json.loads(line)))
    return points


def append_point(folder: Path, point: Point) -> None:
    with (folder / "points.jsonl").open("ab") as file:
        file.write(_line(point))
        file.flush()
        os.fsync(file.fileno())


def keep_points(folder: Path, until_step: int) -> list[Point]:
    """Drops the points after the step at which a resumed trunk starts again; returns the rest."""
    points = [point for point in read_points(folder) if point.step <= until_step]
    replace_bytes(folder / "points.jsonl", b"".join(_line(point) for point in points))
    return points


# --- sweeps


def write_sweep(root: Path, design: Mapping[str, Any]) -> None:
    write_json(root / "sweep.json", {"schema_version": SCHEMA_VERSION, **design})


def read_sweep(root: Path) -> Json:
    design = read_json(root / "sweep.json")
    if design is None:
        raise Refusal(f"{root} holds no whole sweep.json: launch the sweep, or point --results at the folder above it")
    if design.get("schema_version") != SCHEMA_VERSION or "rungs" not in design:
        raise Refusal(
            f"{root}/sweep.json has schema_version={design.get('schema_version')}, this code reads {SCHEMA_VERSION}: "
            "launch the sweep again to write it anew"
        )
    return design


# --- trunks


def trunk_folder(root: Path, trunk_id: str) -> Path:
    return root / "trunks" / trunk_id


@contextlib.contextmanager
def claim(path: Path, patience: int = 3) -> Iterator[bool]:
    """Holds a kernel lock on the file while the block runs; yields False if another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        yield _lock(file.fileno(), patience)


def _lock(descriptor: int, patience: int) -> bool:
    for attempt in range(patience + 1):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if attempt < patience:
                time.sleep(0.01)  # somebody may only be looking, see is_claimed
    return False


def is_claimed(path: Path) -> bool:
    """Whether some living process holds the lock; looking takes it for an instant."""
    if not path.exists():
        return False
    with path.open() as file:
        return not _lock(file.fileno(), patience=0)


def beat(folder: Path, **facts: Any) -> None:
    """Says what the trunk is doing now; not synced to disk, since it is worthless after a crash."""
    staged = folder / f".heartbeat.{os.getpid()}"
    staged.write_text(json.dumps({"pid": os.getpid(), "time": time.time(), **facts}))
    os.replace(staged, folder / "heartbeat.json")


def heartbeat(folder: Path) -> Json | None:
    return read_json(folder / "heartbeat.json")
