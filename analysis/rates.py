"""The best learning rate of each size: how sure it is, whether it drifts, and what the smallest size's costs elsewhere.

Rates are compared in octaves (log2). s seed, k rate, r draw, p power.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.laws.jet import Array
from analysis.optimum import Quantity
from analysis.selection import usable
from analysis.table import SPEC_COLUMNS
from analysis.valley import FEWEST_PLACES, MOST_RISE, WINDOW, Losses, Valley, Widening, cubic, lowest, valley
from analysis.wording import estimate, percent, three_digits
from harness.refusal import Refusal

AXES = ("width", "depth")
SHAPES = ("variant", "activation", "norm", "qk_norm", "context", "vocab_size")
SAME = (*SHAPES, "corpus", "tokenizer", "batch_tokens", "unique_tokens", "schedule")
COLUMNS = ("parametrisation", *AXES, "seed", "learning_rate")
HELD = math.sqrt(2)  # a drift below this factor is a rate that holds
ORDER = ("standard", "mup", "completep")
WIDEST = 2.0  # a rate that is not known to within this factor is not known
DRAWS = 2_000


@dataclass(frozen=True)
class Curve:
    """One size under one parametrisation: its losses over log2 rate, and what they say.

    `excess` is the loss at the smallest size's best rate, less the loss at this size's own.
    """

    parametrisation: str
    size: int
    losses: Losses
    failed: tuple[float, ...]  # rates of runs that did not end
    valley: Valley | None
    vertex: Quantity
    loss: Quantity
    excess: Quantity

    @property
    def lowest_tried(self) -> float:
        """The rate of the lowest mean loss."""
        return float(2 ** self.losses.x_k[self.losses.mean_k.argmin()])

    @property
    def seeds(self) -> int:
        return len(self.losses.loss_sk)

    @property
    def at_base(self) -> float:
        """Loss at the smallest size's best rate."""
        return self.loss.value + self.excess.value

    @property
    def share(self) -> float:
        """The excess as a share of the loss."""
        return self.excess.value / self.loss.value

    def facts(self) -> dict[str, Any]:
        """Numbers as they are, NaN where they are not known."""
        facts: dict[str, Any] = {"parametrisation": self.parametrisation, "size": self.size}
        parts = {"best_rate": self.vertex, "loss": self.loss, "excess": self.excess}
        for name, part in parts.items():
            known = (math.nan,) * 3 if part.doubt else (part.value, part.low, part.high)
            facts |= dict(zip((name, f"{name}_low", f"{name}_high"), known, strict=True)) | {
                f"{name}_doubt": part.doubt
            }
        facts |= {"excess_share": math.nan if self.excess.doubt else self.share, "lowest_tried": self.lowest_tried}
        return facts | {"rates": len(self.losses.x_k), "seeds": self.seeds, "failed": len(self.failed)}


@dataclass(frozen=True)
class Drift:
    """Best rate of the largest size over that of the smallest, and the exponent of rate ~ size^exponent."""

    parametrisation: str
    sizes: tuple[int, ...]  # those whose best rate is known
    ratio: Quantity
    exponent: Quantity

    @property
    def verdict(self) -> str:
        if self.ratio.doubt:
            return "not known"
        low, high = self.ratio.low, self.ratio.high
        if low >= 1 / HELD and high <= HELD:
            return "holds within a factor √2"
        return "moves by more than a factor √2" if low > HELD or high < 1 / HELD else "cannot be told to hold within √2"

    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"sizes": list(self.sizes), "verdict": self.verdict}
        return facts | {"ratio": self.ratio.to_json(), "exponent": self.exponent.to_json(), "doubt": self.ratio.doubt}


