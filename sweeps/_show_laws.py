"""How laws, predictions and their comparisons look in a terminal and as JSON."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from analysis.bakeoff import BakeOff
from analysis.card import Card
from analysis.fit import Fit
from analysis.forecast import Forecast
from analysis.optimum import RULE_TOKENS, Best, Quantity
from analysis.profile import Profile
from analysis.rates import Curve, Rates, nats
from analysis.study import parameter_in_words
from analysis.wording import estimate, on_clusters, percent, power_of_ten, rounded, short_number, three_digits
from sweeps._show import console

PIPED = 1000  # columns where no terminal is: whoever reads it there wants a row on one line


def say(*parts: str | tuple[str, str]) -> None:
    """Texts, or texts with their style; names of people's columns may hold brackets, so nothing in a text is markup."""
    console.print(Text.assemble(*parts), soft_wrap=True)


def _tabulate(title: str, columns: Mapping[str, Sequence[str]], justify: Literal["left", "right"] = "left") -> None:
    """A table by its columns; only a narrow terminal breaks a row."""
    piped = not sys.stdout.isatty()
    table = Table(box=None, pad_edge=False)
    for name in columns:
        table.add_column(Text(name), justify=justify, no_wrap=piped)
    for row in zip(*columns.values(), strict=True):
        table.add_row(*map(Text, row))
    say((title, "italic"))
    (Console(width=PIPED) if piped else console).print(table)


def fit(card: Card) -> None:
    """The law, every parameter with its interval or why it has none, and how it was found."""
    known, source = card.known, card.source
    say((known.law.name, "bold"), f": {known.law.target} = {known.law.formula} ({known.law.source})")
    width = max(map(len, known.parameters))
    for name, (low, high) in known.intervals().items():
        value = "" if len(known.draws) else f"{rounded(known.parameters[name], math.nan)}, "
        say(f"  {name:>{width}} = {value}{parameter_in_words(known, name, low, high)}")
    left_out = "".join(f", {count} left out ({reason})" for reason, count in known.excluded.items() if count)
    intervals = f"90 % intervals from {len(known.draws)} resamplings" if len(known.draws) else "no intervals"
    say(f"{on_clusters(known.rows, known.clusters)}{left_out}; {intervals}; counted as {source['convention']}")
    renamed = {ours: theirs for ours, theirs in source.get("columns", {}).items() if ours != theirs}
    if renamed:
        say("read as " + ", ".join(f"{ours}: {theirs!r}" for ours, theirs in renamed.items()))
    for name, rule in source.get("derived", {}).items():
        say(f"{name} = {rule}: the table does not give them")
    words, delta = known.certificate, f" (delta {known.options.width:g})" if known.options.objective == "huber" else ""
    say(
        f"{known.options.objective}{delta} = {known.objective:.10g}; {', '.join(words.status)}; gradient "
        f"{words.gradient:.0e}; {100 * words.starts_agreeing:.0f} % of {words.starts} starts agree; "
        f"{words.second_solver}"
    )


def best(card: Card, found: Sequence[Best]) -> None:
    """A row for each budget; depth and width only where something is known of shapes."""
    shown: dict[str, tuple[str, Callable[[Quantity], str]]] = {
        "N*": ("params", lambda size: size.words(short_number)),
        "D*": ("tokens", lambda tokens: tokens.words(short_number)),
        "D*/N*": ("tokens_per_param", lambda ratio: ratio.words(three_digits)),
        "loss": ("loss", _loss),
        "aspect": ("aspect", lambda ratio: ratio.words(three_digits)),
        "depth": ("depth", lambda layers: layers.words(three_digits)),
        "width": ("width", lambda channels: channels.words(three_digits)),
        f"wasted at D = {RULE_TOKENS:g} N": ("wasted", lambda share: share.words(lambda x: f"{100 * x:.0f} %")),
    }
    columns = {"FLOPs": [power_of_ten(one.flops) for one in found]}
    doubted: dict[str, list[str]] = {}
    for name, (field, words) in shown.items():
        quantities: list[Quantity | None] = [getattr(one, field) for one in found]
        if any(quantities):
            columns[name] = [words(quantity) if quantity else "" for quantity in quantities]
        for doubt in dict.fromkeys(quantity.doubt for quantity in quantities if quantity and quantity.doubt):
            doubted.setdefault(doubt, []).append(name)
    _tabulate("compute-optimal, with 90 % intervals", columns, "right")
    for doubt, names in doubted.items():
        say(f"{', '.join(names)}: {doubt}")
    for one in found[:1]:
        if one.shape_from:
            say(f"depth and width by {one.shape_from}")
    budgets = sorted((one.flops for one in found), reverse=True)
    _warn_beyond(card, {"C": budgets[0]})
    _caution([card.caution({"C": flops}) for flops in budgets])


def _loss(quantity: Quantity) -> str:
    if quantity.doubt:
        return quantity.words(three_digits)
    return " ".join(_in_brackets(estimate(quantity.value, quantity.low, quantity.high)))


