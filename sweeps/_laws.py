"""The commands that need no training: fit a law to a sweep or a table, foretell from it, report on it."""

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from harness.refusal import Refusal

Value = TypeVar("Value")
TABLES = (".csv", ".tsv", ".parquet", ".jsonl", ".gz")
CARD = ".json"
RESAMPLINGS = 1000
# Options that change a fit: a card has them already.
FITTING = (
    *("law", "convention", "bootstrap", "columns", "objective", "delta", "weights", "noise", "drop_highest_loss"),
    *("seed", "phase"),
)
SHORT_NAMES = {"params": "N", "tokens": "D", "flops": "C"}
AT, COLUMNS = "--at N=1e9,D=2e10", "--columns params='Model Size',loss=loss"  # as they are written


def fit(arguments: argparse.Namespace, existing: Callable[[str], Path]) -> tuple[dict[str, Any], Callable[[], None]]:
    """A law with everything that it must say of itself; what else was asked for is added to the answer."""
    from analysis.card import make_card, write_card
    from sweeps import _show_laws as show

    study = opened(arguments, existing)
    asked = [name for name in QUESTIONS if getattr(arguments, name, None)]
    if study.lawless and asked and LAWLESS.issuperset(asked) and not arguments.card:
        card, answer = None, {"no_law": study.lawless}
        parts: list[Callable[[], None]] = []
    else:
        card = make_card(study)
        answer, parts = card.to_json(draws=False), [lambda: show.fit(card)]
    if is_card(arguments):
        same = "made again from its data; every parameter, every interval and the objective are the same"
        answer = {"recreated": True} | answer
        parts.append(lambda: print(f"{arguments.sweep}: {same}"))

    def add(name: str, found: Any, words: Callable[[], None]) -> None:
        answer[name] = found
        parts.append(words)

    for name in asked:
        add(name, *QUESTIONS[name](study, card, arguments))
    if arguments.card and card:
        write_card(card, Path(arguments.card))
        add("card", arguments.card, lambda: print(f"card: {arguments.card}"))
    if arguments.out:
        from analysis.report import write_report

        page = write_report(study, Path(arguments.out))
        add("report", str(page), lambda: print(f"report: {page}"))
    return answer, _all(parts)


def predict(arguments: argparse.Namespace, existing: Callable[[str], Path]) -> tuple[Any, Callable[[], None]]:
    """Loss at given variables, the optimum for given budgets, or both, with intervals."""
    from analysis.card import make_card, read_card
    from sweeps import _show_laws as show

    if is_card(arguments):
        refuse_refitting(arguments)
        card = read_card(Path(arguments.sweep))
    else:
        card = make_card(make_study(arguments, existing))
    answers: dict[str, Any] = {}
    parts: list[Callable[[], None]] = []
    if arguments.at:
        given = distinct([_setting(pair) for text in arguments.at for pair in pairs(text, AT)], "--at")
        at = card.foretell(given)
        caution = card.caution(at["at"])
        answers["at"] = at | ({"caution": caution} if caution else {})
        parts.append(lambda: show.predicted(card, given, answers["at"]))
    elif not arguments.budget and "C" not in card.ranges:
        raise Refusal(f"predict what? Give --budget FLOPS, or {AT}")
    if arguments.budget or not arguments.at:
        budgets = arguments.budget or [card.ranges["C"][1] * times for times in (1, 10, 100)]
        answers["budget"], words = _best(card, budgets)
        parts.append(words)
    return answers if len(answers) > 1 else next(iter(answers.values())), _all(parts)


def report(arguments: argparse.Namespace, existing: Callable[[str], Path]) -> tuple[dict[str, str], Callable[[], None]]:
    """The page of a sweep, a table or a card, by default in its results folder or beside the file."""
    from analysis.report import write_report

    study = opened(arguments, existing)
    beside = Path(arguments.sweep).with_suffix("") if is_card(arguments) or study.is_table else study.root
    page = write_report(study, Path(arguments.out) if arguments.out else beside / "report", arguments.without)
    return {"report": str(page)}, lambda: print(f"report: {page}")


def _all(parts: list[Callable[[], None]]) -> Callable[[], None]:
    def words() -> None:
        for part in parts:
            part()

    return words


# --- what is fitted


def is_card(arguments: argparse.Namespace) -> bool:
    return Path(arguments.sweep).suffix == CARD


def opened(arguments: argparse.Namespace, existing: Callable[[str], Path]) -> Any:
    """The study of a table, of a sweep or of a card; a card whose fit does not come out again is refused."""
    if not is_card(arguments):
        return make_study(arguments, existing)
    from analysis.card import differences, read_card, study_of

    refuse_refitting(arguments)
    path = Path(arguments.sweep)
    card = read_card(path)
    study = study_of(card, path.parent)
    off = differences(card, study.fit)
    if off:
        worst = sorted(off, key=lambda name: off[name], reverse=True)
        more = f" (and {len(worst) - 3} more)" if len(worst) > 3 else ""
        raise Refusal(
            f"{path} does not come out again: {', '.join(f'{name} differs by {off[name]:.1e}' for name in worst[:3])}"
            f"{more}; the card was written with "
            f"{', '.join(f'{name} {number}' for name, number in card.versions.items())}: "
            "install these, or fit the data anew"
        )
    return study


