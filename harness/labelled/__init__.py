"""Texts to learn to classify: the catalogue of labelled sets, and how a name or a path becomes one."""

from pathlib import Path

from harness.labelled.addresses import ERA, PARTY
from harness.labelled.example import Example, LabelledSet, halved
from harness.labelled.files import SUFFIX, file_set
from harness.labelled.glue import RTE, SST2
from harness.refusal import pick

__all__ = ["LABELLED", "Example", "LabelledSet", "find_labelled", "halved"]

LABELLED: dict[str, LabelledSet] = {labelled.name: labelled for labelled in (SST2, RTE, PARTY, ERA)}


def find_labelled(name: str) -> LabelledSet:
    """The labelled set of that name, or of a .jsonl file."""
    if name.endswith(SUFFIX) and Path(name).is_file():
        return file_set(Path(name))
    return pick(LABELLED, name, "labelled set")
