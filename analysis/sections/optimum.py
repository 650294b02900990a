"""What a budget buys at best: by the law, and by isoFLOP curves."""

import contextlib
from collections.abc import Callable

from analysis.optimum import RULE_TOKENS, Best, Quantity, Shapes, allocation, best
from analysis.sections.section import Body, Grid, Line, four_digits, refuse_many, sentence, three_digits
from analysis.study import LEVEL, LEVEL_WORDS, Study
from analysis.wording import power_of_ten, short_number
from harness.refusal import Refusal

BUDGETS = (1, 10, 100)  # times the largest fitted compute


def largest_compute(study: Study) -> float:
    """Of the fitted rungs; refused where they have none."""
    study.everything("C")
    return float(study.fitted["C"].max())


def optimum(study: Study) -> Body:
    """What a budget buys at best: size, data, shape, loss, and what a rule of thumb throws away."""
    largest = largest_compute(study)
    found = best(study.fit, [largest * times for times in BUDGETS], Shapes.of(study.fitted), LEVEL)
    header: dict[str, Callable[[Best], str]] = {
        "budget (FLOPs)": lambda one: power_of_ten(one.flops),
        "times the largest": lambda one: f"{one.flops / largest:.3g}",
        "N*": lambda one: _words(one.params, short_number),
        "D*": lambda one: _words(one.tokens, short_number),
        "D*/N*": lambda one: _words(one.tokens_per_param, three_digits),
        "loss": lambda one: _words(one.loss, four_digits),
        "aspect": lambda one: _words(one.aspect, three_digits),
        "depth": lambda one: _words(one.depth, three_digits),
        "width": lambda one: _words(one.width, four_digits),
        f"wasted at D = {RULE_TOKENS:g} N": lambda one: _words(one.wasted, lambda part: f"{100 * part:.3g} %"),
    }
    columns = {name: cells for name, show in header.items() if any(cells := [show(one) for one in found])}
    notes = [
        f"{LEVEL_WORDS} intervals over trunks, of the law's curve. Beyond the largest fitted budget they are the law's "
        "word alone: if its form bends there, no interval knows."
    ]
    quantities = [part for one in found for part in vars(one).values() if isinstance(part, Quantity)]
    with contextlib.suppress(Refusal):
        a, b = allocation(study.fit, largest, Shapes.of(study.fitted), LEVEL)
        quantities += [a, b]
        notes.append(f"N* grows as C^a and D* as C^b: a is {a.words(three_digits)}, b is {b.words(three_digits)}.")
    if found[0].shape_from:
        notes.append(f"Depth and width follow from N* by {found[0].shape_from}.")
    doubts = dict.fromkeys(part.doubt for part in quantities if part.doubt)
    lines = [Line(cells) for cells in zip(*columns.values(), strict=True)]
    grid = Grid("Compute-optimal choices", list(columns), lines)
    return Body(notes, [grid], [f"Not known: {doubt}." for doubt in doubts])


def _words(found: Quantity | None, number: Callable[[float], str]) -> str:
    return found.words(number) if found else ""


def isoflops(study: Study) -> Body:
    """Compute-optimal allocation by minimum over curves, by isoFLOP parabolas that were audited, and by the law."""
    refuse_many(study, "--isoflop")
    return Body([sentence(words) for words in study.isoflop.words()])
