"""How initialisation, learning rates and multipliers follow width and depth, so that what was tuned small stays right.

m_N = width / base width, m_L = depth / base depth; at the base only the scale of attention is not the standard one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from harness.refusal import pick


class Sized(Protocol):
    @property
    def parametrisation(self) -> str: ...
    @property
    def width(self) -> int: ...
    @property
    def depth(self) -> int: ...
    @property
    def base_width(self) -> int: ...
    @property
    def base_depth(self) -> int: ...
    @property
    def head_width(self) -> int: ...
    @property
    def qk_norm(self) -> str: ...


@dataclass(frozen=True)
class Factors:
    """What a parameter's own values are multiplied by."""

    deviation: float = 1.0  # of its initialisation
    rate: float = 1.0
    decay: float = 1.0
    epsilon: float = 1.0  # of Adam


@dataclass(frozen=True)
class Parametrisation:
    attention: float  # multiplies q k^T
    branch: float = 1.0  # multiplies what a half block adds to the stream
    logits: float = 1.0
    ends: Factors = Factors()  # embedding, positions, head, final norm
    matrices: Factors = Factors()  # of the blocks
    vectors: Factors = Factors()  # of the blocks: norms and biases

    def factors(self, name: str, axes: int) -> Factors:
        """Those of the parameter of that name, which has so many axes."""
        if not name.startswith("blocks."):
            return self.ends
        return self.matrices if axes >= 2 else self.vectors


def _standard(sized: Sized) -> Parametrisation:
    return Parametrisation(attention=sized.head_width**-0.5)


def _mup(sized: Sized) -> Parametrisation:
    """arXiv 2203.03466, table 8, for Adam: CompleteP's rules at a depth that is always the base."""
    return _rules(sized, deeper=1.0)


def _completep(sized: Sized) -> Parametrisation:
    """arXiv 2505.01618, table 1 with alpha = 1."""
    return _rules(sized, deeper=sized.depth / sized.base_depth)


def _rules(sized: Sized, deeper: float) -> Parametrisation:
    wider = sized.width / sized.base_width
    return Parametrisation(
        # Normalised queries and keys have one size at every width; a smaller scale would only keep shares from being
        # sharp (2.10 nats for 1.77 at (2, 64)).
        attention=1 / sized.head_width if sized.qk_norm == "none" else sized.head_width**-0.5,
        branch=1 / deeper,
        logits=1 / wider,
        ends=Factors(epsilon=1 / wider),
        matrices=Factors(deviation=wider**-0.5, rate=1 / wider, decay=wider, epsilon=1 / (wider * deeper)),
        vectors=Factors(epsilon=1 / (wider * deeper)),
    )


PARAMETRISATIONS: dict[str, Callable[[Sized], Parametrisation]] = {
    "standard": _standard,
    "mup": _mup,
    "completep": _completep,
}


def parametrise(sized: Sized) -> Parametrisation:
    return pick(PARAMETRISATIONS, sized.parametrisation, "parametrisation")(sized)
