"""The commands that need no training: fit a law to a sweep or a table, foretell from it, report on it."""

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.refusal import Refusal

TABLES = (".csv", ".tsv", ".parquet", ".jsonl", ".gz")
CARD = ".json"


def fit(arguments: argparse.Namespace, existing: Callable[[str], Path]) -> tuple[dict[str, Any], Callable[[], None]]:
    """A law with everything that it must say of itself; what else was asked for is added to the answer."""
    from analysis.card import make_card, write_card
    from sweeps import _show_laws as show

    if Path(arguments.sweep).suffix == CARD:
        return recreate(Path(arguments.sweep))
    study = make_study(arguments, existing)
    card = make_card(study)
    answer: dict[str, Any] = card.to_json(draws=False)
    parts: list[Callable[[], None]] = [lambda: show.fit(card)]

    def add(name: str, found: Any, words: Callable[[], None]) -> None:
        answer[name] = found
        parts.append(words)

    for name, ask in QUESTIONS.items():
        if getattr(arguments, name, None):
            add(name, *ask(study, card, arguments))
    if arguments.card:
        write_card(card, Path(arguments.card))
        add("card", arguments.card, lambda: print(f"card: {arguments.card}"))
    if arguments.out:
        from analysis.report import write_report

        page = write_report(study, Path(arguments.out))
        add("report", str(page), lambda: print(f"report: {page}"))

    def words() -> None:
        for part in parts:
            part()

    return answer, words


def recreate(path: Path) -> tuple[dict[str, Any], Callable[[], None]]:
    """Makes a card's fit again from its data; refused where it comes out otherwise."""
    from analysis.card import differences, make_card, read_card, study_of
    from sweeps import _show_laws as show

    card = read_card(path)
    study = study_of(card)
    off = differences(card, study.fit)
    if off:
        worst = max(off, key=lambda name: off[name])
        raise Refusal(
            f"{path} does not come out again: {worst} differs by {off[worst]:.1e}; the card was written with "
            f"{', '.join(f'{name} {number}' for name, number in card.versions.items())}"
        )
    again = make_card(study)
    said = {"recreated": True} | again.to_json(draws=False)

    def words() -> None:
        show.fit(again)
        print(f"{path}: made again from its data; every parameter and the objective are the same")

    return said, words


def predict(arguments: argparse.Namespace, existing: Callable[[str], Path]) -> tuple[Any, Callable[[], None]]:
    """Loss at given variables, or the optimum for given budgets, with intervals."""
    from analysis.card import make_card, read_card
    from analysis.optimum import best
    from sweeps import _show_laws as show

    is_card = Path(arguments.sweep).suffix == CARD
    card = read_card(Path(arguments.sweep)) if is_card else make_card(make_study(arguments, existing))
    if arguments.at:
        variables = dict(_number(pair) for text in arguments.at for pair in pairs(text))
        found = card.foretell(variables)
        return found, lambda: show.predicted(card, variables, found)
    if not arguments.budget and "C" not in card.ranges:
        raise Refusal("predict what? Give --budget FLOPS, or --at N=1e9,D=2e10")
    budgets = arguments.budget or [card.ranges["C"][1] * times for times in (1, 10, 100)]
    found_best = best(card.known, budgets, card.shapes)
    return [one.to_json() for one in found_best], lambda: show.best(card, found_best)


def make_study(arguments: argparse.Namespace, existing: Callable[[str], Path]) -> Any:
    """The study of a table by its path, or of a launched sweep by its name."""
    from analysis.study import Study

    fitting = {
        name: value
        for name in ("objective", "delta", "seed", "weights", "noise", "drop_highest_loss")
        if (value := getattr(arguments, name, None)) is not None
    }
    path = Path(arguments.sweep)
    table = path.suffix in TABLES or (path.is_file() and path.suffix != ".py")
    columns = dict(column for text in getattr(arguments, "columns", []) for column in pairs(text))
    if columns and not table:
        raise Refusal(f"--columns names the columns of a table, and {arguments.sweep!r} is a sweep: leave it out")
    root = path if table else existing(arguments.sweep)
    return Study(root, arguments.law, arguments.convention, arguments.bootstrap, columns, fitting)


def pairs(text: str) -> list[tuple[str, str]]:
    """`params=Model Size,loss=loss` as pairs; a comma inside a column's name stays where no NAME= follows it."""
    found = []
    for part in re.split(r",(?=\s*[A-Za-z_]\w*=)", text):
        ours, sign, theirs = part.partition("=")
        if not sign or not ours.strip() or not theirs:
            raise Refusal(f"{part!r} is not NAME=VALUE: write for instance --columns params='Model Size',loss=loss")
        found.append((ours.strip(), theirs))
    return found


def _number(pair: tuple[str, str]) -> tuple[str, float]:
    try:
        return pair[0], float(pair[1].replace("_", ""))
    except ValueError:
        raise Refusal(f"{pair[0]}={pair[1]!r} is not a number: write for instance --at N=1e9,D=2e10") from None


# --- what else `fit` can be asked


def _budget(study: Any, card: Any, arguments: argparse.Namespace) -> tuple[Any, Callable[[], None]]:
    from analysis.optimum import best
    from sweeps import _show_laws as show

    found = best(card.known, arguments.budget, card.shapes)
    return [one.to_json() for one in found], lambda: show.best(card, found)


def _conventions(study: Any, card: Any, arguments: argparse.Namespace) -> tuple[Any, Callable[[], None]]:
    from sweeps import _show_laws as show

    found = study.counting()
    return found, lambda: show.conventions(found)


def _profile(study: Any, card: Any, arguments: argparse.Namespace) -> tuple[Any, Callable[[], None]]:
    from analysis.profile import profile
    from sweeps import _show_laws as show

    known = card.known
    names = arguments.profile if arguments.profile != ["all"] else study.profiled
    found = [profile(known, study.table, name) for name in names]
    return {one.name: one.to_json() for one in found}, lambda: show.profiles(known, found)


def _isoflop(study: Any, card: Any, arguments: argparse.Namespace) -> tuple[Any, Callable[[], None]]:
    found = study.isoflop
    return found.to_json(), lambda: print("\n".join(found.words()))


def _bake_off(study: Any, card: Any, arguments: argparse.Namespace) -> tuple[Any, Callable[[], None]]:
    from sweeps import _show_laws as show

    found = study.bake_off
    return found.to_json(), lambda: show.bake_off(found)


def _holdout(study: Any, card: Any, arguments: argparse.Namespace) -> tuple[Any, Callable[[], None]]:
    from sweeps import _show_laws as show

    found = study.forecast
    return found.to_json()["held_out"], lambda: show.held_out(found)


QUESTIONS: dict[str, Callable[[Any, Any, argparse.Namespace], tuple[Any, Callable[[], None]]]] = {
    "budget": _budget,
    "holdout": _holdout,
    "conventions": _conventions,
    "profile": _profile,
    "isoflop": _isoflop,
    "bake_off": _bake_off,
}
