"""Task scores: against size and over pre-training, with examples in the context, on other text, after fine-tuning."""

import contextlib
from collections.abc import Callable
from typing import Any

import pandas as pd

from analysis.curves.chance import in_words, silence
from analysis.curves.hold_out import Foretold, HeldOutScores
from analysis.curves.scores import Scores, finished_names, scores, zero_shot_names
from analysis.curves.trend import Shape
from analysis.figures import aggregate, arithmetic, layers, lm_domains, over_training, positions, zero_shot
from analysis.figures.tiles import binomial_stderr
from analysis.incontext import InContext, in_context, shot_tasks
from analysis.optimum import Quantity
from analysis.sections.section import Body, Grid, Line, sentence
from analysis.study import LEVEL, LEVEL_WORDS, Study
from analysis.wording import share_of, short_number
from harness.refusal import Refusal

MOST_SHOWN = 12  # rows of a grid that stands open
SAME_ITEMS = (
    "Intervals of what these scores do are over trunks; all rungs answer the same items, and the table says how much "
    "other items would change a score."
)
Compute = Callable[[Study], Any]


def zero_shot_scores(study: Study) -> Body:
    """Every task's floor and scores at the smallest and the largest size, and what curves of them foretell."""
    known = [scores(study.table, task, ("N",)).at_one_budget() for task in finished_names(study.table)]
    header = ["task", "metric", "chance", "smallest", "largest", "nats: smallest", "largest", "what it does"]
    caption = (
        "Asked without examples, at the budget that most sizes share; accuracies with one standard error over items"
    )
    grids = [Grid(caption, header, [Line(_task(found)) for found in known], folded=len(known) > 2 * MOST_SHOWN)]
    lines = [*_claims(study, zero_shot.compute, over_training.compute), SAME_ITEMS]
    try:
        held = study.score_hold_out
    except Refusal as refusal:
        return Body(lines, grids, [f"No held-out score is foretold: {refusal}."])
    if rows := [Line(_foretold(one)) for one in held.of(held.chosen)]:
        caption = f"Held-out scores as {held.chosen.replace('_', ' ')} foretells them"
        header = ["task", "foretold", f"{LEVEL_WORDS} interval", "scored", "error (points)", "inside"]
        grids.append(Grid(caption, header, rows, folded=len(rows) > MOST_SHOWN))
    return Body([*lines, *held.words()], grids, _not_foretold(study, held))


def _not_foretold(study: Study, held: HeldOutScores) -> list[str]:
    """Tasks that no method foretold."""
    foretold = {one.task for one in held.foretold}
    left = [task for task in held.refused if ":" not in task and task not in foretold]
    how = f"scalelaw fit {study.root.name} --scores --json"
    words = f"Not foretold, being at chance, not sure to rise, or not scored on these rungs ({how} says which)"
    return [f"{words}: {', '.join(left)}."] if left else []


def _task(found: Scores) -> list[str]:
    """A line of the grid; the answer's loss beside the accuracy, by the same rule where it has one."""
    rule = found.metric.removeprefix("acc_")
    loss = next((name for name in (f"{found.task}/nll_{r}" for r in (rule, "sum")) if name in found.rows), None)
    ends = [found.keep((found.rows["N"] == n).to_numpy()) for n in (found.rows["N"].min(), found.rows["N"].max())]
    nats = [f"{end.rows[loss].mean():.3g}" if loss else "" for end in ends]
    return [found.task, found.metric, share_of(found.chance), *map(_accuracy, ends), *nats, in_words(found, "N", LEVEL)]


def _accuracy(found: Scores) -> str:
    """The mean, no surer than one of the scores: they are of the same items."""
    stderr = binomial_stderr(found.accuracy_n, found.items_n).mean()
    return f"{share_of(float(found.accuracy_n.mean()))} ± {100 * stderr:.1f}"


def _foretold(one: Foretold) -> list[str]:
    inside = {True: "yes", False: "no", None: "no interval"}[one.inside]
    reach = f"{share_of(one.low)} to {share_of(one.high)}" if one.inside is not None else ""
    return [one.task, share_of(one.predicted), reach, share_of(one.observed), f"{one.error:+.1f}", inside]


def _claims(study: Study, *figures: Compute) -> list[str]:
    """What the papers' figures claim, and whether it holds here."""
    lines: list[str] = []
    for compute in figures:
        try:
            lines += [sentence(shape.sentence) for shape in study.once(compute).shapes]
        except Refusal as refusal:
            lines.append(sentence(str(refusal)))
    return lines


def effects(study: Study) -> str:
    """Which of the papers' effects show?"""
    figures: list[Compute] = [zero_shot.compute, over_training.compute] if zero_shot_names(study.raw) else []
    figures += [aggregate.compute] if shot_tasks(study.raw) else []
    figures += [layers.compute] if layers.has_layers(study.raw) else []
    shapes: list[Shape] = []
    for compute in figures:
        with contextlib.suppress(Refusal):
            shapes += study.once(compute).shapes
    if not shapes:
        raise Refusal("no finished rung has the scores that would tell")
    told = {"yes": "shown", "no": "not so here", "undecided": "undecided"}
    parts = {word: [shape.claim for shape in shapes if shape.holds == holds] for holds, word in told.items()}
    said = [f"{word}: {', '.join(claims)}" for word, claims in parts.items() if claims]
    return "Of the papers' effects, " + "; ".join([*said, *_from_examples(study)])


