"""The three approaches to compute-optimal sizes against planted laws; every rule of the audit and the expected bias."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest

from analysis.figures import isoflop as figure
from analysis.figures.style import RC, lay_out, new_canvas, to_png
from analysis.fit import fit
from analysis.isoflop import Agreement, Allocation, Bias, IsoFlop, groups, isoflop
from analysis.optimum import Shapes, best
from analysis.parabola import OFF_CENTRE, RULES, WIDEST_SPAN, Curve, audit, parabola
from analysis.study import Study
from harness.refusal import Refusal
from tests.analysis.worlds import branched_world

CHINCHILLA = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.33917, "beta": 0.28491}  # arXiv 2203.15556
ASYMMETRIC = {"E": 1.69, "A": 400.0, "B": 400.0, "alpha": 0.465, "beta": 0.155}
BUDGETS = tuple(np.geomspace(1e18, 1e21, 6))


def exponent(law: dict[str, float] = CHINCHILLA) -> float:
    return law["beta"] / (law["alpha"] + law["beta"])


def loss_at(n: Any, d: Any, law: dict[str, float] = CHINCHILLA) -> Any:
    return law["E"] + law["A"] / n ** law["alpha"] + law["B"] / d ** law["beta"]


def best_size(compute: Any, law: dict[str, float] = CHINCHILLA) -> Any:
    """N of least loss where C = 6 N D."""
    scale = (law["alpha"] * law["A"] / (law["beta"] * law["B"])) ** (1 / (law["alpha"] + law["beta"]))
    return scale * (compute / 6) ** exponent(law)


def world(
    law: dict[str, float] = CHINCHILLA,
    budgets: tuple[float, ...] = BUDGETS,
    sizes: int = 9,
    span: float = 16.0,
    shift: float = 0.0,
    noise: float = 0.0,
    seed: int = 0,
) -> pd.DataFrame:
    """`sizes` models at every budget over a factor `span`, the best one `-shift` half-widths from their middle."""
    C = np.repeat(budgets, sizes)
    grid = np.tile(span ** (np.linspace(-0.5, 0.5, sizes) + shift / 2), len(budgets))
    N = best_size(C, law) * grid
    error = noise * np.random.default_rng(seed).standard_normal(len(N))
    return pd.DataFrame({"N": N, "D": C / (6 * N), "C": C, "loss": loss_at(N, C / (6 * N), law) * np.exp(error)})


def found(one: Allocation | str) -> Allocation:
    assert isinstance(one, Allocation), one
    return one


def why(one: object) -> str:
    assert isinstance(one, str), one
    assert "\n" not in one
    return one


@pytest.fixture(scope="module")
def noisy() -> IsoFlop:
    return isoflop(world(noise=0.003))


def test_approaches_two_and_three_cover_the_planted_exponent_and_agree(noisy: IsoFlop) -> None:
    for one in (found(noisy.parabolas), found(noisy.parametric)):
        assert one.a.low < exponent() < one.a.high
        assert one.b.low < 1 - exponent() < one.b.high
        assert not one.a.doubt
        low, high = one.params_interval(1e22)
        assert low[0] < best_size(1e22) < high[0]
        assert one.params_at(1e22) * one.tokens_at(1e22) * 6 == pytest.approx(1e22)
    assert isinstance(noisy.agreement, Agreement)
    assert noisy.agreement.agree
    assert noisy.agreement.low < 0 < noisy.agreement.high
    assert not noisy.refused
    assert noisy.loose == 0


def test_the_law_gives_its_own_exponent(noisy: IsoFlop) -> None:
    assert noisy.fit is not None
    alpha, beta = (noisy.fit.parameters[name] for name in ("alpha", "beta"))
    assert found(noisy.parametric).a.value == pytest.approx(beta / (alpha + beta), rel=1e-9)
    params = best(noisy.fit, [3e20], Shapes())[0].params
    assert params is not None
    assert found(noisy.parametric).params_at(3e20) == pytest.approx(params.value, rel=1e-9)
    low, high = found(noisy.parametric).params_interval(3e20)
    assert [low[0], high[0]] == pytest.approx([params.low, params.high], rel=0.01)


def test_intervals_of_approach_two_cover_as_often_as_they_say() -> None:
    covered = 0
    for seed in range(40):
        one = found(isoflop(world(noise=0.003, sizes=7, seed=seed), bootstrap=200, law="power_N").parabolas)
        covered += one.a.low < exponent() < one.a.high
    assert 30 <= covered <= 40  # 36 expected


def test_approach_one_finds_the_planted_path_on_dense_grids() -> None:
    one = found(isoflop(world(sizes=41, budgets=tuple(np.geomspace(1e18, 1e21, 9))), bootstrap=20).envelope)
    assert one.points == 9
    assert one.a.value == pytest.approx(exponent(), abs=0.005)
    assert one.b.value == pytest.approx(1 - exponent(), abs=0.005)
    assert one.params_at(1e20) == pytest.approx(best_size(1e20), rel=0.04)


def test_approach_one_leaves_out_bins_whose_best_row_is_the_smallest_or_largest() -> None:
    table = world(noise=0.003)
    cut = table[(table["C"] > 2e18) | (table["N"] > 1.2 * best_size(table["C"]))]
    assert found(isoflop(cut, bootstrap=20).envelope).points == len(BUDGETS) - 1
    edge = why(isoflop(table[table["N"] > 1.2 * best_size(table["C"])], bootstrap=20).envelope)
    assert "train more sizes" in edge


def test_approach_one_leaves_out_bins_that_a_cheaper_row_beats() -> None:
    table = world(noise=0.003)
    worse = table.assign(loss=table["loss"].where(table["C"] != BUDGETS[3], 1.3 * table["loss"]))
    one, without = (isoflop(rows, bootstrap=20) for rows in (worse, table[table["C"] != BUDGETS[3]]))
    assert found(one.envelope).points == len(BUDGETS) - 1
    assert found(one.envelope).a.value == pytest.approx(found(without.envelope).a.value, rel=1e-9)


def test_noiseless_narrow_centred_grids_give_the_exponent() -> None:
    one = isoflop(world(span=9), bootstrap=0)
    assert found(one.parabolas).a.value == pytest.approx(exponent(), rel=0.01)
    assert found(one.parametric).a.value == pytest.approx(exponent(), rel=1e-4)
    assert found(one.parabolas).params_at(1e20) == pytest.approx(best_size(1e20), rel=0.02)


@pytest.mark.parametrize("law", [CHINCHILLA, ASYMMETRIC], ids=["chinchilla", "asymmetric"])
@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_the_predicted_bias_is_the_measured_one(law: dict[str, float], shift: float) -> None:
    one = isoflop(world(law, shift=shift), bootstrap=0)
    for budget in one.budgets:
        assert budget.bias == pytest.approx(budget.N / best_size(budget.C, law) - 1, abs=1e-6)
        assert abs(budget.bias) > 1e-3
    assert isinstance(one.bias, Bias)
    assert one.bias.a == pytest.approx(found(one.parabolas).a.value - exponent(law), abs=1e-6)
    assert pytest.approx(10 * max(BUDGETS)) == one.bias.C
    far = found(one.parabolas).params_at(one.bias.C) / best_size(one.bias.C, law) - 1
    assert pytest.approx(far, abs=1e-6) == one.bias.N


@pytest.mark.parametrize("law", [CHINCHILLA, ASYMMETRIC], ids=["chinchilla", "asymmetric"])
def test_the_bias_grows_with_the_width_of_the_grid(law: dict[str, float]) -> None:
    spans = (4, 9, 16, 64, 256)
    biases = [[abs(budget.bias) for budget in isoflop(world(law, span=span), bootstrap=0).budgets] for span in spans]
    assert (np.diff(np.array(biases), axis=0) > 0).all()


@pytest.mark.parametrize("sizes", [5, 9, 15])
def test_the_limits_of_the_audit_keep_the_bias_within_what_they_promise(sizes: int) -> None:
    passed = 0
    for law, most in ((CHINCHILLA, 0.031), (ASYMMETRIC, 0.105)):
        for shift in np.linspace(-1, 1, 41):
            rows = world(law, (1e13,), sizes, WIDEST_SPAN * 0.999, shift)
            curve = parabola(rows["N"], rows["loss"])
            assert curve is not None
            if audit(rows["N"], curve) is None:
                passed += 1
                assert abs(math.exp(curve.vertex) / best_size(1e13, law) - 1) < most
    assert 2 * 15 < passed < 2 * 35  # of 2 x 41: neither all nor none


def rule(table: pd.DataFrame) -> str:
    """The rule that refuses the table's one budget; empty where none does."""
    refused = audit(table["N"], parabola(table["N"], table["loss"]))
    if refused is None:
        return ""
    assert refused.rule in RULES
    assert "\n" not in refused.words
    return refused.rule


