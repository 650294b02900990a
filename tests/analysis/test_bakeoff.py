"""The bake-off: planted truths win where they should, held-out rows stay out, and nothing is ranked beyond chance."""

import json
from collections.abc import Callable

import matplotlib
import numpy as np
import pandas as pd
import pytest

from analysis.bakeoff import BASELINES, BEST, LOSES, REFUSED, TIES, UNSURE, BakeOff, bake_off, held_hash
from analysis.figures import bakeoff as figure
from analysis.figures.style import RC, new_canvas
from analysis.fit import fit
from analysis.laws import LAWS
from analysis.splits import SPLITS
from harness.refusal import Refusal
from tests.analysis.catalogue import TRUTHS, truth
from tests.analysis.worlds import branched_world, planted_loss

PAIR = ("chinchilla", "coupled")
COUNTED = ("top_compute", "largest_models", "largest_data", "small_to_large")


def world(seed: int, trunks: int = 20, law: str = "chinchilla", noise: float = 1.0) -> pd.DataFrame:
    """A branched world without its held-out trunk, its noise laid on the law's planted truth."""
    table = branched_world(seed, trunks, noise)
    table = table[~table["held_out"]]
    error = table["loss"] / planted_loss(table["N"], table["D"])
    return table.assign(loss=LAWS[law].predict(truth(law), table) * error)


def shaped(seed: int = 0) -> pd.DataFrame:
    """Twenty shapes at three budgets under chinchilla's law."""
    depth, width, d = (
        axis.ravel() for axis in np.meshgrid([2.0, 4, 8, 16, 32], [32.0, 64, 128, 256], [2e5, 1e6, 5e6], indexing="ij")
    )
    n = 12 * depth * width**2
    noise = np.random.default_rng(seed).normal(0, 0.004, len(n))
    table = pd.DataFrame({"N": n, "D": d, "C": 6 * n * d, "depth": depth, "width": width, "aspect": width / depth})
    trunk = [f"{a:g}x{b:g}" for a, b in zip(depth, width, strict=True)]
    return table.assign(loss=planted_loss(n, d) * np.exp(noise), trunk_id=trunk)


@pytest.fixture(scope="module")
def baked() -> BakeOff:
    """Chinchilla's world, with its held-out trunk, under a few laws; one has more parameters than a split has rows."""
    return bake_off(branched_world(3), laws=["chinchilla", "chinchilla_tied", "kaplan_N", "power_N", "gemstones"])


# --- who wins


def test_where_prices_are_coupled_chinchilla_loses_beyond_what_was_fitted() -> None:
    found = bake_off(world(0, law="coupled", noise=0.3), PAIR, ["top_compute", "largest_data"])
    for split in ("top_compute", "largest_data"):
        coupled, chinchilla = found.entry("coupled", split), found.entry("chinchilla", split)
        assert coupled.verdict == BEST
        assert chinchilla.verdict == LOSES
        assert 1 < chinchilla.ratio_low < chinchilla.ratio < chinchilla.ratio_high
        assert coupled.rms_low < coupled.rms < chinchilla.rms
    assert "only coupled never loses" in found.words()
    assert [standing.law for standing in found.standings] == ["coupled", "chinchilla"]


def test_the_true_law_is_not_said_to_lose_to_a_richer_one() -> None:
    verdicts = [
        bake_off(world(seed, 16), PAIR, ["top_compute", "largest_data"], replicates=400)
        .entry("chinchilla", split)
        .verdict
        for seed in range(5)
        for split in ("top_compute", "largest_data")
    ]
    assert verdicts.count(LOSES) <= 0.1 * len(verdicts)
    assert verdicts.count(TIES) + verdicts.count(BEST) >= 0.9 * len(verdicts)


def test_a_straight_line_is_foretold_by_the_line_through_the_frontier() -> None:
    table = world(1).assign(loss=lambda rows: 40 * rows["C"] ** -0.07)
    found = bake_off(table, ["power_D", "power_C"], ["top_compute"])
    assert found.entry("frontier line", "top_compute").rms < 1e-9
    assert found.entry("power_C", "top_compute").verdict == BEST
    assert found.entry("best loss carried on", "top_compute").bias > 0
    assert found.entry("power_D", "top_compute").verdict == LOSES


def test_one_curve_in_two_notations_is_told_of_once(baked: BakeOff) -> None:
    assert baked.alike["kaplan_N"] == ("power_N",)
    one, other = baked.entry("kaplan_N", "top_compute"), baked.entry("power_N", "top_compute")
    assert one.rms == pytest.approx(other.rms, rel=1e-6)
    assert len({standing.mean_rank for standing in baked.standings if standing.law in ("kaplan_N", "power_N")}) == 1


