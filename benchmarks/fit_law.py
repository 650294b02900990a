"""Seconds of a Chinchilla fit, its bootstrap and long tables: this house's engine against the methods in use.

Run from the repository root: `python -m benchmarks.fit_law`. One thread, seconds of this process on the CPU; the
contenders take one turn each, round by round. Every end point is judged by one objective, sum of Huber(log residual).
"""

import argparse
import importlib.metadata
import itertools
import json
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from analysis.fit import fit

Array = NDArray[np.float64]
Parameters = Mapping[str, float]

# Points read off Hoffmann et al., figure 4, by Besiroglu et al. (arXiv 2404.10102), who leave the five worst out.
POINTS = Path(__file__).parents[2] / "shared" / "published" / "chinchilla" / "svg_extracted_data.csv"
ROWS, HIGHEST_LEFT_OUT, DELTA, REPLICATES = 240, 5, 1e-3, 1000
TRUTH = {"E": 1.8172, "A": 477.8, "B": 2143.4, "alpha": 0.3473, "beta": 0.3672}
LONG, LONGEST = 100_000, 1_000_000
STARTS_RUN, REPLICATES_RUN = 45, 20
OURS, SCIPY = "scalelaw", "scipy L-BFGS-B"
ONE_FIT, BOOTSTRAP = "one certified fit", f"fit and {REPLICATES} replicates"
# Starts of Hoffmann et al. (arXiv 2203.15556, D.3) for a = log A, b = log B, e = log E, alpha, beta.
GRID = (np.arange(0, 30, 5.0), np.arange(0, 30, 5.0), np.arange(-1, 1.5, 0.5), *[np.arange(0, 2.5, 0.5)] * 2)


@dataclass(frozen=True)
class Contender:
    """`run` gives the parameters that it ends at; where it does a part of it, the whole takes `scale` times it."""

    method: str
    what: str
    run: Callable[[], Parameters | None]
    scale: float = 1.0
    beside: str = ""  # our own work that its time is divided by
    starts: int = 0  # of which a row gives the seconds of one
    once: bool = False


@dataclass(frozen=True)
class Row:
    method: str
    what: str
    n: int
    seconds: float
    times_ours: float | None = None
    excess: float | None = None  # of the objective, relative to ours
    peak_mb: float | None = None


def published(path: Path) -> pd.DataFrame:
    """The file's points, D = C / 6N, without the highest losses."""
    raw = pd.read_csv(path)
    raw = raw.drop(index=raw["loss"].nlargest(HIGHEST_LEFT_OUT).index)
    N, C = raw["Model Size"], raw["Training FLOP"]
    return pd.DataFrame({"N": N, "D": C / (6 * N), "loss": raw["loss"]}).reset_index(drop=True)


def planted(rows: int) -> pd.DataFrame:
    """Points of the law at N and D spread as Chinchilla's, with heavy-tailed noise (0.4 % times Student's t)."""
    random = np.random.default_rng(0)
    N = np.exp(random.uniform(np.log(4e7), np.log(1.6e10), rows))
    D = np.exp(random.uniform(np.log(1e9), np.log(3e11), rows))
    loss = TRUTH["E"] + TRUTH["A"] / N ** TRUTH["alpha"] + TRUTH["B"] / D ** TRUTH["beta"]
    return pd.DataFrame({"N": N, "D": D, "loss": loss * np.exp(4e-3 * random.standard_t(3, rows))})


def huber(residual_n: Array) -> Array:
    size_n = np.abs(residual_n)
    inner_n = np.minimum(size_n, DELTA)
    return inner_n * (size_n - 0.5 * inner_n)


def objective(table: pd.DataFrame, found: Parameters) -> float:
    predicted_n = found["E"] + found["A"] / table["N"] ** found["alpha"] + found["B"] / table["D"] ** found["beta"]
    return float(huber(np.log(np.asarray(predicted_n / table["loss"]))).sum())


def ours(table: pd.DataFrame, replicates: int) -> Callable[[], Parameters]:
    return lambda: fit("chinchilla", table, bootstrap=replicates).parameters