@dataclass(frozen=True)
class Rates:
    """Curves by parametrisation and rising size, and a drift for each parametrisation."""

    axis: str  # width or depth
    curves: tuple[Curve, ...]
    drifts: tuple[Drift, ...]
    level: float
    notes: tuple[str, ...]

    @property
    def parametrisations(self) -> list[str]:
        return list(dict.fromkeys(curve.parametrisation for curve in self.curves))

    def of(self, parametrisation: str) -> list[Curve]:
        return [curve for curve in self.curves if curve.parametrisation == parametrisation]

    def to_table(self) -> pd.DataFrame:
        """A row per curve."""
        return pd.DataFrame([curve.facts() for curve in self.curves]).rename(columns={"size": self.axis})

    def to_json(self) -> dict[str, Any]:
        rows = self.to_table().to_dict("records")
        plain = [{k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()} for row in rows]
        drifts = {drift.parametrisation: drift.facts() for drift in self.drifts}
        return {"axis": self.axis, "level": self.level, "curves": plain, "drifts": drifts, "notes": list(self.notes)}

    def words(self) -> list[str]:
        """A sentence or two for each parametrisation: the drift, and what the smallest size's rate costs."""
        return [self._words(drift) for drift in self.drifts]

    def doubts(self) -> list[str]:
        """Why a best rate, or what the smallest size's costs there, is not known: a sentence each."""
        found = []
        for curve in self.curves:
            parts = {"best rate": curve.vertex.doubt, "excess": "" if curve.vertex.doubt else curve.excess.doubt}
            where = f"{curve.parametrisation}, {self.axis} {curve.size}"
            found += [f"{where}: {part} not known: {why}." for part, why in parts.items() if why]
        return found

    def _words(self, drift: Drift) -> str:
        name, axis = drift.parametrisation, self.axis
        if drift.ratio.doubt:
            return f"Under {name}, whether the best rate moves with {axis} is not known: {drift.ratio.doubt}."
        factor, ends = estimate(drift.ratio.value, drift.ratio.low, drift.ratio.high)
        power, reach = estimate(drift.exponent.value, drift.exponent.low, drift.exponent.high)
        first, last = (next(c for c in self.of(name) if c.size == drift.sizes[end]) for end in (0, -1))
        return (
            f"Under {name}, from {axis} {first.size} to {last.size} the best rate goes from "
            f"{three_digits(first.vertex.value)} to {three_digits(last.vertex.value)}, a factor {factor} ({ends}): it "
            f"{drift.verdict}. Rate ~ {axis}^x with x = {power} ({reach}). {self._cost(self.of(name))}"
        )

    def _cost(self, curves: Sequence[Curve]) -> str:
        """What the smallest size's rate costs at the largest, or else at the largest where that is known."""
        base, last = curves[0], curves[-1]
        said = []
        if last.excess.doubt:
            lead = f"What the best rate of {self.axis} {base.size} costs at {self.axis} {last.size} is not known"
            said.append(f"{lead}: {last.excess.doubt}.")
        for curve in [curve for curve in curves[1:] if not curve.excess.doubt][-1:]:
            cost, ends = nats(curve.excess)
            said.append(
                f"At {self.axis} {curve.size} the best rate of {self.axis} {base.size} costs {cost} nats ({ends}), "
                f"{percent(curve.share)}."
            )
        return " ".join(said)


def nats(excess: Quantity) -> tuple[str, str]:
    """An excess and its interval, to the fourth place."""
    value, low, high = (f"{number:.4f}" if number else "0" for number in (excess.value, excess.low, excess.high))
    return value, f"{low} to {high}"


def varies_rate(table: pd.DataFrame) -> bool:
    """Whether some size was trained at enough learning rates to look for the best."""
    if not set(COLUMNS) <= set(table.columns):
        return False
    rates = table.groupby(["parametrisation", *AXES])["learning_rate"].nunique()
    return bool(len(rates)) and int(rates.max()) >= FEWEST_PLACES


