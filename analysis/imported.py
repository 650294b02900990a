"""People's own files, whatever they hold, become the one typed run table or a line that says what is wrong."""

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

from analysis.table import PART_COLUMNS, SCHEMA, SHAPE_COLUMNS
from harness.counts import counts
from harness.refusal import Refusal, nearest

# What the short names of --columns mean; every other name is a column's own.
SHORT_NAMES = {
    "params": "params_given",
    "N": "params_given",
    "D": "tokens",
    "flops": "flops_given",
    "C": "flops_given",
    "L": "loss",
    "cluster": "trunk_id",
    "trunk": "trunk_id",
    "run": "trunk_id",
}
# What people call the columns of their own tables, likeliest first; letters are taken as spelled, since `d` is a width.
# Not `L`: it counts layers as often as losses.
ALIASES = {
    "params_given": (
        *("N", "params", "parameters", "model_size", "num_params", "n_params", "num_parameters", "n_parameters"),
        *("param_count", "parameter_count", "total_params", "params_total", "params_active_precise"),
    ),
    "tokens": ("D", "training_tokens", "train_tokens", "num_tokens", "n_tokens", "tokens_seen", "total_tokens"),
    "flops_given": ("C", "flops", "flop", "compute", "training_flop", "training_flops", "train_flops", "total_flops"),
    "loss": ("final_loss", "val_loss", "valid_loss", "validation_loss", "eval_loss"),
}
# Names that laws ask for beside the schema's; their columns hold numbers or are refused.
OTHER_NUMBERS = ("S", "M", "U", "aspect", "error", "accuracy", "noise", "weight")
# What rows of one training run have in common, likeliest first: they are no independent witnesses.
CLUSTERS = ("trunk_id", "trunk", "cluster", "cluster_id", "run_id", "run", "run_name")
TEXTS = frozenset(name for name, dtype in SCHEMA.items() if dtype == "str") | set(CLUSTERS)
# A seed only tells runs apart, so it may be a word.
NUMBERS = {*ALIASES, *OTHER_NUMBERS, *(name for name, dtype in SCHEMA.items() if dtype.endswith("64"))} - {"seed"}

MISSING = frozenset({"", "na", "n/a", "#n/a", "<na>", "nan", "-nan", "null", "none"})
NUMBER = re.compile(r"[+-]?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]+)?|inf|infinity)", re.ASCII | re.IGNORECASE)
# What pandas and pyarrow write above an index.
NAMELESS = re.compile(r"Unnamed: \d+(_level_\d+)?|__index_level_\d+__")
DOUBLED = re.compile(r"(.*) \(column \d+\)")
SURROGATE = re.compile("[\ud800-\udfff]")  # how the bytes that are not UTF-8 were let in
BATCH_ROWS = 16_384
MOST_COLUMNS = 4_096
MOST_CELLS = 200_000_000  # 1.6 GB of float64
Row = TypeVar("Row")
Part = NDArray[np.float64] | list[str | None]


def read(path: Path, columns: Mapping[str, str] | None = None) -> pd.DataFrame:
    """A run table from someone's own csv, tsv, jsonl (each also .gz) or parquet: numbers as float64, all else as text.

    `columns` maps our names (or `SHORT_NAMES`) to theirs, for names that `ALIASES` does not know. Tokens that are not
    given are flops_given / (6 params_given). Without a column of `CLUSTERS` every row is its own cluster. Which of
    their columns each of our names was taken from stands in `attrs["columns"]`, what was derived in `attrs["derived"]`.
    """
    wanted = _wanted(columns or {})
    texts = TEXTS | {theirs for ours, theirs in wanted.items() if ours in TEXTS}
    found = _found(_read_file(path, texts), wanted, path)
    mapped = wanted | _recognised(found, wanted, path)
    clusters = [name for name in CLUSTERS if name in found and name not in mapped.values()]
    if "trunk_id" not in mapped and clusters:
        mapped["trunk_id"] = clusters[0]
    table = {ours: found[theirs] for ours, theirs in mapped.items()}
    taken = (set(mapped.values()) | table.keys()) - {"run_id"}  # which may also say what a cluster is
    table |= {name: found[name] for name in found if name not in taken}
    table |= {name: _numbers(table[name], name, mapped.get(name, name), path) for name in table if name in NUMBERS}
    _refuse_without_numbers(table, bool(wanted), path)
    derived = {}
    if "tokens" not in table and {"params_given", "flops_given"} <= table.keys():
        with np.errstate(all="ignore"):
            table["tokens"] = table["flops_given"] / (6 * table["params_given"])
        derived["tokens"] = "flops_given / (6 params_given)"
    typed = _with_parts(pd.DataFrame(table | _defaults(table, path)))
    typed.attrs = {"columns": mapped, "derived": derived, "own": list(table)}
    return typed


