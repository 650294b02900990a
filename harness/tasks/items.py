"""What a question is: candidate answers as text, of which one is right; nothing here knows a tokenizer or a model."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Item:
    """One question: each choice continues its context, and `answer` is the place of the right one.

    A single choice makes the question open: it is answered right where each of its tokens is the model's likeliest.
    """

    contexts: tuple[str, ...]  # one that all choices share, or one a choice
    choices: tuple[str, ...]  # as they are scored, usually with a space in front
    answer: int = 0
    bare: str = ""  # the context that asks nothing, for scores relative to a choice's unconditional probability
    baselines: Mapping[str, float] = field(default_factory=dict, hash=False)  # name -> credit of a rule without a model

    def __post_init__(self) -> None:
        if len(self.contexts) not in (1, len(self.choices)):
            raise ValueError(f"{len(self.contexts)} contexts for {len(self.choices)} choices: one, or one a choice")
        if not 0 <= self.answer < len(self.choices):
            raise ValueError(f"answer={self.answer} is the place of none of {len(self.choices)} choices")
        if not all(self.choices):
            raise ValueError("a choice is empty, and an empty text has no probability of its own")

    def context(self, choice: int) -> str:
        return self.contexts[choice if len(self.contexts) > 1 else 0]

    def solved(self, choice: int | None = None) -> str:
        """The question with its answer, or with another choice, as an example shows it."""
        place = self.answer if choice is None else choice
        return self.context(place) + self.choices[place]

    @property
    def digest(self) -> str:
        """Orders items, splits them and tells sets of them apart; depends on their text alone."""
        return hashlib.sha256("\0".join((*self.contexts, "", *self.choices, str(self.answer))).encode()).hexdigest()


@dataclass(frozen=True)
class Questions:
    """A set of items as its source gives it, with what a reader must know of the source."""

    items: Sequence[Item]
    source: str
    version: str
    licence: str
    separator: str = "\n\n"  # between an example and what follows it
