"""What pre-training is worth to fine-tuning: a gain in loss, and text that need not be read (arXiv 2102.01293).

D_F tokens are fine-tuned on, a run from scratch needs D_E for the same loss, and D_T = D_E - D_F was transferred; D_P
tokens are pre-trained on. Losses are bits per byte. s seed, p place, x variable.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from analysis.fit import Fit, fit
from analysis.laws.law import Exponent, Law
from analysis.laws.powers import TRANSFERRED, sum_of_powers
from analysis.optimum import Quantity
from analysis.scratch import Scratch, Stopped, difference, stopped
from analysis.selection import usable
from analysis.table import SHAPE_COLUMNS
from harness.refusal import Refusal

SHAPE = [*SHAPE_COLUMNS, "tokenizer"]  # what a run and its counterpart from scratch share, beside the text
PARENT = {"run_id": "parent", "corpus": "parent_corpus", "tokens": "parent_tokens", "bpb": "parent_bpb"}
# A law of D_T is claimed where D_F is at most a tenth of D(N), the text whose loss infinite text would lower by 1 %
# (arXiv 2102.01293, sections 1.1 and 3.1).
LOW_DATA, NEAR_ALL = 0.1, 0.99
FEWEST_PLACES = 5  # whose D_T a law rests on
HUBER = 0.5  # nats: seeds alone move a D_T that is small beside D_F by as much
GAINS, LOSES, UNDECIDED, ALONE = "gains", "loses", "undecided", "nothing to compare with"

FROM_PARENT = sum_of_powers(
    {"k": {"D_F": ("alpha", 1), "N": ("beta", 1), "D_P": ("gamma", 1)}},
    tuple(Exponent(name, 0.01, 2.0, steps=10) for name in ("alpha", "beta", "gamma")),
    name="transferred_data_parent",
    formula="k D_F^alpha N^beta D_P^gamma",
    source="arXiv 2102.01293, equation 1.1, and a factor for the text of pre-training",
    target="D_T",
)
# What a gain may follow, in words, and whether it grew or shrank with it in arXiv 2102.01293.
EFFECTS = {
    "D_F": ("the text to fine-tune on", -1),
    "N": ("size", 1),
    "D_P": ("the text of pre-training", 1),
}


@dataclass(frozen=True)
class Place:
    """One shape fine-tuned on one amount of text after one pre-training, against its own kind from scratch."""

    shape: str
    params: float  # N
    corpus: str
    parent_corpus: str
    parent_tokens: int  # D_P
    parent_bpb: float  # on its own text
    unique_tokens: int  # D_F
    fine: Stopped
    scratch: Stopped | None  # of the same D_F
    gain: Quantity  # loss from scratch less loss fine-tuned
    transferred: Quantity  # D_T; an end that no run from scratch bounds is -D_F or infinite
    transferred_s: pd.Series = field(compare=False)  # D_T of each seed, NaN where its own runs do not bracket it
    low_data: bool  # whether a law of D_T is claimed here

    @property
    def verdict(self) -> str:
        """Whether pre-training helps, as far as seeds tell."""
        if self.gain.doubt:
            return ALONE
        return GAINS if self.gain.low > 0 else LOSES if self.gain.high < 0 else UNDECIDED

    @property
    def unsettled(self) -> str:
        """Which of the two sides had no budget at its lowest loss, and why; empty where both had."""
        sides = {"fine-tuned": self.fine, "from scratch": self.scratch}
        return ", ".join(f"{name} {side.doubt}" for name, side in sides.items() if side and side.doubt)

    @property
    def ossified(self) -> bool:
        """Whether pre-training is known to have done harm, which other budgets would not mend."""
        return self.verdict == LOSES and not self.unsettled

    def facts(self) -> dict[str, Any]:
        """Numbers as they are, NaN where they are not known."""
        names = ("corpus", "parent_corpus", "shape", "params", "parent_tokens", "parent_bpb", "unique_tokens")
        facts: dict[str, Any] = {name: getattr(self, name) for name in names}
        facts |= {"fine_tuned_bpb": self.fine.mean, "scratch_bpb": self.scratch.mean if self.scratch else math.nan}
        for name, part in (("gain", self.gain), ("D_T", self.transferred)):
            facts |= {name: part.value, f"{name}_low": part.low, f"{name}_high": part.high, f"{name}_doubt": part.doubt}
        return facts | {"seeds": len(self.fine.bpb_s), "unsettled": self.unsettled, "verdict": self.verdict}


@dataclass(frozen=True)
class Domain:
    """One text after another: its places, what the gain follows there, and the laws of D_T."""

    corpus: str
    parent_corpus: str
    places: tuple[Place, ...]
    trends: dict[str, Quantity]  # change of the gain with each doubling of D_F, N or D_P, bits per byte
    fits: dict[str, Fit]
    refused: dict[str, str]  # law -> why it could not be fitted
    left_out: dict[str, int]  # values of D_T that the laws do not see, by the reason

    @property
    def name(self) -> str:
        return f"{self.corpus} after {self.parent_corpus}"

    @property
    def known(self) -> list[Place]:
        """Places whose D_T is known."""
        return [place for place in self.places if not place.transferred.doubt]

    @property
    def law(self) -> Fit | None:
        """The published law of D_T, where its exponents are identified."""
        known = self.fits.get(TRANSFERRED.name)
        return known if known and all(map(known.identified, known.law.judged)) else None

    def effects(self) -> tuple[list[str], list[str]]:
        """Which of the paper's effects show here, and which do not, or not for sure."""
        found = Counter(place.verdict for place in self.places)
        told = {"pre-training helps": 2 * found[GAINS] > len(self.places)}
        for name, trend in self.trends.items():
            words, sign = EFFECTS[name]
            told[f"the gain {'grows' if sign > 0 else 'shrinks'} with {words}"] = (
                not trend.doubt and min(sign * trend.low, sign * trend.high) > 0
            )
        told["D_T follows a power law"] = self.law is not None
        told["ossification"] = any(place.ossified for place in self.places)
        return [name for name, shows in told.items() if shows], [name for name, shows in told.items() if not shows]

    def words(self) -> str:
        """How often pre-training helps and by how much, and which effects show."""
        found = Counter(place.verdict for place in self.places)
        gains = sorted({f"{place.gain.value:.2f}" for place in self.places if place.verdict == GAINS}, key=float)
        by = f" (by {' to '.join(dict.fromkeys((gains[0], gains[-1])))} bits per byte)" if gains else ""
        shown, missing = self.effects()
        return (
            f"{self.name}: in {found[GAINS]} of {len(self.places)} places fine-tuning beats training from scratch "
            f"on the same text{by}, in {found[LOSES]} it is beaten, in {found[UNDECIDED]} the seeds do not tell. "
            f"What shows: {', '.join(shown) or 'nothing'}. "
            f"What does not, or not for sure: {', '.join(missing) or 'nothing'}."
        )


