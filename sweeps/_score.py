"""The command `score`: old runs and Hugging Face folders on new tasks, and what is said of it."""

import argparse
import math
from collections.abc import Mapping
from pathlib import Path

from harness import record
from harness.exchange.imported import Told, bring_in
from harness.record import Run
from harness.refusal import Refusal
from harness.score import Scores, best_device, score_run
from harness.tasks import expanded, find_task


def score(arguments: argparse.Namespace, folder: Path, results: Path, cache: Path) -> dict[str, Scores]:
    """run_id -> its scores on the tasks; a folder that is no run is brought in first."""
    tasks = [find_task(name) for name in expanded(arguments.tasks)]
    if not tasks and not arguments.lm_eval:
        raise Refusal("score on what? Name --tasks, or --lm-eval and tasks of lm-evaluation-harness")
    if not arguments.lm_eval and (arguments.limit or arguments.include):
        raise Refusal("--limit and --include are for --lm-eval: write a limit of --tasks as sciq@limit=200")
    if (folder / "spec.json").is_file() or (folder / "sweep.json").is_file():
        if arguments.corpus or arguments.tokenizer:
            raise Refusal(f"{folder.name} says itself what it was trained on and how it reads: name neither")
        found = [(run, score_run(run, tasks, cache)) for run in _finished(folder)]
    else:
        names = [task.name for task in tasks]
        run = bring_in(folder, results, cache, names, Told(corpus=arguments.corpus, tokenizer=arguments.tokenizer))
        found = [(run, _of(run.points[-1].scores, names))]
    return {run.run_id: scores | _by_lm_eval(arguments, run, cache) for run, scores in found}


def _by_lm_eval(arguments: argparse.Namespace, run: Run, cache: Path) -> Scores:
    """Its columns, kept beside our own; its package is asked for only here."""
    if not arguments.lm_eval:
        return {}
    from harness.lm_eval import evaluate_with_lm_eval

    include = Path(arguments.include) if arguments.include else None
    scores = evaluate_with_lm_eval(run, arguments.lm_eval, cache, include, best_device(), arguments.limit)
    record.add_scores(run.folder, scores, {})
    return scores


def _finished(folder: Path) -> list[Run]:
    """The run of the folder, or every finished one of a sweep's."""
    if (folder / "spec.json").is_file():
        return [record.read_run(folder)]
    runs = [run for run in record.read_runs(folder) if run.done is not None]
    if not runs:
        raise Refusal(f"{folder} has no finished run to score: launch the sweep first")
    return runs


def _of(scores: Mapping[str, float], tasks: list[str]) -> Scores:
    return {name: value for name, value in scores.items() if name.rsplit("/", 1)[0] in tasks}


def show(answer: Mapping[str, Mapping[str, float]]) -> None:
    for run_id, scores in answer.items():
        print(f"run {run_id}")
        show_scores(scores)


def show_scores(scores: Mapping[str, float]) -> None:
    """One a line, with its standard error where it has one."""
    for name in sorted(name for name in scores if not name.endswith("_stderr")):
        error = scores.get(f"{name}_stderr", math.nan)
        print(f"  {name}  {scores[name]:.4f}" + (f" ± {error:.4f}" if math.isfinite(error) else ""))