def test_every_rule_of_the_audit_refuses_what_it_should_and_nothing_else() -> None:
    one = (1e20,)
    assert rule(world(budgets=one)) == ""
    assert rule(world(budgets=one, sizes=4)) == ""
    assert rule(world(budgets=one, sizes=3)) == "few"
    twins = world(budgets=one, sizes=3)
    assert rule(pd.concat([twins, twins.assign(N=1.004 * twins["N"])])) == "few"
    good = world(budgets=one)
    assert rule(good.assign(loss=1 / good["loss"])) == "concave"
    assert rule(world(budgets=one, shift=1.5)) == "edge"
    assert rule(world(budgets=one, shift=-0.8)) == "edge"
    assert rule(world(budgets=one, span=1.05 * WIDEST_SPAN)) == "wide"
    assert rule(world(budgets=one, span=0.95 * WIDEST_SPAN)) == ""
    assert rule(world(budgets=one, sizes=25, shift=OFF_CENTRE + 0.1)) == "off_centre"
    assert rule(world(budgets=one, sizes=25, shift=-OFF_CENTRE - 0.1)) == "off_centre"
    assert rule(world(budgets=one, sizes=25, shift=OFF_CENTRE - 0.1)) == ""


def test_a_budget_whose_compute_drifts_with_size_is_refused_where_a_law_is_known() -> None:
    table = world(noise=0.001)
    drift = np.where(table["C"] == BUDGETS[2], (table["N"] / best_size(table["C"])) ** 0.06, 1.0)
    drifting = table.assign(D=table["D"] * drift, C=table["C"] * drift)
    drifting = drifting.assign(loss=loss_at(drifting["N"], drifting["D"]))
    one = isoflop(drifting, bootstrap=20)
    assert [budget.refused.rule for budget in one.refused if budget.refused] == ["biased"]
    assert one.refused[0].bias == pytest.approx(one.refused[0].N / best_size(BUDGETS[2]) - 1, abs=0.01)
    assert found(one.parabolas).points == len(BUDGETS) - 1
    assert not isoflop(drifting, bootstrap=20, law="power_N").refused


