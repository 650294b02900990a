"""Task scores whose truth is known: accuracy is a sigmoid of a task loss, which falls with N and D; examples help."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from harness.counts import counts
from harness.record import Point, ask_for, finish, run_folder, write_sweep
from harness.spec import Spec, make_spec
from tests.analysis.worlds import planted_loss

DATA_HASH = "f00dfeed" * 8
STEP_TOKENS = 1_024
TOKENS_A_SECOND, POINT_SECONDS = 1e4, 2.0  # of training, and to score a point
SHAPES = ((1, 16), (1, 32), (2, 32), (2, 48), (3, 48), (2, 64), (3, 64), (3, 96), (4, 96))
BUDGETS = (256_000, 512_000, 1_024_000)
STOPS = (64_000, 128_000, 256_000, 512_000)  # checkpoints of a trunk on the way
HELD_OUT_N, HELD_OUT_D = 4e6, 8e6


@dataclass(frozen=True)
class Truth:
    """Accuracy = chance + (ceiling - chance) / (1 + exp(k (S - middle))), S the task's loss."""

    chance: float
    ceiling: float = 0.9
    k: float = 4.0
    middle: float = 1.9
    is_open: bool = False

    def accuracy(self, loss: Any, odds: Any = 0.0) -> Any:
        """With so many log-odds on top."""
        share = expit(self.k * (self.middle - loss) + odds)
        return self.chance + (self.ceiling - self.chance) * share


TRUTHS = {
    "sciq": Truth(0.25),
    "copa": Truth(0.5, ceiling=0.85, k=3.0, middle=1.6),
    "add2": Truth(0.0, ceiling=1.0, k=6.0, middle=1.75, is_open=True),
    "add3": Truth(0.0, ceiling=1.0, k=6.0, middle=1.5, is_open=True),
}
SHOTS = (0, 1, 4)
# Bits per byte of other text: offset + slope times the training text's loss.
DOMAINS = {"wiki": (0.9, 0.6), "kjv": (1.2, 0.5)}


@dataclass(frozen=True)
class World:
    """What is true: whether scores follow size and data, how examples help, and what is noisy."""

    follows: bool = True  # else every loss is that of a middling model
    learns: float = 0.35  # log-odds that a doubling of 1 + k brings for each tenfold of N beyond 1e4
    items: int = 2_000
    trunk_noise: float = 0.03  # of log-odds
    loss_noise: float = 0.004  # of log loss
    tasks: tuple[str, ...] = tuple(TRUTHS)
    shots: tuple[int, ...] = SHOTS
    coin: bool = True  # a task that nobody can do

    def scores(self, n: float, d: float, random: np.random.Generator, trunk: float) -> dict[str, float]:
        """Columns of one point of a run; `trunk` is its trunk's luck, in standard deviations."""
        loss = planted_loss(n, d) if self.follows else planted_loss(1e5, 1e6)
        loss *= np.exp(self.loss_noise * (trunk + 0.3 * random.standard_normal()))
        columns = {"lm_sotu/nll": loss, "lm_sotu/bpb": loss / np.log(2)}
        for name, (offset, slope) in DOMAINS.items():
            columns[f"lm_{name}/bpb"] = offset + slope * loss / np.log(2) + 0.003 * random.standard_normal()
        columns |= {f"{name}_stderr": 0.004 for name in list(columns)}
        reach = self.learns * (np.log10(n / 1e3) if self.follows else 1.0)
        own = np.random.default_rng(round(n + d))  # so that other columns keep their luck
        for doublings, luck in enumerate(own.standard_normal(6)):
            columns[f"positions_sotu/nll_at_{2**doublings}"] = loss + 0.3 * reach * 2.0**-doublings + 0.001 * luck
        gain = self.learns * (np.log10(n / 1e4) if self.follows else 1.0)
        for task in self.tasks:
            truth = TRUTHS[task]
            for k in self.shots:
                for shuffled in (False, True) if k else (False,):
                    odds = (0.2 if shuffled else 1.0) * gain * np.log2(1 + k) + self.trunk_noise * trunk
                    name = f"{task}@k={k}{',shuffled' * shuffled}" if k else task
                    nll = loss - 0.05 * odds * (k > 0)
                    columns |= self._columns(name, truth, truth.accuracy(loss, odds), nll, random)
        if self.coin:
            columns |= self._columns("coin", Truth(0.5), 0.5, 2.0, random)
        return columns

    def _columns(
        self, name: str, truth: Truth, accuracy: float, nll: float, random: np.random.Generator
    ) -> dict[str, float]:
        found = random.binomial(self.items, accuracy) / self.items
        rule = "exact" if truth.is_open else "byte"
        columns = {f"{name}/acc_{rule}": found, f"{name}/nll_byte": nll * np.exp(0.003 * random.standard_normal())}
        columns |= {f"{name}/chance": truth.chance, f"{name}/items": float(self.items)}
        return columns | {f"{name}/acc_{rule}_stderr": np.sqrt(max(found * (1 - found), 1e-9) / self.items)}


