"""What a trained model is scored on: a catalogue whose columns `<task>/<metric>` appear in the table by themselves."""

from pathlib import Path
from typing import Any, Protocol

from harness.corpora import CORPORA, open_corpus
from harness.dataset import Dataset
from harness.models.family import LanguageModel
from harness.refusal import pick
from harness.spec import Spec
from harness.tasks.coordinates import Coordinates
from harness.tasks.language_modelling import LanguageModelling

__all__ = ["TASKS", "LanguageModelling", "Task", "find_task"]


class Task(Protocol):
    """Reads its text once a trunk, then scores the trunk's model as often as it is asked."""

    @property
    def name(self) -> str: ...

    def dataset(self, spec: Spec, cache: Path) -> Dataset:
        """The text it reads, as the run's tokenizer sees it."""
        ...

    def load(self, spec: Spec, cache: Path) -> Any:
        """What `score` needs beside the model."""
        ...

    def score(self, model: LanguageModel, loaded: Any, device: str) -> dict[str, float]:
        """Its columns of the table, NaN for what cannot be said."""
        ...


TASKS: dict[str, Task] = {f"lm_{corpus}": LanguageModelling(corpus) for corpus in CORPORA} | {
    "coordinates": Coordinates()
}


def find_task(name: str) -> Task:
    """A task of the catalogue, or `lm_<corpus>` on any text that a run can be trained on."""
    if name not in TASKS and name.startswith("lm_"):
        open_corpus(name.removeprefix("lm_"))
        return LanguageModelling(name.removeprefix("lm_"))
    return pick(TASKS, name, "task")
