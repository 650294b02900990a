"""A file of any kind becomes columns of numbers or of text, or a line that says what is wrong with it."""

import csv
import gzip
import json
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import chain, islice
from numbers import Real
from pathlib import Path
from typing import Any, TextIO, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.refusal import Refusal

MISSING = frozenset({"", "na", "n/a", "#n/a", "<na>", "nan", "-nan", "null", "none"})
NUMBER = re.compile(r"[+-]?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]+)?|inf|infinity)", re.ASCII | re.IGNORECASE)
# What pandas and pyarrow write above an index.
NAMELESS = re.compile(r"Unnamed: \d+(_level_\d+)?|__index_level_\d+__")
SURROGATE = re.compile("[\ud800-\udfff]")  # how the bytes that are not UTF-8 were let in
BATCH_ROWS = 16_384
MOST_COLUMNS = 4_096
MOST_CELLS = 200_000_000  # 1.6 GB of float64
Row = TypeVar("Row")
Part = NDArray[np.float64] | list[str | None]


def _labels(names: Iterable[Any]) -> list[str]:
    """A different name for each column: doubled ones get their place, nameless ones pandas' `Unnamed: 0`."""
    cleaned = [clean(str(name)) or f"Unnamed: {place}" for place, name in enumerate(names)]
    count = Counter(cleaned)
    labels = [f"{name} (column {i})" if count[name] > 1 else name for i, name in enumerate(cleaned, start=1)]
    return labels if len(set(labels)) == len(labels) else _labels(labels)  # a header may hold such a label itself


def clean(name: str) -> str:
    """A name on one line, without blanks around it."""
    return one_line(" ".join(name.strip("\ufeff\u200b").split()))


def one_line(text: object, most: int = 300) -> str:
    """Text for a message of one line: what cannot be printed is escaped, what is long is cut."""
    line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text))
    return line if len(line) <= most else f"{line[:most]}..."


def as_number(cell: Any) -> float | None:
    """The cell's number, NaN where nothing stands, None where something else does."""
    if _is_missing(cell):
        return np.nan
    if isinstance(cell, str):
        text = cell.strip()
        return np.nan if text.lower() in MISSING else float(text) if NUMBER.fullmatch(text) else None
    if isinstance(cell, bool | np.bool_):
        return None
    try:
        return float(cell) if isinstance(cell, Real | Decimal) else None
    except OverflowError:
        return np.inf if cell > 0 else -np.inf
    except ValueError:
        return None


def _is_missing(cell: Any) -> bool:
    return cell is None or cell is pd.NA or cell is pd.NaT or (isinstance(cell, float) and cell != cell)


def _text(cell: Any) -> str | None:
    if _is_missing(cell):
        return None
    text = str(cell).strip()
    return None if isinstance(cell, str) and text.lower() in MISSING else text


def _texts(cells: Sequence[Any]) -> list[str | None]:
    if set(map(type, cells)) != {str}:
        return [_text(cell) for cell in cells]
    texts = {cell: _text(cell) for cell in set(cells)}  # words repeat
    return [texts[cell] for cell in cells]


def _part(cells: Sequence[Any], as_text: bool) -> Part:
    """Numbers if every cell is one or missing, else texts."""
    if as_text:
        return _texts(cells)
    kinds = set(map(type, cells))
    try:
        if kinds <= {int, float, type(None)}:
            return np.array(cells, dtype=np.float64)
        # float() also takes 1_0 and the digits of every script, which nobody's table means.
        if kinds == {str} and (joined := "".join(cells)).isascii() and "_" not in joined:
            return np.array([float(cell) if cell else np.nan for cell in cells])
    except (ValueError, OverflowError):
        pass
    numbers: list[float] = []
    for cell in cells:
        number = as_number(cell)
        if number is None:
            return _texts(cells)
        numbers.append(number)
    return np.array(numbers, dtype=np.float64)


def _column(parts: Sequence[Part], as_text: bool) -> pd.Series:
    """One column of its parts: float64, or bool if every cell is true or false, else text."""
    numbers = [part for part in parts if isinstance(part, np.ndarray)]
    if len(numbers) == len(parts):
        return pd.Series(np.concatenate(numbers))
    texts: list[str | None] = []
    for part in parts:
        texts += part if isinstance(part, list) else [None if x != x else repr(x) for x in part.tolist()]
    if not as_text and {text and text.lower() for text in set(texts)} <= {"true", "false"}:
        return pd.Series([text is not None and text.lower() == "true" for text in texts], dtype="bool")
    try:
        return pd.Series(texts, dtype="str")
    except UnicodeEncodeError:  # JSON can spell half of a surrogate pair
        return pd.Series([text and text.encode("utf-8", "backslashreplace").decode() for text in texts], dtype="str")