# --- what is held out


def test_a_split_depends_on_neither_the_order_of_rows_nor_on_chance() -> None:
    table = branched_world(2, 12)
    shuffled = table.sample(frac=1, random_state=5).reset_index(drop=True)
    asked = ["top_compute", "small_to_large", "declared"]
    first, second = (bake_off(rows, ["chinchilla"], asked, 50).to_json() for rows in (table, shuffled))
    assert first == second
    assert len({split["held_hash"] for split in first["splits"]}) == len(first["splits"]) == 3


@pytest.mark.parametrize("name", COUNTED)
def test_what_is_held_out_lies_beyond_what_is_fitted(name: str) -> None:
    table = world(0)
    cut = SPLITS[name](table)
    assert not (cut.held_n & cut.fitted_n).any()
    assert 0.1 < cut.held_n.mean() < 0.4
    for variable in {"top_compute": "C", "largest_models": "N", "largest_data": "D", "small_to_large": "ND"}[name]:
        assert table.loc[cut.held_n, variable].min() > table.loc[cut.fitted_n, variable].max()


def test_budgets_that_differ_by_a_hair_are_held_out_together() -> None:
    table = world(0)
    jitter = 1 + 0.003 * np.random.default_rng(1).standard_normal(len(table))
    held_n = SPLITS["largest_data"](table.assign(D=table["D"] * jitter)).held_n
    assert (held_n == SPLITS["largest_data"](table).held_n).all()


def test_extreme_shapes_are_the_widest_and_the_deepest() -> None:
    table = shaped()
    cut = SPLITS["extreme_shapes"](table)
    inner = table.loc[cut.fitted_n, "aspect"]
    outer = table.loc[cut.held_n, "aspect"]
    assert ((outer < inner.min()) | (outer > inner.max())).all()
    assert outer.min() < inner.min() < inner.max() < outer.max()
    assert (cut.held_n == SPLITS["extreme_shapes"](table.drop(columns="aspect")).held_n).all()


def test_shapes_that_most_rows_have_are_no_extremes() -> None:
    table = shaped()
    with pytest.raises(Refusal, match="more than half: train more shapes between them"):
        SPLITS["extreme_shapes"](pd.concat([table] + [table[table["aspect"] == 128]] * 30))
    with pytest.raises(Refusal, match="3 distinct aspect ratios"):
        SPLITS["extreme_shapes"](table[table["aspect"].isin([1, 8, 128])])


def test_held_out_losses_reach_no_fit() -> None:
    table = branched_world(4, 12).reset_index(drop=True)
    names = ("top_compute", "small_to_large", "declared")
    honest = bake_off(table, PAIR[:1], names, replicates=0)
    for split in names:
        opened = table if split == "declared" else table[~table["held_out"]]
        held = opened.index[SPLITS[split](opened).held_n]
        spoiled = table.assign(loss=table["loss"].where(~table.index.isin(held), 9.0))
        found = bake_off(spoiled, PAIR[:1], [split], replicates=0)
        for name in ("chinchilla", *BASELINES):
            assert (found.entry(name, split).predicted_m == honest.entry(name, split).predicted_m).all()
        assert found.entry("chinchilla", split).rms > honest.entry("chinchilla", split).rms
        assert found.splits[0].held_hash == next(s.held_hash for s in honest.splits if s.name == split)


def test_only_fitted_rows_are_dropped_by_their_loss() -> None:
    table = branched_world(4, 12).reset_index(drop=True)
    names = ("top_compute", "largest_models", "declared")
    every, dropped = (bake_off(table, PAIR[:1], names, 0, drop_highest_loss=count) for count in (0, 6))
    for split, other in zip(every.splits, dropped.splits, strict=True):
        assert split == other
        opened = table if split.name == "declared" else table[~table["held_out"]]
        cut = SPLITS[split.name](opened)
        entry = dropped.entry("chinchilla", split.name)
        assert len(entry.predicted_m) == cut.held_n.sum() == split.held_rows
        least = opened[cut.fitted_n].nsmallest(int(cut.fitted_n.sum()) - 6, "loss")
        fitted = fit("chinchilla", least, bootstrap=0, held_out=False)
        held = opened[cut.held_n]
        expected = np.sqrt(np.mean(np.log(fitted.predict(held) / held["loss"].to_numpy()) ** 2))
        assert entry.rms == pytest.approx(float(expected), rel=1e-5)
    # Losses that would be dropped first, were held-out rows looked at.
    opened = table[~table["held_out"]]
    held = opened.index[SPLITS["top_compute"](opened).held_n]
    high = table.assign(loss=table["loss"].where(~table.index.isin(held), 50.0))
    again = bake_off(high, PAIR[:1], ["top_compute"], 0, drop_highest_loss=6)
    assert again.splits[0] == dropped.splits[0]
    one, other = (found.entry("chinchilla", "top_compute").predicted_m for found in (again, dropped))
    assert (one == other).all()


