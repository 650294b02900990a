"""How often 90 % intervals hold the planted truth: noisy worlds for every law, branched ones and choices for one.

`python -m benchmarks.coverage --worlds 1000 --out results/coverage` writes worlds.csv (a row per law and parameter) and
prints the verdict. A law's worlds are `tests.analysis.catalogue`'s design under multiplicative noise; branched worlds
share noise within a trunk. Judged: no parameter may be shown to cover less than .86 or more than .94, over all
parameters together at 95 % confidence.
"""

import argparse
import csv
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_type_hints

import numpy as np
import pandas as pd
from scipy.stats import beta

from analysis.fit import Fit, fit
from analysis.laws import LAWS
from analysis.optimum import Quantity, Shapes, allocation, best
from tests.analysis.catalogue import design, truth

NOISE = 0.005  # standard deviation of log loss
TRUNK_NOISE, RUNG_NOISE = 0.006, 0.003  # the same in branched worlds, shared by a trunk and a rung's own
TRUNKS, BUDGETS = (10, 20), 5
AIM = (0.86, 0.94)
CONFIDENCE = 0.95
BATCH = 25  # worlds that a process takes at a time


@dataclass(frozen=True)
class Coverage:
    """The share of worlds whose interval holds the truth."""

    world: str
    parameter: str
    worlds: int
    rows: int
    covered: float
    spread: float  # of the estimates, over the truth (of their logarithm where it is a scale)

    def bounds(self, tests: int) -> tuple[float, float]:
        """Exact bounds of the true coverage (Clopper and Pearson), for so many parameters together."""
        hits, tail = round(self.covered * self.worlds), (1 - CONFIDENCE) / 2 / tests
        low = beta.ppf(tail, hits, self.worlds - hits + 1) if hits else 0.0
        high = beta.ppf(1 - tail, hits + 1, self.worlds - hits) if hits < self.worlds else 1.0
        return float(low), float(high)


def branched(trunks: int) -> pd.DataFrame:
    """Sizes over two decades and a half, five budgets on every trunk."""
    sizes, budgets = np.geomspace(1e4, 3e6, trunks), np.geomspace(2.5e5, 8e6, BUDGETS)
    n, d = (axis.ravel() for axis in np.meshgrid(sizes, budgets, indexing="ij"))
    return pd.DataFrame({"N": n, "D": d, "C": 6 * n * d, "trunk_id": np.repeat(np.arange(trunks), BUDGETS)})


@dataclass(frozen=True)
class World:
    """A law under noise: on its own design, or branched into trunks; its parameters judged, or choices made of them."""

    law: str
    trunks: int = 0
    choices: bool = False

    def __str__(self) -> str:
        trunks = f", {self.trunks} trunks" if self.trunks else ""
        return f"{self.law}{trunks}{', choices' if self.choices else ''}"

    @property
    def table(self) -> pd.DataFrame:
        return branched(self.trunks) if self.trunks else design(self.law)


def worlds_of(names: list[str]) -> Iterator[World]:
    """Every law on its design; the pair law branched too, and what is chosen by it ten times beyond the rows."""
    yield from map(World, names)
    if "chinchilla" in names:
        yield from (World("chinchilla", trunks, choices) for choices in (False, True) for trunks in TRUNKS)
        yield World("chinchilla", choices=True)


def try_worlds(world: World, seeds: range, bootstrap: int) -> np.ndarray:
    """For every seed: whether each interval holds the truth, the estimate and the truth, [seed, 3, quantity]."""
    law, planted, table, trunks = LAWS[world.law], truth(world.law), world.table, world.trunks
    pure = law.predict(planted, table)
    found = []
    for seed in seeds:
        random = np.random.default_rng(seed)
        error = NOISE * random.standard_normal(len(table))
        new = NOISE * random.standard_normal()
        if trunks:
            error = TRUNK_NOISE * random.standard_normal(trunks)[table["trunk_id"]]
            error = error + RUNG_NOISE * random.standard_normal(len(table))
            new = TRUNK_NOISE * random.standard_normal() + RUNG_NOISE * random.standard_normal()
        known = fit(law, table.assign(**{law.target: pure * np.exp(error)}), bootstrap=bootstrap, seed=seed)
        if world.choices:
            found.append(choices(known, planted, float(table["C"].max()), new))
        else:
            ends = np.array(list(known.intervals().values()))
            found.append([(ends[:, 0] <= planted) & (planted <= ends[:, 1]), known.theta, planted])
    return np.array(found, float)


