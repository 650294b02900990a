"""A person's own text: files and folders of .txt, .jsonl, .jsonl.gz, .jsonl.zst and .parquet."""

import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.corpora.corpus import Corpus, Document
from harness.refusal import Refusal, pick

_FIELD = "text"


def _text(path: Path) -> Iterator[str]:
    yield path.read_text(encoding="utf-8-sig")


def _json_lines(path: Path) -> Iterator[str]:
    with path.open("rb") as lines:
        yield from _fields(path, lines)


def _json_lines_gzip(path: Path) -> Iterator[str]:
    with gzip.open(path, "rb") as lines:
        yield from _fields(path, lines)


def _json_lines_zstandard(path: Path) -> Iterator[str]:
    with _optional("zstandard", path):
        import zstandard
    unpack = zstandard.ZstdDecompressor().stream_reader
    try:
        with path.open("rb") as packed, unpack(packed, read_across_frames=True) as lines:
            yield from _fields(path, io.BufferedReader(lines))
    except zstandard.ZstdError as error:
        raise Refusal(f"{path} does not unpack ({error}): write it again") from None


def _parquet(path: Path) -> Iterator[str]:
    with _optional("pyarrow", path):
        from pyarrow import ArrowInvalid, parquet
    try:
        table = parquet.ParquetFile(path)
        if _FIELD not in table.schema_arrow.names:
            raise Refusal(
                f"{path} has no column {_FIELD!r}: there are {', '.join(table.schema_arrow.names)}; rename one"
            )
        for rows in table.iter_batches(columns=[_FIELD]):
            yield from (_checked(text, f"{path}, column {_FIELD!r}") for text in rows.column(0).to_pylist())
    except ArrowInvalid as error:
        raise Refusal(f"{path} does not read as parquet ({error}): write it again") from None


_READERS: dict[str, Callable[[Path], Iterator[str]]] = {
    ".txt": _text,
    ".jsonl": _json_lines,
    ".jsonl.gz": _json_lines_gzip,
    ".jsonl.zst": _json_lines_zstandard,
    ".parquet": _parquet,
}
SUFFIXES = tuple(_READERS)


def file_corpus(path: Path) -> Corpus:
    """The documents of one file, or of all such files below a folder in the order of their names."""
    files = _readable_files(path)

    def read() -> Iterator[Document]:
        for file in files:
            name = file.relative_to(path).as_posix() if path.is_dir() else file.name
            try:
                for number, text in enumerate(_READERS[_suffix(file)](file)):
                    yield Document(f"{name}#{number}", text)
            except UnicodeDecodeError as error:
                raise Refusal(f"{file} is not UTF-8 (byte {error.start}): convert it, e.g. with iconv") from None
            except (OSError, EOFError, zlib.error) as error:
                raise Refusal(f"{file} does not read ({error}): write it again") from None

    return Corpus(
        name=path.resolve().name.removesuffix(_suffix(path)),
        source=str(path),
        licence="not stated: the text is the user's own",
        read=read,
        read_version=lambda: _fingerprint(path, files),
    )


def _readable_files(path: Path) -> list[Path]:
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file() and _suffix(file))
        if not files:
            raise Refusal(f"the folder {path} holds no {', '.join(SUFFIXES)} file: put text into one of these")
        return files
    if not _suffix(path):
        pick(_READERS, "".join(path.suffixes[-2:]) or path.name, "kind of text file")
    return [path]


def _suffix(path: Path) -> str:
    return next((suffix for suffix in SUFFIXES if path.name.endswith(suffix)), "")


def _fingerprint(path: Path, files: list[Path]) -> str:
    """Names, sizes and times of change: reading a terabyte to see that it is unchanged would take too long."""
    states = [(file.as_posix(), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return hashlib.sha256(json.dumps([str(path.resolve()), states]).encode()).hexdigest()[:12]


def _fields(path: Path, lines: Iterable[bytes]) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            record = json.loads(line)
        except ValueError as error:
            raise Refusal(f"{where} is not JSON ({error}): write one object a line") from None
        yield _checked(record.get(_FIELD) if isinstance(record, dict) else None, where)


def _checked(text: object, where: str) -> str:
    if not isinstance(text, str):
        raise Refusal(f"{where}: {_FIELD!r} is {text!r:.40} and must be a string: give every document a text")
    return text


@contextmanager
def _optional(package: str, path: Path) -> Iterator[None]:
    try:
        yield
    except ImportError:
        raise Refusal(
            f"{path} needs the package {package}, which is not installed: pip install -e '.[files]'"
        ) from None
