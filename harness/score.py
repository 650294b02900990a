"""Scores a finished run on tasks that it was not trained with."""

import math
from collections.abc import Sequence
from pathlib import Path

from harness import machine, record, weights
from harness.layout import refuse_other_text
from harness.models.family import LanguageModel
from harness.record import Json, Run
from harness.refusal import Refusal
from harness.spec import Spec
from harness.tasks import Task
from harness.tasks.coordinates import Coordinates
from harness.tasks.recall import Induction

Scores = dict[str, float]


def score_run(run: Run, tasks: Sequence[Task], cache: Path) -> Scores:
    """The run's scores on the tasks, kept beside its points; refuses a text that its sweep knows otherwise."""
    if run.elsewhere:
        refuse_tasks_of_training(tasks, None if run.spec.corpus == record.UNKNOWN else run.spec.corpus)
    weights.tokenizer_of(run, cache)  # brings an imported run's tokenizer back to this cache
    data = facts_of(tasks, run.spec, cache)
    root = run.folder.parent.parent
    for known in (
        record.read_sweep(root)["data"],
        (record.read_json(run.folder / "scores.json") or {}).get("data", {}),
    ):
        for text in data.keys() & known.keys():
            refuse_other_text(text, data[text]["data_hash"], known[text]["data_hash"])
    device = best_device()
    scores = score_model(weights.load_model(run, device), run.spec, tasks, cache, device)
    record.add_scores(run.folder, scores, data)
    return scores


def best_device() -> str:
    return "cuda" if machine.has_gpu() else "cpu"


def facts_of(tasks: Sequence[Task], spec: Spec, cache: Path) -> dict[str, Json]:
    """What each task's text is known by, under the name that a design gives it."""
    return {f"{task.name} for {spec.text}": task.facts(spec, cache) for task in tasks}


def score_model(model: LanguageModel, spec: Spec, tasks: Sequence[Task], cache: Path, device: str) -> Scores:
    """Every score that is a number."""
    scores: Scores = {}
    for task in tasks:
        scores |= task.score(model, task.load(spec, cache), device)
    return {name: value for name, value in scores.items() if math.isfinite(value)}


def refuse_tasks_of_training(tasks: Sequence[Task], corpus: str | None) -> None:
    """Refuses what nobody can know of a model from elsewhere; None: not even its corpus."""
    for task in tasks:
        if isinstance(task, Coordinates):
            raise Refusal(
                f"task {task.name} asks how a run was trained, which a folder from elsewhere does not say: "
                "score it on texts and questions, for instance lm_wiki or sciq"
            )
        if isinstance(task, Induction) and corpus is None:
            raise Refusal(
                f"task {task.name} reads the text that a run was trained on, which a folder from elsewhere does not "
                "say: bring the folder in with --corpus NAME"
            )