def rate_curves(
    table: pd.DataFrame, failed: pd.DataFrame | None = None, level: float = 0.90, draws: int = DRAWS, seed: int = 0
) -> Rates:
    """Loss against learning rate at each size along the one axis that varies, and the vertex of each curve.

    `failed` has the parametrisation, width, depth and learning_rate of runs that did not end. Refused where runs differ
    in anything else that moves the best rate.
    """
    rows, _ = usable(table, ("learning_rate", "loss"))
    if not varies_rate(rows):
        raise Refusal(f"no size was trained to the end at {FEWEST_PLACES} learning rates: there is no best rate yet")
    rows, notes = _at_one_budget(rows)
    axis = size_axis(rows)
    for name in SAME:
        if name in rows and rows[name].nunique() > 1:
            raise Refusal(f"{name} varies among these runs, and the best rate with it: give a table of one {name}")
    _refuse_twins(rows, axis)
    read: list[Curve] = []
    for name in in_order(rows["parametrisation"]):
        some = rows[rows["parametrisation"] == name]
        parts = {size: some[some[axis] == size] for size in sorted(map(int, some[axis].unique()))}
        read += [_read(name, size, part, _lost(failed, name, axis, size)) for size, part in parts.items()]
    wider = Widening.of([one.valley for one in read if one.valley])
    random = np.random.default_rng(seed)
    known = [_judge(one, wider, level, draws, random) for one in read]
    curves: list[Curve] = []
    drifts: list[Drift] = []
    for name in dict.fromkeys(one.curve.parametrisation for one in known):
        own = [one for one in known if one.curve.parametrisation == name]
        curves += [replace(one.curve, excess=_excess(one, own[0], axis, level, random)) for one in own]
        drifts.append(_drift(own, axis, level))
    return Rates(
        axis, tuple(curves), tuple(drifts), level, (*notes, _method([one.curve for one in known], level, draws))
    )


def _refuse_twins(rows: pd.DataFrame, axis: str) -> None:
    """Two runs at one place of a curve are two models: what differs besides would be averaged away."""
    keys = ["parametrisation", axis, "seed", "learning_rate"]
    twins = rows[rows.duplicated(keys, keep=False)]
    if twins.empty:
        return
    first = twins[(twins[keys] == twins.iloc[0][keys]).all(axis=1)]
    shape = [name for name in SPEC_COLUMNS if name in first and name not in keys and first[name].nunique() > 1]
    place = ", ".join(f"{name}={first.iloc[0][name]}" for name in keys)
    what = f"that differ in {', '.join(shape)}" if shape else "that differ in nothing the table tells"
    raise Refusal(f"{len(first)} runs stand at {place}, {what}: give a table with one of them")


def size_axis(rows: pd.DataFrame) -> str:
    """Width or depth, whichever varies; refused where both do."""
    varying = [name for name in AXES if rows[name].nunique() > 1]
    if len(varying) > 1:
        raise Refusal("width and depth both vary: sizes are compared along one of them; give a table of one depth")
    return varying[0] if varying else AXES[0]


def in_order(parametrisations: pd.Series) -> list[str]:
    """Each once, in the order in which their rules grow."""
    known = {name: place for place, name in enumerate(ORDER)}
    return sorted(set(map(str, parametrisations)), key=lambda name: (known.get(name, len(ORDER)), name))


