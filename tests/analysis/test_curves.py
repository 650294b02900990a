"""Curves of accuracy: planted truths come back with honest intervals, published scores are foretold, chance is not."""

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, binomtest

from analysis.curves.binomial import Counts, climb, deviance, log_likelihood, most_likely
from analysis.curves.chance import AT_CHANCE, FLAT, least_likely, silence
from analysis.curves.curve import Curve, fit_curve
from analysis.curves.forms import BASELINE, DIRECT, FORMS
from analysis.curves.hold_out import CARRIED, TWO_STEP, HeldOutScores, hold_out, rehearsed_form
from analysis.curves.power import loss_over_compute
from analysis.curves.scores import asked, at_one_budget, scores, task_names, zero_shot_names
from analysis.curves.trend import POINT, Shape, of_every, over_range, slope, within_trunks
from analysis.curves.two_step import TwoStep, task_loss, two_step
from analysis.laws.jet import exponents_as_jets
from analysis.optimum import Quantity
from harness.refusal import Refusal
from tests.analysis.planted_tasks import HELD_OUT_D, HELD_OUT_N, TRUTHS, World, fine_tuned, task_table
from tests.analysis.worlds import planted_loss

# arXiv 2005.14165: sizes of table 2.1; zero-shot LAMBADA and HellaSwag, few-shot PIQA and ARC of table H.1, in percent.
GPT3_SIZES = (125e6, 350e6, 760e6, 1.3e9, 2.7e9, 6.7e9, 13e9, 175e9)
GPT3 = {
    "lambada": (42.7, 54.3, 60.4, 63.6, 67.1, 70.3, 72.5, 76.2),
    "hellaswag": (33.7, 43.6, 51.0, 54.7, 62.8, 67.4, 70.9, 78.9),
    "piqa": (64.3, 69.4, 72.0, 74.3, 75.4, 77.8, 79.9, 82.3),
    "arc_easy": (42.7, 51.0, 58.1, 59.1, 62.1, 65.8, 69.1, 70.1),
    "arc_challenge": (25.5, 28.4, 32.3, 36.7, 39.5, 43.7, 44.8, 51.5),
}
GPT3_CHANCE = {"lambada": 0.0, "hellaswag": 0.25, "piqa": 0.5, "arc_easy": 0.25, "arc_challenge": 0.25}
# Test items of LAMBADA (arXiv 1606.06031) and ARC (1803.05457), validation items of HellaSwag (1905.07830) and PIQA
# (1911.11641).
GPT3_ITEMS = {"lambada": 5_153, "hellaswag": 10_042, "piqa": 1_838, "arc_easy": 2_376, "arc_challenge": 1_172}

# For every form a curve over x from 1e4 to 1e7, or over a loss from 1.3 to 2.8.
CURVES = {
    "log_linear": lambda x: 0.2 + 0.05 * np.log(x / 1e4),
    "sigmoid_to_one": lambda x: 0.25 + 0.75 / (1 + (x / 4e6) ** -0.5),
    "power_neglog": lambda x: np.exp(-0.9 * (x / 1e5) ** -0.3),
    "sigmoid_free_ceiling": lambda x: 0.25 + 0.5 / (1 + (x / 2e5) ** -0.9),
    "sigmoid_of_loss": lambda loss: 0.25 + 0.6 / (1 + np.exp(5 * (loss - 2.1))),
}
SIZES = np.geomspace(1e4, 1e7, 12)


def gpt3() -> pd.DataFrame:
    columns = {f"{task}/acc": np.array(percent) / 100 for task, percent in GPT3.items()}
    columns |= {f"{task}/chance": np.full(8, chance) for task, chance in GPT3_CHANCE.items()}
    return pd.DataFrame({"N": GPT3_SIZES} | columns | {f"{task}/items": float(n) for task, n in GPT3_ITEMS.items()})


def scored(accuracy: np.ndarray, x: np.ndarray = SIZES, items: float = 1_000, chance: float = 0.25) -> pd.DataFrame:
    return pd.DataFrame({"x": x, "t/acc": accuracy, "t/chance": chance, "t/items": items})


def xs(form: str) -> np.ndarray:
    return np.linspace(1.3, 2.8, 12) if FORMS[form].of_loss else SIZES


# --- the published scores


