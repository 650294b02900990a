"""Where workers run: a catalogue of ways to start one command line."""

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol


class Started(Protocol):
    """A worker that was started; subprocess.Popen is one."""

    def poll(self) -> int | None: ...

    def terminate(self) -> None: ...


def local(command: Sequence[str], log: Path) -> Started:
    """A process on this machine with one thread; its output goes to the log."""
    # More threads a process lose 1.2 to 5x to barriers as soon as anything else runs.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment)


EXECUTORS: dict[str, Callable[[Sequence[str], Path], Started]] = {"local": local}