def test_one_is_told_in_the_singular(baked: BakeOff) -> None:
    assert any("declared (1 row of 1 trunk held out" in line for line in baked.words())
    alone = bake_off(world(0, 8), ["power_C"], ["top_compute"], 0).words()[0]
    assert alone.startswith("1 law on 1 hold-out split of 32 rows (8 trunks)")


def test_rows_that_the_table_holds_out_are_seen_by_their_own_split_alone(baked: BakeOff) -> None:
    assert [split.name for split in baked.splits] == [*COUNTED, "declared"]
    assert next(split for split in baked.splits if split.name == "declared").held_rows == 1
    without = bake_off(branched_world(3).query("~held_out"), ["chinchilla"], COUNTED, replicates=0)
    for split in COUNTED:
        assert without.entry("chinchilla", split).rms == baked.entry("chinchilla", split).rms
    assert "no row is marked" in bake_off(world(3), ["power_C"], ["declared", "top_compute"]).refused["declared"]


def test_the_hash_is_of_rows_and_not_of_their_losses() -> None:
    table = world(0)
    assert held_hash(table) == held_hash(table[::-1].assign(loss=1.0))
    assert held_hash(table) != held_hash(table[1:])


# --- what is refused, and what is not claimed


@pytest.mark.parametrize(
    ("spoil", "asked", "words"),
    [
        (lambda rows: rows, {"splits": ["extreme_shapes"]}, "neither 'aspect' nor 'width' and 'depth'"),
        (lambda rows: rows, {"splits": ["top_computer"]}, "did you mean 'top_compute'"),
        (lambda rows: rows, {"splits": []}, "none was named"),
        (lambda rows: rows, {"laws": ["chinchila"]}, "did you mean 'chinchilla'"),
        (lambda rows: rows, {"laws": ["gemstones", "sigmoid"]}, "no column width, depth"),
        (lambda rows: rows, {"replicates": -1}, "number of resamples"),
        (lambda rows: rows, {"objective": "hubris"}, "did you mean 'huber'"),
        (lambda rows: rows.head(4), {"laws": ["chinchilla"]}, "usable rows"),
        (lambda rows: rows.head(0), {}, "no row has N, D, C and a loss"),
        (lambda rows: rows.assign(loss=np.nan), {}, "no row has N, D, C and a loss"),
        (lambda rows: rows.assign(loss=-1.0), {}, "logarithms need positive values"),
        (lambda rows: rows.assign(N=1e6, D=1e6, C=6e12), {}, "no split can be had"),
        (lambda rows: rows.assign(held_out=True), {"splits": ["top_compute"]}, "every row is marked"),
        (lambda rows: rows.drop(columns="C"), {}, "no column 'C'"),
    ],
)
def test_what_carries_no_bake_off_is_answered_in_one_line(
    spoil: Callable[[pd.DataFrame], pd.DataFrame], asked: dict[str, object], words: str
) -> None:
    with pytest.raises(Refusal, match=words) as refusal:
        bake_off(spoil(world(0, 8)), **{"laws": ["chinchilla"]} | asked)  # type: ignore[arg-type]
    assert "\n" not in str(refusal.value)


def test_a_law_that_cannot_be_fitted_says_why(baked: BakeOff) -> None:
    assert baked.left_out == {"gemstones": "the table has no column width, depth"}
    table = shaped().query("depth < 16 and width < 128")
    found = bake_off(table, ["power_C", "gemstones_coupled"], ["small_to_large", "extreme_shapes"], replicates=20)
    refused = found.entry("gemstones_coupled", "small_to_large")
    assert refused.verdict == REFUSED
    assert "needs at least 11 rows" in refused.reason
    assert any("not fitted on small_to_large: gemstones_coupled" in line for line in found.words())
    partly = bake_off(
        shaped().assign(depth=lambda rows: rows["depth"].where(rows["C"] < rows["C"].max())),
        ["gemstones", "chinchilla"],
        ["top_compute"],
        replicates=20,
    )
    assert "1 of 13 held-out rows lack one of width, depth" in partly.entry("gemstones", "top_compute").reason


