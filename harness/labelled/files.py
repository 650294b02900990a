"""A person's own labelled set: a .jsonl file of objects with `texts`, a `label`, and where one likes a `source`."""

import hashlib
import json
from pathlib import Path
from typing import Any

from harness.labelled.example import Example, LabelledSet
from harness.refusal import Refusal

SUFFIX = ".jsonl"


def file_set(path: Path) -> LabelledSet:
    """The classes are the labels that occur, in the order of their names; `source` is the texts themselves unasked."""
    if not path.is_absolute():
        raise Refusal(f"labels={path}: workers may start in another folder; write {path.absolute()}")
    content = path.read_bytes()
    rows = [_row(line, f"{path}, line {number}") for number, line in enumerate(content.splitlines(), 1) if line.strip()]
    classes = sorted({row["label"] for row in rows})
    if len(classes) < 2:
        raise Refusal(f"{path} has {len(classes)} different labels: to tell apart are two or more; add the others")
    examples = [
        Example(tuple(row["texts"]), classes.index(row["label"]), row.get("source", "\0".join(row["texts"])))
        for row in rows
    ]
    return LabelledSet(
        name=str(path),
        classes=tuple(classes),
        source=str(path),
        licence="not stated: the text is the user's own",
        read=lambda: examples,
        read_version=lambda: hashlib.sha256(content).hexdigest()[:12],
    )


def _row(line: bytes, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise Refusal(f"{where} is not JSON ({error}): write one object a line") from None
    row = row if isinstance(row, dict) else {}
    texts, label, source = row.get("texts"), row.get("label"), row.get("source", "")
    if not (isinstance(texts, list) and texts and all(isinstance(text, str) and text for text in texts)):
        raise Refusal(f"{where}: 'texts' is {texts!r:.40} and must be a list of strings: give it one text or more")
    if not (isinstance(label, str) and isinstance(source, str)):
        raise Refusal(
            f"{where}: 'label' is {label!r:.40}, 'source' {source!r:.40}, and both must be strings: name them"
        )
    return row
