"""What people do with a law: the best size, data and shape for a budget, their loss, and what other choices waste."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.conventions import FLOPS_PER_PARAMETER_TOKEN
from analysis.fit import Fit, plain
from analysis.intervals import interval
from analysis.laws.jet import Array
from harness.refusal import Refusal

RULE_TOKENS = 20.0  # tokens per parameter that are often taken for granted (arXiv 2203.15556, table 3)
BLOCK = 12.0  # parameters of a transformer block over its squared width (arXiv 2001.08361, table 1)
SIZES, ASPECTS = 241, 25  # of the grid on which laws without a closed form are searched
SPAN = 1e4  # the grid's sizes reach this factor to both sides of sqrt(N D)
WASTE_GRID = np.geomspace(1e-3, 1.0, 121)  # shares of the budget among which the equal-loss optimum is looked for


@dataclass(frozen=True)
class Shapes:
    """How a table's compute and shapes hang together: medians over its fitted rows; NaN where it has no shapes."""

    flops_per_parameter_token: float = FLOPS_PER_PARAMETER_TOKEN
    params_per_block: float = BLOCK  # N / (depth width^2)
    aspect: float = np.nan
    aspect_low: float = np.nan
    aspect_high: float = np.nan

    @classmethod
    @np.errstate(all="ignore")
    def of(cls, table: pd.DataFrame) -> "Shapes":
        """Read from columns N, D, C, depth and width, as far as they are there."""

        def median(values: pd.Series, otherwise: float) -> float:
            found = values.median()
            return float(found) if np.isfinite(found) and found > 0 else otherwise

        factor = FLOPS_PER_PARAMETER_TOKEN
        if {"N", "D", "C"} <= set(table.columns):
            factor = median(table["C"] / (table["N"] * table["D"]), factor)
        if not {"N", "depth", "width"} <= set(table.columns):
            return cls(factor)
        aspect = table["width"] / table["depth"]
        block = median(table["N"] / (table["depth"] * table["width"] ** 2), BLOCK)
        return cls(factor, block, median(aspect, np.nan), float(aspect.min()), float(aspect.max()))


@dataclass(frozen=True)
class Quantity:
    """A value with its interval; NaN ends where there is none."""

    value: float
    low: float
    high: float
    doubt: str = ""  # why the data do not carry it, in words

    def to_json(self) -> list[float | None]:
        """Value and ends; nulls where the data do not carry it."""
        return [None] * 3 if self.doubt else [plain(self.value), plain(self.low), plain(self.high)]

    def words(self, number: Callable[[float], str]) -> str:
        """The value with its interval; `not known` where the data do not carry it, for which `doubt` is the reason."""
        if self.doubt:
            return "not known"
        ends = f" ({number(self.low)} to {number(self.high)})" if np.isfinite(self.low) else ""
        return number(self.value) + ends


@dataclass(frozen=True)
class Best:
    """The optimum at a budget of `flops`; `wasted` is the share of it that RULE_TOKENS tokens per parameter throw away.

    Quantities that the law does not know are None. Depth and width follow from the size by the law's best aspect ratio,
    or by the table's usual one where the law has no say (`shape_from` says which).
    """

    flops: float
    loss: Quantity
    params: Quantity | None = None
    tokens: Quantity | None = None
    tokens_per_param: Quantity | None = None
    aspect: Quantity | None = None
    depth: Quantity | None = None
    width: Quantity | None = None
    wasted: Quantity | None = None
    shape_from: str = ""

    def to_json(self) -> dict[str, Any]:
        return {name: part.to_json() if isinstance(part, Quantity) else part for name, part in vars(self).items()}


@np.errstate(all="ignore")
def best(known: Fit, budgets: Sequence[float], shapes: Shapes, level: float = 0.90) -> list[Best]:
    """The optimum at each budget, in FLOPs; refused for a law that knows no compute."""
    for flops in budgets:
        if not (np.isfinite(flops) and flops > 0):
            raise Refusal(f"a budget of {flops:g} FLOPs: it must be a positive number, for instance 1e21")
    if known.law.target != "loss" or not set(known.law.variables) <= {*"NDCMU", "aspect", "depth", "width"}:
        raise Refusal(
            f"law {known.law.name!r} says nothing about compute: it needs {', '.join(known.law.variables)}; fit one of "
            "size and data, for instance 'chinchilla'"
        )
    return [_best(known, float(flops), shapes, level) for flops in budgets]


def _best(known: Fit, flops: float, shapes: Shapes, level: float) -> Best:
    law = known.law
    theta_rp = np.concatenate([known.theta[None], known.draws])

    def quantity(values_r: Array) -> Quantity:
        return _quantity(values_r, known, level)

    if law.variables == ("C",):
        return Best(flops, quantity(law.predict(theta_rp, {"C": flops})[:, 0]))
    if not set(law.variables) & {"N", "M"} or not set(law.variables) & {"D", "C"}:
        raise Refusal(f"law {law.name!r} knows {' and '.join(law.variables)} alone: a budget needs size and data both")
    product = flops / shapes.flops_per_parameter_token
    if law.cheapest is not None:
        params_r = law.cheapest(theta_rp, np.array([product]))[:, 0]
        aspect_r = _best_aspect(known, theta_rp, params_r)
    else:
        params_r, aspect_r = _searched(known, theta_rp, product, shapes)
    loss_r = _loss_at(known, theta_rp, params_r, product / params_r, aspect_r, shapes)
    knows_shape = bool(set(law.variables) & {"aspect", "depth", "width"})
    shape_r = aspect_r if knows_shape else np.full_like(params_r, shapes.aspect)
    depth_r = (params_r / (shapes.params_per_block * shape_r**2)) ** (1 / 3)
    shown = bool(np.isfinite(depth_r[0]))
    return Best(
        flops=flops,
        loss=quantity(loss_r),
        params=quantity(params_r),
        tokens=quantity(product / params_r),
        tokens_per_param=quantity(product / params_r**2),
        aspect=quantity(aspect_r) if knows_shape else None,
        depth=quantity(depth_r) if shown else None,
        width=quantity(depth_r * shape_r) if shown else None,
        wasted=_wasted(known, theta_rp, product, quantity),
        shape_from=("the law" if knows_shape else "the table's usual aspect ratio") if shown else "",
    )