def _with_parts(table: pd.DataFrame) -> pd.DataFrame:
    """Parameters and FLOPs in parts, for the counting conventions, where the columns say how each model is cut."""
    if not set(SHAPE_COLUMNS) <= set(table.columns) or set(PART_COLUMNS) & set(table.columns):
        return table
    shapes = table[list(SHAPE_COLUMNS)]
    if shapes.isna().any(axis=None):
        return table
    whole = shapes.astype({name: "int64" for name in SHAPE_COLUMNS if name != "variant"})
    rows: Iterable[Any] = whole.itertuples(index=False)
    parts = [counts(row) for row in rows]
    return table.assign(**{name: [float(getattr(part, name)) for part in parts] for name in PART_COLUMNS})


def _defaults(table: Mapping[str, pd.Series], path: Path) -> dict[str, pd.Series]:
    """What every run table has, where this one has not; `held_out` as true or false."""
    rows = len(next(iter(table.values())))
    run_id = table["run_id"] if "run_id" in table else pd.Series([f"row{i}" for i in range(rows)], dtype="str")
    sweep = path.name[: -len(_kind(path))]
    defaults = {
        "sweep": pd.Series([_shown(sweep)] * rows, dtype="str"),
        "run_id": run_id,
        "trunk_id": run_id,
        "phase": pd.Series(["decayed"] * rows, dtype="str"),
        "loss_stderr": pd.Series(np.full(rows, np.nan)),
        "held_out": pd.Series(np.zeros(rows, dtype=bool)),
    }
    missing = {name: column for name, column in defaults.items() if name not in table}
    return missing | ({"held_out": _flags(table["held_out"], path)} if "held_out" in table else {})


# --- their names and ours


def _wanted(columns: Mapping[str, str]) -> dict[str, str]:
    """What --columns asks for, by our full names."""
    wanted: dict[str, str] = {}
    for name, theirs in columns.items():
        ours = SHORT_NAMES.get(_clean(name), _clean(name))
        if not ours:
            raise Refusal(
                f"--columns ={_shown(theirs)} has no name of ours: write NAME=COLUMN, for instance params=Size"
            )
        if ours in wanted:
            raise Refusal(f"--columns names {ours} twice ({wanted[ours]!r} and {_clean(theirs)!r}): keep one of them")
        wanted[ours] = _clean(theirs)
    return wanted


def _labels(names: Iterable[Any]) -> list[str]:
    """A different name for each column: doubled ones get their place, nameless ones pandas' `Unnamed: 0`."""
    cleaned = [_clean(str(name)) or f"Unnamed: {place}" for place, name in enumerate(names)]
    count = Counter(cleaned)
    labels = [f"{name} (column {i})" if count[name] > 1 else name for i, name in enumerate(cleaned, start=1)]
    return labels if len(set(labels)) == len(labels) else _labels(labels)  # a header may hold such a label itself


def _found(table: pd.DataFrame, wanted: Mapping[str, str], path: Path) -> dict[str, pd.Series]:
    """The columns without nameless ones and blank rows, if there are rows and all that is wanted."""
    nameless = [name for name in map(str, table.columns) if NAMELESS.fullmatch(name) and name not in wanted.values()]
    found = table.drop(columns=nameless).dropna(how="all", ignore_index=True)
    if found.empty:
        raise Refusal(f"{_shown(path)} has no rows: a table has a row for each run below its header; add them")
    names = [str(name) for name in found.columns]
    for ours, theirs in wanted.items():
        if theirs not in names:
            _refuse_doubled(theirs, ours, names, path)
            there = _shown(nearest(theirs, names), 2000)
            raise Refusal(f"{_shown(path)} has no column {theirs!r} (wanted for {ours}): {there}")
    return {name: found[name] for name in names}


