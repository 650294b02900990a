"""How the command's answers look in a terminal and as JSON."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness.plan import Plan
from harness.progress import Progress
from harness.sweep import Sweep

console = Console(width=None if sys.stdout.isatty() else 110)
STATE_STYLE = {"done": "green", "failed": "red", "pending": "yellow"}


def duration(seconds: float) -> str:
    """`3 h 05 min`, `4 min 10 s` or `12 s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def quantity(value: float) -> str:
    """Three digits and a unit prefix: 12.3k, 4.56M."""
    for prefix in ("", "k", "M", "G", "T", "P", "E"):
        if abs(value) < 999.5:
            return f"{value:.3g}{prefix}"
        value /= 1000
    return f"{value:.3g}Z"


def clock(seconds: float) -> str:
    """`1:18:05` or `4:10`, for narrow columns."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def plan(sweep: Sweep, made: Plan, forecast: dict[str, tuple[float, float, float]], workers: int) -> None:
    """The rungs as a table that fits 80 columns, then the totals."""
    table = Table(title=f"{sweep.name}: {sweep.question}", title_justify="left", box=None, pad_edge=False)
    for heading in ("run", "depth", "width", "tokens", "seed", "params", "FLOPs", "time", "state"):
        table.add_column(heading, justify="left" if heading in ("run", "state") else "right", no_wrap=True)
    if forecast:
        table.add_column("forecast loss, 90 %", no_wrap=True)
    for rung in made.rungs:
        spec = rung.spec
        state = Text(rung.state + (", held out" if rung.held_out else ""), STATE_STYLE[rung.state])
        shape = (spec.run_id[:8], str(spec.depth), str(spec.width), quantity(spec.tokens), str(spec.seed))
        cost = (quantity(rung.parts.params), f"{rung.flops:.1e}", clock(rung.seconds))
        loss, low, high = forecast.get(spec.run_id, (math.nan,) * 3)
        foretold = [f"{loss:.3f} ({low:.3f} to {high:.3f})" if math.isfinite(loss) else ""] if forecast else []
        table.add_row(*shape, *cost, state, *foretold)
    console.print(table)
    console.print(
        f"{len(made.rungs)} rungs on {made.trunks} trunks, {len(made.pending)} to train; "
        f"{made.flops_trained:.2e} FLOPs with shared trunks ({made.flops_unbranched:.2e} without); "
        f"about {duration(made.seconds_left(workers))} with {workers} worker{'s' if workers > 1 else ''}",
        soft_wrap=True,
    )


def plan_json(sweep: Sweep, made: Plan, forecast: dict[str, tuple[float, float, float]]) -> dict[str, Any]:
    return {
        "sweep": sweep.name,
        "trunks": made.trunks,
        "flops_trained": made.flops_trained,
        "flops_unbranched": made.flops_unbranched,
        "seconds_one_worker": sum(rung.seconds for rung in made.pending),
        "rungs": [
            {
                "run_id": rung.spec.run_id,
                "trunk_id": rung.spec.trunk_id,
                "held_out": rung.held_out,
                "state": rung.state,
                "parameters": rung.parts.params,
                "flops": rung.flops,
                "seconds": rung.seconds,
                "forecast": [number if math.isfinite(number) else None for number in forecast[rung.spec.run_id]]
                if rung.spec.run_id in forecast
                else None,
                "spec": rung.spec.model_dump(mode="json"),
            }
            for rung in made.rungs
        ],
    }


def progress_line(progress: Progress, workers: int) -> str:
    parts = [f"{len(progress.done)}/{progress.total} rungs", f"{100 * progress.fraction:.0f} %"]
    if progress.failed:
        parts.append(f"{len(progress.failed)} failed")
    if progress.waiting:
        parts.append(f"about {duration(progress.eta_seconds(workers))} left")
    return " · ".join(parts)


def running_table(progress: Progress) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    for running in progress.running:
        spec = running.run.spec
        table.add_row(
            f"  {running.run.run_id}",
            f"depth {spec.depth} width {spec.width}",
            f"{quantity(running.step * spec.batch_tokens)} of {quantity(spec.tokens)} tokens",
            running.phase,
            f"{quantity(running.tokens_per_second)} tokens/s",
        )
    return table


@contextlib.contextmanager
def live(name: str, workers: int) -> Iterator[Callable[[Progress], None]]:
    """Progress that redraws in a terminal, and prints a line at every finished rung elsewhere."""
    if console.is_terminal:
        with Live(console=console, refresh_per_second=4) as screen:

            def redraw(progress: Progress) -> None:
                table = Table.grid()
                table.add_row(f"{name}: {progress_line(progress, workers)}")
                table.add_row(ProgressBar(total=1.0, completed=progress.fraction, width=60))
                table.add_row(running_table(progress))
                screen.update(table)

            yield redraw
    else:
        last = ""

        def report(progress: Progress) -> None:
            nonlocal last
            ended = f"{len(progress.done)} {len(progress.failed)}"
            if ended != last:
                print(f"{name}: {progress_line(progress, workers)}", flush=True)
            last = ended

        yield report


def status(found: dict[str, Progress]) -> None:
    if not found:
        console.print("nothing has been launched yet: try `scalelaw launch demo`")
    for name, progress in found.items():
        workers = max(1, len(progress.running))
        alive = "launch is running" if progress.launcher else "no launch is running"
        console.print(f"[bold]{name}[/bold]: {progress_line(progress, workers)} · {alive}", soft_wrap=True)
        console.print(running_table(progress))
        for run in progress.failed:
            reason = (run.failure or {}).get("reason", "")
            console.print(Text(f"  {run.run_id} failed: {reason}", "red"), soft_wrap=True)
        if progress.failed:
            console.print("  launch it again with --retry to try what failed once more", soft_wrap=True)


def progress_json(progress: Progress) -> dict[str, Any]:
    return {
        "total": progress.total,
        "done": [run.run_id for run in progress.done],
        "failed": {run.run_id: run.failure for run in progress.failed},
        "running": {r.run.run_id: {"step": r.step, "phase": r.phase} for r in progress.running},
        "launcher": progress.launcher,
        "fraction": progress.fraction,
        "seconds_left_one_worker": progress.seconds_left,
    }