@dataclass(frozen=True)
class EffectiveData:
    """Domains by name; `notes` say what was left out and how things were counted."""

    domains: tuple[Domain, ...]
    unit: str  # of text: bytes or tokens
    level: float
    notes: tuple[str, ...]

    @property
    def places(self) -> list[Place]:
        return [place for domain in self.domains for place in domain.places]

    def words(self) -> list[str]:
        """A sentence or two for each domain."""
        return [domain.words() for domain in self.domains]

    def to_table(self) -> pd.DataFrame:
        """A row per place."""
        return pd.DataFrame([place.facts() for place in self.places])

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; numbers that are not finite become null."""
        rows = self.to_table().to_dict("records")
        plain = [{k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in r.items()} for r in rows]
        domains = {
            domain.name: {
                "trends": {name: trend.to_json() for name, trend in domain.trends.items()},
                "fits": {name: known.to_json() for name, known in domain.fits.items()},
                "refused": domain.refused,
                "left_out": domain.left_out,
            }
            for domain in self.domains
        }
        return {"unit": self.unit, "level": self.level, "places": plain, "domains": domains, "notes": list(self.notes)}


# --- from runs to places


def effective_data(
    table: pd.DataFrame, parents: pd.DataFrame, level: float = 0.90, bootstrap: int = 400, seed: int = 0
) -> EffectiveData:
    """Every place of a run table that has fine-tuned runs, and runs from scratch to compare with; needs N.

    `parents` has run_id, corpus, tokens and bpb of the runs that the fine-tuned ones start from.
    """
    rows, notes = _language_models(table)
    fine = rows[rows["parent"].notna()].merge(parents[[*PARENT]].rename(columns=PARENT), on="parent", how="left")
    if fine.empty:
        raise Refusal("no finished run starts from another one: fine-tune some, then ask what pre-training is worth")
    orphans = fine.loc[fine["parent_tokens"].isna(), "parent"]
    if len(orphans):
        raise Refusal(f"{len(orphans)} runs start from {orphans.iloc[0]}, which is not among the parents: add its row")
    curves = {
        key: Scratch({int(part["unique_tokens"].iloc[0]): stopped(part) for _, part in own.groupby("unique_tokens")})
        for key, own in rows[rows["parent"].isna()].groupby([*SHAPE, "corpus"])
    }
    places = [
        _place(part, curves.get(key[: len(SHAPE) + 1], Scratch({})), level)
        for key, part in fine.groupby([*SHAPE, "corpus", "unique_tokens", "parent_corpus", "parent_tokens"])
    ]
    domains = []
    for corpus, parent_corpus in sorted({(place.corpus, place.parent_corpus) for place in places}):
        own = [place for place in places if (place.corpus, place.parent_corpus) == (corpus, parent_corpus)]
        own.sort(key=lambda place: (place.params, place.parent_tokens, place.unique_tokens))
        fits, refused, left_out = _laws(own, bootstrap, seed)
        domains.append(Domain(corpus, parent_corpus, tuple(own), _trends(own, level), fits, refused, left_out))
    notes += _shared_parents(fine)
    return EffectiveData(tuple(domains), "bytes" if set(rows["tokenizer"]) == {"bytes"} else "tokens", level, (*notes,))


def _language_models(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Finished runs with the loss on their own text as `bpb`, and in words how many others there are."""
    rows, _ = usable(table, ("N",))
    bpb = pd.Series(math.nan, rows.index)
    for corpus in rows["corpus"].unique():
        bpb = bpb.mask(rows["corpus"] == corpus, rows.get(f"lm_{corpus}/bpb", math.nan))
    rows, notes = rows.assign(bpb=bpb), []
    others = {
        "learn labels": rows["labels"] != "",
        "take over only some of their parent's layers": rows["parent"].notna() & (rows["transferred"] < rows["depth"]),
        "have no bits per byte on their own text": rows["bpb"].isna(),
    }
    kept = pd.Series(True, rows.index)
    for words, other in others.items():
        count = int((kept & other).sum())
        notes += [f"{count} runs {words} and are not in this."] if count else []
        kept &= ~other
    return rows[kept], notes