def _recognised(found: Mapping[str, pd.Series], wanted: Mapping[str, str], path: Path) -> dict[str, str]:
    """Their columns for those of our names that were not asked for: our own name first, then `ALIASES` in order."""
    free = [name for name in found if name not in wanted.values() and (name in ALIASES or _has_numbers(found[name]))]
    several = [name for name in _doubled(found) if name not in wanted]
    # The last to enter stays, so that the leftmost column wins, and one spelled exactly so before all.
    spelled = {_folded(name): name for name in reversed([*free, *several])}
    spelled |= {name: name for name in [*free, *several]}
    mapped: dict[str, str] = {}
    for ours, aliases in ALIASES.items():
        keys = [key for name in (ours, *aliases) for key in (name, _folded(name)) if key in spelled]
        if keys and ours not in wanted:
            mapped[ours] = spelled[keys[0]]
    own = {name: name for name in several if name in SCHEMA or name in NUMBERS}
    for ours, theirs in (own | mapped).items():
        _refuse_doubled(theirs, ours, found, path)
    return mapped


def _has_numbers(column: pd.Series) -> bool:
    """Whether a cell at least begins like a number: a column of words called `compute` is no FLOPs."""
    if column.dtype == bool:
        return False
    return column.dtype == np.float64 or any(re.match(r"\W*[0-9]", text) for text in column.dropna())


def _doubled(names: Iterable[str]) -> dict[str, list[str]]:
    """The labels of names that stood above several columns."""
    labels: dict[str, list[str]] = {}
    for name in names:
        if match := DOUBLED.fullmatch(name):
            labels.setdefault(match[1], []).append(name)
    return {name: several for name, several in labels.items() if len(several) > 1}


def _refuse_doubled(theirs: str, ours: str, names: Iterable[str], path: Path) -> None:
    if several := _doubled(names).get(theirs):
        raise Refusal(
            f"{_shown(path)} has {len(several)} columns called {theirs!r} (wanted for {ours}): "
            f"rename one of them, or choose with --columns {ours}={several[0]!r}"
        )


def _folded(name: str) -> str:
    return name if len(name) == 1 else re.sub(r"[\s_-]+", "_", name.lower())


def _clean(name: str) -> str:
    """A name on one line, without blanks around it."""
    return _shown(" ".join(name.strip("\ufeff\u200b").split()))


def _shown(text: object, most: int = 300) -> str:
    """Text for a message of one line: what cannot be printed is escaped, what is long is cut."""
    line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text))
    return line if len(line) <= most else f"{line[:most]}..."


# --- cells


def _number(cell: Any) -> float | None:
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
        number = _number(cell)
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
            parts[name].append(_part(cells, _clean(name) in texts))
        for name in parts.keys() - batch.keys():
            parts[name].append(np.full(count, np.nan))
        rows += count
        if len(parts) > MOST_COLUMNS or rows * len(parts) > MOST_CELLS:
            raise Refusal(
                f"{rows} rows of {len(parts)} columns are too many (at most {MOST_COLUMNS} columns, "
                f"{MOST_CELLS} cells): keep the columns that the law needs"
            )
    named = dict(zip(_labels(parts), parts, strict=True))
    return pd.DataFrame({label: _column(parts.pop(key), _clean(key) in texts) for label, key in named.items()})


def _numbers(column: pd.Series, ours: str, theirs: str, path: Path) -> pd.Series:
    if column.dtype == np.float64:
        return column
    numbers = [_number(cell) for cell in column]
    if None in numbers:
        row = numbers.index(None)
        cell = column.tolist()[row]
        why = "" if ours == theirs else f" (taken for {ours}; --columns {ours}=THEIRS takes another)"
        shown = _shown(repr(cell), 60)
        raise Refusal(f"{_shown(path)}, row {row}: {theirs}={shown} is not a number{why}; {_cure(str(cell))}")
    return pd.Series(numbers, dtype="float64")


