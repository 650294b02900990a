"""What a corpus is: named and licensed documents; and how the files of an installed package are found unexecuted."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path, PurePosixPath

from harness.refusal import Refusal


@dataclass(frozen=True)
class Document:
    """One text that belongs together: a speech, a chapter, a file."""

    name: str
    text: str


@dataclass(frozen=True)
class Corpus:
    """A source of documents; `version` changes when its text may have changed, and costs no reading of it."""

    name: str
    source: str
    licence: str
    read: Callable[[], Iterator[Document]] = field(repr=False)
    read_version: Callable[[], str] = field(repr=False)

    @property
    def version(self) -> str:
        return self.read_version()

    def documents(self) -> Iterator[Document]:
        """The documents in the order of their source; a source that is missing or broken is refused."""
        return self.read()


def installed_version(package: str, cure: str) -> str:
    """The version of an installed package, which is not imported; a missing one is refused with its cure."""
    return _distribution(package, cure).version


def installed_files(package: str, cure: str) -> dict[PurePosixPath, Path]:
    """Path inside the package -> file on disk, sorted; found from the record of the installation."""
    found = _distribution(package, cure)
    files = {PurePosixPath(file): Path(str(found.locate_file(file))) for file in found.files or ()}
    return {name: files[name] for name in sorted(files, key=str)}


def installed_file(package: str, name: str, cure: str) -> Path:
    """The file `name` of an installed package."""
    path = installed_files(package, cure).get(PurePosixPath(name))
    if path is None or not path.is_file():
        raise Refusal(f"the installed package {package} has no file {name!r}, which is read here: run `{cure}`")
    return path


def _distribution(package: str, cure: str) -> metadata.Distribution:
    try:
        return metadata.distribution(package)
    except metadata.PackageNotFoundError:
        raise Refusal(
            f"the package {package!r} is not installed, and its text is read from there: run `{cure}`"
        ) from None
