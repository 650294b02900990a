"""What a scaling law declares: loss = sum of non-negative coefficients times basis functions of the variables.

Axes: r settings (starts, replicates), k coefficients, x exponents, n rows, p = k + x parameters.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from analysis.laws.jet import Array, Jet, exponents_as_jets
from harness.refusal import Refusal

Columns = Mapping[str, Array]
Centre = Mapping[str, float]

SEARCHED = 1_024  # settings of the exponents that a search looks at where their full grid would have more


@dataclass(frozen=True)
class Exponent:
    """A non-linear parameter with the bounds and the grid of the search for it."""

    name: str
    low: float
    high: float
    steps: int = 24
    spacing: Literal["geometric", "linear"] = "geometric"
    judged: bool = True  # False for a scale or a floor, which no claim about an exponent rests on

    def at(self, share: Array) -> Array:
        """The value a share (0 to 1) of the way from low to high."""
        if self.spacing == "linear":
            return self.low + share * (self.high - self.low)
        return np.asarray(self.low * (self.high / self.low) ** share, np.float64)


@dataclass(frozen=True)
class Basis:
    """Basis functions and, where asked for, their derivatives in the exponents.

    `second(weights_rn)` is the sum over the rows of weights times second derivatives, [r, k, x, x].
    """

    value_rkn: Array
    first_rkxn: Array = field(default_factory=lambda: np.empty(0))
    second: Callable[[Array], Array] = field(default=lambda weights_rn: np.empty(0))


BasisFunction = Callable[[Array, Columns, int], Basis]
Terms = Callable[[list[Jet], Columns], Sequence[Jet | float]]
Conversion = Callable[[Array, Centre], Array]


@dataclass(frozen=True)
class Law:
    """A declaration that the one engine can fit; `basis(exponents_rx, columns, order)` is its content.

    Columns reach `basis` divided by a centre (geometric mean or smallest value), so that parameters are well scaled;
    `to_natural` and `from_natural` carry parameters from centred to uncentred variables and back.
    """

    name: str
    formula: str
    source: str
    variables: tuple[str, ...]
    coefficients: tuple[str, ...]
    exponents: tuple[Exponent, ...]
    basis: BasisFunction = field(repr=False)
    to_natural: Conversion = field(repr=False)
    from_natural: Conversion = field(repr=False)
    parameters: tuple[str, ...] = ()  # their natural names, where they are not those of coefficients and exponents
    target: str = "loss"
    on_frontier: bool = False  # fitted to the rows that no cheaper row beats, not to all
    centre: Literal["geometric", "smallest"] = "geometric"
    centred_with: Mapping[str, str] = field(default_factory=dict, repr=False)  # variable -> whose centre it takes
    cheapest: Callable[[Array, Array], Array] | None = field(default=None, repr=False)  # (theta_rp, N D) -> best N
    # A scale is the law carried to one parameter or token: it is known no better than the exponents it is carried by.
    rests_on: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    extents: tuple[str, ...] = ()  # scales that rest on no exponent: a size, a number of repeats
    signed: tuple[str, ...] = ()  # parameters that may be negative
    judged: tuple[str, ...] = ()  # exponents that a claim may rest on, by their natural names
    # natural parameter -> the search's coordinates that it is made of, where they are not its namesake alone
    made_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

    @property
    def scales(self) -> tuple[str, ...]:
        """Parameters that are judged in logarithms."""
        return tuple(dict.fromkeys((*self.rests_on, *self.extents)))

    def __post_init__(self) -> None:
        if not self.parameters:
            object.__setattr__(self, "parameters", self.coordinates)
        if not self.judged:
            named = (exponent.name for exponent in self.exponents if exponent.judged)
            object.__setattr__(self, "judged", tuple(name for name in named if name in self.parameters))

    @property
    def coordinates(self) -> tuple[str, ...]:
        """What the search moves: the coefficients, then the exponents."""
        return self.coefficients + tuple(exponent.name for exponent in self.exponents)

    def made_from(self, parameter: str) -> tuple[str, ...]:
        """The coordinates that decide a natural parameter."""
        return self.made_of.get(parameter, (parameter,))

    @property
    def bounds(self) -> tuple[Array, Array]:
        """Lower and upper bounds of the centred parameters: coefficients are never negative."""
        count = len(self.coefficients)
        low = np.array([0.0] * count + [exponent.low for exponent in self.exponents])
        high = np.array([np.inf] * count + [exponent.high for exponent in self.exponents])
        return low, high

    @property
    def fine_grid(self) -> bool:
        """Whether every combination of the exponents' steps is looked at."""
        return bool(np.prod([exponent.steps for exponent in self.exponents]) <= SEARCHED)

    def grid(self) -> Array:
        """Settings that fill the box of the exponents, the first exponent rising, [settings, exponents].

        All combinations of their steps, or, where those are too many, an additive recurrence that fills it evenly.
        """
        if self.fine_grid:
            axes = np.meshgrid(*[np.linspace(0, 1, exponent.steps) for exponent in self.exponents], indexing="ij")
            shares = np.stack([axis.ravel() for axis in axes], axis=1)
        else:
            shares = evenly(SEARCHED, len(self.exponents))
        return np.stack([exponent.at(shares[:, i]) for i, exponent in enumerate(self.exponents)], axis=1)

    def predict(self, theta: Array, variables: Mapping[str, Any] | pd.DataFrame) -> Array:
        """Loss at the variables: [rows] for one parameter vector, [settings, rows] for a stack of them."""
        for name in self.variables:
            if name not in variables:
                raise Refusal(f"law {self.name!r} needs {name}, and only {', '.join(map(str, variables))} is given")
        raw = np.broadcast_arrays(*[np.atleast_1d(np.asarray(variables[v], np.float64)) for v in self.variables])
        columns = dict(zip(self.variables, raw, strict=True))
        count = len(self.coefficients)
        with np.errstate(all="ignore"):
            theta_rp = self.from_natural(np.atleast_2d(theta), dict.fromkeys(self.variables, 1.0))
            value_rkn = self.basis(theta_rp[:, count:], columns, 0).value_rkn
            loss_rn = (theta_rp[:, None, :count] @ value_rkn)[:, 0]
        return loss_rn[0] if np.ndim(theta) == 1 else loss_rn