def _cure(cell: str) -> str:
    if "%" in cell:
        return "write a fraction, 0.5 for 50 %, in the whole column"
    if re.fullmatch(r"[+-]?[0-9][0-9.,'_\s]*(e[+-]?[0-9]+)?", cell, re.IGNORECASE):
        return "write it with a point for decimals and nothing between thousands"
    if re.fullmatch(r"[+-]?[0-9.]+\s*[kmbgtpe]", cell, re.IGNORECASE):
        return "write it out, 7e9 for 7B"
    return "correct it or leave it empty"


def _refuse_without_numbers(table: Mapping[str, pd.Series], was_told: bool, path: Path) -> None:
    numeric = [name for name, column in table.items() if column.dtype == np.float64 and column.notna().any()]
    there = _shown(", ".join(table), 2000)
    if len(table) == 1:
        raise Refusal(
            f"{_shown(path)} has one column, {there!r}: a law needs at least two of numbers; if several stand in it, "
            "separate them by commas, semicolons or tabs"
        )
    if len(numeric) < 2:
        raise Refusal(
            f"{_shown(path)} has {len(numeric)} columns of numbers: a law needs at least two; "
            f"write plain numbers in more of them; there are: {there}"
        )
    if not was_told and not table.keys() & {*ALIASES, *OTHER_NUMBERS}:
        raise Refusal(
            f"{_shown(path)} has no column that looks like parameters, tokens, FLOPs or a loss: name them with "
            f"--columns params=THEIRS tokens=THEIRS loss=THEIRS; there are: {there}"
        )


# --- files


def _kind(path: Path) -> str:
    """The end of the file's name that says how to read it; what is no file and other ends are refused."""
    try:
        is_file = path.is_file()
    except OSError:  # a name too long, a folder that may not be entered
        is_file = False
    if not is_file:
        raise Refusal(f"{_shown(path)} is not a file: a table is one of {', '.join(READERS)}; give its path")
    name = path.name.lower()
    kinds = [kind for kind in READERS if name.endswith(kind)]
    if not kinds:
        cure = "save it as CSV" if name.endswith((".xlsx", ".xls", ".ods")) else "convert it"
        raise Refusal(f"{_shown(path)} ends in {path.suffix!r}: a table is one of {', '.join(READERS)}; {cure}")
    return kinds[0]


def _read_file(path: Path, texts: frozenset[str]) -> pd.DataFrame:
    kind = _kind(path)
    try:
        return READERS[kind](path, texts)
    except Refusal as refusal:
        raise Refusal(f"{_shown(path)}: {refusal}") from None
    except ImportError:
        reason, cure = "pyarrow is not installed", "pip install pyarrow, or save it as CSV"
    except (OSError, EOFError, ValueError, zlib.error) as error:
        reason, cure = _shown(getattr(error, "strerror", None) or error), "check it, or write it again"
    raise Refusal(f"{_shown(path)} cannot be read as {kind[1:]}: {reason}; {cure}")


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
            raise Refusal(f"line {reader.line_num} is not CSV: {_shown(error)}; check its quotes") from None


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
    numbers = [_number(cell) for cell in header]
    if None not in numbers and not np.isnan(np.array(numbers, dtype=np.float64)).all():
        raise Refusal(
            f"the first line is all numbers ({_shown(', '.join(header), 60)}): a table's first line names its columns; "
            "write one above, for instance N,D,loss"
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
            raise Refusal(f"line {number} is not JSON: {_shown(reason)}; write one object a line") from None
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


def _flags(column: pd.Series, path: Path) -> pd.Series:
    words = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
    flags = column.astype("str").str.lower().map(words)
    if flags.isna().any():
        row = int(np.flatnonzero(flags.isna())[0])
        cell = _shown(repr(column.tolist()[row]), 60)
        raise Refusal(f"{_shown(path)}, row {row}: held_out={cell} is neither true nor false; correct it")
    return flags.astype("bool")