def test_refusals_give_value_limit_and_cure() -> None:
    wide = audit(world(span=100)["N"][:9], parabola(world(span=100)["N"][:9], world(span=100)["loss"][:9]))
    assert wide is not None
    assert (wide.value, wide.limit) == (pytest.approx(100), WIDEST_SPAN)
    assert "factor 100" in wide.words
    assert "keep those within" in wide.words
    edge = audit([1e6, 2e6, 4e6, 8e6], Curve(math.log(8e6**0.5 * 1e6**0.5), math.log(8) / 2, (1.0, -0.5, 0.2)))
    assert edge is not None
    assert edge.words.startswith("no larger sizes than its minimum, and 2 are needed: train larger ones")


def test_refused_parabolas_take_no_part() -> None:
    wide = world(budgets=(1e22, 1e23), span=400, noise=0.003)
    mixed = isoflop(pd.concat([world(noise=0.003), wide], ignore_index=True), bootstrap=50)
    alone = isoflop(world(noise=0.003), bootstrap=50)
    assert [budget.refused.rule for budget in mixed.refused if budget.refused] == ["wide", "wide"]
    assert found(mixed.parabolas).points == len(BUDGETS)
    assert found(mixed.parabolas).a.value == pytest.approx(found(alone.parabolas).a.value, rel=1e-9)
    assert any("2 of 8 budgets take no part, 2 with sizes too far apart" in words for words in mixed.words())