def _place(rows: pd.DataFrame, scratch: Scratch, level: float) -> Place:
    first, fine, tokens = rows.iloc[0], stopped(rows), int(rows["unique_tokens"].iloc[0])
    same = scratch.by_text.get(tokens)
    alone = Quantity(math.nan, math.nan, math.nan, "no run from scratch on as much text")
    transferred = _transferred(fine, scratch, tokens, level)
    own_s = pd.Series({seed: scratch.of(seed).worth(bpb) for seed, bpb in fine.bpb_s.items()})
    return Place(
        shape=f"{first['depth']}x{first['width']}",
        params=float(first["N"]),
        corpus=str(first["corpus"]),
        parent_corpus=str(first["parent_corpus"]),
        parent_tokens=int(first["parent_tokens"]),
        parent_bpb=float(first["parent_bpb"]),
        unique_tokens=tokens,
        fine=fine,
        scratch=same,
        gain=difference(same.bpb_s, fine.bpb_s, level) if same else alone,
        transferred=transferred,
        transferred_s=own_s.where(np.isfinite(own_s) & (own_s > 0)) - tokens,
        low_data=tokens <= LOW_DATA * _enough(scratch),
    )


def _transferred(fine: Stopped, scratch: Scratch, tokens: int, level: float) -> Quantity:
    """D_T; its interval is that of the difference between fine-tuned and from scratch, carried through the curve."""
    doubt = f"fine-tuned {fine.doubt}" if fine.doubt else scratch.doubt(fine.mean)
    if doubt:
        return Quantity(math.nan, math.nan, math.nan, doubt)
    worth = scratch.worth(fine.mean)
    apart = difference(scratch.at(worth), fine.bpb_s, level)
    half = (apart.high - apart.low) / 2
    low, high = (scratch.worth(fine.mean + off) if math.isfinite(half) else math.nan for off in (half, -half))
    return Quantity(worth - tokens, low - tokens, high - tokens)


