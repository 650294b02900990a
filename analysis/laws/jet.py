"""Numbers that carry their first and second derivatives, so that a law is written down once, as a formula.

Axes: r settings (starts, replicates), x exponents, n rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
NONE: Array = np.empty(0)


@dataclass(frozen=True)
class Jet:
    """A value [r, n], its gradient [r, x, n] (order 1 and up) and Hessian [r, x, x, n] (order 2) in the exponents."""

    value_rn: Array
    first_rxn: Array = field(default_factory=lambda: NONE)
    second_rxxn: Array = field(default_factory=lambda: NONE)
    order: int = 0

    __array_ufunc__ = None  # an array on the left leaves the arithmetic to the jet

    def through(self, value: Array, slope: Array, curve: Array) -> "Jet":
        """f(self), from f, f' and f'' at the value: the chain rule."""
        if self.order == 0:
            return Jet(value)
        first = slope[:, None] * self.first_rxn
        if self.order == 1:
            return Jet(value, first, order=1)
        outer = self.first_rxn[:, :, None] * self.first_rxn[:, None, :]
        second = slope[:, None, None] * self.second_rxxn + curve[:, None, None] * outer
        return Jet(value, first, second, 2)

    def __add__(self, other: "Number") -> "Jet":
        if not isinstance(other, Jet):
            return Jet(self.value_rn + other, self.first_rxn, self.second_rxxn, self.order)
        value = self.value_rn + other.value_rn
        if self.order == 0:
            return Jet(value)
        first = self.first_rxn + other.first_rxn
        return Jet(value, first, self.second_rxxn + other.second_rxxn if self.order == 2 else NONE, self.order)

    def __mul__(self, other: "Number") -> "Jet":
        if not isinstance(other, Jet):
            first, second = (part * other if len(part) else NONE for part in (self.first_rxn, self.second_rxxn))
            return Jet(self.value_rn * other, first, second, self.order)
        value = self.value_rn * other.value_rn
        if self.order == 0:
            return Jet(value)
        first = self.value_rn[:, None] * other.first_rxn + other.value_rn[:, None] * self.first_rxn
        if self.order == 1:
            return Jet(value, first, order=1)
        cross = self.first_rxn[:, :, None] * other.first_rxn[:, None, :]
        second = self.value_rn[:, None, None] * other.second_rxxn + other.value_rn[:, None, None] * self.second_rxxn
        return Jet(value, first, second + cross + np.swapaxes(cross, 1, 2), 2)

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> "Jet":
        return self * -1.0

    def __sub__(self, other: "Number") -> "Jet":
        return self + -other

    def __rsub__(self, other: "Number") -> "Jet":
        return -self + other


Number = Jet | Array | float


def exponents_as_jets(exponents_rx: Array, order: int) -> list[Jet]:
    """Every exponent as a jet whose gradient is its own direction."""
    count = exponents_rx.shape[1]
    zero = np.zeros((1, 1, 1, 1))
    return [
        Jet(
            exponents_rx[:, i, None],
            np.eye(count)[i][None, :, None] if order else NONE,
            zero if order == 2 else NONE,
            order,
        )
        for i in range(count)
    ]


def exp(jet: Jet) -> Jet:
    value = np.exp(jet.value_rn)
    return jet.through(value, value, value)


def log(jet: Jet) -> Jet:
    inverse = 1 / jet.value_rn
    return jet.through(np.log(jet.value_rn), inverse, -inverse * inverse)


def square(jet: Jet) -> Jet:
    value = jet.value_rn
    return jet.through(value * value, 2 * value, np.full_like(value, 2.0))


def softplus(jet: Jet) -> Jet:
    """log(1 + exp(jet))."""
    value = np.logaddexp(0.0, jet.value_rn)
    slope = np.exp(jet.value_rn - value)
    return jet.through(value, slope, slope * (1 - slope))


def log_sum(jets: Sequence[Jet]) -> Jet:
    """log(sum of exp(jet)), without overflow: derivatives are means and spreads over each jet's share of the sum."""
    values = np.broadcast_arrays(*[jet.value_rn for jet in jets])
    highest = np.maximum.reduce(values)
    parts = [np.exp(value - highest) for value in values]
    total = sum(parts[1:], parts[0])
    value, order = highest + np.log(total), jets[0].order
    if not order:
        return Jet(value)
    shares = [part / total for part in parts]
    first = sum((share[:, None] * jet.first_rxn for share, jet in zip(shares, jets, strict=True)), np.zeros(1))
    if order == 1:
        return Jet(value, first, order=1)
    second = -first[:, :, None] * first[:, None, :]
    for share, jet in zip(shares, jets, strict=True):
        outer = jet.first_rxn[:, :, None] * jet.first_rxn[:, None, :]
        second = second + share[:, None, None] * (jet.second_rxxn + outer)
    return Jet(value, first, second, 2)


def where(condition: NDArray[np.bool_], yes: Jet, no: Jet) -> Jet:
    """The one jet where the condition [r, n] holds, the other elsewhere."""
    value = np.where(condition, yes.value_rn, no.value_rn)
    first = np.where(condition[:, None], yes.first_rxn, no.first_rxn) if yes.order else NONE
    second = np.where(condition[:, None, None], yes.second_rxxn, no.second_rxxn) if yes.order == 2 else NONE
    return Jet(value, first, second, yes.order)