@dataclass(frozen=True)
class Usual:
    """The literature's fit: log-sum-exp over (a, b, e, alpha, beta), L-BFGS-B with its default tolerances."""

    log_n: Array
    log_d: Array
    log_loss: Array
    analytic: bool  # gradient in closed form, as automatic differentiation gives it; else by differences

    def evaluate(self, x: Array) -> float | tuple[float, Array]:
        first_n, second_n = x[0] - x[3] * self.log_n, x[1] - x[4] * self.log_d
        log_sum_n = np.logaddexp(np.logaddexp(first_n, second_n), x[2])
        residual_n = log_sum_n - self.log_loss
        value = float(huber(residual_n).sum())
        if not self.analytic:
            return value
        pull_n = np.clip(residual_n, -DELTA, DELTA)
        a_n, b_n, e_n = (pull_n * np.exp(term_n - log_sum_n) for term_n in (first_n, second_n, x[2]))
        return value, np.array([a_n.sum(), b_n.sum(), e_n.sum(), -(a_n @ self.log_n), -(b_n @ self.log_d)])

    def best(self, starts: Array) -> Array:
        """The lowest end of all starts."""
        ends = [minimize(self.evaluate, start, jac=self.analytic, method="L-BFGS-B") for start in starts]
        return np.asarray(min(ends, key=lambda end: float(end.fun)).x)

    def drawn(self, rows: NDArray[np.int64]) -> "Usual":
        return Usual(self.log_n[rows], self.log_d[rows], self.log_loss[rows], self.analytic)


def usual(table: pd.DataFrame, analytic: bool) -> list[Contender]:
    """The full grid and the bootstrap, a random part of either: the rest takes as long."""
    log_n, log_d, log_loss = (np.log(table[name].to_numpy(np.float64)) for name in ("N", "D", "loss"))
    problem = Usual(log_n, log_d, log_loss, analytic)
    random = np.random.default_rng(0)
    grid = np.array(list(itertools.product(*GRID)))
    starts = grid[random.choice(len(grid), STARTS_RUN, replace=False)]
    draws = random.integers(len(table), size=(REPLICATES_RUN, len(table)))
    known = fit("chinchilla", table, bootstrap=0).parameters
    optimum = np.array([*np.log([known["A"], known["B"], known["E"]]), known["alpha"], known["beta"]])

    def from_grid() -> Parameters:
        a, b, e, alpha, beta = map(float, problem.best(starts))
        return {"E": np.exp(e), "A": np.exp(a), "B": np.exp(b), "alpha": alpha, "beta": beta}

    def replicates() -> None:
        for rows in draws:
            problem.drawn(rows).best(optimum[None])

    how = "closed-form" if analytic else "numerical"
    whole = f"{len(grid)} starts, {how} gradients ({len(starts)} run, scaled up)"
    again = f"{REPLICATES} replicates from the optimum, {how} gradients ({len(draws)} run, scaled up)"
    return [
        Contender(SCIPY, whole, from_grid, len(grid) / len(starts), ONE_FIT, len(grid)),
        Contender(SCIPY, again, replicates, REPLICATES / len(draws), BOOTSTRAP),
    ]


def kyo_takano(table: pd.DataFrame) -> list[Contender]:
    """The package `chinchilla`: its README's grid of 3125 starts with the mean of its `log_huber`, and a gentler use.

    BFGS stops at a gradient of 1e-5, which a mean of 1e-6 hardly reaches; times the rows, 32 starts do better.
    """
    try:
        from chinchilla import Chinchilla
        from chinchilla._metrics import log_huber
    except ImportError:
        return []
    name = f"chinchilla {importlib.metadata.version('chinchilla')}"

    def contender(steps: int, factor: float, what: str, once: bool) -> Contender:
        grid = {"E": (1, 2), "a": (1, 10), "b": (1, 10), "alpha": (0.1, 0.7), "beta": (0.1, 0.7)}

        def run() -> Parameters:
            with tempfile.TemporaryDirectory() as folder:
                model = Chinchilla(
                    folder,
                    param_grid={key: np.linspace(*ends, steps) for key, ends in grid.items()},
                    loss_fn=lambda true, predicted: factor * log_huber(true, predicted, DELTA),
                    log_level=50,
                )
                model.database.df = table.assign(C=6 * table["N"] * table["D"])[["C", "N", "D", "loss"]]
                model.visualizer.optim = lambda *arguments, **options: None  # a fit is timed, and not its drawing
                model.fit(parallel=False)
                return dict(model.params)

        starts = steps ** len(grid)
        return Contender(name, f"{starts} starts, {what}", run, 1.0, ONE_FIT, starts, once)

    return [
        contender(5, 1.0, "mean of its log_huber", once=True),
        contender(2, float(len(table)), "its log_huber times the rows", once=False),
    ]


def contenders(table: pd.DataFrame) -> list[Contender]:
    long = planted(LONG)
    return [
        Contender(OURS, ONE_FIT, ours(table, 0)),
        Contender(OURS, BOOTSTRAP, ours(table, REPLICATES)),
        *kyo_takano(table),
        *usual(table, analytic=False),
        *usual(table, analytic=True),
        Contender(OURS, f"{LONG:.0e} rows, one fit", ours(long, 0)),
        Contender(OURS, f"{LONG:.0e} rows, {BOOTSTRAP}", ours(long, REPLICATES)),
    ]