def refuse_refitting(arguments: argparse.Namespace) -> None:
    """A card says how its fit is made; options that say otherwise are refused."""
    given = {name: value for name in FITTING if (value := getattr(arguments, name, None)) not in (None, [])}
    said = ", ".join(f"--{name.replace('_', '-')} {_joined(value)}" for name, value in given.items())
    if given:
        raise Refusal(
            f"{said}: the card {arguments.sweep} says already how its fit is made: leave that out, or fit its data anew"
        )


def _joined(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def make_study(arguments: argparse.Namespace, existing: Callable[[str], Path]) -> Any:
    """The study of a table by its path, or of a launched sweep by its name."""
    from analysis.study import Study

    fitting = {
        name: value
        for name in ("objective", "delta", "seed", "weights", "noise", "drop_highest_loss")
        if (value := getattr(arguments, name, None)) is not None
    }
    if arguments.phase is not None:
        fitting["phase"] = None if arguments.phase == "all" else arguments.phase
    path = Path(arguments.sweep)
    table = not path.is_dir() and path.suffix != ".py" and (path.suffix.lower() in TABLES or path.is_file())
    if not path.exists() and path.suffix != ".py" and (table or path.name != arguments.sweep):
        raise Refusal(f"{arguments.sweep} does not exist: give the path of a table, or the name of a launched sweep")
    columns = distinct([column for text in arguments.columns for column in pairs(text, COLUMNS)], "--columns")
    if columns and not table:
        raise Refusal(f"--columns names the columns of a table, and {arguments.sweep!r} is a sweep: leave it out")
    root = path if table else existing(arguments.sweep)
    bootstrap = RESAMPLINGS if arguments.bootstrap is None else arguments.bootstrap
    return Study(root, arguments.law, arguments.convention, bootstrap, columns, fitting)


def pairs(text: str, example: str) -> list[tuple[str, str]]:
    """`params=Model Size,loss=loss` as pairs; a comma inside a column's name stays where no NAME= follows it."""
    found = []
    for part in re.split(r",(?=\s*[A-Za-z_]\w*=)", text):
        ours, sign, theirs = part.partition("=")
        if not sign or not ours.strip() or not theirs:
            raise Refusal(f"{part!r} is not NAME=VALUE: write for instance {example}")
        found.append((ours.strip(), theirs))
    return found


def distinct(found: list[tuple[str, Value]], option: str) -> dict[str, Value]:
    """The pairs by their names, of which none may come twice."""
    values: dict[str, Value] = {}
    for name, value in found:
        if name in values:
            raise Refusal(f"{option} names {name} twice ({values[name]} and {value}): keep one of them")
        values[name] = value
    return values


def _setting(pair: tuple[str, str]) -> tuple[str, float]:
    """A variable by the laws' name for it, and its number."""
    try:
        return SHORT_NAMES.get(pair[0], pair[0]), float(pair[1].replace("_", ""))
    except ValueError:
        raise Refusal(f"{pair[0]}={pair[1]!r} is not a number: write for instance {AT}") from None


def _best(card: Any, budgets: list[float]) -> tuple[list[dict[str, Any]], Callable[[], None]]:
    from analysis.optimum import best
    from sweeps import _show_laws as show

    found = best(card.known, budgets, card.shapes)
    cautions = [card.caution({"C": flops}) for flops in budgets]
    said = [
        one.to_json() | ({"caution": caution} if caution else {}) for one, caution in zip(found, cautions, strict=True)
    ]
    return said, lambda: show.best(card, found)


# --- what else `fit` can be asked


def _budget(study: Any, card: Any, arguments: argparse.Namespace) -> tuple[Any, Callable[[], None]]:
    return _best(card, arguments.budget)


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


def _rates(study: Any, card: Any, arguments: argparse.Namespace) -> tuple[Any, Callable[[], None]]:
    from sweeps import _show_laws as show

    found = study.rates
    return found.to_json(), lambda: show.rates(found)


def _scores(study: Any, card: Any, arguments: argparse.Namespace) -> tuple[Any, Callable[[], None]]:
    from sweeps import _show_laws as show

    found = study.score_hold_out
    return found.to_json(), lambda: show.sentences(found.words())


def _effective_data(study: Any, card: Any, arguments: argparse.Namespace) -> tuple[Any, Callable[[], None]]:
    from sweeps import _show_laws as show

    found = study.effective_data
    return found.to_json(), lambda: show.sentences(found.words())


LAWLESS = {"rates", "effective_data"}  # what a study can be asked that carries no law
QUESTIONS: dict[str, Callable[[Any, Any, argparse.Namespace], tuple[Any, Callable[[], None]]]] = {
    "budget": _budget,
    "holdout": _holdout,
    "conventions": _conventions,
    "profile": _profile,
    "isoflop": _isoflop,
    "bake_off": _bake_off,
    "rates": _rates,
    "scores": _scores,
    "effective_data": _effective_data,
}
