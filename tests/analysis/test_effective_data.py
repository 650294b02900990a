"""Fine-tuned against from scratch: planted gains, transferred data and laws come back, and what is not says why."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_ind, ttest_rel

from analysis.effective_data import (
    ALONE,
    FROM_PARENT,
    GAINS,
    LOSES,
    LOW_DATA,
    UNDECIDED,
    EffectiveData,
    effective_data,
)
from analysis.headline import headline
from analysis.laws.powers import TRANSFERRED
from analysis.report import write_report
from analysis.scratch import BELOW, BEYOND, CAPPED, LATE, NOTHING, Scratch, Stopped, difference, stopped
from analysis.sections import SECTIONS
from analysis.study import Study
from harness.refusal import Refusal
from harness.spec import Spec
from tests.analysis.planted_finetuning import (
    BEST_EPOCHS,
    CAPPED_EPOCHS,
    CORPORA,
    FINE_TEXT,
    LATE_EPOCHS,
    LAW,
    PARENT_TOKENS,
    SCRATCH_TEXT,
    World,
    law,
    scratch_bpb,
    tables,
    write_finetuning,
)

SMALL = World(shapes=((1, 32), (2, 64), (4, 128)), corpora=("kjv",), parent_tokens=PARENT_TOKENS[1:])
SHARE = 0.4  # of D_F that planted ossification takes away


def found(world: World, random: int = 0, **options: int) -> EffectiveData:
    return effective_data(*tables(world, random), **{"bootstrap": 60} | options)


def lost(share: float) -> World:
    return replace(SMALL, transferred=lambda corpus, d_f, n, d_p: -share * d_f)


@pytest.fixture(scope="module")
def clean() -> EffectiveData:
    return found(World(seeds=(0, 1)))


# --- what is planted comes back


@pytest.mark.parametrize("corpus", CORPORA)
def test_a_planted_law_comes_back(clean: EffectiveData, corpus: str) -> None:
    domain = next(domain for domain in clean.domains if domain.corpus == corpus)
    own, wider = domain.fits[TRANSFERRED.name], domain.fits[FROM_PARENT.name]
    for name in ("alpha", "beta"):
        assert own.parameters[name] == pytest.approx(LAW[name], abs=0.003)
        assert own.identified(name)
    for name, truth in LAW.items():
        assert wider.parameters[name] == pytest.approx(truth, abs=0.003)
    truth = CORPORA[corpus] / 4_096_000 ** LAW["gamma"]
    assert wider.parameters["k"] == pytest.approx(truth, rel=0.06)
    assert "D_T follows a power law" in domain.effects()[0]


def test_gains_and_transferred_data_are_the_planted_ones(clean: EffectiveData) -> None:
    assert len(clean.places) == len(CORPORA) * 5 * len(PARENT_TOKENS) * len(FINE_TEXT)
    for place in clean.places:
        text = place.unique_tokens
        truth = law(place.corpus, text, place.params, place.parent_tokens)
        gain = scratch_bpb(place.params, text) - scratch_bpb(place.params, text + truth)
        assert place.gain.value == pytest.approx(gain, abs=1e-9)
        assert place.transferred.value == pytest.approx(truth, rel=0.01)
        assert place.verdict == GAINS
        assert place.parent_corpus == "sotu"


def test_slopes_of_the_gain_have_the_planted_signs(clean: EffectiveData) -> None:
    for domain in clean.domains:
        assert list(domain.trends) == ["D_F", "N", "D_P"]
        assert domain.trends["D_F"].high < 0
        assert domain.trends["N"].low > 0
        assert domain.trends["D_P"].low > 0


def test_intervals_over_seeds_hold_what_is_planted_as_often_as_they_say() -> None:
    worlds, hits = 10, {"gain": 0, "D_T": 0, "alpha": 0, "beta": 0}
    for random in range(worlds):
        domain = found(replace(SMALL, noise=0.02), random).domains[0]
        for place in domain.places:
            text = place.unique_tokens
            truth = law("kjv", text, place.params, place.parent_tokens)
            gain = scratch_bpb(place.params, text) - scratch_bpb(place.params, text + truth)
            hits["gain"] += place.gain.low <= gain <= place.gain.high
            hits["D_T"] += place.transferred.low <= truth <= place.transferred.high
        intervals = domain.fits[TRANSFERRED.name].intervals()
        for name in ("alpha", "beta"):
            hits[name] += intervals[name][0] <= LAW[name] <= intervals[name][1]
    places = worlds * len(SMALL.shapes) * len(FINE_TEXT)
    for name in ("gain", "D_T"):
        assert 0.81 <= hits[name] / places <= 0.98, name  # three standard deviations about .90
    for name in ("alpha", "beta"):
        assert hits[name] >= 6, name  # at a true coverage of .88 fewer is a one in two hundred


# --- harm


def test_planted_ossification_is_negative_and_enters_no_law() -> None:
    domain = found(replace(lost(SHARE), noise=0.004)).domains[0]
    inside = [place for place in domain.places if not place.transferred.doubt]
    assert len(inside) >= 9
    for place in inside:
        assert place.transferred.value == pytest.approx(-SHARE * place.unique_tokens, rel=0.1)
        assert place.transferred.high < 0
        assert place.verdict == LOSES
        assert place.ossified
    assert "ossification" in domain.effects()[0]
    assert not domain.fits
    assert "in 0 places" in domain.refused[TRANSFERRED.name]
    assert domain.left_out["negative"] > 0


def test_an_ossification_within_the_noise_is_undecided() -> None:
    places = found(replace(lost(0.02), noise=0.05)).places
    apparent = [place for place in places if place.gain.value < 0]
    assert len(apparent) >= 3
    assert sum(place.verdict == UNDECIDED for place in apparent) >= 0.7 * len(apparent)
    assert not any(place.ossified for place in apparent if place.gain.high > 0)


# --- what is not known


EPOCHS = {CAPPED: CAPPED_EPOCHS, LATE: LATE_EPOCHS}  # where the lowest loss is, for each reason not to know it


@pytest.mark.parametrize("doubt", EPOCHS)
def test_a_fine_tuned_run_without_a_budget_at_its_lowest_loss_has_a_gain_and_no_transferred_data(doubt: str) -> None:
    def best(spec: Spec) -> float:
        return EPOCHS[doubt] if spec.parent else BEST_EPOCHS

    for world in (SMALL, lost(SHARE)):
        domain = found(replace(world, best_epochs=best)).domains[0]
        for place in domain.places:
            assert place.transferred.doubt == place.unsettled == f"fine-tuned {doubt}"
            assert math.isfinite(place.gain.value)
            assert not place.ossified
        assert domain.left_out == {f"fine-tuned {doubt}": 36}


@pytest.mark.parametrize("doubt", EPOCHS)
def test_runs_from_scratch_without_a_budget_at_their_lowest_loss_bracket_nothing(doubt: str) -> None:
    def best(spec: Spec) -> float:
        return EPOCHS[doubt] if spec.parent is None and spec.unique_tokens > FINE_TEXT[-1] else BEST_EPOCHS

    places = found(replace(SMALL, best_epochs=best)).places
    for place in places:
        bracketed = place.fine.mean >= scratch_bpb(place.params, FINE_TEXT[-1])
        assert place.transferred.doubt == ("" if bracketed else f"from scratch {doubt}")
        assert not place.unsettled
    assert {place.transferred.doubt for place in places} == {"", f"from scratch {doubt}"}


@pytest.mark.parametrize(
    ("transferred", "doubt"),
    [
        (lambda corpus, d_f, n, d_p: 2.0 * SCRATCH_TEXT[-1], BEYOND),
        (lambda corpus, d_f, n, d_p: 0.5 * SCRATCH_TEXT[0] - d_f, BELOW),
    ],
)
def test_beyond_the_runs_from_scratch_transferred_data_are_not_known(transferred: object, doubt: str) -> None:
    domain = found(replace(SMALL, transferred=transferred)).domains[0]
    assert {place.transferred.doubt for place in domain.places} == {doubt}
    assert all(math.isfinite(place.gain.value) for place in domain.places)
    assert domain.left_out == {doubt: 36}
    assert "in 0 places: 5 at least" in domain.refused[TRANSFERRED.name]


def test_without_a_run_from_scratch_there_is_no_gain() -> None:
    table, parents = tables(SMALL)
    places = effective_data(table[table["parent"].notna()], parents).places
    assert {(place.verdict, place.transferred.doubt) for place in places} == {(ALONE, NOTHING)}
    other = table[table["parent"].notna() | (table["unique_tokens"] != FINE_TEXT[1])]
    for place in effective_data(other, parents, bootstrap=0).places:
        assert (place.verdict == ALONE) == (place.unique_tokens == FINE_TEXT[1])
        assert place.transferred.doubt == ""


def test_an_interval_whose_end_no_run_bounds_is_open() -> None:
    edge = 0.9 * SCRATCH_TEXT[-1]
    places = found(replace(SMALL, transferred=lambda corpus, d_f, n, d_p: edge - d_f, noise=0.02)).places
    known = [place.transferred for place in places if not place.transferred.doubt]
    assert any(math.isinf(one.high) for one in known)
    assert all(one.low < one.value < one.high for one in known)


def test_the_law_sees_the_low_data_regime_alone(clean: EffectiveData) -> None:
    table, parents = tables(SMALL)
    short = table[table["parent"].notna() | (table["unique_tokens"] <= SCRATCH_TEXT[6])]
    domain = effective_data(short, parents, bootstrap=0).domains[0]
    assert all(place.low_data for place in clean.places)
    for place in domain.places:
        assert place.low_data <= (place.unique_tokens <= LOW_DATA * SCRATCH_TEXT[6])
    assert domain.left_out["D_F above a tenth of what the size can use"] == 9


def test_one_seed_has_no_interval_and_tells_nothing() -> None:
    domain = found(replace(SMALL, seeds=(0,))).domains[0]
    assert all(math.isnan(place.gain.low) and place.verdict == UNDECIDED for place in domain.places)
    assert all(math.isnan(trend.low) for trend in domain.trends.values())
    assert domain.effects()[0] == []


def test_variables_that_move_together_are_not_told_apart() -> None:
    table, parents = tables(World(shapes=((1, 32), (4, 128)), corpora=("kjv",)))
    size = {row.run_id: row.parent_tokens for row in parents.rename(columns={"tokens": "parent_tokens"}).itertuples()}
    after = table["parent"].map(size)
    tied = table[after.isna() | ((after == PARENT_TOKENS[0]) == (table["depth"] == 1))]
    trends = effective_data(tied, parents, bootstrap=0).domains[0].trends
    assert {trend.doubt for trend in trends.values()} == {"D_F and N and D_P move together"}


# --- what is compared with what


def test_labelled_and_partly_transferred_runs_move_nothing_and_are_counted() -> None:
    table, parents = tables(SMALL)
    child = table[table["parent"].notna()].head(2)
    spoiled = [child.assign(labels="sst2"), child.assign(transferred=0)]
    more = pd.concat([table, *(part.assign(**{"lm_kjv/bpb": 0.01}) for part in spoiled)], ignore_index=True)
    one, other = (effective_data(rows, parents, bootstrap=0) for rows in (table, more))
    pd.testing.assert_frame_equal(one.to_table(), other.to_table())
    assert [note.split(" and")[0] for note in other.notes] == [
        "2 runs learn labels",
        "2 runs take over only some of their parent's layers",
    ]


def test_seeds_that_share_a_parent_are_told() -> None:
    table, parents = tables(SMALL)
    first = parents["run_id"].iloc[0]
    shared = table.assign(parent=table["parent"].where(table["parent"].isna() | (table["depth"] != 1), first))
    assert effective_data(shared, parents, bootstrap=0).notes == (
        "In 4 places seeds share a parent: intervals do not know its own chance.",
    )


def test_no_children_and_unknown_parents_are_refused() -> None:
    table, parents = tables(SMALL)
    with pytest.raises(Refusal, match="no finished run starts from another"):
        effective_data(table[table["parent"].isna()], parents)
    with pytest.raises(Refusal, match=f"start from {parents['run_id'].iloc[0]}, which is not among"):
        effective_data(table, parents.iloc[1:])


# --- the curve from scratch


def by_text(*losses: float) -> Scratch:
    return Scratch({10 ** (4 + i): Stopped(pd.Series([loss]), 0.0, 0.0) for i, loss in enumerate(losses)})


def test_a_loss_on_the_curve_is_worth_the_text_that_it_stands_at() -> None:
    curve = by_text(3.0, 2.5, 2.2, 2.1)
    for i, loss in enumerate((3.0, 2.5, 2.2, 2.1)):
        assert curve.worth(loss) == pytest.approx(10 ** (4 + i))
    between = [curve.worth(loss) for loss in np.linspace(3.0, 2.1, 50)]
    assert between == sorted(between)


def test_losses_that_do_not_fall_are_pooled() -> None:
    tokens_d, bpb_d = by_text(3.0, 2.2, 2.4, 2.1).curve
    assert list(bpb_d) == pytest.approx([3.0, 2.3, 2.1])
    assert list(np.log10(tokens_d)) == pytest.approx([4.0, 5.5, 7.0])
    assert by_text(2.0, 2.1).doubt(1.9) == BEYOND


@pytest.mark.parametrize(
    ("losses", "brought", "cost", "doubt"),
    [
        ((3.0, 2.5, 2.6, 2.9), 0.0, 0.0, ""),
        ((3.0, 2.5, 2.3, 2.2), 0.1, 0.0, CAPPED),
        ((3.0, 2.5, 2.3, 2.299), 0.001, 0.0, ""),
        ((2.3, 2.5, 2.6, 2.9), 0.0, 0.2, LATE),
        ((2.3, 2.301, 2.6, 2.9), 0.0, 0.001, ""),
        ((2.3,), math.inf, 0.0, CAPPED),
    ],
)
def test_a_run_stops_at_its_lowest_loss_and_says_whether_that_was_inside_its_budgets(
    losses: tuple[float, ...], brought: float, cost: float, doubt: str
) -> None:
    tokens = [1_000, 2_000, 4_000, 8_000][: len(losses)]
    rows = pd.DataFrame({"seed": 0, "learning_rate": 0.01, "tokens": tokens, "bpb": losses}).sample(frac=1)
    ended = stopped(rows)
    assert ended.mean == min(losses)
    assert (ended.brought, ended.cost) == pytest.approx((brought, cost))
    assert ended.doubt == doubt


def test_intervals_of_differences_are_students() -> None:
    random = np.random.default_rng(0)
    first, second = pd.Series(random.normal(2, 0.1, 4)), pd.Series(random.normal(1, 0.3, 4))
    paired = difference(first, second, 0.90)
    known = ttest_rel(first, second).confidence_interval(0.90)
    assert (paired.low, paired.high) == pytest.approx((known.low, known.high))
    apart = difference(first, second.iloc[:3], 0.90)
    known = ttest_ind(first, second.iloc[:3], equal_var=False).confidence_interval(0.90)
    assert (apart.low, apart.high) == pytest.approx((known.low, known.high))


# --- a sweep folder


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    world = replace(SMALL, noise=0.01, seeds=(0, 1), parent_tokens=PARENT_TOKENS)
    return Study(write_finetuning(tmp_path_factory.mktemp("results"), world), bootstrap=40)


def test_a_study_finds_the_parents_in_the_sweep_that_trained_them(study: Study) -> None:
    assert study.fine_tunes
    assert set(study.parents["tokens"]) == set(PARENT_TOKENS)
    assert study.parents["bpb"].notna().all()
    assert {place.verdict for place in study.effective_data.places} == {GAINS}
    json.dumps(study.effective_data.to_json(), allow_nan=False)


def test_a_parent_that_is_not_there_is_refused_in_one_line(study: Study, tmp_path: Path) -> None:
    alone = tmp_path / "finetuned"
    alone.symlink_to(study.root)
    with pytest.raises(Refusal, match=r"^parent=[0-9a-f]{12} is no finished run under .*: launch its sweep.*$"):
        _ = Study(alone).effective_data


def test_a_sweep_of_children_asks_no_law_and_says_what_it_found(study: Study) -> None:
    with pytest.raises(Refusal, match="no law is asked of finetuned, which is about what its runs owe"):
        _ = study.fit
    words = " ".join(headline(study))
    assert "kjv after sotu: in 24 of 24 places fine-tuning beats training from scratch" in words
    assert "no law is asked" in words.lower()
    asked = {name for name, section in SECTIONS.items() if section.suits(study)}
    assert {"fine-tuned", "rungs"} <= asked
    assert not {"law", "optimum", "transfer"} & asked


def test_the_page_shows_gains_first_and_transferred_data_with_reasons(study: Study, tmp_path: Path) -> None:
    page = write_report(study, tmp_path).read_text()
    assert page.index("What pre-training gains") < page.index("Fine-tuned against from scratch</h2>")
    for name in ("gain", "effective_data"):
        assert (tmp_path / f"{name}.svg").is_file()
    assert not re.search(r"\bnan\b|\binf\b", re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL))
    for words in (
        "kjv after sotu: gain in bits per byte",
        "D_T = k D_F^alpha N^beta D_P^gamma",
        "Student's over seeds",
    ):
        assert words.replace("'", "&#39;") in page
    rows = pd.read_csv(tmp_path / "effective_data.csv")
    assert list(rows["D_T"]) == [place.transferred.value for place in study.effective_data.places]


def test_a_place_whose_transferred_data_are_not_known_says_why_in_the_table(tmp_path: Path) -> None:
    world = replace(
        SMALL, shapes=((1, 32),), seeds=(0, 1), best_epochs=lambda spec: EPOCHS[CAPPED if spec.parent else LATE]
    )
    body = SECTIONS["fine-tuned"].body(Study(write_finetuning(tmp_path, world), bootstrap=0))
    gains, worth = body.grids[0].rows[0].cells[3:], body.grids[1].rows[0].cells[3:]
    assert all(cell.startswith("+") and cell.endswith("†") for cell in gains)
    assert set(worth) == {f"fine-tuned {CAPPED}"}
    assert f"D_T is not known in 4 of 4 places: 4 fine-tuned {CAPPED}." in body.remarks
    assert any(
        f"4 fine-tuned {CAPPED}, from scratch {LATE}. {CAPPED.capitalize()}: its last" in words
        for words in body.remarks
    )
