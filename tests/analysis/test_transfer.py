"""Transfer: planted lines and shifted powers come back, verdicts follow the interval, and a rise is called one."""

import json

import numpy as np
import pandas as pd
import pytest

from analysis.transfer import DOMAIN_LAWS, FALLS, RISES, UNCLEAR, UNKNOWN, Transfer, transfer, verdict
from harness.refusal import Refusal
from tests.analysis.worlds import branched_world

SLOPES = {"steep": 1.4, "even": 1.0, "shallow": 0.6}


def scored_world(seed: int = 1, noise: float = 0.004) -> pd.DataFrame:
    random, table = np.random.default_rng(seed), branched_world(seed)
    own = table["loss"].to_numpy()
    error = noise * random.standard_normal((6, len(own)))
    domains = {f"lm_{name}/bpb": 0.8 + slope * own + error[i] for i, (name, slope) in enumerate(SLOPES.items())}
    return table.assign(
        **{
            "corpus": "speech",
            "lm_speech/bpb": own,
            **domains,
            "lm_code/bpb": 3 + 0.3 * np.log(table["C"]) + error[3],
            "lm_noise/bpb": 5 + 30 * error[4],
            "lm_curved/bpb": (1.5 + 0.5 * (own - 0.9) ** 1.6) * np.exp(0.2 * error[5]),
        }
    )


@pytest.fixture(scope="module")
def results() -> dict[str, Transfer]:
    return transfer(scored_world(), bootstrap=40)


def test_planted_lines_come_back_with_their_verdicts(results: dict[str, Transfer]) -> None:
    for name, slope in SLOPES.items():
        line = results[name].line
        assert line.slope == pytest.approx(slope, abs=0.03)
        assert line.r2 > 0.98
        assert line.slope_interval[0] < line.slope < line.slope_interval[1]
        assert line.offset == pytest.approx(0.8, abs=0.08)
        assert results[name].trend == FALLS
        assert set(results[name].fits) == set(DOMAIN_LAWS)
    assert results["steep"].verdict == "above one"
    assert results["shallow"].verdict == "below one"
    assert results["even"].verdict.startswith("contains one")
    assert results["even"].line.gap == pytest.approx(0.8, abs=0.01)


def test_far_transfer_may_rise_or_show_nothing(results: dict[str, Transfer]) -> None:
    assert results["code"].trend == RISES
    assert results["noise"].trend == UNCLEAR
    for name in ("code", "noise"):
        assert results[name].fits == {}
        json.dumps(results[name].to_json(), allow_nan=False)


def test_a_loss_to_loss_law_is_followed(results: dict[str, Transfer]) -> None:
    found = results["curved"].fits["loss_to_loss"]
    source = np.linspace(1.5, 2.5, 5)
    assert found.predict({"S": source}) == pytest.approx(1.5 + 0.5 * (source - 0.9) ** 1.6, rel=0.01)


def test_slope_intervals_cover_the_planted_slope() -> None:
    hits = 0
    for seed in range(100):
        table = scored_world(seed, noise=0.02)[["N", "D", "C", "trunk_id", "corpus", "held_out", "phase"]]
        shared = 0.02 * np.random.default_rng(900 + seed).standard_normal(table["trunk_id"].nunique())
        own = scored_world(seed)["loss"]
        rising = 0.7 * own + 0.2 * np.log(table["C"]) + shared[pd.factorize(table["trunk_id"])[0]]
        world = table.assign(**{"lm_speech/bpb": np.log(table["C"]), "lm_far/bpb": rising - 0.7 * own})
        low, high = transfer(world, bootstrap=100)["far"].line.slope_interval
        hits += low <= 0.2 <= high
    assert 80 <= hits <= 98  # at a true coverage of 0.88 fewer is a one in a hundred


def test_a_line_has_an_interval_that_holds_it_and_few_trunks_have_none(results: dict[str, Transfer]) -> None:
    line, x = results["steep"].line, np.linspace(1.5, 3.0, 7)
    low, high = line.interval_at(x, 0.90)
    assert (low < line.at(x)).all()
    assert (line.at(x) < high).all()
    table = scored_world()[["N", "D", "C", "corpus", "trunk_id", "lm_speech/bpb", "lm_steep/bpb"]]
    few = transfer(table[table["trunk_id"].isin(["trunk0", "trunk5", "trunk9"])], bootstrap=40)["steep"]
    assert few.trend == UNKNOWN
    assert few.verdict == "not decided"
    assert few.fits == {}
    json.dumps(few.to_json(), allow_nan=False)


def test_the_held_out_trunk_takes_no_part() -> None:
    table = scored_world().drop(columns=[f"lm_{name}/bpb" for name in ("steep", "even", "code", "noise", "curved")])
    spoiled = table.assign(**{"lm_shallow/bpb": table["lm_shallow/bpb"].where(~table["held_out"], 50.0)})
    first, second = (transfer(rows, bootstrap=20)["shallow"].line for rows in (table, spoiled))
    assert first == second


@pytest.mark.parametrize(
    ("interval", "words"),
    [
        ((0.4, 0.7), "below one"),
        ((1.1, 1.3), "above one"),
        ((0.9, 1.1), "contains one: not decided"),
        ((-0.2, 0.3), "below one, contains nought: no clear relation"),
        ((-0.5, -0.1), "below nought: rises as the training loss falls"),
        ((float("nan"), float("nan")), "not decided"),
    ],
)
def test_verdicts_follow_the_interval(interval: tuple[float, float], words: str) -> None:
    assert verdict(interval) == words


def test_without_a_second_domain_or_a_single_corpus_there_is_no_transfer() -> None:
    table = scored_world()
    with pytest.raises(Refusal, match="another domain"):
        transfer(table[["corpus", "lm_speech/bpb", "N", "D", "C", "trunk_id"]])
    with pytest.raises(Refusal, match="pass its name"):
        transfer(table.drop(columns="corpus"))
    with pytest.raises(Refusal, match="scored are"):
        transfer(table, training="verse")
    with pytest.raises(Refusal, match="a line needs"):
        transfer(table.head(2))