def _collect(batches: Iterable[tuple[int, Mapping[str, Sequence[Any]]]], texts: frozenset[str]) -> pd.DataFrame:
    """The table of (rows, cells by column) batches; a column that a batch lacks is missing there."""
    parts: dict[str, list[Part]] = {}
    rows = 0
    for count, batch in batches:
        for name, cells in batch.items():
            if name not in parts:
                parts[name] = [np.full(rows, np.nan)] if rows else []
            parts[name].append(_part(cells, clean(name) in texts))
        for name in parts.keys() - batch.keys():
            parts[name].append(np.full(count, np.nan))
        rows += count
        if len(parts) > MOST_COLUMNS or rows * len(parts) > MOST_CELLS:
            raise Refusal(
                f"{rows} rows of {len(parts)} columns are too many (at most {MOST_COLUMNS} columns, "
                f"{MOST_CELLS} cells): keep the columns that the law needs"
            )
    named = dict(zip(_labels(parts), parts, strict=True))
    return pd.DataFrame({label: _column(parts.pop(key), clean(key) in texts) for label, key in named.items()})


def kind_of(path: Path) -> str:
    """The end of the file's name that says how to read it; what is no file and other ends are refused."""
    try:
        is_file = path.is_file()
    except OSError:  # a name too long, a folder that may not be entered
        is_file = False
    if not is_file:
        raise Refusal(f"{one_line(path)} is not a file: a table is one of {', '.join(READERS)}; give its path")
    name = path.name.lower()
    kinds = [kind for kind in READERS if name.endswith(kind)]
    if not kinds:
        cure = "save it as CSV" if name.endswith((".xlsx", ".xls", ".ods")) else "convert it"
        raise Refusal(f"{one_line(path)} ends in {path.suffix!r}: a table is one of {', '.join(READERS)}; {cure}")
    return kinds[0]


def read_file(path: Path, texts: frozenset[str]) -> pd.DataFrame:
    kind = kind_of(path)
    try:
        return READERS[kind](path, texts)
    except Refusal as refusal:
        raise Refusal(f"{one_line(path)}: {refusal}") from None
    except ImportError:
        reason, cure = "pyarrow is not installed", "pip install pyarrow, or save it as CSV"
    except (OSError, EOFError, ValueError, zlib.error) as error:
        reason, cure = one_line(getattr(error, "strerror", None) or error), "check it, or write it again"
    raise Refusal(f"{one_line(path)} cannot be read as {kind[1:]}: {reason}; {cure}")


def _opened(path: Path) -> TextIO:
    opener: Callable[..., TextIO] = gzip.open if path.name.lower().endswith(".gz") else open
    return opener(path, "rt", encoding="utf-8-sig", errors="surrogateescape", newline="")


def _lines(file: TextIO) -> Iterator[str]:
    for number, line in enumerate(file, start=1):
        if not line.isascii() and SURROGATE.search(line):
            raise Refusal(f"line {number} is not UTF-8: a table is plain text in UTF-8; save it so")
        if "\0" in line:
            raise Refusal(f"line {number} holds a NUL byte: a table is plain text in UTF-8; save it so")
        yield line


def _read_delimited(path: Path, texts: frozenset[str]) -> pd.DataFrame:
    with _opened(path) as file:
        lines = _lines(file)
        sample = list(islice(lines, 50))
        reader = csv.reader(chain(sample, lines), delimiter=_delimiter(sample), skipinitialspace=True, strict=True)
        try:
            header = next((row for row in reader if not _is_blank(row)), None)
            if header is None:
                raise Refusal("it is empty: a table has a header and a row for each run; write them")
            _refuse_header_of_numbers(header)
            names = _labels(header)
            rows = _rectangular(reader, len(names), header_line=reader.line_num)
            columns = (
                (len(batch), dict(zip(names, zip(*batch, strict=True), strict=True))) for batch in _batches(rows)
            )
            return _collect(columns, texts)
        except csv.Error as error:
            raise Refusal(f"line {reader.line_num} is not CSV: {one_line(error)}; check its quotes") from None