@pytest.fixture(scope="module")
def published() -> HeldOutScores:
    return hold_out(gpt3(), x="N", bootstrap=200)


def test_the_largest_gpt3_is_foretold_from_the_seven_smaller_ones(published: HeldOutScores) -> None:
    errors = published.errors()
    assert published.chosen == "sigmoid_free_ceiling"
    assert errors[published.chosen] <= 3.0
    assert errors[published.chosen] < min(errors[name] for name in (BASELINE, CARRIED))
    assert 10 < errors["log_linear"] < 13
    assert 10 < errors["sigmoid_to_one"] < 13
    assert 5 < errors["power_neglog"] < 8
    # The published tasks have no losses.
    assert not published.of(TWO_STEP)


def test_the_form_is_chosen_without_the_largest(published: HeldOutScores) -> None:
    spoiled = gpt3()
    spoiled.loc[7, [f"{task}/acc" for task in GPT3]] = 0.5
    again = hold_out(spoiled, x="N", bootstrap=0)
    assert again.rehearsal == pytest.approx(published.rehearsal)
    assert again.chosen == published.chosen
    known = {name: [scores(gpt3().head(7), task, ("N",)) for task in GPT3] for name in DIRECT}
    assert rehearsed_form(known["log_linear"], "N") == published.chosen
    # A second rule agrees: Akaike's criterion over the same seven sizes.
    aic = {name: sum(fit_curve(name, one, "N", 0).aic for one in own) for name, own in known.items()}
    assert min(aic, key=lambda name: aic[name]) == published.chosen


def test_a_percentage_and_an_unknown_number_of_items_are_refused() -> None:
    table = pd.DataFrame({"N": [1.0, 2.0], "t/acc": [42.7, 54.3], "t/chance": 0.0})
    with pytest.raises(Refusal, match="divide percentages by 100"):
        scores(table, "t", items=100)
    with pytest.raises(Refusal, match="how many items"):
        scores(table.assign(**{"t/acc": 0.4}), "t")
    assert scores(table.assign(**{"t/acc": 0.4}), "t", items=100).items_n.tolist() == [100, 100]
    with pytest.raises(Refusal, match="t/chance"):
        scores(table.drop(columns="t/chance"), "t", items=100)


# --- forms and their likelihood


def test_every_form_has_a_planted_curve() -> None:
    assert set(CURVES) == set(FORMS)


@pytest.mark.parametrize("name", FORMS)
def test_a_curve_without_noise_comes_back(name: str) -> None:
    x, chance = xs(name), 0.0 if name in ("log_linear", "power_neglog") else 0.25
    curve = fit_curve(name, scores(scored(CURVES[name](x), x, chance=chance), "t"), "x", bootstrap=0)
    assert curve.settled
    assert curve.deviance == pytest.approx(0, abs=1e-6)
    between = np.sqrt(x[1:] * x[:-1])
    assert curve.predict(between) == pytest.approx(CURVES[name](between), abs=1e-4)
    assert all(parameter in FORMS[name].formula for parameter in FORMS[name].names)


def test_a_middle_is_shown_as_an_x_and_a_ceiling_as_an_accuracy() -> None:
    sizes = fit_curve("sigmoid_free_ceiling", scores(scored(CURVES["sigmoid_free_ceiling"](SIZES)), "t"), "x", 0)
    assert sizes.parameters == pytest.approx({"k": 0.9, "middle": 2e5, "ceiling": 0.75}, rel=1e-3)
    x = xs("sigmoid_of_loss")
    losses = fit_curve("sigmoid_of_loss", scores(scored(CURVES["sigmoid_of_loss"](x), x), "t"), "x", 0)
    assert losses.parameters == pytest.approx({"k": 5, "middle": 2.1, "ceiling": 0.85}, rel=1e-3)


@pytest.mark.parametrize("name", FORMS)
def test_declared_derivatives_match_differences(name: str) -> None:
    form, u, step = FORMS[name], np.linspace(-2, 2, 7), 1e-6
    theta = form.grid(4.0, 0.25)[:5] + 0.01
    first = form.curve(exponents_as_jets(theta, 1), u, 0.25).first_rxn
    for i in range(theta.shape[1]):
        ahead, behind = theta.copy(), theta.copy()
        ahead[:, i] += step
        behind[:, i] -= step
        values = [form.curve(exponents_as_jets(part, 0), u, 0.25).value_rn for part in (ahead, behind)]
        difference = (values[0] - values[1]) / (2 * step)
        declared = np.broadcast_to(first, (len(theta), theta.shape[1], len(u)))[:, i]
        np.testing.assert_allclose(declared, difference, atol=1e-6)


