"""What a section of the report is: sentences and grids made of a study, or the reason why there are none."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from analysis.study import Study
from harness.refusal import Refusal

LONG, NUMBER_STARTS = 20, set("0123456789-+")
MOST_ROWS = 20_000  # that a page profiles, compares laws or fits parabolas on: more take minutes


@dataclass(frozen=True)
class Line:
    cells: Sequence[str]
    held_out: bool = False


@dataclass(frozen=True)
class Grid:
    caption: str
    header: Sequence[str]
    rows: Sequence[Line]
    folded: bool = False

    @property
    def numeric(self) -> list[bool]:
        """Columns that are set flush right: all their cells are short and start as numbers do."""
        columns = zip(*[row.cells for row in self.rows], strict=True)
        return [all(len(cell) < LONG and cell[:1] in NUMBER_STARTS for cell in column if cell) for column in columns]


@dataclass(frozen=True)
class Body:
    """Sentences, then grids with remarks below them, then a command to paste."""

    lines: Sequence[str] = ()
    grids: Sequence[Grid] = ()
    remarks: Sequence[str] = ()
    command: str = ""


@dataclass(frozen=True)
class Section:
    title: str
    body: Callable[[Study], Body]
    figures: tuple[str, ...] = ()
    of: Literal["both", "sweep", "table"] = "both"  # what has such a section
    needs: tuple[str, ...] = ()  # columns without which the question has no meaning
    asks: Callable[[Study], bool] = lambda study: True

    def suits(self, study: Study) -> bool:
        suited = self.of in ("both", "table" if study.is_table else "sweep")
        return suited and all(name in study.table for name in self.needs) and self.asks(study)


def refuse_many(study: Study, option: str) -> None:
    """Refused beyond `MOST_ROWS`."""
    rows = len(study.fitted) + len(study.held_out)
    if rows > MOST_ROWS:
        raise Refusal(
            f"{rows:,} rows take minutes, and a page answers this for at most {MOST_ROWS:,}: ask for it alone with "
            f"scalelaw fit {study.root.name} {option}"
        )


def sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + ("" if words.endswith(".") else ".")


def lawful(study: Study) -> bool:
    return not study.lawless


def three_digits(number: float) -> str:
    return f"{number:.3g}"


def four_digits(number: float) -> str:
    return f"{number:.4g}"
