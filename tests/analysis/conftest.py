"""One planted sweep that every test of the analysis may read; whoever wants another writes its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.figures import style
from tests.analysis.planted import write_planted


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_planted(tmp_path_factory.mktemp("results") / "planted")


@pytest.fixture(scope="session", autouse=True)
def coarse_pictures() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(style, "PNG_DPI", 80)
        yield
