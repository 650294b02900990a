"""What a trained model is scored on: a catalogue whose columns `<task>/<metric>` appear in the table by themselves."""

from harness.corpora import CORPORA
from harness.refusal import pick
from harness.tasks.language_modelling import LanguageModelling

Task = LanguageModelling

__all__ = ["TASKS", "LanguageModelling", "Task", "find_task"]

TASKS: dict[str, Task] = {f"lm_{corpus}": LanguageModelling(corpus) for corpus in CORPORA}


def find_task(name: str) -> Task:
    return pick(TASKS, name, "task")