def test_with_few_trunks_or_no_resamples_nothing_is_ranked() -> None:
    few = world(0, 16)
    few = few[few["trunk_id"].isin(["trunk0", "trunk5", "trunk10", "trunk15"])]
    for table, replicates in ((few, 100), (world(0), 0)):
        found = bake_off(table, ["chinchilla", "power_D"], ["top_compute"], replicates)
        assert [found.entry(law, "top_compute").verdict for law in ("chinchilla", "power_D")] == [BEST, UNSURE]
        assert not any("laws that lose" in line or "times its error" in line for line in found.words())
        assert "never lose: chinchilla, power_D; the data do not rank these" in found.words()
        assert any("too few trunks to tell it from: power_D" in line for line in found.words())


def test_many_rows_have_intervals_too() -> None:
    random = np.random.default_rng(0)
    n, d = np.exp(random.uniform(np.log([1e4, 2e5]), np.log([1e7, 2e7]), (12_000, 2))).T
    table = pd.DataFrame({"N": n, "D": d, "C": 6 * n * d, "loss": planted_loss(n, d)})
    table["loss"] *= np.exp(random.normal(0, 0.01, len(table)))
    found = bake_off(table, ["chinchilla", "kaplan"], ["top_compute"], replicates=100)
    assert found.splits[0].fitted_rows > 8_000
    chinchilla, kaplan = found.on("top_compute")
    assert chinchilla.rms_low < 0.01 < chinchilla.rms_high < 0.012
    assert kaplan.verdict == LOSES


def test_the_options_reach_the_fits() -> None:
    table = world(0, 8)
    wide, squares = (
        bake_off(table, ["chinchilla"], ["top_compute"], 0, **options).entry("chinchilla", "top_compute")
        for options in ({"delta": 10.0}, {"objective": "log_squares"})
    )
    plain = bake_off(table, ["chinchilla"], ["top_compute"], 0).entry("chinchilla", "top_compute")
    assert wide.rms == pytest.approx(squares.rms, rel=1e-6)
    assert plain.rms != pytest.approx(squares.rms, rel=1e-3)


def test_the_answer_is_plain_json_and_a_table(baked: BakeOff) -> None:
    told = json.loads(json.dumps(baked.to_json(), allow_nan=False))
    assert told["words"] == baked.words()
    declared = next(e for e in told["entries"] if (e["law"], e["split"]) == ("chinchilla", "declared"))
    assert declared["rms_low"] is None
    table = baked.to_table()
    assert len(table) == (4 + len(BASELINES)) * len(baked.splits)
    assert table["rms"].dtype == np.float64
    for standing in baked.standings:
        counts = (standing.best, standing.ties, standing.loses, standing.unsure, standing.refused)
        assert sum(counts) == len(baked.splits)
    lines = str(baked).splitlines()
    assert len(lines) == 2 + 4 + len(BASELINES)
    assert len({len(line) for line in lines[:-1]}) == 1


def test_every_law_of_the_catalogue_has_a_place_or_a_reason() -> None:
    found = bake_off(world(0, 8).assign(M=lambda rows: rows["D"] / rows["N"]), None, ["top_compute"], 0)
    placed = {entry.law for entry in found.on("top_compute")}
    assert placed | found.left_out.keys() == LAWS.keys() == TRUTHS.keys()
    assert {"chinchilla", "coupled", "gadre", "envelope"} <= placed
    assert "not of the loss" in found.left_out["sigmoid"]


# --- the picture


def test_the_picture_shows_every_error_and_marks_the_best(baked: BakeOff) -> None:
    with matplotlib.rc_context(RC):
        _, axes = new_canvas()
        figure.draw(baked, axes)
    rows = len(baked.alike) + len(BASELINES)
    assert len(axes.texts) == rows * len(baked.splits)
    assert [tick.get_text() for tick in axes.get_yticklabels()][-2:] == [*BASELINES]
    bold = [text for text in axes.texts if text.get_weight() == "bold"]
    framed = [patch for patch in axes.patches if not patch.get_fill()]
    assert len(bold) == len(framed) >= len(baked.splits)
    assert "kaplan_N = power_N" in [tick.get_text() for tick in axes.get_yticklabels()]


@pytest.mark.parametrize("share", np.linspace(0, 1, 21))
def test_the_text_of_every_cell_can_be_read(share: float) -> None:
    shade = figure.SHADES(share)

    def luminance(colour: object) -> float:
        channels = [
            c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in matplotlib.colors.to_rgb(colour)
        ]
        return float(np.dot(channels, [0.2126, 0.7152, 0.0722]))

    light, dark = sorted([luminance(shade), luminance(figure._on(shade))], reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5  # WCAG 2.1, 1.4.3