@pytest.mark.parametrize("name", FORMS)
def test_the_fit_is_the_most_likely_one(name: str) -> None:
    """No nearby parameters and no other start do better."""
    random, x, form = np.random.default_rng(3), xs(name), FORMS[name]
    right = random.binomial(200, np.clip(CURVES[name](x), 0.02, 0.98)).astype(float)
    counts = Counts(form.u(x, form.origin(x)), right[None], 200 - right[None], 0.1)
    peak = most_likely(form, counts)
    low, high = form.bounds(counts.width, counts.chance)
    nearby = np.clip(peak.theta_rp * (1 + 0.02 * random.standard_normal((60, len(low)))), low, high)
    there = log_likelihood(form.accuracy(nearby, counts.u_n, 0.1), counts.at(np.zeros(60, int)))
    assert (there <= peak.value_r + 1e-6).all()
    starts = form.grid(counts.width, counts.chance)
    every = counts.at(np.zeros(len(starts), int))
    assert climb(form, every, starts).value_r.max() <= peak.value_r[0] + 1e-6


def test_the_likelihood_is_binomial() -> None:
    right, items, accuracy = np.array([3.0, 17.0]), np.array([20.0, 20.0]), np.array([0.2, 0.8])
    value = log_likelihood(accuracy[None], Counts(np.zeros(2), right[None], (items - right)[None], 0.0))[0]
    shared = binom.logpmf(right, items, accuracy).sum() - value
    other = log_likelihood(np.array([[0.5, 0.5]]), Counts(np.zeros(2), right[None], (items - right)[None], 0.0))[0]
    assert binom.logpmf(right, items, 0.5).sum() - other == pytest.approx(shared)
    saturated = 2 * (binom.logpmf(right, items, right / items) - binom.logpmf(right, items, accuracy)).sum()
    assert deviance(accuracy, right, items - right) == pytest.approx(saturated)


def test_rows_of_more_items_weigh_more() -> None:
    accuracy = CURVES["sigmoid_free_ceiling"](SIZES) + np.r_[np.zeros(11), -0.08]
    few, many = (
        fit_curve("sigmoid_free_ceiling", scores(scored(accuracy, items=items), "t"), "x", 0).predict(SIZES[-1:])[0]
        for items in (np.r_[np.full(11, 1000.0), 10], np.r_[np.full(11, 1000.0), 1e5])
    )
    assert abs(many - accuracy[-1]) < 0.01 < abs(few - accuracy[-1])


@pytest.mark.parametrize(("trunk_noise", "rows"), [(0.0, 1), (0.15, 3)])
def test_intervals_cover_the_planted_curve_and_a_new_score(trunk_noise: float, rows: int) -> None:
    random, hits, new = np.random.default_rng(5), 0, 0
    x, at = np.repeat(np.geomspace(1e4, 1e6, 10), rows), np.array([3e6])
    trunk = np.repeat(np.arange(10), rows)

    def drawn(places: np.ndarray, luck: np.ndarray) -> np.ndarray:
        share = (CURVES["sigmoid_free_ceiling"](places) - 0.25) / 0.5
        odds = np.log(share / (1 - share)) + trunk_noise * luck
        return random.binomial(800, 0.25 + 0.5 / (1 + np.exp(-odds))) / 800

    for _ in range(60):
        table = scored(drawn(x, random.standard_normal(10)[trunk]), x, 800).assign(trunk_id=trunk)
        curve = fit_curve("sigmoid_free_ceiling", scores(table, "t"), "x", 60)
        low, high = curve.curve_interval(at)
        hits += bool(low <= CURVES["sigmoid_free_ceiling"](at) <= high)
        low, high = curve.predict_interval(at)
        new += bool(low <= drawn(at, random.standard_normal(1)) <= high)
    # At a true coverage of 0.85 fewer is a one in a hundred.
    assert hits >= 45
    assert new >= 45
    assert hits + new < 120