def _caution(cautions: Sequence[str]) -> None:
    """The first, where there is one."""
    for caution in [caution for caution in cautions if caution][:1]:
        say(f"caution: {caution}")


def _in_brackets(parts: tuple[str, str]) -> tuple[str, str]:
    return parts[0], f"({parts[1]})"


def _warn_beyond(card: Card, asked: Mapping[str, float]) -> None:
    """Says how far outside the fitted rows a question lies."""
    for name, value in asked.items():
        low, high = card.ranges.get(name, (-np.inf, np.inf))
        if value > high > 0:
            say(f"{name} = {value:.3g} is {value / high:.3g} times beyond the largest fitted ({high:.3g})")
        elif 0 < value < low:
            say(f"{name} = {value:.3g} is {low / value:.3g} times below the smallest fitted ({low:.3g})")


def predicted(card: Card, variables: Mapping[str, float], found: Mapping[str, Any]) -> None:
    def words(ends: list[float | None]) -> str:
        low, high = (np.nan if end is None else end for end in ends)
        return estimate(found[card.known.law.target], low, high)[1]

    value = estimate(found[card.known.law.target], *(np.nan if x is None else x for x in found["curve_interval"]))[0]
    given = ", ".join(
        f"{name} {power_of_ten(number) if name == 'C' else short_number(number)}" for name, number in variables.items()
    )
    say(f"{card.known.law.target} at {given}: {value}")
    curve, new = words(found["curve_interval"]), words(found["new_trunk_interval"])
    say(f"90 % interval of the law's curve: {curve}; of a new trunk: {new}")
    _warn_beyond(card, found["at"])
    _caution([found.get("caution", "")])


def conventions(found: Mapping[str, Any]) -> None:
    """A row for each convention by which the law could be fitted; why it could not by the others stands below."""
    refused = {convention: facts["refused"] for convention, facts in found.items() if "refused" in facts}
    fitted = {convention: facts for convention, facts in found.items() if convention not in refused}
    names = dict.fromkeys(name for facts in fitted.values() for name in facts if name != "not_identified")
    columns = {"convention": list(fitted)}
    columns |= {name: [_counted(facts, name) for facts in fitted.values()] for name in names}
    _tabulate("how counting moves the conclusion", columns)
    for convention, reason in refused.items():
        say(f"{convention}: {reason}")


def _counted(facts: Mapping[str, Any], name: str) -> str:
    value, low, high = (np.nan if x is None else x for x in facts.get(name, [None] * 3))
    if name in facts["not_identified"] or np.isnan(value):
        return "not identified"
    return " ".join(_in_brackets(estimate(value, low, high)))


def profiles(known: Fit, found: Sequence[Profile]) -> None:
    say("profile likelihood, on the bootstrap's scale:")
    ends = known.intervals()
    for one in found:
        low, high = (None if is_open else end for is_open, end in zip(one.open_ends, (one.low, one.high), strict=True))
        said = f"{_end(low, one.value)} to {_end(high, one.value)}"
        boot = estimate(one.value, *ends[one.name])[1]
        say(f"  {one.name} {one.value:.4g}: {said} by profile, {boot} by bootstrap")


def _end(end: float | None, value: float) -> str:
    return "no end found" if end is None else f"{end:.4g}"


def held_out(found: Forecast) -> None:
    for row in found.rows:
        value, ends = estimate(row.predicted, row.low, row.high)
        judged = {True: "inside", False: "outside", None: "no interval"}[row.inside]
        say(
            f"held out at {row.beyond:.3g} times the compute: foretold {value} ({ends}), measured {row.observed:.4f}: "
            f"{percent(row.error)}, {judged}; carried on {percent(row.carried_error)}, line {percent(row.line_error)}"
        )


def bake_off(found: BakeOff) -> None:
    say(str(found))
    for line in found.words():
        say(line)


def rates(found: Rates) -> None:
    """A row for each size, then what they say together and what is not known."""
    shown: dict[str, Callable[[Curve], str]] = {
        "": lambda curve: curve.parametrisation,
        found.axis: lambda curve: str(curve.size),
        "best rate": _best_rate,
        "lowest tried": lambda curve: three_digits(curve.lowest_tried),
        "loss": lambda curve: "" if curve.vertex.doubt else f"{curve.loss.value:.4f}",
        "at the base rate": lambda curve: "" if curve.excess.doubt else f"{curve.at_base:.4f}",
        "excess": lambda curve: "not known" if curve.excess.doubt else " ".join(_in_brackets(nats(curve.excess))),
        "share": lambda curve: "" if curve.excess.doubt else percent(curve.share),
        "failed": lambda curve: str(len(curve.failed)),
    }
    columns = {name: [words(curve) for curve in found.curves] for name, words in shown.items()}
    _tabulate(f"best learning rate of each {found.axis}, with 90 % intervals", columns, "right")
    sentences([*found.words(), *found.doubts(), *found.notes])


def sentences(lines: Sequence[str]) -> None:
    for line in lines:
        say(line)


def _best_rate(curve: Curve) -> str:
    best = curve.vertex
    return "not known" if best.doubt else " ".join(_in_brackets(estimate(best.value, best.low, best.high)))
