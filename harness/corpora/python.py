"""Python source of two packages that are installed anyway, one document a file."""

from collections.abc import Iterator

from harness.corpora.corpus import Corpus, Document, installed_files, installed_version

_PACKAGES = ("matplotlib", "pandas")
_CURE = "make corpora"


def _read() -> Iterator[Document]:
    for package in _PACKAGES:
        for name, path in installed_files(package, _CURE).items():
            if name.suffix == ".py":
                yield Document(str(name), path.read_text(encoding="utf-8"))


PYTHON = Corpus(
    name="python",
    source="source files of the packages matplotlib and pandas",
    licence="matplotlib: PSF-based licence; pandas: BSD-3-Clause",
    read=_read,
    read_version=lambda: "+".join(f"{package}-{installed_version(package, _CURE)}" for package in _PACKAGES),
)
