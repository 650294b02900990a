"""How bad input is answered: one line that gives the value, the rule and the cure."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import TypeVar

Member = TypeVar("Member")


class Refusal(ValueError):
    """Bad input; its text is the one line that the user reads, and the command exits with 2."""


def nearest(name: str, names: Iterable[str]) -> str:
    """` - did you mean 'x'? There are: a, b, x`, for the end of a refusal."""
    known = sorted(names)
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}There are: {', '.join(known)}"


def pick(catalogue: Mapping[str, Member], name: str, kind: str) -> Member:
    """The catalogue's member of that name; a wrong name is refused with the right ones and the nearest."""
    if name not in catalogue:
        raise Refusal(f"no {kind} is called {name!r}: {nearest(name, catalogue)}")
    return catalogue[name]
