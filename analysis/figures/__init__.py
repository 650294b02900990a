"""The catalogue of figures: a new one is a file here (a result and its drawing) and an entry below."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.text import Text

from analysis.curves.scores import zero_shot_names
from analysis.figures import (
    aggregate,
    arithmetic,
    bakeoff,
    compute,
    coordinates,
    curve,
    effective_data,
    exponents,
    forecast,
    gain,
    isoflop,
    layers,
    lm_domains,
    over_training,
    positions,
    profiles,
    rates,
    residuals,
    shots,
    slices,
    surface,
    training,
    transfer,
    zero_shot,
)
from analysis.figures.style import RC, for_page, lay_out, new_canvas, to_png, to_svg
from analysis.incontext import shot_tasks
from analysis.study import Study

RUNG = re.compile(r"\brung(s?)\b")


@dataclass(frozen=True)
class Figure:
    """`compute` makes a small result of a study, or refuses with the reason; `draw` puts it on the axes."""

    title: str
    reading: str  # how to read it: the caption, and the description for screen readers
    compute: Callable[[Study], Any]
    draw: Callable[[Any, Axes], None]
    variables: tuple[int, int] = (1, 99)  # how few and how many variables the study's law must have
    of: Callable[[Study], bool] = lambda study: True  # which studies have it

    def suits(self, study: Study) -> bool:
        """Whether the figure has a meaning for such a study at all, whatever the data carry."""
        return self.variables[0] <= len(study.law.variables) <= self.variables[1] and self.of(study)


FIGURES: dict[str, Figure] = {
    "compute": Figure(
        "Loss against compute",
        "Each dot is one rung, coloured by its size. The line is the lowest loss that the fitted law gives at "
        "each compute, dotted where its best size or budget lies outside the fitted ones; if the law's form holds, "
        "90 % of new rungs there fall in the band. A star is a held-out rung, which the law never saw.",
        compute.compute,
        compute.draw,
        variables=(2, 99),
    ),
    "forecast": Figure(
        "The held-out rung, predicted before it was looked at",
        "The star is what was measured. The bar is the law's forecast with its 90 % interval, made from the fitted "
        "rungs alone, for a new trunk; the triangles are what naive baselines would have said. Nearer to the dotted "
        "line is better.",
        forecast.compute,
        forecast.draw,
    ),
    "size": Figure(
        "Loss against model size",
        "One curve a data budget, with the law's 90 % interval: where it is flat, more parameters no longer help.",
        slices.slices("N", "D"),
        slices.draw,
        variables=(2, 2),
    ),
    "data": Figure(
        "Loss against data",
        "One curve a model size, with the law's 90 % interval: where it is flat, more tokens no longer help.",
        slices.slices("D", "N"),
        slices.draw,
        variables=(2, 2),
    ),
    "residuals": Figure(
        "What the law leaves over",
        "Percent by which each rung's loss lies above the law. A trend along compute or colour would mean that the "
        "law's form is wrong.",
        residuals.compute,
        residuals.draw,
        variables=(2, 99),
    ),
    "curve": Figure(
        "The law",
        "Each dot is one row that was fitted, the line the law with its 90 % interval; a star was held out.",
        curve.compute,
        curve.draw,
        variables=(1, 1),
    ),
    "surface": Figure(
        "The loss surface",
        "Lines join sizes and budgets of equal predicted loss, dotted ones those of equal compute. Along the orange "
        "path no other size does better for the same compute. Dots are fitted rungs; far from them it is a guess.",
        surface.compute,
        surface.draw,
        variables=(2, 2),
    ),
    "profiles": Figure(
        "Profile likelihood",
        "How much worse the best fit becomes when one parameter is held off its optimum. A valley that stays below the "
        "dotted line to one side is not bounded there; a lopsided one is known better to its steep side.",
        profiles.compute,
        profiles.draw,
    ),
    "isoflop": Figure(
        "IsoFLOP curves",
        "One parabola for each compute budget, its minimum marked where the audit accepts it; refused parabolas are "
        "pale and dashed. The path is the best size by the fitted law.",
        isoflop.compute,
        isoflop.draw,
    ),
    "bakeoff": Figure(
        "Laws against held-out rows",
        "Root mean square error, in percent, of each law (rows) on rows that it was not fitted to (columns: how they "
        "were chosen). Outlined cells are the best of their column and those that cannot be told from it.",
        bakeoff.compute,
        bakeoff.draw,
    ),
    "exponents": Figure(
        "Exponents under each counting convention",
        "Bars are 90 % intervals over trunks, dotted and without a value where the data do not identify the exponent. "
        "How parameters are counted moves the exponents: compare the rows before comparing with a published figure.",
        exponents.compute,
        exponents.draw,
    ),
    "training": Figure(
        "Training curves",
        "Lines are trunks at constant learning rate, dots the rungs that branch off and cool down. Only the dots are "
        "fitted.",
        training.compute,
        training.draw,
        of=lambda study: not study.lawless,
    ),
    "transfer_loss": Figure(
        "Zero-shot transfer against training loss",
        "Each mark is one rung scored on text that it was not trained on, with a straight line through the fitted "
        "rungs. Along the dotted lines a gain on the training text would be the same gain elsewhere: a flatter line "
        "gains less. Domains that lie far apart have panels of their own.",
        transfer.against_training,
        transfer.draw,
    ),
    "transfer_compute": Figure(
        "Zero-shot transfer against compute",
        "The same scores against training compute, with a power law and floor where the loss falls. A domain without a "
        "curve is not known to fall; it may even rise.",
        transfer.against_compute,
        transfer.draw,
    ),
    "rates": Figure(
        "Loss against learning rate at each size",
        "Dots are runs, thin lines join their means over seeds, the heavy line is the cubic that the best rate is read "
        "from; the diamond is its minimum, the bar the 90 % interval. The dotted line is the smallest size's best "
        "rate: where diamonds leave it, that rate does not carry over.",
        rates.compute,
        rates.draw,
        of=lambda study: study.varies_rate,
    ),
    "coordinates": Figure(
        "Coordinate check",
        "How far each activation has moved since initialisation, at each size. A level line moves alike at every "
        "size, and a learning rate carries over; the number is the power of size that it grows with.",
        coordinates.compute,
        coordinates.draw,
        of=lambda study: study.checks_coordinates,
    ),
    "gain": Figure(
        "What pre-training gains",
        "Loss from scratch less the loss after fine-tuning on as much text, each at its best budget, in bits per byte. "
        "Below the line pre-training does harm. Bands are over seeds; where one crosses the line, seeds do not tell. "
        "A mark is hollow where one side would have had a lower loss at a budget that it was not given.",
        gain.compute,
        gain.draw,
        of=lambda study: study.fine_tunes,
    ),
    "effective_data": Figure(
        "Effective data transferred",
        "How much more text than it was fine-tuned on a model from scratch would need for the same loss. Lines are the "
        "law, one a size. Hollow marks lie where the law claims nothing, marks at the upper edge beyond every run from "
        "scratch, those at the lower edge are negative: there pre-training does harm.",
        effective_data.compute,
        effective_data.draw,
        of=lambda study: study.fine_tunes,
    ),
    "zero_shot": Figure(
        "Zero-shot scores against model size",
        "Each dot is one rung's accuracy, asked without examples, at the budget that most sizes share; the bar is what "
        "other items would change. Dotted is chance, dashed a rule without a model; a star is held out, at its own "
        "budget. A task that is at chance, or does not rise for sure, has no curve and says so.",
        zero_shot.compute,
        zero_shot.draw,
        of=lambda study: bool(zero_shot_names(study.raw)),
    ),
    "over_training": Figure(
        "Task scores over pre-training",
        "Lines are trunks scored on the way, dots the rungs that branch off and cool down. Accuracies are set to 0 at "
        "chance and to 100 at the best score of any rung, so that tasks compare.",
        over_training.compute,
        over_training.draw,
        of=lambda study: not study.is_table and bool(zero_shot_names(study.raw)),
    ),
    "shots": Figure(
        "Scores against examples in the context",
        "One line a size. Where the line of right labels climbs and that of shuffled ones does not, the model learns "
        "from the examples; where lines of larger models climb more steeply, they learn more from them.",
        shots.compute,
        shots.draw,
        of=lambda study: bool(shot_tasks(study.raw)),
    ),
    "aggregate": Figure(
        "Zero-, one- and few-shot scores against size",
        "Means over the tasks that were asked in all these ways; thin lines are single tasks. Lines that open towards "
        "large models would mean that these gain more from examples.",
        aggregate.compute,
        aggregate.draw,
        of=lambda study: bool(shot_tasks(study.raw)),
    ),
    "arithmetic": Figure(
        "Arithmetic against model size",
        "Left, the share of answers that are exactly right; right, the loss of the right answer, which moves before "
        "they are. All with the most examples that were given.",
        arithmetic.compute,
        arithmetic.draw,
        of=lambda study: bool(arithmetic.asked_tasks(study.raw)),
    ),
    "lm_domains": Figure(
        "Other text against model size",
        "Loss on each text, none of which but its own a model was trained on, at the budget that most sizes share.",
        lm_domains.compute,
        lm_domains.draw,
        of=lambda study: bool(lm_domains.domains_of(study.raw)),
    ),
    "positions": Figure(
        "Loss along the context",
        "Mean loss of a token by how much of its window stands before it, one line a size, at the budget that most "
        "sizes share. Where a line goes on falling the model uses what stands so far back.",
        positions.compute,
        positions.draw,
        of=lambda study: bool(positions.texts_of(study.raw)),
    ),
    "layers": Figure(
        "Accuracy against transferred blocks",
        "Fine-tuned on labels after so many blocks, and always the embedding, came from a pre-trained parent; the "
        "others start anew. Dashed: the same shape from scratch.",
        layers.compute,
        layers.draw,
        of=lambda study: layers.has_layers(study.raw),
    ),
}


@dataclass(frozen=True)
class Picture:
    """One drawn figure: as files, and as a part of a page."""

    svg: str
    png: bytes
    inline: str


def suited(words: str, study: Study) -> str:
    """The words as they suit the study: a table has rows where a sweep has rungs."""
    return RUNG.sub(r"row\1", words) if study.is_table else words


def picture(name: str, study: Study) -> Picture:
    """The named figure of the study, drawn; refused with the reason where the data do not carry it."""
    figure = FIGURES[name]
    result = study.once(figure.compute)
    with matplotlib.rc_context(RC | {"svg.hashsalt": name}):
        canvas, axes = new_canvas()
        figure.draw(result, axes)
        axes.set_title(figure.title)
        for text in canvas.findobj(Text):
            text.set_text(suited(text.get_text(), study))
        lay_out(canvas)
        svg, png = to_svg(canvas), to_png(canvas)
    return Picture(svg, png, for_page(svg, name, suited(f"{figure.title}. {figure.reading}", study)))