def test_what_the_data_do_not_determine_is_said() -> None:
    """Two sizes short of the bend, nothing tells the ceiling."""
    lower = SIZES[:6]
    accuracy = np.random.default_rng(0).binomial(300, CURVES["sigmoid_free_ceiling"](lower)) / 300
    curve = fit_curve("sigmoid_free_ceiling", scores(scored(accuracy, lower, 300), "t"), "x", 100)
    assert curve.interval("ceiling").doubt
    whole = fit_curve("sigmoid_free_ceiling", scores(scored(CURVES["sigmoid_free_ceiling"](SIZES)), "t"), "x", 100)
    assert not whole.interval("ceiling").doubt
    assert (
        "trunks are too few"
        in fit_curve("log_linear", scores(scored(np.array([0.3, 0.4, 0.5]), SIZES[:3]), "t"), "x", 9)
        .interval("b")
        .doubt
    )
    for one in (curve, whole):
        json.dumps(one.to_json(), allow_nan=False)


def test_too_few_places_for_a_form_are_refused() -> None:
    found = scores(scored(np.array([0.3, 0.4, 0.5]), SIZES[:3]), "t")
    with pytest.raises(Refusal, match=r"scored at 3 different x.*needs 4"):
        fit_curve("sigmoid_free_ceiling", found, "x")
    with pytest.raises(Refusal, match="did you mean 'log_linear'"):
        fit_curve("log_liner", found, "x")


# --- chance


@pytest.mark.parametrize("right", [0, 3, 50, 97])
def test_the_lower_end_is_wilsons(right: int) -> None:
    known = binomtest(right, 100).proportion_ci(0.9, "wilson").low
    assert least_likely(right / 100, 100, 0.9) == pytest.approx(known, abs=1e-12)


def test_a_task_at_chance_is_refused_and_a_flat_one_too() -> None:
    table = task_table()
    coin = silence(scores(table, "coin", ("C",)), "C")
    assert coin is not None
    assert coin.kind == AT_CHANCE
    assert silence(scores(table, "sciq", ("C",)), "C") is None
    flat = scored(np.random.default_rng(0).binomial(1_000, 0.5, 12) / 1_000)
    still = silence(scores(flat, "t"), "x")
    assert still is not None
    assert still.kind == FLAT
    with pytest.raises(Refusal, match=r"coin is at chance.*guessing 50.0 %; read its nll") as refused:
        two_step(table, "coin")
    assert "\n" not in str(refused.value)


def test_guessing_is_rarely_taken_for_knowing() -> None:
    random = np.random.default_rng(0)
    worlds = [scores(scored(random.binomial(500, 0.25, 12) / 500, items=500), "t") for _ in range(200)]
    assert sum(silence(world, "x") is None for world in worlds) <= 6


# --- two steps


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return task_table()


@pytest.fixture(scope="module")
def both(table: pd.DataFrame) -> TwoStep:
    return two_step(table, "sciq", bootstrap=200)


def test_two_steps_find_the_planted_truth(both: TwoStep) -> None:
    far = {"N": np.array([HELD_OUT_N]), "D": np.array([HELD_OUT_D])}
    truth, loss = TRUTHS["sciq"], planted_loss(HELD_OUT_N, HELD_OUT_D)
    assert both.loss.predict(far) == pytest.approx([loss], rel=0.05)
    found = both.accuracy.parameters
    assert found == pytest.approx({"k": truth.k, "middle": truth.middle, "ceiling": truth.ceiling}, rel=0.15)
    assert both.predict(far) == pytest.approx([truth.accuracy(loss)], abs=0.02)
    for low, high in (both.curve_interval(far), both.predict_interval(far)):
        assert low < truth.accuracy(loss) < high
    json.dumps(both.to_json(), allow_nan=False)


def test_the_first_steps_doubt_goes_through_the_second(both: TwoStep) -> None:
    far = {"N": np.array([HELD_OUT_N]), "D": np.array([HELD_OUT_D])}
    for r in (0, 7, 150):
        loss = both.loss.law.predict(both.loss.draws[r], far)
        assert both.draws_at(far)[r] == both.accuracy.draws_at(loss)[r]
    low, high = both.curve_interval(far)
    noisy = two_step(task_table(World(loss_noise=0.03)), "add3", bootstrap=100)
    sure = noisy.accuracy.draws_at(noisy.loss.predict(far))
    assert noisy.draws_at(far).std() > 1.2 * sure.std()
    wide_low, wide_high = both.predict_interval(far)
    assert wide_low < low
    assert wide_high > high


