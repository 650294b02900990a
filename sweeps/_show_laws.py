"""How laws, predictions and their comparisons look in a terminal and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from rich.table import Table

from analysis.bakeoff import BakeOff
from analysis.card import Card
from analysis.fit import Fit
from analysis.forecast import Forecast
from analysis.optimum import RULE_TOKENS, Best, Quantity
from analysis.profile import Profile
from analysis.study import parameter_in_words
from analysis.wording import estimate, on_clusters, percent, power_of_ten, short_number
from sweeps._show import console


def say(text: str) -> None:
    console.print(text, soft_wrap=True, highlight=False)


def fit(card: Card) -> None:
    """The law, every parameter with its interval or why it has none, and how it was found."""
    known, source = card.known, card.source
    say(f"[bold]{known.law.name}[/bold]: {known.law.target} = {known.law.formula} ({known.law.source})")
    width = max(map(len, known.parameters))
    for name, (low, high) in known.intervals().items():
        say(f"  {name:>{width}} = {parameter_in_words(known, name, low, high)}")
    left_out = "".join(f", {count} left out ({reason})" for reason, count in known.excluded.items() if count)
    say(
        f"{on_clusters(known.rows, known.clusters)}{left_out}; 90 % intervals from {len(known.draws)} resamplings; "
        f"counted as {source['convention']}"
    )
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


def _short(quantity: Quantity | None, number: Any = short_number) -> str:
    if quantity is None:
        return ""
    if not np.isfinite(quantity.low):
        return str(number(quantity.value))
    return f"{number(quantity.value)} ({number(quantity.low)} to {number(quantity.high)})"


def best(card: Card, found: Sequence[Best]) -> None:
    """A row for each budget; depth and width only where something is known of shapes."""
    table = Table(title="compute-optimal, with 90 % intervals", title_justify="left", box=None, pad_edge=False)
    columns: dict[str, Callable[[Best], str]] = {
        "FLOPs": lambda one: power_of_ten(one.flops),
        "N*": lambda one: _short(one.params),
        "D*": lambda one: _short(one.tokens),
        "D*/N*": lambda one: _short(one.tokens_per_param, lambda value: f"{value:.3g}"),
        "loss": lambda one: " ".join(_in_brackets(estimate(one.loss.value, one.loss.low, one.loss.high))),
        "depth": lambda one: _short(one.depth, lambda value: f"{value:.1f}"),
        "width": lambda one: _short(one.width, lambda value: f"{value:.0f}"),
        f"wasted at D = {RULE_TOKENS:g} N": lambda one: _short(one.wasted, lambda share: f"{100 * share:.0f} %"),
    }
    used = {name: cells for name, show in columns.items() if any(cells := [show(one) for one in found])}
    for name in used:
        table.add_column(name, justify="right")
    for row in zip(*used.values(), strict=True):
        table.add_row(*row)
    console.print(table)
    for one in found[:1]:
        if one.shape_from:
            say(f"depth and width by {one.shape_from}")
    _warn_beyond(card, {"C": max(one.flops for one in found)})


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
    _warn_beyond(card, variables)


def conventions(found: Mapping[str, Any]) -> None:
    table = Table(title="how counting moves the conclusion", title_justify="left", box=None, pad_edge=False)
    names = [name for name in next(iter(found.values())) if name != "not_identified"]
    for heading in ("convention", *names):
        table.add_column(heading)
    for convention, facts in found.items():
        if "refused" in facts:
            table.add_row(convention, facts["refused"])
            continue
        cells = []
        for name in names:
            value, low, high = (np.nan if x is None else x for x in facts[name])
            sure = name not in facts["not_identified"]
            cells.append(" ".join(_in_brackets(estimate(value, low, high))) if sure else "not identified")
        table.add_row(convention, *cells)
    console.print(table)


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
