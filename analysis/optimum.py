"""What people do with a law: the best size, data and shape for a budget, their loss, and what other choices waste."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from analysis.conventions import FLOPS_PER_PARAMETER_TOKEN
from analysis.fit import BOUND_SHARE, WIDEST_RATIO, Fit, plain
from analysis.laws.jet import Array
from harness.refusal import Refusal

RULE_TOKENS = 20.0  # tokens per parameter that are often taken for granted (arXiv 2203.15556, table 3)
BLOCK = 12.0  # parameters of a transformer block over its squared width (arXiv 2001.08361, table 1)
SIZES, ASPECTS = 241, 25  # of the grid on which laws without a closed form are searched
SPAN = 1e4  # the grid's sizes reach this factor to both sides of sqrt(C / 6)
WASTE_GRID = np.geomspace(1e-3, 1.0, 121)  # shares of the budget among which the equal-loss optimum is looked for
SAME_EXPONENT = 1e-6  # a slope of C / (N D) in N below this is none


@dataclass(frozen=True)
class Shapes:
    """How a table's compute and shapes hang together, fitted to its rows; NaN where it has no shapes.

    C = flops N^(1 + slope) D, for attention and head weigh less in larger models; N = block depth width^2 + edge width.
    """

    flops: float = FLOPS_PER_PARAMETER_TOKEN
    slope: float = 0.0
    block: float = BLOCK
    edge: float = 0.0
    aspect: float = np.nan
    aspect_low: float = np.nan
    aspect_high: float = np.nan

    @classmethod
    @np.errstate(all="ignore")
    def of(cls, table: pd.DataFrame) -> "Shapes":
        """Read from columns N, D, C, depth and width, as far as they are there."""
        facts: dict[str, float] = {}
        if {"N", "D", "C"} <= set(table.columns):
            log_n, log_f = np.log(table["N"].to_numpy()), np.log((table["C"] / (table["N"] * table["D"])).to_numpy())
            sound = np.isfinite(log_n) & np.isfinite(log_f)
            if sound.any():
                wide = np.ptp(log_n[sound]) > 0.5
                slope = float(np.polyfit(log_n[sound], log_f[sound], 1)[0]) if wide else 0.0
                slope = 0.0 if abs(slope) < SAME_EXPONENT else slope
                facts |= {"slope": slope, "flops": float(np.exp(np.mean(log_f[sound] - slope * log_n[sound])))}
        if {"N", "depth", "width"} <= set(table.columns):
            n, depth, width = (table[name].to_numpy(np.float64) for name in ("N", "depth", "width"))
            # Relative errors count alike.
            parts, aspect = np.stack([depth * width**2 / n, width / n], axis=1), width / depth
            sound = np.isfinite(parts).all(axis=1) & np.isfinite(aspect) & (parts.min(axis=1) > 0) & (aspect > 0)
            if sound.any():
                (block, edge), _ = nnls(parts[sound], np.ones(int(sound.sum())))
                aspects = aspect[sound]
                if block > 0:
                    facts |= {"block": float(block), "edge": float(edge), "aspect": float(np.median(aspects))}
                    facts |= {"aspect_low": float(aspects.min()), "aspect_high": float(aspects.max())}
        return cls(**facts)

    def compute(self, params: Any, tokens: Any) -> Any:
        """FLOPs of a size and its tokens."""
        return self.flops * params ** (1 + self.slope) * tokens

    def tokens(self, flops: float, params: Array) -> Array:
        """What a budget buys for a size."""
        return np.asarray(flops / self.compute(params, 1.0))

    def width(self, params: Array, aspect: Array) -> Array:
        """Width of a model of this size and aspect ratio: block width^3 / aspect + edge width = N, by Newton."""
        width = np.cbrt(params * aspect / self.block)
        for _ in range(40):
            excess = self.block * width**3 / aspect + self.edge * width - params
            width = np.maximum(width - excess / (3 * self.block * width**2 / aspect + self.edge), 1e-9 * width)
        return np.asarray(width)


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
    beyond = _doubt(known)

    def quantity(values_r: Array) -> Quantity:
        return _quantity(values_r, known, level, beyond)

    if law.variables == ("C",):
        return Best(flops, quantity(law.predict(theta_rp, {"C": flops})[:, 0]))
    if not set(law.variables) & {"N", "M"} or not set(law.variables) & {"D", "C"}:
        raise Refusal(f"law {law.name!r} knows {' and '.join(law.variables)} alone: a budget needs size and data both")
    if law.cheapest is not None and not shapes.slope:
        params_r = law.cheapest(theta_rp, np.array([flops / shapes.flops]))[:, 0]
        aspect_r = _best_aspect(known, theta_rp, params_r)
    else:
        params_r, aspect_r = _searched(known, theta_rp, flops, shapes)
    tokens_r = shapes.tokens(flops, params_r)
    loss_r = _loss_at(known, theta_rp, params_r, tokens_r, aspect_r, shapes)
    knows_shape = bool(set(law.variables) & {"aspect", "depth", "width"})
    shape_r = aspect_r if knows_shape else np.full_like(params_r, shapes.aspect)
    width_r = shapes.width(params_r, shape_r)
    shown = bool(np.isfinite(width_r[0]))
    return Best(
        flops=flops,
        loss=quantity(loss_r),
        params=quantity(params_r),
        tokens=quantity(tokens_r),
        tokens_per_param=quantity(tokens_r / params_r),
        aspect=quantity(aspect_r) if knows_shape else None,
        depth=quantity(width_r / shape_r) if shown else None,
        width=quantity(width_r) if shown else None,
        wasted=_wasted(known, theta_rp, flops, shapes, quantity),
        shape_from=("the law" if knows_shape else "the table's usual aspect ratio") if shown else "",
    )


def _doubt(known: Fit) -> str:
    """Why the fit carries no choice; empty where it does."""
    held = _valley(known)
    lost = [name for name in known.law.judged if len(known.draws) and not known.identified(name)]
    return held or (f"it rests on {', '.join(lost)}, which the data do not identify" if lost else "")


def _valley(known: Fit) -> str:
    """Why not even a combination of the parameters is held: a flat valley, a search's bounds, too little data."""
    if known.certificate.flat:
        return f"the fit lies in a flat valley: other values of {', '.join(known.certificate.flat)} fit as well"
    cut = [name for name in known.law.judged if known.bound_share[name] >= BOUND_SHARE]
    return known.general_doubt or (f"it rests on {', '.join(cut)}, which the search's bounds cut off" if cut else "")


