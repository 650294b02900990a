"""Best choices for a budget: the least loss, intervals that hold the truth, one answer by formula and by search."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis.conventions import add_counts
from analysis.fit import fit
from analysis.laws import LAWS
from analysis.optimum import BLOCK, Shapes, allocation, best
from harness.refusal import Refusal
from tests.analysis.catalogue import TRUTHS, design, truth
from tests.analysis.worlds import TRUTH, branched_world

TABLE = branched_world(1)
BUDGET = 1e13


def noiseless(name: str, bootstrap: int = 0):  # type: ignore[no-untyped-def]
    table = design(name)
    if "D" in table and "C" not in table:
        table = table.assign(C=6 * table["N"] * table["D"])
    table = table.assign(loss=LAWS[name].predict(truth(name), table))
    return fit(name, table, bootstrap=bootstrap), table


@pytest.mark.parametrize("name", ["chinchilla", "coupled", "gadre", "kaplan", "chinchilla_tied"])
def test_nothing_else_at_the_budget_has_less_loss(name: str) -> None:
    known, _ = noiseless(name)
    found = best(known, [BUDGET], Shapes())[0]
    assert found.params is not None
    assert found.tokens is not None
    assert 6 * found.params.value * found.tokens.value == pytest.approx(BUDGET)
    n = found.params.value * np.geomspace(0.2, 5, 401)
    d = BUDGET / 6 / n
    losses = known.predict({"N": n, "D": d, "C": np.full_like(n, BUDGET), "M": d / n})
    assert losses.min() >= found.loss.value * (1 - 1e-9)


def test_search_and_closed_form_agree() -> None:
    known, _ = noiseless("chinchilla")
    searched = replace(known, law=replace(known.law, cheapest=None))
    exact, grid = (best(one, [BUDGET], Shapes())[0] for one in (known, searched))
    assert grid.params.value == pytest.approx(exact.params.value, rel=1e-3)  # type: ignore[union-attr]
    assert grid.loss.value == pytest.approx(exact.loss.value, rel=1e-7)


def test_two_notations_of_one_curve_have_one_optimum() -> None:
    tied, table = noiseless("chinchilla_tied")
    gadre = fit("gadre", table, bootstrap=0)
    one, two = (best(known, [BUDGET], Shapes())[0] for known in (tied, gadre))
    assert one.params.value == pytest.approx(two.params.value, rel=1e-6)  # type: ignore[union-attr]


def test_what_the_data_do_not_hold_is_not_advised() -> None:
    wide = branched_world(4, trunks=40)
    narrow = fit("chinchilla", wide[wide["N"].between(1e5, 2.5e5)], bootstrap=200)
    found = best(narrow, [BUDGET], Shapes())[0]
    assert "alpha" in found.params.doubt  # type: ignore[union-attr]
    assert found.params.to_json() == [None] * 3  # type: ignore[union-attr]
    assert found.params.words(str) == "not known"  # type: ignore[union-attr]
    assert allocation(narrow, BUDGET, Shapes())[0].doubt
    rising = TABLE.assign(loss=TABLE["C"] ** 0.1)
    assert "flat valley" in best(fit("chinchilla", rising, bootstrap=50), [BUDGET], Shapes())[0].loss.doubt


def test_counting_that_changes_with_size_moves_the_optimum() -> None:
    """C = 8 N^1.1 D: the budget is met exactly, and no other size does better for it."""
    known, table = noiseless("chinchilla")
    shapes = Shapes.of(table.assign(C=8 * table["N"] ** 1.1 * table["D"]))
    assert (shapes.flops, shapes.slope) == pytest.approx((8, 0.1))
    found = best(known, [BUDGET], shapes)[0]
    n, d = found.params.value, found.tokens.value  # type: ignore[union-attr]
    assert 8 * n**1.1 * d == pytest.approx(BUDGET)
    others = n * np.geomspace(0.3, 3, 61)
    losses = known.predict({"N": others, "D": BUDGET / (8 * others**1.1)})
    assert losses.min() >= found.loss.value * (1 - 1e-7)
    a, b = allocation(known, BUDGET, shapes)
    alpha, beta = known.parameters["alpha"], known.parameters["beta"]
    assert a.value == pytest.approx(beta / (alpha + 1.1 * beta), rel=1e-3)
    assert 1.1 * a.value + b.value == pytest.approx(1)


def test_the_planted_optimum_lies_in_its_interval() -> None:
    known = fit("chinchilla", TABLE, bootstrap=300)
    found = best(known, [BUDGET], Shapes())[0]
    planted = np.array([TRUTH[name] for name in known.law.parameters])
    assert known.law.cheapest is not None
    params = known.law.cheapest(planted[None], np.array([BUDGET / 6]))[0, 0]
    assert found.params.low < params < found.params.high  # type: ignore[union-attr]
    a, b = allocation(known, BUDGET, Shapes())
    assert a.low < TRUTH["beta"] / (TRUTH["alpha"] + TRUTH["beta"]) < a.high
    assert a.value + b.value == pytest.approx(1)


def test_what_a_rule_of_thumb_wastes() -> None:
    """At the budget where twenty tokens a parameter are right nothing is wasted; elsewhere what an equal loss saves."""
    known, _ = noiseless("chinchilla")
    budgets = np.geomspace(1e2, 1e16, 400)
    found = best(known, budgets.tolist(), Shapes())
    wasted = np.array([one.wasted.value for one in found])  # type: ignore[union-attr]
    ratio = np.array([one.tokens_per_param.value for one in found])  # type: ignore[union-attr]
    right = np.abs(np.log(ratio / 20)).argmin()
    assert wasted[right] < 1e-3
    off = np.abs(np.log(ratio / 20)) > 1
    assert (wasted[off] > 0.01).all()
    one = int(np.flatnonzero(off)[0])
    saved = best(known, [budgets[one] * (1 - wasted[one])], Shapes())[0]
    ruled = np.sqrt(budgets[one] / 6 / 20)
    assert saved.loss.value == pytest.approx(known.predict({"N": ruled, "D": 20 * ruled})[0], rel=1e-4)


def test_a_law_of_shape_gives_its_own_best_shape() -> None:
    known, table = noiseless("shape")
    found = best(known, [1e13], Shapes.of(table))[0]
    planted = TRUTHS["shape"]
    assert found.aspect.value == pytest.approx(planted["rho"] * found.params.value ** planted["drift"], rel=1e-4)  # type: ignore[union-attr]
    assert found.shape_from == "the law"
    depth, width = found.depth.value, found.width.value  # type: ignore[union-attr]
    assert 12 * depth * width**2 + 256 * width == pytest.approx(found.params.value, rel=1e-6)  # type: ignore[union-attr]


def test_a_law_of_depth_and_width_is_searched_within_the_table_s_shapes() -> None:
    known, table = noiseless("gemstones")
    shapes = Shapes.of(table)
    found = best(known, [1e13], shapes)[0]
    assert shapes.aspect_low <= found.aspect.value <= shapes.aspect_high  # type: ignore[union-attr]
    assert shapes.block == pytest.approx(BLOCK)
    assert shapes.edge == pytest.approx(256)  # the embedding, a vocabulary of 256


def test_shapes_of_a_table_without_shapes_are_unknown() -> None:
    found = best(fit("chinchilla", TABLE, bootstrap=0), [BUDGET], Shapes.of(TABLE))[0]
    assert found.depth is None
    shaped = add_counts(pd.DataFrame({"params_given": [12e6], "tokens": [1e9], "depth": [10], "width": [320]}), "given")
    assert Shapes.of(shaped).aspect == 32


@pytest.mark.parametrize(("law", "words"), [("power_N", "alone"), ("loss_to_loss", "says nothing about compute")])
def test_a_law_that_knows_no_compute_is_refused(law: str, words: str) -> None:
    known, _ = noiseless(law)
    with pytest.raises(Refusal, match=words):
        best(known, [BUDGET], Shapes())


def test_a_budget_must_be_a_number() -> None:
    with pytest.raises(Refusal, match="positive"):
        best(fit("chinchilla", TABLE, bootstrap=0), [float("nan")], Shapes())
