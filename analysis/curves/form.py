"""What a curve of accuracy declares: a formula in jets, and how far the search for each parameter goes.

Axes: r settings (starts, replicates), p parameters, n rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np

from analysis.laws.jet import Array, Jet, exponents_as_jets

LEAST_CEILING = 0.02  # of the way from chance to one: a ceiling below is no curve


@dataclass(frozen=True)
class Parameter:
    """Bounds and starts of the search; rates are per width of the fitted u, places in such widths from its middle."""

    name: str
    kind: Literal["rate", "place", "ceiling", "plain"]
    low: float
    high: float
    starts: tuple[float, ...]

    def scaled(self, shares: Array, width: float, chance: float) -> Array:
        """Those numbers in the units of u, and a ceiling's as accuracies."""
        return {
            "rate": shares / width,
            "place": shares * width,
            "ceiling": chance + (1 - chance) * shares,
            "plain": shares,
        }[self.kind]


@dataclass(frozen=True)
class Form:
    """Accuracy as a function of u, which is log(x / x0), or S - S0 for a loss; `curve(theta, u, chance)` gives it."""

    name: str
    formula: str
    source: str
    parameters: tuple[Parameter, ...]
    curve: Callable[[list[Jet], Array, float], Jet]
    of_loss: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(parameter.name for parameter in self.parameters)

    def u(self, x: Array, origin: float) -> Array:
        """What the formula sees of x."""
        return x - origin if self.of_loss else np.log(x / origin)

    def x(self, u: Array, origin: float) -> Array:
        """The way back."""
        return u + origin if self.of_loss else origin * np.exp(u)

    def origin(self, x: Array) -> float:
        """The middle of the x: their mean, or geometric mean."""
        return float(x.mean() if self.of_loss else np.exp(np.log(x).mean()))

    def bounds(self, width: float, chance: float) -> tuple[Array, Array]:
        """Lower and upper bounds of the parameters where u spreads over a width."""
        ends = [p.scaled(np.array([p.low, p.high]), width, chance) for p in self.parameters]
        low, high = np.array(ends).T
        return low, high

    def grid(self, width: float, chance: float) -> Array:
        """Settings from which the search may start: every combination of the parameters' starts, [r, p]."""
        axes = [p.scaled(np.array(p.starts), width, chance) for p in self.parameters]
        return np.array(list(product(*axes)))

    def accuracy(self, theta_rp: Array, u_n: Array, chance: float) -> Array:
        """The curve at every setting, [r, n], no further out than accuracies go."""
        return np.clip(self.curve(exponents_as_jets(theta_rp, 0), u_n, chance).value_rn, 0.0, 1.0)
