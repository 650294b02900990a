"""Held-out rungs: predicted without being seen, scored beside baselines, refused where they are not held out."""

import json

import numpy as np
import pytest

from analysis.forecast import forecast, frontier_line
from analysis.selection import frontier
from harness.refusal import Refusal
from tests.analysis.worlds import branched_world


def test_the_held_out_rung_takes_no_part_in_its_forecast() -> None:
    table = branched_world(1)
    spoiled = table.assign(loss=table["loss"].where(~table["held_out"], 9.0))
    honest, other = (forecast("chinchilla", rows, bootstrap=50).rows[0] for rows in (table, spoiled))
    assert (honest.predicted, honest.low, honest.high) == (other.predicted, other.low, other.high)
    assert other.observed == 9.0
    assert not other.inside


def test_a_planted_law_is_forecast_and_beats_the_baselines() -> None:
    result = forecast("chinchilla", branched_world(1), bootstrap=100)
    row = result.rows[0]
    assert len(result.rows) == 1
    assert row.inside
    assert row.beats_baselines
    assert abs(row.error) < 0.02 < row.carried_error
    assert row.beyond == pytest.approx(12)
    assert result.inside == 1
    assert result.mean_error == abs(row.error)
    json.dumps(result.to_json(), allow_nan=False)
    assert result.to_table()["beats_baselines"].tolist() == [True]


def test_without_an_interval_nothing_is_inside_or_outside() -> None:
    table = branched_world(1)
    few = table[table["trunk_id"].isin(["trunk0", "trunk8", "trunk15", "trunk16"])]
    for rows, bootstrap in ((table, 0), (few, 20)):
        found = forecast("chinchilla", rows, bootstrap=bootstrap)
        assert found.rows[0].inside is None
        assert found.inside == 0
        json.dumps(found.to_json(), allow_nan=False)


def test_the_frontier_falls_and_nothing_cheaper_beats_it() -> None:
    table = branched_world(1)
    best = frontier(table)
    assert (np.diff(best["loss"]) < 0).all()
    for _, row in best.iterrows():
        assert (table.loc[table["C"] < row["C"], "loss"] > row["loss"]).all()


def test_the_baseline_line_is_exact_on_a_power_law_and_absent_on_one_point() -> None:
    table = branched_world(1).assign(loss=lambda rows: 40 * rows["C"] ** -0.07)
    assert frontier_line(table, np.array([1e15]))[0] == pytest.approx(40 * 1e15**-0.07)
    assert np.isnan(frontier_line(table.head(1), np.array([1e15]))[0])


def test_what_is_not_held_out_is_refused() -> None:
    table = branched_world(1)
    with pytest.raises(Refusal, match="no rung is held out"):
        forecast("chinchilla", table[~table["held_out"]])
    with pytest.raises(Refusal, match="both fitted and held out"):
        forecast("chinchilla", table.assign(trunk_id="one"))
    with pytest.raises(Refusal, match="train it first"):
        forecast("chinchilla", table.assign(loss=table["loss"].where(~table["held_out"])))
