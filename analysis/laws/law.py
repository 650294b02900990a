"""What a scaling law declares: loss = sum of non-negative coefficients times basis functions of the variables.

Axes: r settings (starts, replicates), n rows, k coefficients, x exponents, p = k + x parameters.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.refusal import Refusal

Array = NDArray[np.float64]
Columns = Mapping[str, Array]
Centre = Mapping[str, float]


@dataclass(frozen=True)
class Exponent:
    """A non-linear parameter with the bounds and the grid of the search for it."""

    name: str
    low: float
    high: float
    steps: int = 24
    spacing: Literal["geometric", "linear"] = "geometric"
    judged: bool = True  # False for a scale or a floor, which no claim about an exponent rests on

    def grid(self) -> Array:
        space = np.geomspace if self.spacing == "geometric" else np.linspace
        return np.asarray(space(self.low, self.high, self.steps), dtype=np.float64)


@dataclass(frozen=True)
class Basis:
    """Basis functions and, where asked for, their derivatives in the exponents.

    `second(weights_rn)` is the sum over the rows of weights times second derivatives, [r, k, x, x].
    """

    value_rnk: Array
    first_rnkx: Array = field(default_factory=lambda: np.empty(0))
    second: Callable[[Array], Array] = field(default=lambda weights_rn: np.empty(0))


BasisFunction = Callable[[Array, Columns, bool], Basis]
Conversion = Callable[[Array, Centre], Array]


@dataclass(frozen=True)
class Law:
    """A declaration that the one engine can fit; `basis(exponents_rx, columns, derivatives)` is its content.

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
    centre: Literal["geometric", "smallest"] = "geometric"
    cheapest: Callable[[Array, Array], Array] | None = field(default=None, repr=False)  # (theta_rp, N D) -> best N
    # A scale is the law carried to one parameter or token: it is known no better than the exponents it is carried by.
    rests_on: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

    @property
    def parameters(self) -> tuple[str, ...]:
        return self.coefficients + tuple(exponent.name for exponent in self.exponents)

    @property
    def bounds(self) -> tuple[Array, Array]:
        """Lower and upper bounds of the centred parameters: coefficients are never negative."""
        count = len(self.coefficients)
        low = np.array([0.0] * count + [exponent.low for exponent in self.exponents])
        high = np.array([np.inf] * count + [exponent.high for exponent in self.exponents])
        return low, high

    def grid(self) -> Array:
        """Every combination of the exponents' grid points, the first exponent slowest, [settings, exponents]."""
        axes = np.meshgrid(*[exponent.grid() for exponent in self.exponents], indexing="ij")
        return np.stack([axis.ravel() for axis in axes], axis=1)

    def predict(self, theta: Array, variables: Mapping[str, Any] | pd.DataFrame) -> Array:
        """Loss at the variables: [rows] for one parameter vector, [settings, rows] for a stack of them."""
        for name in self.variables:
            if name not in variables:
                raise Refusal(f"law {self.name!r} needs {name}, and only {', '.join(map(str, variables))} is given")
        raw = np.broadcast_arrays(*[np.atleast_1d(np.asarray(variables[v], np.float64)) for v in self.variables])
        columns = dict(zip(self.variables, raw, strict=True))
        theta_rp = self.from_natural(np.atleast_2d(theta), dict.fromkeys(self.variables, 1.0))
        count = len(self.coefficients)
        value_rnk = self.basis(theta_rp[:, count:], columns, False).value_rnk
        loss_rn = (value_rnk @ theta_rp[:, :count, None])[..., 0]
        return loss_rn[0] if np.ndim(theta) == 1 else loss_rn


def power_terms(logs_nkx: Array, exponents_rx: Array, derivatives: bool) -> Basis:
    """Basis functions exp(sum over x of exponent_x * log_nkx): products of powers."""
    rows, terms, count = logs_nkx.shape
    flat = exponents_rx @ logs_nkx.reshape(rows * terms, count).T
    value_rnk = np.exp(flat).reshape(-1, rows, terms)
    if not derivatives:
        return Basis(value_rnk)
    squares_knxx = np.moveaxis(logs_nkx[..., :, None] * logs_nkx[..., None, :], 1, 0)

    def second(weights_rn: Array) -> Array:
        weighted_krn = np.moveaxis(value_rnk * weights_rn[..., None], 2, 0)
        sums_krx = weighted_krn @ squares_knxx.reshape(terms, rows, count * count)
        return np.moveaxis(sums_krx, 0, 1).reshape(-1, terms, count, count)

    return Basis(value_rnk, value_rnk[..., None] * logs_nkx, second)


def floor_and(log_rn: Array, first_rnx: Array, second_rnxx: Array) -> Basis:
    """The two basis functions 1 and exp(log), from the derivatives of the logarithm."""
    term_rn = np.exp(log_rn)
    gradient = term_rn[..., None] * first_rnx

    def second(weights_rn: Array) -> Array:
        weighted_rn = weights_rn * term_rn
        outer_rxx = np.swapaxes(first_rnx * weighted_rn[..., None], 1, 2) @ first_rnx
        curve_rxx = outer_rxx + np.einsum("rn,rnxy->rxy", weighted_rn, second_rnxx)
        return np.stack([np.zeros_like(curve_rxx), curve_rxx], axis=1)

    value_rnk = np.stack([np.ones_like(term_rn), term_rn], axis=-1)
    return Basis(value_rnk, np.stack([np.zeros_like(gradient), gradient], axis=-2), second)


def cheapest_params(a: Array, b: Array, alpha: Array, beta: Array, product_c: Array) -> Array:
    """N that minimises A / N^alpha + B / D^beta with N D given: G (N D)^(beta/s), G^s = alpha A / beta B, s the sum."""
    with np.errstate(divide="ignore", invalid="ignore"):
        log_r = (np.log(alpha * a) - np.log(beta * b)) / (alpha + beta)
        log_rc = log_r[:, None] + (beta / (alpha + beta))[:, None] * np.log(product_c)
    return np.where(np.isfinite(log_rc), np.exp(np.where(np.isfinite(log_rc), log_rc, 0.0)), np.nan)