def _quantity(values_r: Array, known: Fit, level: float) -> Quantity:
    """The first value with the interval that the others, one a replicate, give it."""
    draws = values_r[1:][np.isfinite(values_r[1:])]
    low, high = interval(draws[:, None], values_r[:1], level, known.clusters)
    return Quantity(float(values_r[0]), float(low[0]), float(high[0]))


def _best_aspect(known: Fit, theta_rp: Array, params_r: Array) -> Array:
    if "aspect" not in known.law.variables:
        return np.full_like(params_r, np.nan)
    rho, drift = (theta_rp[:, known.law.parameters.index(name)] for name in ("rho", "drift"))
    return np.asarray(rho * params_r**drift)


def _variables(params: Array, tokens: Array, aspect: Array, shapes: Shapes) -> dict[str, Array]:
    depth = (params / (shapes.params_per_block * aspect**2)) ** (1 / 3)
    made = {"N": params, "D": tokens, "U": tokens, "M": tokens / params, "aspect": aspect}
    return made | {"C": shapes.flops_per_parameter_token * params * tokens, "depth": depth, "width": depth * aspect}


def _loss_at(known: Fit, theta_rp: Array, params_r: Array, tokens_r: Array, aspect_r: Array, shapes: Shapes) -> Array:
    """Each setting's loss at its own size, data and shape."""
    columns = _variables(params_r, tokens_r, aspect_r, shapes)
    return np.array(
        [
            known.law.predict(theta_rp[i], {name: columns[name][i] for name in known.law.variables})[0]
            for i in range(len(theta_rp))
        ]
    )


def _searched(known: Fit, theta_rp: Array, product: float, shapes: Shapes) -> tuple[Array, Array]:
    """Size and aspect ratio of least loss on a grid, [r] and [r]; the aspect is NaN for a law that knows no shape."""
    size_s = np.sqrt(product) * np.geomspace(1 / SPAN, SPAN, SIZES)
    aspect_a = np.array([np.nan])
    if set(known.law.variables) & {"aspect", "depth", "width"}:
        # A sum of powers of depth and width has its best shape; beyond the table's shapes it is not looked for.
        aspect_a = np.geomspace(shapes.aspect_low, shapes.aspect_high, ASPECTS)
    size_g, aspect_g = (axis.ravel() for axis in np.meshgrid(size_s, aspect_a, indexing="ij"))
    columns = _variables(size_g, product / size_g, aspect_g, shapes)
    wanted = {name: columns[name] for name in known.law.variables}
    least = np.concatenate([known.law.predict(part, wanted).argmin(axis=1) for part in np.array_split(theta_rp, 20)])
    return size_g[least], aspect_g[least]


def _wasted(known: Fit, theta_rp: Array, product: float, quantity: Callable[[Array], Quantity]) -> Quantity | None:
    """1 - C'/C, where C' spent at its own optimum reaches the loss of C spent at RULE_TOKENS tokens per parameter."""
    law = known.law
    if law.cheapest is None or set(law.variables) != {"N", "D"}:
        return None
    ruled = np.sqrt(product / RULE_TOKENS)
    loss_r = law.predict(theta_rp, {"N": ruled, "D": RULE_TOKENS * ruled})[:, 0]
    grid_c = product * WASTE_GRID
    params_rc = law.cheapest(theta_rp, grid_c)
    losses = [law.predict(theta_rp[i], {"N": params_rc[i], "D": grid_c / params_rc[i]}) for i in range(len(theta_rp))]
    # Loss falls with compute along the optimum, so the share is read off the reversed curve.
    shares = [
        np.exp(np.interp(-loss_r[i], -np.minimum.accumulate(losses[i]), np.log(WASTE_GRID)))
        for i in range(len(theta_rp))
    ]
    found = quantity(1 - np.array(shares))
    return Quantity(found.value, max(found.low, 0.0), found.high)


@np.errstate(all="ignore")
def allocation(known: Fit, flops: float, shapes: Shapes, level: float = 0.90) -> tuple[Quantity, Quantity]:
    """Exponents a and b of N* ~ C^a and D* ~ C^b about the budget, with intervals; refused for a law without both."""
    if known.law.cheapest is None:
        raise Refusal(f"law {known.law.name!r} has no closed-form optimum: fit 'chinchilla', 'coupled' or 'shape'")
    product = np.array([flops, 10 * flops]) / shapes.flops_per_parameter_token
    params_rc = known.law.cheapest(np.concatenate([known.theta[None], known.draws]), product)
    a_r = np.log10(params_rc[:, 1] / params_rc[:, 0])

    return _quantity(a_r, known, level), _quantity(1 - a_r, known, level)