def test_a_tasks_loss_follows_the_training_texts(table: pd.DataFrame) -> None:
    known = task_table(World(loss_noise=0.02)).assign(
        **{"sciq/nll_byte": lambda t: 0.3 + 0.5 * (t["loss"] - 0.8) ** 1.3}
    )
    found = task_loss(known, "sciq", "loss_to_loss", bootstrap=0)
    source = np.linspace(1.5, 2.5, 5)
    assert found.predict({"S": source}) == pytest.approx(0.3 + 0.5 * (source - 0.8) ** 1.3, rel=1e-3)
    through = two_step(known, "sciq", "loss_to_loss", bootstrap=0)
    assert through.loss.law.name == "loss_to_loss"
    with pytest.raises(Refusal, match="none of the columns coin2/nll_byte"):
        task_loss(table, "coin2", "chinchilla")


# --- held out


@pytest.fixture(scope="module")
def held(table: pd.DataFrame) -> HeldOutScores:
    return hold_out(table, ["sciq", "add2", "coin"], bootstrap=100)


def test_two_steps_are_chosen_where_they_are_the_truth(held: HeldOutScores) -> None:
    assert held.chosen == TWO_STEP
    assert held.errors()[TWO_STEP] < 3
    assert held.errors()[TWO_STEP] < min(held.errors()[name] for name in (BASELINE, CARRIED))
    assert all(one.inside for one in held.of(TWO_STEP))
    assert all(one.inside is None for one in held.of(CARRIED))
    assert set(held.refused) == {"coin"}
    assert {one.task for one in held.foretold} == {"sciq", "add2"}
    chosen, outcome = held.words()
    assert "two step was chosen" in chosen
    assert "2 of them inside" in outcome
    json.dumps(held.to_json(), allow_nan=False)


def test_what_is_held_out_takes_no_part(table: pd.DataFrame, held: HeldOutScores) -> None:
    spoiled = table.assign(**{"sciq/acc_byte": table["sciq/acc_byte"].where(~table["held_out"], 0.3)})
    again = hold_out(spoiled, ["sciq"], bootstrap=100)
    before = [one for one in held.foretold if one.task == "sciq"]
    for old, new in zip(before, again.foretold, strict=True):
        assert (old.method, old.predicted, old.low) == pytest.approx((new.method, new.predicted, new.low), nan_ok=True)
        assert new.observed == 0.3


def test_without_a_declared_rung_the_largest_model_is_held_out() -> None:
    table = task_table(held=False).drop(columns="held_out")
    found = hold_out(table, ["sciq"], bootstrap=0)
    runs = table[(table["N"] == table["N"].max()) & (table["phase"] == "decayed")]["run_id"]
    assert {one.run_id for one in found.foretold} == set(runs)
    with pytest.raises(Refusal, match="no held-out score can be foretold: task coin is at chance"):
        hold_out(table, ["coin"])


# --- names, rows, effects


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("sciq", ("sciq", 0, False)),
        ("sciq@k=4", ("sciq", 4, False)),
        ("sciq@k=16,shuffled", ("sciq", 16, True)),
        ("sciq@k=2,limit=50", ("sciq@limit=50", 2, False)),
        ("questions_a/b.jsonl@k=1", ("questions_a/b.jsonl", 1, False)),
        ("lm_wiki@stride=16", ("lm_wiki@stride=16", 0, False)),
    ],
)
def test_names_are_taken_apart(name: str, said: tuple[str, int, bool]) -> None:
    found = asked(name)
    assert (found.task, found.k, found.shuffled) == said
    table = pd.DataFrame({f"{name}/acc_byte": [0.5], f"{name}/acc_byte_stderr": [0.1], "other/auc": [0.5]})
    assert task_names(table) == [name]
    assert zero_shot_names(table) == ([] if found.k else [name])


def test_fine_tuned_runs_are_in_no_zero_shot_score(table: pd.DataFrame) -> None:
    tuned = fine_tuned((0.1,) * 4).assign(**{"sciq/acc_byte": 0.99, "sciq/chance": 0.25, "sciq/items": 100.0})
    mixed = pd.concat([table.assign(parent=None, labels=""), tuned], ignore_index=True)
    assert scores(mixed, "sciq").accuracy_n.tolist() == scores(table, "sciq").accuracy_n.tolist()
    assert "sst2" not in task_names(mixed)


