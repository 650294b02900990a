"""What a trained model is scored on: a catalogue whose columns `<task>/<metric>` appear in the table by themselves.

A name may be varied after an @, as `sciq@k=4,shuffled` or `lm_wiki@stride=16`; the variation is part of the columns.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from harness.corpora import CORPORA, open_corpus
from harness.models.family import LanguageModel
from harness.record import Json
from harness.refusal import Refusal, nearest, pick
from harness.spec import Spec
from harness.tasks.choice import Choice
from harness.tasks.coordinates import Coordinates
from harness.tasks.language_modelling import LanguageModelling

__all__ = ["SUITES", "TASKS", "Choice", "LanguageModelling", "Task", "expanded", "find_task"]


class Task(Protocol):
    """Reads its text once a trunk, then scores the trunk's model as often as it is asked."""

    @property
    def name(self) -> str: ...

    def facts(self, spec: Spec, cache: Path) -> Json:
        """What a design freezes of its text, data_hash among it."""
        ...

    def load(self, spec: Spec, cache: Path) -> Any:
        """What `score` needs beside the model, in the run's tokens and context."""
        ...

    def score(self, model: LanguageModel, loaded: Any, device: str) -> dict[str, float]:
        """Its columns of the table, NaN for what cannot be said."""
        ...


TASKS: dict[str, Task] = {f"lm_{corpus}": LanguageModelling(corpus) for corpus in CORPORA} | {
    "coordinates": Coordinates()
}

SUITES: dict[str, tuple[str, ...]] = {}


def expanded(names: Iterable[str]) -> list[str]:
    """The names with suites in the place of theirs, each once."""
    return list(dict.fromkeys(task for name in names for task in SUITES.get(name, (name,))))


def find_task(name: str) -> Task:
    """A task of the catalogue or of a file, varied as its name says after an @."""
    title, at, told = name.partition("@")
    task = _named(title)
    return _varied(task, name, told) if at else task


def _named(title: str) -> Task:
    """A task of the catalogue, or `lm_<corpus>` on any text that a run can be trained on."""
    if title not in TASKS and title.startswith("lm_"):
        open_corpus(title.removeprefix("lm_"))
        return LanguageModelling(title.removeprefix("lm_"))
    return pick(TASKS, title, "task")


def _varied(task: Task, name: str, told: str) -> Task:
    """The task with options as they stand behind the @; one that it has not, or cannot read, is refused."""
    options = getattr(task, "OPTIONS", {})
    given: dict[str, Any] = {}
    for option in told.split(","):
        key, equals, value = option.partition("=")
        if key not in options:
            rule = nearest(key, options) if options else f"{task.name} has no variations"
            raise Refusal(f"task {name}: it has no option {key!r}; {rule}")
        try:
            given[key] = options[key](value if equals else "1")
        except ValueError:
            raise Refusal(f"task {name}: {key}={value!r} is no number; write for instance {key}=4") from None
    varied: Task = replace(task, **given)  # type: ignore[type-var]
    return varied