def _from_examples(study: Study) -> list[str]:
    """Where larger models gain more from examples."""
    found = study.once(slopes)[0]
    by = {"acc": "by accuracy", "nll": "by the loss of the answers"}
    gained = {
        word: [one.task for one in found if one.metric.startswith(kind) and one.shape.holds == "yes"]
        for kind, word in by.items()
    }
    said = " and ".join(f"{word} on {', '.join(tasks)}" for word, tasks in gained.items() if tasks)
    asked = len({one.task for one in found})
    return [f"larger models gain more from examples, of {asked} tasks, {said or 'on none for sure'}"] if found else []


def in_context_scores(study: Study) -> Body:
    """How scores rise with examples at each size, beside examples with shuffled answers."""
    figures: list[Compute] = [aggregate.compute]
    if arithmetic.asked_tasks(study.table):
        figures.append(arithmetic.compute)
    found, refused = study.once(slopes)
    header = ["task", "metric", "k", "unit", "smallest", "largest", "tenfold size", "beyond shuffled", "what it does"]
    caption = "Gain a doubling of 1 + k at the smallest and the largest size, and what ten times the size adds to it"
    rows = [Line(_slopes(one)) for one in found]
    claim = "Larger models gain more from examples, or lose less by them (arXiv 2005.14165, figure 1.2)"
    by_accuracy, by_loss = ([one for one in found if one.metric.startswith(kind)] for kind in ("acc", "nll"))
    lines = [
        f"{claim}, by accuracy: {_by_verdict(by_accuracy)}.",
        f"The same by the loss of the right answer, which moves first: {_by_verdict(by_loss)}.",
        f"Of so many verdicts at {LEVEL_WORDS} some are luck.",
        *_claims(study, *figures),
    ]
    return Body(lines, [Grid(caption, header, rows, folded=len(rows) > MOST_SHOWN)], refused)


def _by_verdict(found: list[InContext]) -> str:
    """GPT-3's figure 1.2 over all tasks, in half a sentence."""
    verdicts: dict[str, list[str]] = {}
    for one in found:
        sure = one.shape.holds != "undecided"
        word = one.shape.holds if sure else one.verdict
        verdicts.setdefault(word, []).append(f"{one.task} ({one.shape.evidence})" if sure else one.task)
    said = "; ".join(f"{word}: {', '.join(tasks)}" for word, tasks in verdicts.items())
    return said or "no task was asked so"


def slopes(study: Study) -> tuple[list[InContext], list[str]]:
    """Of every task asked with examples, by accuracy and by the answer's loss, which moves first; why not others."""
    found, refused = [], []
    for task in shot_tasks(study.table):
        for metric in (None, "nll_byte"):
            try:
                found.append(in_context(study.table, task, metric))
            except Refusal as refusal:
                refused.append(f"{task}: {refusal}.")
    return found, list(dict.fromkeys(refused))


def slopes_table(study: Study) -> pd.DataFrame:
    """A row per rung, task, metric, k and kind of labels."""
    found, _ = study.once(slopes)
    if not found:
        raise Refusal("no task was asked with examples")
    return pd.concat([one.to_table() for one in found], ignore_index=True)


def along_the_context(study: Study) -> Body:
    """arXiv 2001.08361, figure 20."""
    return Body(_claims(study, positions.compute))


def _slopes(one: InContext) -> list[str]:
    n = one.rows["N"].to_numpy()
    points = one.metric.startswith("acc")
    unit, factor = ("points", 100.0) if points else ("nats", 1.0)

    def number(value: float) -> str:
        return f"{factor * value:+.1f}" if points else f"{value:+.3f}"

    def quantity(found: Quantity) -> str:
        return found.doubt or found.words(number)

    ends = [number(float(one.shots.slope_n[n == size].mean())) for size in (n.min(), n.max())]
    growths = quantity(one.growth), quantity(one.beyond_growth)
    return [one.task, one.metric, ", ".join(map(str, one.shots.k)), unit, *ends, *growths, one.verdict]


def other_text(study: Study) -> Body:
    """GPT-2's table 3 with one's own sizes."""
    table = lm_domains.sizes_table(study.table)
    quiet = [task for task in finished_names(study.table) if silence(scores(study.table, task, ("N",)), "N", LEVEL)]
    table = table.drop(columns=[task for task in quiet if task in table])
    rows = [Line([short_number(row.iloc[0]), *(f"{cell:.3f}" for cell in row.iloc[1:])]) for _, row in table.iterrows()]
    caption = "Bits per byte of each text and accuracy of each task that rises, at the budget that most sizes share"
    caption += " (Radford et al. 2019, table 3)"
    return Body(_claims(study, lm_domains.compute), [Grid(caption, list(map(str, table.columns)), rows)])


def transferred_layers(study: Study) -> Body:
    """GPT-1's figure 2, left."""
    return Body(_claims(study, layers.compute))


def overlap(study: Study) -> Body:
    """How many questions of each task share 13 words in a row with the training text."""
    lines = [
        Line([task, corpus, str(found["texts"]), str(found["touched"]), str(found["short"])])
        for corpus, tasks in study.design["overlap"].items()
        for task, found in tasks.items()
    ]
    words = max(found["n"] for tasks in study.design["overlap"].values() for found in tasks.values())
    note = (
        f"A question with its right answer is touched where it shares {words} words in a row with the text that was "
        "trained on (arXiv 2005.14165, appendix C); shorter ones cannot be. The rules of a generated question's "
        "wording are no overlap: drills hold out every question that is asked."
    )
    header = ["task", "training text", "questions", "touched", f"under {words} words"]
    return Body([note], [Grid("Overlap with the training text", header, lines)])


def has_overlap(study: Study) -> bool:
    return any(study.design.get("overlap", {}).values())
