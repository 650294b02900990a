"""GPT-3's ten arithmetic tasks as open questions: 2 to 5 digits, two-digit products, three digits with two signs."""

from harness.exercises import Arithmetic, Composite, Kind, held_out
from harness.refusal import pick
from harness.tasks.items import Item, Questions

# arXiv 2005.14165, section 3.9.1
ARITHMETIC: dict[str, Kind] = {
    **{f"add{digits}": Arithmetic("plus", digits) for digits in (2, 3, 4, 5)},
    **{f"sub{digits}": Arithmetic("minus", digits) for digits in (2, 3, 4, 5)},
    "mul2": Arithmetic("times", 2),
    "composite1": Composite(),
}


def arithmetic_questions(name: str, count: int, seed: int = 0) -> Questions:
    """So many different questions of that task, none of which is solved in a corpus of drills."""
    exercises = held_out(pick(ARITHMETIC, name, "arithmetic task"), count, seed)
    return Questions(
        [Item((exercise.question,), (exercise.answer,)) for exercise in exercises],
        source=f"generated: {name} of arXiv 2005.14165, section 3.9.1",
        version=f"seed {seed}",
        licence="public domain",
        separator="\n",  # an answer ends its line
    )