def task_table(
    world: World = World(), seed: int = 0, sizes: Sequence[float] = tuple(np.geomspace(1e4, 1e6, 10)), held: bool = True
) -> pd.DataFrame:
    """Trunks of three budgets with checkpoints on the way, and a held-out rung beyond."""
    random = np.random.default_rng(seed)
    rows = []
    for i, n in enumerate([*sizes, *([HELD_OUT_N] if held else [])]):
        far, trunk = n == HELD_OUT_N, float(random.standard_normal())
        plan = [(d, "stable") for d in STOPS] + [(d, "decayed") for d in ([HELD_OUT_D] if far else BUDGETS)]
        for d, phase in plan:
            same = {
                "run_id": f"run{i}-{d:.0f}-{phase}",
                "trunk_id": f"trunk{i}",
                "N": n,
                "D": float(d),
                "C": 6.0 * n * d,
            }
            rows.append(same | {"phase": phase, "held_out": far} | world.scores(n, d, random, trunk))
    return pd.DataFrame(rows).assign(loss=lambda table: table["lm_sotu/nll"], corpus="sotu")


def fine_tuned(
    gains: Sequence[float], seeds: int = 3, scratch: float = 0.55, noise: float = 0.004, depth: int = 4, seed: int = 0
) -> pd.DataFrame:
    """Runs on labels after 0 to `depth` transferred blocks, each gaining so much accuracy, and runs from scratch."""
    random = np.random.default_rng(seed)
    rows = []
    for one in range(seeds):
        luck = noise * random.standard_normal()
        levels = [(None, 0, scratch)] + [("0123456789ab", i, scratch + 0.05 + sum(gains[:i])) for i in range(depth + 1)]
        for parent, transferred, accuracy in levels:
            rows.append(
                {
                    "run_id": f"tuned-{parent}-{transferred}-{one}", "trunk_id": f"tuned-{parent}-{transferred}-{one}",
                    "seed": one, "parent": parent, "transferred": transferred, "labels": "sst2", "depth": depth,
                    "width": 64, "N": 2e5, "D": 1e5, "C": 1.2e11, "tokens": 100_000, "phase": "decayed",
                    "held_out": False, "sst2/acc": accuracy + luck + noise * random.standard_normal(),
                    "sst2/acc_stderr": 0.01, "sst2/chance": 0.5, "sst2/items": 2_000.0,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


# A world of few columns, for run folders.
SMALL = World(items=400, tasks=("sciq", "add2"), shots=(0, 4))


def write_tasks(root: Path, world: World = SMALL, seeds: int = 1) -> Path:
    """A sweep folder of finished runs with such scores at every checkpoint."""
    random = np.random.default_rng(0)
    runs: list[tuple[Spec, list[Point]]] = []
    for depth, width in SHAPES:
        for seed in range(seeds):
            trunk, on_the_way = float(random.standard_normal()), dict[int, dict[str, float]]()
            for tokens in BUDGETS:
                spec = _spec(depth, width, seed=seed, tokens=tokens)
                n = float(counts(spec).params)
                for d in STOPS:
                    on_the_way.setdefault(d, world.scores(n, d, random, trunk))
                points = [_point(spec, d, on_the_way[d]) for d in STOPS if d < 0.8 * tokens]
                runs.append((spec, [*points, _point(spec, tokens, world.scores(n, tokens, random, trunk))]))
    return _write(root, runs)


def write_layers(root: Path, gains: Sequence[float] = (0.05, 0.05, 0.05), seeds: int = 3) -> Path:
    """A sweep folder of the runs of `fine_tuned`."""
    table = fine_tuned(gains, seeds, depth=len(gains))
    runs = []
    for row in table.to_dict("records"):
        tuned = {name: row[name] for name in ("parent", "transferred")} if isinstance(row["parent"], str) else {}
        spec = _spec(len(gains), 64, seed=row["seed"], tokens=102_400, labels="sst2", **tuned)
        scores = {f"sst2/{name}": float(row[f"sst2/{name}"]) for name in ("acc", "acc_stderr", "chance", "items")}
        runs.append((spec, [_point(spec, spec.tokens, scores)]))
    return _write(root, runs)


def _spec(depth: int, width: int, **fields: Any) -> Spec:
    shape = {"depth": depth, "width": width, "heads": max(1, width // 16)}
    return make_spec(shape | {"unique_tokens": 8_192_000} | fields)


def _point(spec: Spec, tokens: int, scores: dict[str, float]) -> Point:
    phase = "decayed" if tokens == spec.tokens else "stable"
    return Point(tokens // STEP_TOKENS, tokens, phase, spec.learning_rate, 2.0, tokens / TOKENS_A_SECOND, scores)


def _write(root: Path, runs: Sequence[tuple[Spec, list[Point]]]) -> Path:
    rungs = [{"run_id": spec.run_id, "trunk_id": spec.trunk_id, "held_out": False} for spec, _ in runs]
    design = {"name": root.name, "question": "Do scores follow size?", "law": "chinchilla", "convention": "chinchilla"}
    write_sweep(root, design | {"data": {}, "tasks": [*TRUTHS], "rungs": rungs})
    for spec, points in runs:
        ask_for(root, spec)
        facts: dict[str, Any] = {"run_id": spec.run_id, "device": "cpu", "device_name": "a planted machine"}
        facts |= {"seconds": points[-1].seconds, "eval_seconds": POINT_SECONDS * len(points)}
        facts |= {"tokens_per_second": TOKENS_A_SECOND, "mfu": 0.3, "data_hash": DATA_HASH, "commit": "0123abc"}
        finish(run_folder(root, spec.run_id), points, facts | {"versions": {"torch": "2.13.0"}})
    return root