def evenly(count: int, dimensions: int) -> Array:
    """Points that fill the unit box evenly: the additive recurrence on powers of 1/g, g^(d+1) = g + 1; first rising."""
    ratio = 1.5
    for _ in range(50):
        ratio = (1 + ratio) ** (1 / (dimensions + 1))
    points = (0.5 + np.arange(1, count + 1)[:, None] * ratio ** -np.arange(1.0, dimensions + 1)) % 1
    return points[np.argsort(points[:, 0], kind="stable")]


def from_terms(terms: Terms) -> BasisFunction:
    """The basis functions of a formula in jets, one term a coefficient; a plain number is a constant term."""

    def basis(exponents_rx: Array, columns: Columns, order: int) -> Basis:
        made = terms(exponents_as_jets(exponents_rx, order), columns)
        shape = (len(exponents_rx), len(next(iter(columns.values()))))
        count = exponents_rx.shape[1]

        def stacked(part: str, *axes: int) -> Array:
            full = (shape[0], *axes, shape[1])
            parts = [getattr(term, part) if isinstance(term, Jet) else np.zeros(1) for term in made]
            return np.stack([np.broadcast_to(values, full) for values in parts], axis=1)

        value = np.stack([np.broadcast_to(t.value_rn if isinstance(t, Jet) else t, shape) for t in made], axis=1)
        if not order:
            return Basis(value)
        first = stacked("first_rxn", count)
        if order == 1:
            return Basis(value, first)
        second = stacked("second_rxxn", count, count)
        return Basis(value, first, lambda weights_rn: (second @ weights_rn[:, None, None, :, None])[..., 0])

    return basis


def cheapest_params(a: Array, b: Array, alpha: Array, beta: Array, product_c: Array) -> Array:
    """N that minimises A / N^alpha + B / D^beta with N D given: G (N D)^(beta/s), G^s = alpha A / beta B, s the sum."""
    with np.errstate(divide="ignore", invalid="ignore"):
        log_r = (np.log(alpha * a) - np.log(beta * b)) / (alpha + beta)
        log_rc = log_r[:, None] + (beta / (alpha + beta))[:, None] * np.log(product_c)
    return np.where(np.isfinite(log_rc), np.exp(np.where(np.isfinite(log_rc), log_rc, 0.0)), np.nan)
