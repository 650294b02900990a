"""In-context slopes of planted models: found, compared with shuffled labels, and called by what their interval says."""

import json

import numpy as np
import pandas as pd
import pytest

from analysis.incontext import GROWS, SHRINKS, UNCLEAR, UNKNOWN, InContext, in_context, shot_tasks
from harness.refusal import Refusal
from tests.analysis.planted_tasks import SHOTS, World, task_table

MANY = 20_000  # items that leave next to no binomial noise


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return task_table(World(items=MANY))


@pytest.fixture(scope="module")
def found(table: pd.DataFrame) -> InContext:
    return in_context(table, "sciq")


def planted(slopes: np.ndarray, items: int = MANY, seed: int = 0) -> pd.DataFrame:
    """One trunk a slope: accuracy rises by it with each doubling of 1 + k."""
    random, n = np.random.default_rng(seed), np.geomspace(1e4, 1e6, len(slopes))
    columns = {
        f"t{f'@k={k}' * (k > 0)}/acc_byte": random.binomial(items, 0.4 + slopes * np.log2(1 + k)) / items
        for k in (0, 1, 3, 7)
    }
    return pd.DataFrame({"N": n, "trunk_id": np.arange(len(n))} | columns)


@pytest.mark.parametrize(
    ("ends", "verdict", "holds"),
    [((0.0, 0.06), GROWS, "yes"), ((0.06, 0.0), SHRINKS, "no"), ((0.03, 0.03), UNCLEAR, "no")],
)
def test_the_verdict_is_the_planted_one(ends: tuple[float, float], verdict: str, holds: str) -> None:
    slopes = np.linspace(*ends, 10)
    one = in_context(planted(slopes), "t")
    assert one.shots.slope_n == pytest.approx(slopes, abs=0.01)
    assert one.verdict == verdict
    assert one.shape.holds == holds
    assert one.growth.value == pytest.approx((ends[1] - ends[0]) / 2, abs=0.002)  # for each of two decades


def test_few_trunks_and_few_items_decide_nothing() -> None:
    few = in_context(planted(np.linspace(0.0, 0.06, 4)), "t")
    assert few.verdict == UNKNOWN
    assert few.shape.holds == "undecided"
    coarse = in_context(planted(np.full(10, 0.03), items=40), "t")
    assert coarse.verdict == UNCLEAR
    assert coarse.shape.holds == "undecided"


def test_growth_is_covered_by_its_interval() -> None:
    hits = 0
    for seed in range(100):
        growth = in_context(planted(np.linspace(0.0, 0.04, 10), 500, seed), "t").growth
        hits += growth.low <= 0.02 <= growth.high
    assert 80 <= hits <= 99


def test_shuffled_labels_help_less(found: InContext) -> None:
    assert found.shuffled is not None
    assert found.shots.k == found.shuffled.k == SHOTS
    assert found.verdict == GROWS
    assert found.beyond_growth.low > 0
    assert found.shuffled_growth.high < found.growth.low
    # Without examples there is nothing to shuffle.
    assert (found.shuffled.score_nk[:, 0] == found.shots.score_nk[:, 0]).all()


def test_a_loss_counts_downwards(table: pd.DataFrame) -> None:
    found = in_context(table, "sciq", "nll_byte")
    assert (found.shots.score_nk[:, 0] > found.shots.score_nk[:, -1]).mean() > 0.8
    assert found.verdict == GROWS
    assert found.shape.evidence.endswith("nats")


def test_rungs_are_counted_once_and_the_held_out_one_not_at_all(table: pd.DataFrame, found: InContext) -> None:
    decayed = table[(table["phase"] == "decayed") & ~table["held_out"]]
    assert list(found.rows["run_id"]) == list(decayed["run_id"])
    rows = found.to_table()
    assert len(rows) == 2 * len(SHOTS) * len(decayed)
    assert set(rows["labels"]) == {"right", "shuffled"}
    json.dumps(found.to_json(), allow_nan=False)


def test_a_task_without_examples_is_refused(table: pd.DataFrame) -> None:
    assert "coin" not in shot_tasks(table)
    with pytest.raises(Refusal, match=r"coin@k=4 too; there are: sciq"):
        in_context(table, "coin")
    plain = in_context(table[[name for name in table if "shuffled" not in name]], "sciq")
    assert plain.shuffled is None
    assert "shuffled" in plain.beyond_growth.doubt
    json.dumps(plain.to_json(), allow_nan=False)