def _rectangular(reader: Any, width: int, header_line: int) -> Iterator[list[str]]:
    """Rows as wide as the header: short ones are filled up, long ones refused, blank ones left out."""
    for row in reader:
        if len(row) != width:
            if not row:
                continue
            if any(row[width:]):
                raise Refusal(
                    f"line {reader.line_num} has {len(row)} fields, the header in line {header_line} has {width}: "
                    "quote what holds a delimiter, write decimals with a point, or complete the header"
                )
            row = [*row[:width], *[""] * (width - len(row))]
        yield row


def _delimiter(sample: list[str]) -> str:
    """Comma, semicolon or tab: what parts the header, and where several do, every line into as many fields."""
    widths: dict[str, list[int]] = {}
    for delimiter in ",;\t":
        try:
            rows = [row for row in csv.reader(sample, delimiter=delimiter, skipinitialspace=True) if not _is_blank(row)]
        except csv.Error:
            continue
        if rows and len(rows[0]) > 1:
            widths[delimiter] = [len(row) for row in rows]
    if len(widths) > 1:
        widths = {delimiter: found for delimiter, found in widths.items() if len(set(found)) == 1} or widths
    if len(widths) > 1:
        raise Refusal(
            f"its header holds {' and '.join(map(repr, widths))}, and each could part the columns: "
            "quote the names that hold one of them"
        )
    return next(iter(widths), ",")


def _is_blank(row: list[str]) -> bool:
    return not "".join(row).strip()


def _refuse_header_of_numbers(header: list[str]) -> None:
    numbers = [as_number(cell) for cell in header]
    if None not in numbers and not np.isnan(np.array(numbers, dtype=np.float64)).all():
        raise Refusal(
            f"the first line is all numbers ({one_line(', '.join(header), 60)}): a table's first line names its "
            "columns; write one above, for instance N,D,loss"
        )


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    return iter(lambda: list(islice(rows, BATCH_ROWS)), [])


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return record


def _read_jsonl(path: Path, texts: frozenset[str]) -> pd.DataFrame:
    with _opened(path) as file:
        return _collect(map(_by_key, _batches(_records(_lines(file)))), texts)


def _records(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    decoder = json.JSONDecoder(object_pairs_hook=_once)
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = decoder.decode(line)
        except (ValueError, RecursionError) as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            raise Refusal(f"line {number} is not JSON: {one_line(reason)}; write one object a line") from None
        if not isinstance(record, dict):
            raise Refusal(f"line {number} is a JSON {type(record).__name__}: a row is an object; write one a line")
        yield record


def _by_key(records: list[dict[str, Any]]) -> tuple[int, dict[str, list[Any]]]:
    keys = dict.fromkeys(key for record in records for key in record)
    if len(keys) > MOST_COLUMNS:
        raise Refusal(f"its lines have more than {MOST_COLUMNS} different keys: a key is a column; keep those needed")
    return len(records), {key: [record.get(key) for record in records] for key in keys}


def _read_parquet(path: Path, texts: frozenset[str]) -> pd.DataFrame:
    # An open file, since a path's folders would be read as columns; no metadata, since an index would hide columns.
    kwargs = {"ignore_metadata": True, "integer_object_nulls": True}
    with path.open("rb") as file:
        try:
            table = pd.read_parquet(file, engine="pyarrow", to_pandas_kwargs=kwargs)
        except (ImportError, OSError, ValueError):
            raise
        except Exception as error:  # pyarrow has a dozen kinds of its own
            raise ValueError(error) from None
    columns: dict[str, pd.Series] = {}
    for place, label in enumerate(_labels(table.columns)):
        column = table.iloc[:, place]
        is_number = column.dtype.kind in "iuf" and label not in texts
        part = column.to_numpy(np.float64) if is_number else _part(column.tolist(), label in texts)
        columns[label] = _column([part], label in texts)
    return pd.DataFrame(columns)


READERS: dict[str, Callable[[Path, frozenset[str]], pd.DataFrame]] = {
    ".csv": _read_delimited,
    ".tsv": _read_delimited,
    ".jsonl": _read_jsonl,
    ".parquet": _read_parquet,
    ".csv.gz": _read_delimited,
    ".tsv.gz": _read_delimited,
    ".jsonl.gz": _read_jsonl,
}
