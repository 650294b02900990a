"""What a trained model is scored on: a catalogue whose columns `<task>/<metric>` appear in the table by themselves."""

from harness.corpora import CORPORA, open_corpus
from harness.refusal import pick
from harness.tasks.language_modelling import LanguageModelling

Task = LanguageModelling

__all__ = ["TASKS", "LanguageModelling", "Task", "find_task"]

TASKS: dict[str, Task] = {f"lm_{corpus}": LanguageModelling(corpus) for corpus in CORPORA}


def find_task(name: str) -> Task:
    """A task of the catalogue, or `lm_<corpus>` on any text that a run can be trained on."""
    if name not in TASKS and name.startswith("lm_"):
        open_corpus(name.removeprefix("lm_"))
        return LanguageModelling(name.removeprefix("lm_"))
    return pick(TASKS, name, "task")
