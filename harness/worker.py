"""One worker: claims a trunk, trains its rungs, takes the next; it knows run folders and never the study."""

import gc
import os
import signal
import threading
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from harness import record
from harness.machine import provenance
from harness.plan import by_trunk
from harness.record import Json
from harness.spec import Spec

PREEMPTED = 75  # exit code: told to stop, state saved


def pending(root: Path, only: str | None = None) -> list[Spec]:
    runs = [record.read_run(record.run_folder(root, run_id)) for run_id in ([only] if only else record.run_ids(root))]
    return [run.spec for run in runs if run.pending]


def work(root: Path, cache: Path, only: str | None = None, parent: int | None = None) -> int:
    """Trains until nothing is left to claim; returns the exit code (0, 1 if a rung failed here, 75 if told to stop).

    `only` trains that rung alone, and tries it again if it failed.
    """
    design = record.read_sweep(root)
    provenance()  # of the code as it was loaded: the checkout may change while this runs
    if only:
        record.forgive(record.run_folder(root, only))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if parent is not None:
        threading.Thread(target=_follow, args=(parent, stop), daemon=True).start()
    failed = False
    while not stop.is_set():
        for trunk in by_trunk(pending(root, only)):
            with record.claim(record.trunk_folder(root, trunk[0].trunk_id) / "lock") as mine:
                # What another worker finished between the listing and the claim is no longer pending.
                rungs = [spec for spec in trunk if pending(root, spec.run_id)] if mine else []
                if rungs:
                    failed |= not _train(root, rungs, design, cache, stop)
                    gc.collect()  # a Trainer is full of cycles: uncollected, each trunk's model and moments stay
                    break
        else:
            return int(failed)
    return PREEMPTED


def _train(root: Path, rungs: Sequence[Spec], design: Json, cache: Path, stop: threading.Event) -> bool:
    """Whether no rung of the trunk failed; an error fails what is left of it and spares the other trunks."""
    from harness.train import Preempted, Trunk

    try:
        Trunk(root, rungs, design, cache, stop).train()
    except Preempted:
        return True
    except Exception as error:
        text = str(error).splitlines()[0] if str(error) else ""
        for spec in rungs:
            folder = record.run_folder(root, spec.run_id)
            if record.read_run(folder).pending:
                reason = f"{type(error).__name__}: {text}"
                record.fail(folder, reason, kind="error", traceback=traceback.format_exc())
    return all(record.read_run(record.run_folder(root, spec.run_id)).failure is None for spec in rungs)


def _follow(parent: int, stop: threading.Event) -> None:
    """A local worker ends when its launcher does, also when that was killed."""
    while os.getppid() == parent:
        time.sleep(0.5)
    stop.set()