def _at_one_budget(rows: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The rows of the budget that most runs have, the largest of several; the best rate moves with the budget."""
    if "tokens" not in rows or rows["tokens"].nunique() < 2:
        return rows, []
    counts = rows["tokens"].value_counts()
    budget = int(counts[counts == counts.max()].index.max())
    left_out = (
        f"The {counts[budget]} runs of {budget:,} tokens are read, the other {len(rows) - counts[budget]} are not."
    )
    return rows[rows["tokens"] == budget], [left_out]


def _lost(failed: pd.DataFrame | None, name: str, axis: str, size: int) -> tuple[float, ...]:
    if failed is None or failed.empty:
        return ()
    own = failed[(failed["parametrisation"] == name) & (failed[axis] == size)]
    return tuple(sorted(float(rate) for rate in own["learning_rate"]))


@dataclass(frozen=True)
class _Known:
    """A curve with what its draws say: powers of the cubic, place and depth of its minimum."""

    curve: Curve
    powers_rp: Array
    vertex_r: Array
    loss_r: Array

    def at(self, x: Array, random: np.random.Generator) -> Array:
        """Loss at log2 rates, each under its own draw: the cubic's in its window, interpolated beyond."""
        valley, losses = self.curve.valley, self.curve.losses
        assert valley is not None  # callers ask of curves whose vertex is known
        beyond = losses.between(np.clip(x, losses.x_k[0], losses.x_k[-1]))
        runs_k = np.isfinite(losses.loss_sk).sum(axis=0)
        runs = runs_k[np.abs(losses.x_k[:, None] - x).argmin(axis=0)]
        beyond = beyond + valley.noise / np.sqrt(runs) * random.standard_normal(len(x))
        inside = (x >= valley.low) & (x <= valley.high)
        return np.asarray(np.where(inside, cubic(self.powers_rp, x - valley.centre), beyond))


NONE = np.empty(0)
UNKNOWN = Quantity(math.nan, math.nan, math.nan, "not asked")


def _read(parametrisation: str, size: int, rows: pd.DataFrame, failed: tuple[float, ...]) -> Curve:
    """The losses by seed and rate, and the cubic through the lowest; `vertex.doubt` says why there is none."""
    grid = rows.pivot_table(index="seed", columns="learning_rate", values="loss")
    losses = Losses(np.log2(grid.columns.to_numpy(np.float64)), grid.to_numpy(np.float64))
    count, best = len(losses.x_k), int(losses.mean_k.argmin())
    found = valley(losses)
    doubt = ""
    if best in (0, count - 1) and count > 1:
        doubt = _at_the_edge(losses, best, failed)
    elif isinstance(found, str):
        doubt = f"{count} rates were trained to the end, {found}: try more"
    read = None if doubt or isinstance(found, str) else found
    vertex = replace(UNKNOWN, doubt=doubt)
    return Curve(parametrisation, size, losses, failed, read, vertex, vertex, vertex)


def _at_the_edge(losses: Losses, best: int, failed: tuple[float, ...]) -> str:
    rate = 2.0 ** float(losses.x_k[best])
    if best == 0:
        return f"the lowest loss is at the smallest rate tried, {rate:.3g}: try smaller ones"
    if diverged := _from_where(losses, failed):
        return f"the lowest loss is at the largest rate that trained, {rate:.3g}; {diverged}"
    return f"the lowest loss is at the largest rate tried, {rate:.3g}: try larger ones"


def _from_where(losses: Losses, failed: tuple[float, ...]) -> str:
    """From which rate on runs failed, beyond the largest that trained; empty where none did."""
    above = [rate for rate in failed if rate > 2 ** losses.x_k[-1]]
    return f"from {three_digits(above[0])} on runs failed" if above else ""


def _judge(curve: Curve, wider: Widening, level: float, draws: int, random: np.random.Generator) -> _Known:
    """The vertex with its interval, or why it is not known."""
    valley = curve.valley
    if valley is None:
        return _Known(curve, NONE, NONE, NONE)
    powers_rp = wider.draws(valley, draws, random)
    z_r = lowest(powers_rp, valley.low - valley.centre, valley.high - valley.centre)
    vertex_r, loss_r = valley.centre + z_r, cubic(powers_rp, z_r)
    low, high = _ends(vertex_r, level)
    doubt = ""
    if math.isnan(valley.vertex) or low <= valley.low or high >= valley.high:
        diverged = _from_where(curve.losses, curve.failed) if high >= valley.high else ""
        doubt = f"the losses about the lowest do not bracket a minimum: {diverged or 'add seeds, or rates further out'}"
    elif high - low > math.log2(WIDEST):
        doubt = f"its interval, {2**low:.3g} to {2**high:.3g}, is wider than a factor {WIDEST:g}: add seeds or rates"
    vertex = Quantity(2**valley.vertex, 2**low, 2**high, doubt)
    # What one seed shifts at all rates together shows in no scatter.
    ends = _ends(loss_r, level) if wider.freedom else (math.nan, math.nan)
    loss = Quantity(float(valley.at(np.float64(valley.vertex))), *ends, doubt)
    return _Known(replace(curve, vertex=vertex, loss=loss), powers_rp, vertex_r, loss_r)


def _ends(draws: Array, level: float) -> tuple[float, float]:
    low, high = np.quantile(draws, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)


def _excess(one: _Known, base: _Known, axis: str, level: float, random: np.random.Generator) -> Quantity:
    """Loss at the base's best rate less the least loss; its lower end is nought where the two rates may be the same."""
    own, valley = one.curve, one.curve.valley
    doubt = own.vertex.doubt
    if base.curve.vertex.doubt:
        doubt = f"the best rate of {axis} {base.curve.size} is not"
    doubt = doubt or _not_trained(own, base.curve.vertex.value)
    if doubt or valley is None:
        return replace(UNKNOWN, doubt=doubt)
    if one is base:
        return Quantity(0.0, 0.0, 0.0)
    x = np.log2(base.curve.vertex.value)
    there = float(valley.at(x) if valley.low <= x <= valley.high else own.losses.between(x))
    low, high = _ends(one.at(base.vertex_r, random) - one.loss_r, level)
    apart = _ends(base.vertex_r - one.vertex_r, level)
    value = max(there - own.loss.value, 0.0)
    return Quantity(value, 0.0 if apart[0] <= 0 <= apart[1] else max(low, 0.0), max(high, value))


def _not_trained(curve: Curve, rate: float) -> str:
    """Why the curve has no loss at that rate; empty where it lies between rates that trained."""
    ends = [float(2 ** curve.losses.x_k[end]) for end in (0, -1)]
    if ends[0] <= rate <= ends[1]:
        return ""
    side = "largest" if rate > ends[1] else "smallest"
    end = -1 if rate > ends[1] else 0
    already = curve.losses.mean_k[end] - curve.losses.mean_k.min()
    beyond = f"it is {three_digits(rate)}, and the {side} that trained there, {three_digits(ends[end])}"
    diverged = _from_where(curve.losses, curve.failed) if end else ""
    return f"{beyond}, costs {already:.2g} nats already{diverged and '; '}{diverged}"


def _drift(own: Sequence[_Known], axis: str, level: float) -> Drift:
    """Ratio of the best rates at the ends, and the least-squares slope of log2 rate in log2 size."""
    sure = [one for one in own if not one.curve.vertex.doubt]
    name, sizes = own[0].curve.parametrisation, tuple(one.curve.size for one in sure)
    lost = "; ".join(f"at {axis} {o.curve.size} {o.curve.vertex.doubt}" for o in own if o.curve.vertex.doubt)
    if len(sizes) < 2:
        doubt = lost or f"there is one {axis}"
        return Drift(name, sizes, replace(UNKNOWN, doubt=doubt), replace(UNKNOWN, doubt=doubt))
    vertex_c = np.log2([one.curve.vertex.value for one in sure])
    draws_rc = np.stack([one.vertex_r for one in sure], axis=1)
    off_c = np.log2(sizes) - np.log2(sizes).mean()
    slope_c = off_c / (off_c @ off_c)
    exponent = Quantity(float(slope_c @ vertex_c), *_ends(draws_rc @ slope_c, level))
    low, high = _ends(draws_rc[:, -1] - draws_rc[:, 0], level)
    return Drift(name, sizes, Quantity(2 ** float(vertex_c[-1] - vertex_c[0]), 2**low, 2**high), exponent)


def _method(curves: Sequence[Curve], level: float, draws: int) -> str:
    """How vertices and intervals were had, in words."""
    seeds = max(curve.seeds for curve in curves)
    how = (
        f"A best rate is the minimum of a cubic in log rate, through the rates within {WINDOW:g} octaves of it whose "
        f"losses lie at most {100 * MOST_RISE:g} % above the lowest (at least {FEWEST_PLACES}), each seed with an "
        f"offset of its own. {100 * level:.0f} % intervals are quantiles of {draws:,} draws of the cubic from the "
        "scatter that it leaves over"
    )
    if seeds == 1:
        return f"{how}; with one seed, what a seed shifts at all rates together is not in them."
    how += f", or where they are further apart, from how the {seeds} seeds' own cubics differ over all curves"
    return f"{how}. What a rate costs far from a size's best is interpolated, with the scatter near it."
