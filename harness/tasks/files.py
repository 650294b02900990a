"""A person's own questions: lines of JSON in a .jsonl or .jsonl.gz file, or the rows of a set on the hub."""

import gzip
import hashlib
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from harness.corpora.hub import hub_corpus, hub_rows
from harness.refusal import Refusal
from harness.tasks.heuristics import Judgement
from harness.tasks.items import Item, Questions

Row = Mapping[str, Any]
Made = TypeVar("Made")

_QUESTION = '{"context": "One, two,", "choices": [" three", " four"], "answer": 0}'
_PAIR = '{"good": "She was here.", "bad": "She were here."}'
_JUDGEMENT = '{"sentence": "She was here.", "label": 1}'


@dataclass(frozen=True)
class Judgements:
    """Labelled single sentences, with what a reader must know of their source."""

    sentences: tuple[Judgement, ...]
    source: str
    version: str
    licence: str


def questions_from(source: str | Path) -> Questions:
    """Questions of `context` (or `contexts`, one a choice), `choices`, `answer` (place or text), and perhaps `bare`.

    Texts are scored as they are written: a choice that is a word of its own begins with a space. One choice makes the
    question open, and needs no answer; what is true of the first question must be true of all.
    """
    lines = _read(source)
    items = _made(lines, _question, _QUESTION)
    first = items[0]
    for (where, _), item in zip(lines.rows, items, strict=True):
        if _kind(item) != _kind(first):
            raise Refusal(f"{where} is {_kind(item)}, and the first is {_kind(first)}: give each kind its own file")
    return Questions(items, lines.source, lines.version, lines.licence)


def pairs_from(source: str | Path) -> Questions:
    """Minimal pairs of `good` and `bad`, or BLiMP's `sentence_good` and `sentence_bad`: whole sentences."""
    lines = _read(source)
    return Questions(_made(lines, _pair, _PAIR), lines.source, lines.version, lines.licence)


def judgements_from(source: str | Path) -> Judgements:
    """Sentences with a `label`, 1 where acceptable and 0 where not, as CoLA has them."""
    lines = _read(source)
    return Judgements(tuple(_made(lines, _judgement, _JUDGEMENT)), lines.source, lines.version, lines.licence)


def _question(row: Row) -> Item:
    if ("context" in row) == ("contexts" in row):
        raise ValueError("'context' or 'contexts' must be there, and not both")
    contexts = _texts(row, "contexts") if "contexts" in row else (_text(row, "context"),)
    choices = _texts(row, "choices")
    bare = _text(row, "bare") if "bare" in row else ""
    item = Item(contexts, choices, _answer(row, choices), bare)
    if [item.solved(place) for place in range(len(choices))].count(item.solved()) > 1:
        raise ValueError(f"the right choice {choices[item.answer]!r:.40} stands among the wrong ones too")
    return item


def _pair(row: Row) -> Item:
    names = ("good", "bad") if "good" in row else ("sentence_good", "sentence_bad")
    good, bad = (_text(row, name) for name in names)
    if good == bad:
        raise ValueError(f"the good and the bad sentence are both {good!r:.40}")
    return Item(("",), (good, bad))


def _judgement(row: Row) -> Judgement:
    label, sentence = row.get("label"), _text(row, "sentence")
    if not isinstance(label, int) or label not in (0, 1):
        raise ValueError(f"'label' is {label!r:.40} and must be 0 or 1")
    if not sentence:
        raise ValueError("'sentence' is empty")
    return Judgement(sentence, bool(label))


def _answer(row: Row, choices: tuple[str, ...]) -> int:
    """The place of the right choice, given as such or as its text."""
    answer = row.get("answer", 0 if len(choices) == 1 else None)
    if isinstance(answer, str) and choices.count(answer) == 1:
        return choices.index(answer)
    if not isinstance(answer, int) or isinstance(answer, bool):
        raise ValueError(f"'answer' is {answer!r:.40} and must be the place of a choice, from 0, or its whole text")
    return answer


def _text(row: Row, name: str) -> str:
    return _string(row.get(name), name)


def _texts(row: Row, name: str) -> tuple[str, ...]:
    value = row.get(name)
    if not isinstance(value, list):
        raise ValueError(f"{name!r} is {value!r:.40} and must be a list of strings")
    return tuple(_string(text, name) for text in value)


def _string(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name!r} has {value!r:.40} where a string must be")
    value.encode()  # half a surrogate pair is no text, and raises a ValueError
    return value


def _kind(item: Item) -> str:
    """What the columns of a task hang on, so that all of its items must agree."""
    return f"{'a choice' if len(item.choices) > 1 else 'open'} {'with' if item.bare else 'without'} a bare context"


@dataclass(frozen=True)
class _Lines:
    """Objects, each with where it stands for a refusal to say."""

    rows: list[tuple[str, Row]]
    source: str
    version: str
    licence: str


def _made(lines: _Lines, make: Callable[[Row], Made], example: str) -> list[Made]:
    made = []
    for where, row in lines.rows:
        try:
            made.append(make(row))
        except ValueError as error:
            raise Refusal(f"{where}: {error}; write for instance {example}") from None
    if not made:
        raise Refusal(f"{lines.source} is empty: give it lines like {example}")
    return made


def _read(source: str | Path) -> _Lines:
    name = str(source)
    return _hub(name) if name.startswith("hf:") else _file(Path(source))


def _hub(name: str) -> _Lines:
    """Every row of the split `train`, which is what the hub calls a set of one file."""
    known = hub_corpus(name)
    rows: list[tuple[str, Row]] = [(f"{name}, row {number}", row) for number, row in enumerate(hub_rows(name), start=1)]
    return _Lines(rows, f"Hugging Face hub, {name}, split train", known.version, known.licence)


def _file(path: Path) -> _Lines:
    if not path.name.endswith((".jsonl", ".jsonl.gz")):
        raise Refusal(f"{path} is neither .jsonl nor .jsonl.gz: write one object a line, for instance {_QUESTION}")
    try:
        content = path.read_bytes()
        unpacked = gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        raise Refusal(f"{path} does not read ({error}): check the path, or write it again") from None
    rows = list(_objects(path, unpacked.splitlines()))
    version = hashlib.sha256(content).hexdigest()[:12]
    return _Lines(rows, str(path), version, "not stated: the questions are the user's own")


def _objects(path: Path, lines: Sequence[bytes]) -> Iterator[tuple[str, Row]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise Refusal(f"{where} is not JSON ({error}): write one object a line") from None
        if not isinstance(row, dict):
            raise Refusal(f"{where} is {row!r:.40} and must be an object: write one a line")
        yield where, row