def _quantity(values_r: Array, known: Fit, level: float, doubt: str) -> Quantity:
    """The first value with the interval that the others, one a replicate, give it."""
    if not doubt and not np.isfinite(values_r[0]):
        doubt = "no size is best: one of the law's prices is nought, or the best lies outside what was looked at"
    draws = values_r[1:][np.isfinite(values_r[1:])]
    if not doubt and len(draws) < 0.9 * (len(values_r) - 1):
        doubt = "in more than a tenth of the resamples there is no best"
    low, high = known.interval_of(draws[:, None], values_r[:1], level)
    return Quantity(float(values_r[0]), float(low[0]), float(high[0]), doubt)


def _best_aspect(known: Fit, theta_rp: Array, params_r: Array) -> Array:
    if "aspect" not in known.law.variables:
        return np.full_like(params_r, np.nan)
    rho, drift = (theta_rp[:, known.law.parameters.index(name)] for name in ("rho", "drift"))
    return np.asarray(rho * params_r**drift)


def _variables(params: Array, tokens: Array, aspect: Array, shapes: Shapes) -> dict[str, Array]:
    width = shapes.width(params, aspect)
    made = {"N": params, "D": tokens, "U": tokens, "M": tokens / params, "aspect": aspect}
    return made | {"C": shapes.compute(params, tokens), "depth": width / aspect, "width": width}


def _loss_at(known: Fit, theta_rp: Array, params_r: Array, tokens_r: Array, aspect_r: Array, shapes: Shapes) -> Array:
    """Each setting's loss at its own size, data and shape."""
    columns = _variables(params_r, tokens_r, aspect_r, shapes)
    return np.array(
        [
            known.law.predict(theta_rp[i], {name: columns[name][i] for name in known.law.variables})[0]
            for i in range(len(theta_rp))
        ]
    )