def test_budgets_are_found_by_gaps_in_compute_and_within_tolerance() -> None:
    table = world(noise=0.003)
    random = np.random.default_rng(3)
    shaken = table.assign(C=table["C"] * random.uniform(0.93, 1.07, len(table))).sample(frac=1, random_state=1)
    shaken = shaken.assign(D=shaken["C"] / (6 * shaken["N"]))
    for rows in (table, shaken):
        classes = groups(rows)
        assert [len(members) for members in classes] == [9] * len(BUDGETS)
        assert sorted(np.concatenate(classes)) == list(range(len(rows)))
        for members, budget in zip(classes, BUDGETS, strict=True):
            assert rows["C"].iloc[members].to_numpy() == pytest.approx(budget, rel=0.08)
    near = world(budgets=(1e20, 1.15e20, 1.32e20))
    assert [len(members) for members in groups(near)] == [9, 9, 9]
    bridged = pd.concat([world(budgets=(1e20, 1.45e20)), world(budgets=(1.09e20, 1.19e20, 1.29e20, 1.37e20), sizes=1)])
    for members in groups(bridged):
        assert np.ptp(np.log(bridged["C"].iloc[members])) <= 2 * math.log(1.1)


def test_a_row_alone_at_its_compute_is_told_and_left_out() -> None:
    table = pd.concat([world(noise=0.003), world(budgets=(3e22,), sizes=1)], ignore_index=True)
    one = isoflop(table, bootstrap=20)
    assert one.loose == 1
    assert len(one.budgets) == len(BUDGETS)


def test_rows_of_one_trunk_are_resampled_together() -> None:
    table = world(noise=0.003).assign(trunk_id=[f"t{i}" for i in range(54)])
    once = found(isoflop(table, bootstrap=100).parabolas)
    doubled = pd.concat([table, table], ignore_index=True)
    together = found(isoflop(doubled, bootstrap=100).parabolas)
    apart = found(isoflop(doubled.drop(columns="trunk_id"), bootstrap=100).parabolas)
    assert together.draws_r2 == pytest.approx(once.draws_r2, rel=1e-9)
    assert (together.a.low, together.a.high) == pytest.approx((once.a.low, once.a.high), rel=1e-9)
    # A row copied is no second witness either; one that differs is.
    assert (apart.a.low, apart.a.high) == pytest.approx((once.a.low, once.a.high), rel=1e-6)
    second = world(noise=0.003, seed=1).drop(columns="trunk_id", errors="ignore")
    more = found(
        isoflop(pd.concat([table.drop(columns="trunk_id"), second], ignore_index=True), bootstrap=100).parabolas
    )
    assert more.a.high - more.a.low < 0.85 * (once.a.high - once.a.low)


def test_approach_two_and_the_law_see_the_same_resamples(noisy: IsoFlop) -> None:
    two, three = found(noisy.parabolas).draws_r2[:, 0], found(noisy.parametric).draws_r2[:, 0]
    assert np.corrcoef(two, three)[0, 1] > 0.3


def test_held_out_rows_other_phases_and_missing_numbers_are_left_out() -> None:
    table = world(noise=0.003)
    clean = isoflop(table, bootstrap=20)
    more = pd.concat(
        [
            table.assign(phase="decayed", held_out=False),
            table.assign(loss=9.0, phase="stable", held_out=False),
            table.assign(loss=9.0, phase="decayed", held_out=True),
            table.head(5).assign(loss=np.nan, phase="decayed", held_out=False),
        ],
        ignore_index=True,
    )
    again = isoflop(more, bootstrap=20)
    assert again.rows == clean.rows
    assert again.excluded == {"held out": 54, "phase is not decayed": 54, "loss is not a finite number": 5}
    assert found(again.parabolas).a == found(clean.parabolas).a
    assert isoflop(more.drop(columns="held_out").head(108), bootstrap=0, phase=None).rows == 108


def test_another_count_of_flops_is_the_tables_own() -> None:
    table = world(noise=0.003)
    six, eight = isoflop(table, bootstrap=20), isoflop(table.assign(C=table["C"] * 8 / 6), bootstrap=20)
    assert eight.flops_per_parameter_token == pytest.approx(8)
    for one, other in zip(six.approaches.values(), eight.approaches.values(), strict=True):
        assert found(other).params_at(8e20) == pytest.approx(found(one).params_at(6e20), rel=1e-6)
        assert found(other).tokens_at(8e20) == pytest.approx(found(one).tokens_at(6e20), rel=1e-6)
    assert [budget.bias for budget in eight.budgets] == pytest.approx([budget.bias for budget in six.budgets], abs=1e-5)