def measure(entries: list[Contender], rounds: int) -> tuple[dict[str, list[float]], dict[str, Parameters | None]]:
    """Seconds of every round and the last end, by `what`; those that run once do so in the first round."""
    seconds: dict[str, list[float]] = {entry.what: [] for entry in entries}
    ends: dict[str, Parameters | None] = {}
    for entry in entries:
        if not entry.once:
            entry.run()
    for number in range(rounds):
        for entry in entries:
            if number and entry.once:
                continue
            start = time.process_time()
            ends[entry.what] = entry.run()
            seconds[entry.what].append(entry.scale * (time.process_time() - start))
    return seconds, ends


def compare(table: pd.DataFrame, rounds: int) -> list[Row]:
    """A row for each contender, and our replicates alone, which are a difference."""
    entries = contenders(table)
    seconds, ends = measure(entries, rounds)
    known = ends[ONE_FIT]
    assert known is not None
    least = objective(table, known)
    rows = []
    for entry in entries:
        own, end = seconds[entry.what], ends[entry.what]
        beside = seconds[entry.beside][: len(own)] if entry.beside else None
        ratio = statistics.median(a / b for a, b in zip(own, beside, strict=True)) if beside else None
        judged = entry.what == ONE_FIT or entry.beside == ONE_FIT
        excess = objective(table, end) / least - 1 if judged and end else None
        rows.append(Row(entry.method, entry.what, len(own), statistics.median(own), ratio, excess))
        if entry.starts:
            rows.append(Row(entry.method, "  of which one start", len(own), statistics.median(own) / entry.starts))
        if entry.what == BOOTSTRAP:
            less = [whole - part for whole, part in zip(own, seconds[ONE_FIT], strict=True)]
            rows.append(Row(OURS, "  of which the replicates (the difference)", len(own), statistics.median(less)))
    return rows


def longest() -> tuple[float, float]:
    """Seconds and peak megabytes of a bootstrapped fit of the longest table; for a process of its own."""
    table = planted(LONGEST)
    with threadpool_limits(1):
        start = time.process_time()
        fit("chinchilla", table, bootstrap=REPLICATES)
        seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return seconds, peak / (2**20 if sys.platform == "darwin" else 2**10)


def longest_row() -> Row:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        seconds, peak = pool.submit(longest).result()
    return Row(OURS, f"{LONGEST:.0e} rows, {BOOTSTRAP}", 1, seconds, peak_mb=peak)


def show(rows: list[Row], heading: list[str]) -> None:
    def cell(value: float | None, form: str) -> str:
        return "" if value is None else format(value, form)

    print(*heading, sep="\n")
    wide = max(len(row.what) for row in rows)
    print(f"{'method':<17} {'what':<{wide}} {'n':>3} {'seconds':>9} {'x ours':>9} {'excess':>9} {'peak MB':>8}")
    for row in rows:
        numbers = f"{row.seconds:>9.4f} {cell(row.times_ours, '.1f'):>9} {cell(row.excess, '.1e'):>9}"
        print(f"{row.method:<17} {row.what:<{wide}} {row.n:>3} {numbers} {cell(row.peak_mb, '.0f'):>8}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="points with columns 'Model Size', 'Training FLOP' and 'loss'")
    parser.add_argument("--repeats", type=int, default=5, help="rounds (default 5)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.repeats < 1:
        parser.error(f"--repeats {options.repeats}: at least one round")
    path = options.data or POINTS
    at_hand = path.is_file()
    if options.data and not at_hand:
        parser.error(f"--data {path}: no such file")
    table = published(path) if at_hand else planted(ROWS)
    source = path.name if at_hand else "a planted table (the published file is not at hand)"
    heading = [
        f"Chinchilla law, {len(table)} points of {source}; one thread, CPU seconds, median of n",
        f"x ours: to {ONE_FIT!r} or to {BOOTSTRAP!r}; excess: of the sum of Huber(log L, {DELTA:g}), relative to ours",
    ]
    with threadpool_limits(1):
        rows = [*compare(table, options.repeats), longest_row()]
    if not any(row.method.startswith("chinchilla") for row in rows):
        heading.append("chinchilla (kyo-takano) is left out: pip install --no-deps -r requirements-bench.txt")
    if options.json:
        print(json.dumps({"heading": heading, "rows": [asdict(row) for row in rows]}, indent=1))
        return
    show(rows, heading)


if __name__ == "__main__":
    main()