def test_one_budget_is_the_largest_that_most_sizes_share() -> None:
    shared = pd.DataFrame({"N": [1, 1, 2, 2, 3, 3, 3], "D": [5, 9, 5, 9, 5, 9, 20]})
    assert at_one_budget(shared)["D"].tolist() == [9, 9, 9]
    own = pd.DataFrame({"N": [1, 1, 2, 2, 3], "D": [5, 6, 10, 12, 30]})
    assert at_one_budget(own)["D"].tolist() == [6, 12, 30]


def test_effects_are_covered_where_trunks_share_their_luck() -> None:
    random, hits = np.random.default_rng(0), 0
    trunk = np.repeat(np.arange(9), 3)
    x = np.repeat(np.linspace(0, 1, 9), 3)
    for _ in range(300):
        y = 0.5 * x + 0.1 * random.standard_normal(9)[trunk] + 0.02 * random.standard_normal(27)
        found = slope(x, y, trunk)
        hits += found.low <= 0.5 <= found.high
    assert 250 <= hits <= 290
    assert over_range(3 * x, y, trunk).value == pytest.approx(found.value)
    assert over_range(np.ones(27), y, trunk).doubt == within_trunks(np.ones(27), y, trunk).doubt != ""
    assert over_range(x[:0], y[:0], trunk[:0]).doubt


def test_within_trunks_their_levels_do_not_count() -> None:
    trunk, x = np.repeat(np.arange(8), 4), np.tile(np.arange(4.0), 8)
    y = 0.3 * x + 5 * np.random.default_rng(0).standard_normal(8)[trunk]
    found = within_trunks(x, y, trunk)
    assert (found.value, found.low, found.high) == pytest.approx((0.9, 0.9, 0.9))


def test_few_trunks_have_no_interval() -> None:
    found = slope(np.arange(4.0), np.arange(4.0), np.arange(4))
    assert "4 trunks are too few" in found.doubt
    assert Shape("it rises", "nobody", found).holds == "undecided"


def power_table(loss: Callable[[np.ndarray], np.ndarray]) -> pd.DataFrame:
    c = np.geomspace(1e9, 1e14, 20)
    noise = np.exp(0.003 * np.random.default_rng(0).standard_normal(20))
    return pd.DataFrame({"C": c, "loss": loss(c) * noise, "trunk_id": np.arange(20)})


@pytest.mark.parametrize(
    ("loss", "held"),
    [
        (lambda c: 20 * c**-0.05, ["yes", "yes"]),
        (lambda c: 1 + 400 * c**-0.25, ["yes", "no"]),
        (lambda c: np.full(20, 2.0), ["no", "yes"]),
    ],
    ids=["power law", "bends to a floor", "flat"],
)
def test_the_least_loss_over_compute_is_a_power_law_where_one_was_planted(
    loss: Callable[[np.ndarray], np.ndarray], held: list[str]
) -> None:
    found = loss_over_compute(power_table(loss))
    assert [shape.holds for shape in found] == held, [shape.sentence for shape in found]


@pytest.mark.parametrize(
    ("ends", "holds"),
    [((0.01, 0.2), "yes"), ((-0.2, 0.2), "undecided"), ((-0.2, POINT / 2), "no"), ((-0.2, -0.1), "no")],
)
def test_a_claim_holds_by_where_its_interval_lies(ends: tuple[float, float], holds: str) -> None:
    shape = Shape("it rises", "nobody", Quantity(sum(ends) / 2, *ends))
    assert shape.holds == holds
    assert shape.sentence.startswith(f"it rises (nobody): {holds}; ")
    assert "points" in shape.evidence
    assert of_every([shape, Shape("another", "nobody", Quantity(1, 1, 1))]) == holds


def test_curves_know_what_they_are(table: pd.DataFrame) -> None:
    curve: Curve = fit_curve("sigmoid_free_ceiling", scores(table, "sciq"), "C", 20)
    assert (curve.task, curve.metric, curve.x, curve.clusters) == ("sciq", "acc_byte", "C", 10)
    assert curve.rows == 30