def test_what_the_data_do_not_carry_is_a_reason_of_one_line() -> None:
    one = isoflop(world(budgets=(1e20,), noise=0.003), bootstrap=20)
    assert "1 of 1 budgets" in why(one.parabolas)
    assert "power law needs 3" in why(one.envelope)
    assert "there is no approach 2" in why(one.agreement)
    assert isinstance(one.bias, str)
    ladder = isoflop(branched_world(1).assign(C=lambda rows: rows["C"] * 1.3 ** np.arange(len(rows))), bootstrap=20)
    assert "no isoFLOP classes" in why(ladder.parabolas)
    assert "sizes at each of 3 budgets" in why(ladder.parabolas)
    unable = isoflop(world(noise=0.003), bootstrap=20, law="power_N")
    assert "chinchilla" in why(unable.parametric)
    assert unable.fit is None
    for each in (one, ladder, unable):
        assert all("\n" not in words and words.endswith(".") for words in each.words())
        json.dumps(each.to_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (world(budgets=(1e20,), sizes=3), "approach 1.*approach 2.*approach 3.*needs at least 6 rows"),
        (world().assign(loss=np.nan), "54 left out: loss is not a finite number"),
        (world().head(0), "no row has"),
        (world().drop(columns="C"), "no column 'C'"),
        (world().assign(loss=-1.0), "logarithms need positive values"),
        (world().assign(N=1e8), "no compute-optimal size"),
    ],
    ids=["three rows", "no losses", "no rows", "no C", "negative", "one size"],
)
def test_a_table_that_carries_no_approach_is_refused_in_one_line(table: pd.DataFrame, words: str) -> None:
    with pytest.raises(Refusal, match=words) as refusal:
        isoflop(table, bootstrap=20)
    assert "\n" not in str(refusal.value)


def test_a_wrong_law_is_answered_with_the_right_ones() -> None:
    with pytest.raises(Refusal, match="did you mean 'chinchilla'"):
        isoflop(world(), law="chinchila")


def test_an_exponent_that_is_not_identified_is_told_without_digits() -> None:
    one = isoflop(world(noise=0.1, sizes=5, budgets=BUDGETS[:4]), bootstrap=100)
    vague = [allocation for allocation in one.approaches.values() if isinstance(allocation, Allocation)]
    assert any(allocation.a.doubt for allocation in vague)
    for allocation in vague:
        if allocation.a.doubt:
            assert allocation.a.words() == f"not identified: {allocation.a.doubt}"
            assert f"{allocation.a.value:.2f}" not in allocation.a.words()
    wild = isoflop(world(noise=0.4, sizes=5, budgets=BUDGETS[:4], seed=1), bootstrap=100)
    assert "end at a bound of the search" in found(wild.parametric).a.doubt
    few = isoflop(world(noise=0.003).assign(trunk_id=np.arange(54) % 3), bootstrap=100)
    assert "3 trunks are too few" in found(few.parabolas).a.doubt
    assert "cannot be told" in why(few.agreement)
    assert "no bootstrap" in found(isoflop(world(), bootstrap=0).parabolas).a.doubt


def test_words_and_json_hold_everything(noisy: IsoFlop) -> None:
    words = noisy.words()
    starts = ("approach 1", "approach 2", "approach 3 (chinchilla, huber)", "Expected bias", "Approaches 2 and 3")
    for start, sentence in zip(starts, words, strict=True):
        assert sentence.startswith(start)
    assert words[-1].startswith("Approaches 2 and 3 agree")
    told = json.loads(json.dumps(noisy.to_json(), allow_nan=False))
    assert told["approaches"]["2"]["a"]["value"] == found(noisy.parabolas).a.value
    assert len(told["budgets"]) == len(BUDGETS)
    assert told["bias"]["N"] == pytest.approx(noisy.budgets[-1].bias, abs=0.01)
    flat = replace(noisy, budgets=tuple(replace(budget, N=math.nan) for budget in noisy.budgets))
    assert flat.to_json()["budgets"][0]["N"] is None


def test_the_same_seed_gives_the_same_answer_and_another_seed_another(noisy: IsoFlop) -> None:
    assert isoflop(world(noise=0.003)).to_json() == noisy.to_json()
    other = isoflop(world(noise=0.003), seed=1)
    assert found(other.parabolas).a.value == found(noisy.parabolas).a.value
    assert found(other.parabolas).a.low != found(noisy.parabolas).a.low