def _searched(known: Fit, theta_rp: Array, flops: float, shapes: Shapes) -> tuple[Array, Array]:
    """Size and aspect ratio of least loss, [r] and [r]: the best point of a grid, its size refined by a parabola.

    The aspect is NaN for a law that knows no shape; the size is NaN where the best lies at the grid's edge.
    """
    step = np.log(SPAN) * 2 / (SIZES - 1)
    log_s = 0.5 * np.log(flops / 6) + np.linspace(-np.log(SPAN), np.log(SPAN), SIZES)
    aspect_a = np.array([np.nan])
    if set(known.law.variables) & {"aspect", "depth", "width"}:
        # A sum of powers of depth and width has its best shape; beyond the table's shapes it is not looked for.
        aspect_a = np.geomspace(shapes.aspect_low, shapes.aspect_high, ASPECTS)
    log_sa, aspect_sa = np.meshgrid(log_s, aspect_a, indexing="ij")
    params = np.exp(log_sa.ravel())
    columns = _variables(params, shapes.tokens(flops, params), aspect_sa.ravel(), shapes)
    wanted = {name: columns[name] for name in known.law.variables}
    found, rows = [], max(1, 2_000_000 // len(params))
    for start in range(0, len(theta_rp), rows):
        loss_rsa = known.law.predict(theta_rp[start : start + rows], wanted).reshape(-1, *log_sa.shape)
        place = np.nan_to_num(loss_rsa, nan=np.inf).reshape(len(loss_rsa), -1).argmin(axis=1)
        s, a = np.divmod(place, len(aspect_a))
        r, inner = np.arange(len(s)), np.clip(s, 1, SIZES - 2)
        before, here, after = (loss_rsa[r, inner + shift, a] for shift in (-1, 0, 1))
        shift = 0.5 * (before - after) / (before - 2 * here + after)
        size = np.exp(log_s[inner] + step * np.clip(np.nan_to_num(shift), -1, 1))
        found.append(np.stack([np.where(s == inner, size, np.nan), aspect_a[a]]))
    size_r, aspect_r = np.concatenate(found, axis=1)
    return size_r, aspect_r


def _wasted(
    known: Fit, theta_rp: Array, flops: float, shapes: Shapes, quantity: Callable[[Array], Quantity]
) -> Quantity | None:
    """1 - C'/C, where C' spent at its own optimum reaches the loss of C spent at RULE_TOKENS tokens per parameter."""
    law = known.law
    if law.cheapest is None or shapes.slope or set(law.variables) != {"N", "D"}:
        return None
    product = flops / shapes.flops
    ruled = np.sqrt(product / RULE_TOKENS)
    loss_r = law.predict(theta_rp, {"N": ruled, "D": RULE_TOKENS * ruled})[:, 0]
    grid_c = product * WASTE_GRID
    params_rc = law.cheapest(theta_rp, grid_c)
    losses = [law.predict(theta_rp[i], {"N": params_rc[i], "D": grid_c / params_rc[i]}) for i in range(len(theta_rp))]
    # Loss falls with compute along the optimum, so the share is read off the reversed curve.
    log_share_r = np.array(
        [np.interp(-loss_r[i], -np.minimum.accumulate(losses[i]), np.log(WASTE_GRID)) for i in range(len(theta_rp))]
    )
    share = quantity(np.exp(log_share_r))
    value, low, high = (float(np.clip(1 - end, 0.0, 1.0)) for end in (share.value, share.high, share.low))
    return Quantity(value, low, high, share.doubt)


@np.errstate(all="ignore")
def allocation(known: Fit, flops: float, shapes: Shapes, level: float = 0.90) -> tuple[Quantity, Quantity]:
    """Exponents a and b of N* ~ C^a and D* ~ C^b about the budget, with intervals; refused for a law without both."""
    law = known.law
    if law.cheapest is None:
        raise Refusal(f"law {law.name!r} has no closed-form optimum: fit 'chinchilla', 'coupled' or 'shape'")
    # A ratio of exponents may be known where neither is: it is judged by its own interval.
    theta_rp, doubt = np.concatenate([known.theta[None], known.draws]), _valley(known)
    if shapes.slope:
        ends = [_searched(known, theta_rp, budget, shapes)[0] for budget in (flops, 10 * flops)]
    else:
        ends = list(law.cheapest(theta_rp, np.array([flops, 10 * flops]) / shapes.flops).T)
    a_r = np.log10(ends[1] / ends[0])
    d_r = 1 - (1 + shapes.slope) * a_r  # C = flops N^(1 + slope) D
    return tuple(_exponent(values_r, known, level, doubt) for values_r in (a_r, d_r))  # type: ignore[return-value]


def _exponent(values_r: Array, known: Fit, level: float, doubt: str) -> Quantity:
    """An exponent known to no better than a factor two is not known."""
    found = _quantity(values_r, known, level, doubt)
    if not found.doubt and np.isfinite(found.low) and not 0 < found.high <= WIDEST_RATIO * found.low:
        said = f"its 90 % interval, {found.low:.2g} to {found.high:.2g}, spans more than a factor {WIDEST_RATIO:g}"
        return Quantity(found.value, found.low, found.high, said)
    return found