CHOICES = ("N*", "loss", "exponent of N*", "loss of a new trunk")


def choices(known: Fit, planted: np.ndarray, largest: float, new: float) -> list[list[float]]:
    """Best size, its loss and its exponent at ten times the largest compute, and a new trunk's loss there."""
    law, budget = known.law, 10 * largest
    one, shapes = best(known, [budget], Shapes())[0], Shapes()
    exponent = allocation(known, budget, shapes)[0]
    size = law.cheapest(planted[None], np.array([budget / 6]))[0, 0]
    at = {"N": size, "D": budget / 6 / size}
    loss = law.predict(planted, at)[0]
    low, high = (float(end[0]) for end in known.predict_interval(at))
    alpha, beta_ = (planted[law.parameters.index(name)] for name in ("alpha", "beta"))
    asked = [(one.params, size), (one.loss, loss), (exponent, beta_ / (alpha + beta_))]
    asked.append((Quantity(known.predict(at)[0], low, high), loss * np.exp(new)))
    return [list(row) for row in zip(*[(q.low <= t <= q.high, q.value, t) for q, t in asked], strict=True)]


def count(world: World, found: np.ndarray) -> list[Coverage]:
    law = LAWS[world.law]
    counted = []
    for i, name in enumerate(CHOICES if world.choices else law.parameters):
        hits, size, planted = found[:, 0, i], found[:, 1, i], found[:, 2, i]
        in_logs = (name in law.scales or world.choices) and (size > 0).all()
        spread = float(np.log(size).std() if in_logs else size.std() / abs(planted.mean()))
        counted.append(Coverage(str(world), name, len(found), len(world.table), float(hits.mean()), round(spread, 5)))
    return counted


def read(path: Path) -> list[Coverage]:
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        kinds = get_type_hints(Coverage)
        return [Coverage(**{name: kinds[name](row[name]) for name in kinds}) for row in csv.DictReader(file)]


def write(path: Path, everything: list[Coverage]) -> None:
    """Every world's rows, with the verdict for as many as there are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow([*asdict(everything[0]), "lowest", "highest"])
        for one in everything:
            table.writerow([*asdict(one).values(), *(round(end, 4) for end in one.bounds(len(everything)))])


def verdict(everything: list[Coverage]) -> str:
    covered = np.array([one.covered for one in everything])
    bounds = [one.bounds(len(everything)) for one in everything]
    outside = [one for one, (low, high) in zip(everything, bounds, strict=True) if high < AIM[0] or low > AIM[1]]
    inside = int(((covered >= AIM[0]) & (covered <= AIM[1])).sum())
    names = "".join(f"; {one.world}: {one.parameter} {one.covered:.3f}" for one in outside)
    return (
        f"{len(covered)} parameters: median coverage {np.median(covered):.3f}, {covered.min():.3f} to "
        f"{covered.max():.3f}; {inside} inside {AIM[0]} to {AIM[1]} as measured, {len(outside)} shown to lie outside "
        f"(family-wise, {100 * CONFIDENCE:.0f} %){names}"
    )


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--worlds", type=int, default=1000)
    words.add_argument("--bootstrap", type=int, default=200)
    words.add_argument("--laws", nargs="+", default=list(LAWS))
    words.add_argument("--workers", type=int, default=2)
    words.add_argument("--out", type=Path, help="folder for worlds.csv; worlds that stand there are not tried again")
    chosen = words.parse_args()
    path = chosen.out / "worlds.csv" if chosen.out else None
    everything = read(path) if path else []
    seeds = [range(i, min(i + BATCH, chosen.worlds)) for i in range(0, chosen.worlds, BATCH)]
    with ProcessPoolExecutor(chosen.workers) as pool:
        for world in worlds_of(chosen.laws):
            if any(one.world == str(world) and one.worlds >= chosen.worlds for one in everything):
                continue
            began = time.perf_counter()
            jobs = [pool.submit(try_worlds, world, part, chosen.bootstrap) for part in seeds]
            counted = count(world, np.concatenate([job.result() for job in jobs]))
            everything = [one for one in everything if one.world != str(world)] + counted
            shares = " ".join(f"{one.parameter} {one.covered:.3f}" for one in counted)
            print(f"{world!s:32s} {time.perf_counter() - began:6.0f} s  {shares}", flush=True)
            if path:
                write(path, everything)
    print(verdict(everything))


if __name__ == "__main__":
    main()