def test_the_options_reach_the_law_and_its_sentence() -> None:
    table = world(noise=0.003).assign(w=lambda rows: np.where(rows["C"] > 1e20, 1.0, 1e-6))
    plain = isoflop(table, bootstrap=0)
    assert "approach 3 (chinchilla, huber), 54 rows" in plain.words()[2]
    for options in ({"objective": "log_squares"}, {"weights": "w"}, {"delta": 1.0}):
        one = isoflop(table, bootstrap=0, **options)
        known = fit("chinchilla", table, bootstrap=0, **options)
        assert one.fit is not None
        assert one.fit.parameters == known.parameters
        assert found(one.parametric).a.value != found(plain.parametric).a.value
        assert found(one.parabolas).a.value == found(plain.parabolas).a.value
    coupled = isoflop(table, bootstrap=0, law="coupled", objective="log_squares")
    assert coupled.words()[2].startswith("approach 3 (coupled, log_squares)")
    assert coupled.to_json()["objective"] == "log_squares"
    with pytest.raises(Refusal, match="did you mean 'huber'"):
        isoflop(table, objective="hubris")


def test_rows_of_highest_loss_are_left_out_once_and_of_every_approach() -> None:
    table = world(noise=0.003)
    spoiled = pd.concat([table, table.head(3).assign(loss=50.0)], ignore_index=True)
    dropped, clean = isoflop(spoiled, 200, drop_highest_loss=3), isoflop(table, 200)
    assert dropped.rows == clean.rows == 54
    assert dropped.excluded == {"among the 3 highest losses": 3}
    for one, other in zip(dropped.approaches.values(), clean.approaches.values(), strict=True):
        assert found(one).a == found(other).a
    two, three = found(dropped.parabolas).draws_r2[:, 0], found(dropped.parametric).draws_r2[:, 0]
    assert np.corrcoef(two, three)[0, 1] > 0.3


def test_every_approach_sees_the_rows_that_the_law_can_be_fitted_to() -> None:
    table = world(noise=0.003).assign(aspect=lambda rows: np.where(np.arange(len(rows)) % 9 == 0, np.nan, 64.0))
    shaped = isoflop(table, bootstrap=50, law="shape")
    assert (shaped.rows, shaped.excluded) == (48, {"aspect is not a finite number": 6})
    some = isoflop(table.dropna(), bootstrap=50, law="power_N")
    assert found(shaped.envelope).a == found(some.envelope).a
    # A law of the frontier is fitted to few rows; it chooses no size, and the others keep all of theirs.
    edge, plain = (isoflop(table, bootstrap=50, law=name) for name in ("envelope", "power_N"))
    assert edge.rows == plain.rows == 54
    assert found(edge.parabolas).a == found(plain.parabolas).a


def test_one_trunk_is_told_in_the_singular() -> None:
    one = found(isoflop(world(noise=0.003).assign(trunk_id="a"), bootstrap=20).parabolas)
    assert one.a.doubt.startswith("1 trunk is too few")


def test_the_figure_tells_refused_parabolas_from_accepted_ones() -> None:
    table = pd.concat([world(noise=0.003), world(budgets=(1e22,), span=400, noise=0.003)], ignore_index=True)
    result = figure.of(isoflop(table, bootstrap=20))
    assert len(result.budgets) == len(BUDGETS) + 1
    with matplotlib.rc_context(RC):
        canvas, axes = new_canvas()
        figure.draw(result, axes)
        lay_out(canvas)
        assert len(to_png(canvas)) > 10_000
    solid = [line for line in axes.lines if line.get_linestyle() == "-" and len(line.get_xdata()) == figure.GRID]
    dashed = [line for line in axes.lines if line.get_linestyle() == "--" and len(line.get_xdata()) == figure.GRID]
    marks = [line for line in axes.lines if line.get_marker() == "D" and len(line.get_xdata())]
    assert len(solid) == len(BUDGETS) + 1  # and the law's path
    assert len(dashed) == 1
    assert [mark.get_xdata()[0] for mark in marks] == [budget.N for budget in result.budgets if not budget.refused]
    _, labels = axes.get_legend_handles_labels()
    assert len(labels) == len(set(labels)) == 4
    assert pytest.approx(best_size(np.geomspace(1e18, 1e22, figure.GRID)), rel=0.1) == result.N


def test_the_figure_of_a_ladder_says_why_there_is_none(planted: Path) -> None:
    with pytest.raises(Refusal, match="train"):
        figure.compute(Study(planted, bootstrap=20))
