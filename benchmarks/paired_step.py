"""Milliseconds of a training step in this checkout beside those in another one, a step of each in turn.

Run from the repository root: `python -m benchmarks.paired_step --beside DIR`, DIR being a worktree of an earlier
commit. Each side is a process of its own with one thread; both take the same steps of `benchmarks.train_step`. Where
a process's memory happens to lie is worth a per cent or two for as long as it lives, so both are started several times.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.train_step import CONTENDERS, SHAPES

HERE = Path(__file__).parent.parent

# Run in either checkout, which imports its own harness; only names that both have had are used.
SIDE = """
import json, sys, time, torch
from benchmarks.train_step import Case, contenders
torch.set_num_threads(1)
case, name = json.loads(sys.argv[1])
step = contenders(Case(*case), [name])[name]
for _ in range(3):
    step()
print("ready", flush=True)
for _ in sys.stdin:
    start = time.process_time()
    step()
    print(time.process_time() - start, flush=True)
"""


class Side:
    """A process that takes one step whenever it is asked to."""

    def __init__(self, checkout: Path, case: list[object], name: str) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(checkout)}
        command = [sys.executable, "-c", SIDE, json.dumps([case, name])]
        self.process = subprocess.Popen(
            command, cwd=checkout, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._read()

    def _read(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.process.args} ended with exit code {self.process.wait()}")
        return line

    def step(self) -> float:
        """Its seconds of processor time."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self._read())

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def compare(beside: Path, case: list[object], name: str, rounds: int, starts: int) -> tuple[float, float, list[float]]:
    """Median milliseconds here and there, and of each start the median of the paired ratios here / there."""
    pairs: list[tuple[float, float]] = []
    ratios = []
    for _ in range(starts):
        some = _pairs(Side(HERE, case, name), Side(beside, case, name), rounds)
        ratios.append(statistics.median(a / b for a, b in some))
        pairs += some
    own, other = zip(*pairs, strict=True)
    return 1e3 * statistics.median(own), 1e3 * statistics.median(other), ratios


def _pairs(here: Side, there: Side, rounds: int) -> list[tuple[float, float]]:
    """Seconds of a step here and of one there, each first in every other round."""
    pairs = []
    for turn in range(rounds):
        first, second = (here, there) if turn % 2 else (there, here)
        times = first.step(), second.step()
        pairs.append(times if turn % 2 else times[::-1])
    here.end()
    there.end()
    return pairs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beside", type=Path, required=True, metavar="DIR")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--starts", type=int, default=5)
    options = parser.parse_args()
    print(
        f"{'depth':>5} {'width':>5}  {'model':<20} {'here ms':>9} {'there ms':>9} {'here / there':>13}  of each start"
    )
    for depth, width in SHAPES:
        for name in CONTENDERS:
            case = [depth, width, width // 32, 256, 256, 4096, "cpu"]
            here, there, ratios = compare(options.beside.absolute(), case, name, options.rounds, options.starts)
            row = f"{depth:>5} {width:>5}  {name:<20} {here:>9.1f} {there:>9.1f} {statistics.median(ratios):>13.3f}"
            print(f"{row}  {' '.join(f'{ratio:.3f}' for ratio in sorted(ratios))}", flush=True)


if __name__ == "__main__":
    main()
