"""Results folders whose truth is known: real run folders, written through harness.record, of a planted law."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.counts import counts
from harness.record import Point, ask_for, fail, finish, run_folder, write_sweep
from harness.spec import Spec

TRUTH = {"E": 1.0, "A": 25.0, "B": 80.0, "alpha": 0.35, "beta": 0.40}
SHAPES = ((1, 16), (1, 32), (2, 32), (2, 48), (3, 48), (2, 64), (3, 64), (3, 96))
BUDGETS = (256_000, 512_000, 1_024_000)
HELD_OUT_SHAPE, HELD_OUT_TOKENS = (4, 128), 4_096_000
# Bits per byte on the domain = offset + slope x bits per byte on the training domain.
LINES = {"wiki": (1.10, 0.60), "kjv": (1.40, 0.50)}
DATA = {"sotu/bytes/256": {"licence": "public domain", "train": {"documents": 231, "tokens": 11_000_000}}}
STEP_TOKENS = 1_024
NOISE, SCORE_STDERR = 0.004, 0.006  # of a trunk's log loss; of every score, nats


def write_planted(
    root: Path,
    shapes: Sequence[tuple[int, int]] = SHAPES,
    budgets: Sequence[int] = BUDGETS,
    held_out: bool = True,
    failed: bool = True,
    lines: Mapping[str, tuple[float, float]] = LINES,
    far: bool = True,
    seed: int = 0,
    **fields: Any,
) -> Path:
    """Finishes every rung below `root`; `fields` go into every spec; with `far` Python rises as English falls."""
    specs = [_spec(depth, width, tokens, **fields) for depth, width in shapes for tokens in budgets]
    held = [_spec(*HELD_OUT_SHAPE, HELD_OUT_TOKENS, **fields)] if held_out else []
    lost = [_spec(1, 16, 2 * max(budgets), **{"learning_rate": 0.5} | fields)] if failed else []
    rungs = [{"run_id": s.run_id, "trunk_id": s.trunk_id, "held_out": s in held} for s in [*specs, *held, *lost]]
    domains = ["sotu", *lines, *(["python"] if far else [])]
    design = {"name": root.name, "question": "Does a planted law come back?", "law": "chinchilla"}
    write_sweep(
        root, design | {"convention": "chinchilla", "data": DATA, "tasks": [f"lm_{d}" for d in domains], "rungs": rungs}
    )
    random = np.random.default_rng(seed)
    noise = {trunk: random.normal(0, NOISE) for trunk in sorted({spec.trunk_id for spec in [*specs, *held]})}
    for spec in [*specs, *held]:
        ask_for(root, spec)
        points = _points(spec, noise[spec.trunk_id], lines, far, random)
        finish(run_folder(root, spec.run_id), points, _done(spec, points[-1]))
    for spec in lost:
        ask_for(root, spec)
        fail(run_folder(root, spec.run_id), "loss was nan at step 61")
    return root


def planted_loss(params: float, tokens: float) -> float:
    """E + A / N^alpha + B / D^beta, nats per token."""
    return TRUTH["E"] + TRUTH["A"] / params ** TRUTH["alpha"] + TRUTH["B"] / tokens ** TRUTH["beta"]


def _spec(depth: int, width: int, tokens: int, **fields: Any) -> Spec:
    shape = {"depth": depth, "width": width, "heads": max(1, width // 16)}
    return Spec(**shape | {"tokens": tokens, "unique_tokens": 8_192_000} | fields)


def _points(
    spec: Spec, noise: float, lines: Mapping[str, tuple[float, float]], far: bool, random: np.random.Generator
) -> list[Point]:
    stops = [102_400 * 2**i for i in range(10) if 102_400 * 2**i < spec.tokens * 0.8]
    points = []
    for tokens in [25_600, *stops, spec.tokens]:
        decayed = tokens == spec.tokens
        late = 1.0 if decayed else 1.06  # a loss in mid-schedule lies above the decayed one
        nll = planted_loss(counts(spec).params, tokens) * late * math.exp(noise + random.normal(0, NOISE / 4))
        bpb = nll / math.log(2)
        scores = {"lm_sotu/nll": nll, "lm_sotu/bpb": bpb}
        scores |= {
            f"lm_{d}/bpb": offset + slope * bpb + random.normal(0, 0.004) for d, (offset, slope) in lines.items()
        }
        if far:
            scores["lm_python/bpb"] = 5.5 + 0.25 * math.log(tokens / 25_600) + random.normal(0, 0.1)
        scores |= {f"{name}_stderr": SCORE_STDERR for name in list(scores)}
        phase = "decayed" if decayed else "warmup" if tokens <= spec.warmup_tokens else "stable"
        seconds = counts(spec).flops * tokens / 4e9
        points.append(Point(tokens // STEP_TOKENS, tokens, phase, spec.learning_rate, nll * 0.99, seconds, scores))
    return points


def _done(spec: Spec, last: Point) -> dict[str, Any]:
    return {
        "run_id": spec.run_id,
        "device": "cpu",
        "device_name": "a planted machine",
        "seconds": last.seconds,
        "tokens_per_second": last.tokens / last.seconds,
        "mfu": 0.3,
        "data_hash": "f00dfeed" * 8,
        "commit": "0123abc",
        "versions": {"torch": "2.13.0", "scalelaw": "0.1.0"},
    }