def _enough(scratch: Scratch) -> float:
    """No more than D(N): the least loss that was reached from scratch stands for that of infinite text."""
    _, bpb_d = scratch.curve
    return scratch.worth(float(bpb_d[-1]) / NEAR_ALL) if len(bpb_d) else 0.0


def _shared_parents(fine: pd.DataFrame) -> list[str]:
    """Seeds that start from one parent do not show what another parent would have changed."""
    keys = [*SHAPE, "corpus", "unique_tokens", "parent_corpus", "parent_tokens"]
    found = fine.groupby(keys)[["seed", "parent"]].nunique()
    shared = int((found["parent"] < found["seed"]).sum())
    return [f"In {shared} places seeds share a parent: intervals do not know its own chance."] if shared else []


# --- what they follow


def _variables(place: Place) -> dict[str, float]:
    return {"D_F": float(place.unique_tokens), "N": place.params, "D_P": float(place.parent_tokens)}


def _trends(places: Sequence[Place], level: float) -> dict[str, Quantity]:
    """Slopes of the gain in log2 of all that varies: least squares for each seed, Student's interval over seeds."""
    both = [(place, place.scratch.bpb_s - place.fine.bpb_s) for place in places if place.scratch]
    if not both:
        return {}
    gain_sp = pd.concat([gain_s for _, gain_s in both], axis=1).dropna().to_numpy()
    table = pd.DataFrame([_variables(place) for place, _ in both])
    varied = [name for name in EFFECTS if table[name].nunique() > 1]
    x_px = np.column_stack([np.ones(len(table)), np.log2(table[varied])])
    unknown = ""
    if not len(gain_sp):
        unknown = "no seed has a run of either kind in every place"
    elif np.linalg.matrix_rank(x_px) < x_px.shape[1]:
        unknown = f"{' and '.join(varied)} move together"
    if unknown:
        return {name: Quantity(math.nan, math.nan, math.nan, unknown) for name in varied}
    slope_xs = np.linalg.lstsq(x_px, gain_sp.T)[0][1:]
    none_s = pd.Series(np.zeros(len(gain_sp)))
    return {name: difference(pd.Series(own_s), none_s, level) for name, own_s in zip(varied, slope_xs, strict=True)}


def _not_for_laws(place: Place, value: float) -> str:
    """Why no law sees this seed's D_T; empty where one does."""
    if place.transferred.doubt:
        return place.transferred.doubt
    if not place.low_data:
        return "D_F above a tenth of what the size can use"
    if math.isnan(value):
        return "its seed alone is not bracketed"
    return "negative" if value <= 0 else ""


def _laws(places: Sequence[Place], bootstrap: int, seed: int) -> tuple[dict[str, Fit], dict[str, str], dict[str, int]]:
    """D_T of every seed in the low-data regime under the published law, and with D_P as a factor where that varies."""
    rows, left_out = [], Counter[str]()
    for place in places:
        for own, value in place.transferred_s.items():
            if reason := _not_for_laws(place, value):
                left_out[reason] += 1
                continue
            # All that one seed of a shape shows rests on the same runs from scratch.
            cluster = f"{place.shape} {place.params} {own}"
            rows.append(_variables(place) | {"D_T": value, "trunk_id": cluster})
    table = pd.DataFrame(rows, columns=["D_F", "N", "D_P", "D_T", "trunk_id"])
    laws: list[Law] = [TRANSFERRED, *([FROM_PARENT] if len({place.parent_tokens for place in places}) > 1 else [])]
    fits, refused = {}, {}
    distinct = len(table[["D_F", "N", "D_P"]].drop_duplicates())
    for law in laws:
        try:
            if distinct < FEWEST_PLACES:
                raise Refusal(
                    f"D_T is known, positive and in the law's regime in {distinct} places: {FEWEST_PLACES} at least"
                )
            fits[law.name] = fit(law, table, bootstrap=bootstrap, seed=seed, phase=None, delta=HUBER)
        except Refusal as refusal:
            refused[law.name] = str(refusal)
    return fits, refused, dict(left_out)
