"""Fine-tuned runs and runs from scratch whose transferred data are known: as tables, and as results folders."""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.conventions import add_counts
from analysis.table import PART_COLUMNS, SPEC_COLUMNS
from harness.counts import counts
from harness.spec import Spec, make_spec
from tests.analysis.valleys import write_runs

SHAPES = ((1, 32), (2, 32), (2, 64), (3, 96), (4, 128))
FINE_TEXT = tuple(8_192 * 2**i for i in range(4))  # D_F
SCRATCH_TEXT = tuple(8_192 * 2**i for i in range(10))
PARENT_TOKENS = (1_024_000, 4_096_000)  # D_P
SEEDS = (0, 1, 2)
EPOCHS = (1, 2, 4, 8)
# Where a loss is lowest: at a budget, beyond all of them, before all of them.
BEST_EPOCHS, CAPPED_EPOCHS, LATE_EPOCHS = 4, 64, 0.25
TURN = 0.02  # bits per byte by which it lies higher a factor two beside it
CORPORA = {"kjv": 8.0, "wiki": 20.0}  # k of the law of D_T at a D_P of four million
LAW = {"alpha": 0.35, "beta": 0.45, "gamma": 0.20}

Transferred = Callable[[str, float, float, float], float]  # corpus, D_F, N, D_P -> D_T


def law(corpus: str, d_f: float, n: float, d_p: float) -> float:
    """D_T = k D_F^alpha N^beta (D_P / 4,096,000)^gamma."""
    return CORPORA[corpus] * d_f ** LAW["alpha"] * n ** LAW["beta"] * (d_p / 4_096_000) ** LAW["gamma"]


def scratch_bpb(n: float, d: float) -> float:
    """Loss from scratch where the steps are enough, bits per byte."""
    return 1.2 + 12.0 / n**0.3 + 90.0 / d**0.4


@dataclass(frozen=True)
class World:
    """What is planted: D_T, where each run's loss is lowest, and the spread of seeds (bits per byte)."""

    transferred: Transferred = law
    best_epochs: Callable[[Spec], float] = lambda spec: BEST_EPOCHS
    noise: float = 0.0
    shapes: Sequence[tuple[int, int]] = SHAPES
    corpora: Sequence[str] = tuple(CORPORA)
    parent_tokens: Sequence[int] = PARENT_TOKENS
    seeds: Sequence[int] = SEEDS

    def parents(self) -> list[Spec]:
        return [
            _spec(shape, "sotu", 8_192_000, tokens, seed)
            for shape in self.shapes
            for tokens in self.parent_tokens
            for seed in self.seeds
        ]

    def runs(self) -> list[Spec]:
        """Fine-tuned ones, and those from scratch."""
        found = []
        for corpus in self.corpora:
            for parent in self.parents():
                shape = parent.depth, parent.width
                found += [
                    _spec(shape, corpus, text, text * epochs, parent.seed, parent.run_id)
                    for text in FINE_TEXT
                    for epochs in EPOCHS
                ]
            found += [
                _spec(shape, corpus, text, text * epochs, seed)
                for shape in self.shapes
                for text in SCRATCH_TEXT
                for epochs in EPOCHS
                for seed in self.seeds
            ]
        return found

    def losses(self, specs: Sequence[Spec], random: int = 0) -> list[float]:
        """Bits per byte of each run on its own text."""
        known, generator = {spec.run_id: spec for spec in self.parents()}, np.random.default_rng(random)
        own = {trunk: self.noise * generator.standard_normal() for trunk in sorted({spec.trunk_id for spec in specs})}
        return [self._loss(spec, known.get(spec.parent or "")) + own[spec.trunk_id] for spec in specs]

    def _loss(self, spec: Spec, parent: Spec | None) -> float:
        n, text = float(counts(spec).params), float(spec.unique_tokens)
        if parent is not None:
            text += self.transferred(spec.corpus, text, n, parent.tokens)
        elif spec.corpus == "sotu":
            return scratch_bpb(n, spec.tokens)
        turns = math.log2(spec.tokens / spec.unique_tokens / self.best_epochs(spec))
        return scratch_bpb(n, text) + TURN * turns**2


def _spec(shape: tuple[int, int], corpus: str, text: int, tokens: int, seed: int, parent: str | None = None) -> Spec:
    fields = {"depth": shape[0], "width": shape[1], "heads": 2, "corpus": corpus, "unique_tokens": text}
    fields |= {"tokens": tokens, "epochs": max(1.0, tokens / text), "warmup_tokens": 1_024, "seed": seed}
    return _made(tuple(fields.items()), parent)


@functools.cache
def _made(fields: tuple[tuple[str, object], ...], parent: str | None) -> Spec:
    return make_spec({**dict(fields), "parent": parent})


def tables(world: World, random: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The run table, counted as chinchilla, and its parents."""
    specs, parents = world.runs(), world.parents()
    rows = pd.DataFrame([_row(spec) for spec in specs]).assign(loss=world.losses(specs, random), phase="decayed")
    own = {f"lm_{corpus}/bpb": rows["loss"].where(rows["corpus"] == corpus) for corpus in world.corpora}
    born = pd.DataFrame({name: getattr(spec, name) for name in ("run_id", "corpus", "tokens")} for spec in parents)
    return add_counts(rows.assign(**own)), born.assign(bpb=world.losses(parents, random))


def _row(spec: Spec) -> Mapping[str, object]:
    parts = counts(spec)
    names = (*SPEC_COLUMNS, "run_id", "trunk_id", "tokens", "transferred", "labels")
    return {name: getattr(spec, name) for name in names} | {name: getattr(parts, name) for name in PART_COLUMNS}


def write_finetuning(results: Path, world: World = World(noise=0.01), failed: bool = False) -> Path:
    """Finishes the parents in one sweep folder and the fine-tuned runs in another, which is returned."""
    parents, specs = world.parents(), world.runs()
    pairs = [(spec, _scores(spec, bpb)) for spec, bpb in zip(parents, world.losses(parents), strict=True)]
    write_runs(results / "pretrained", "What do the parents learn?", pairs)
    runs: list[tuple[Spec, dict[str, float] | None]] = []
    runs += [(spec, _scores(spec, bpb)) for spec, bpb in zip(specs, world.losses(specs), strict=True)]
    if failed:
        runs[-1] = runs[-1][0], None
    return write_runs(results / "finetuned", "What is pre-training worth?", runs)


def _scores(spec: Spec, bpb: float) -> dict[str, float]:
    return {f"lm_{spec.corpus}/nll": bpb * math.log(2), f"lm_{spec.corpus}/bpb": bpb}
