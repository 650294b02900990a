"""Curves of loss over learning rate whose minimum is known: as tables, and as results folders of planted runs."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.record import Point, ask_for, fail, finish, run_folder, write_sweep
from harness.spec import Spec, make_spec

SIZES = (32, 64, 128, 256)
FLOORS = (2.30, 2.12, 1.98, 1.90)  # loss at each size's best rate
BEST = -6.0  # log2 of the smallest size's best rate
DRIFTS = {"standard": -1.0, "completep": 0.0}  # octaves of the best rate per doubling of size
# Fine about where the vertex is expected, wider outside: 13 rates.
GRID = np.concatenate([[-2.0, -1.5], np.arange(-4, 5) / 4, [1.5, 2.0]])
STEP_TOKENS, STEPS = 512, 800


def linex(tilt: float, curvature: float) -> Callable[[np.ndarray], np.ndarray]:
    """Rises like a straight line to the left of its minimum at nought, like exp(tilt u) to the right."""
    return lambda u: 2 * curvature / tilt**2 * (np.exp(tilt * u) - tilt * u - 1)


SHAPES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "even": lambda u: 0.049 * u**2 - 0.001 * u**3 + 0.0005 * u**4,
    "steep to the right": linex(1.0, 0.048),
    "lopsided": linex(1.5, 0.02),
    "flat": linex(1.0, 0.01),
}


def world(
    shape: Callable[[np.ndarray], np.ndarray],
    random: np.random.Generator,
    seeds: int = 2,
    noise: float = 0.005,
    offset: float = 0.005,
    tilt: float = 0.0,
    drifts: Mapping[str, float] = DRIFTS,
    grid: np.ndarray = GRID,
) -> pd.DataFrame:
    """A table of runs: every seed has an `offset` at all rates together, and a `tilt` an octave, every run its noise.

    The expected vertex, about which the rates lie, is off by as much as .4 octaves.
    """
    rows = []
    for name, drift in drifts.items():
        for i, (size, floor) in enumerate(zip(SIZES, FLOORS, strict=True)):
            u = grid + np.round(4 * random.uniform(-0.4, 0.4)) / 4 + random.uniform(-0.125, 0.125)
            mean = floor + shape(u)
            for seed in range(seeds):
                own = offset * random.standard_normal() + tilt * random.standard_normal() * u
                loss = mean + own + noise * random.standard_normal(len(u))
                rows += [(name, size, 2, seed, 2 ** (BEST + drift * i + x), y) for x, y in zip(u, loss, strict=True)]
    return pd.DataFrame(rows, columns=["parametrisation", "width", "depth", "seed", "learning_rate", "loss"])


def write_rates(root: Path, seeds: int = 2, axis: str = "width", highest: float = -2.0, **world_fields: Any) -> Path:
    """A sweep folder of such a world; runs at log2 rates above `highest` at the largest size failed."""
    table = world(SHAPES["steep to the right"], np.random.default_rng(0), seeds, **world_fields)
    runs = []
    for row in table.itertuples():
        size = int(row.width) if axis == "width" else int(row.width) // 16
        shape = {"width": size, "depth": 2} if axis == "width" else {"width": 32, "depth": size}
        spec = planted_spec(shape, str(row.parametrisation), axis, seed=int(row.seed), learning_rate=row.learning_rate)
        failed = np.log2(row.learning_rate) > highest - SIZES.index(int(row.width))
        runs.append((spec, None if failed else {"lm_sotu/nll": float(row.loss), "lm_sotu/bpb": 1.44 * float(row.loss)}))
    return write_runs(root, "Does the best rate stay?", runs)


def write_coordinates(root: Path, steps: Sequence[int] = (5, 10, 20), seeds: int = 2) -> Path:
    """A coordinate check: under completep nothing depends on width; under standard the stream and the logits do."""
    random = np.random.default_rng(0)
    powers = {"standard": {"embedding": 0.0, "first_block": 0.5, "last_block": 0.9, "logits": 1.1}}
    powers["completep"] = {"embedding": 0.0, "first_block": 0.03, "last_block": -0.02, "logits": 0.0}
    start = {"embedding": 0.02, "first_block": 0.2, "last_block": 0.4, "logits": 0.9}
    runs = []
    for name, own in powers.items():
        for size in SIZES:
            for seed in range(seeds):
                for count in steps:
                    spec = planted_spec(
                        {"width": size, "depth": 2}, name, "width", seed=seed, tokens=count * STEP_TOKENS
                    )
                    factor = (count / 20) ** 0.5 * np.exp(0.03 * random.standard_normal())
                    moved = {part: start[part] * factor * (size / SIZES[0]) ** power for part, power in own.items()}
                    scores = {f"coordinates/{part}": float(value) for part, value in moved.items()}
                    runs.append((spec, {"lm_sotu/nll": 5.5, "lm_sotu/bpb": 7.9} | scores))
    return write_runs(root, "Do activations move alike at every width?", runs)


def planted_spec(shape: Mapping[str, int], parametrisation: str, axis: str, **fields: Any) -> Spec:
    base = {} if parametrisation == "standard" else {"base_width": 32, "base_depth": 2}
    same = {"heads": 1, "context": 64, "tokens": STEPS * STEP_TOKENS, "batch_tokens": STEP_TOKENS, "warmup_tokens": 512}
    return make_spec(
        {**shape, **base, **same, "parametrisation": parametrisation, "unique_tokens": 1_048_576, **fields}
    )


def write_runs(root: Path, question: str, runs: Sequence[tuple[Spec, dict[str, float] | None]]) -> Path:
    """Finishes every run with its scores; one without failed."""
    rungs = [{"run_id": spec.run_id, "trunk_id": spec.trunk_id, "held_out": False} for spec, _ in runs]
    design = {"name": root.name, "question": question, "law": "chinchilla", "convention": "chinchilla", "data": {}}
    write_sweep(root, design | {"tasks": [], "rungs": rungs})
    for spec, scores in runs:
        ask_for(root, spec)
        if scores is None:
            fail(run_folder(root, spec.run_id), "loss was nan at step 61")
            continue
        point = Point(spec.tokens // STEP_TOKENS, spec.tokens, "decayed", spec.learning_rate, 2.0, 9.0, scores)
        facts = {"run_id": spec.run_id, "device": "cpu", "device_name": "a planted machine", "seconds": 9.0}
        facts |= {"tokens_per_second": spec.tokens / 9.0, "mfu": 0.3, "data_hash": "f00dfeed" * 8}
        finish(run_folder(root, spec.run_id), [point], facts | {"commit": "0123abc", "versions": {"torch": "2.13.0"}})
    return root
