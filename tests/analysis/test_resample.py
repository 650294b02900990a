"""The bootstrap: strata keep their size, small ones are pooled, and one step is enough where rows abound."""

import numpy as np
import pandas as pd
import pytest

import analysis.resample as engine
from analysis.fit import fit
from analysis.resample import draw_counts
from analysis.selection import _strata
from tests.analysis.worlds import branched_world, planted_loss


def test_every_stratum_keeps_its_size() -> None:
    stratum_c = np.repeat([0, 1, 2], [5, 9, 20])
    counts_rg, group_c = draw_counts(stratum_c, 200, 0)
    assert np.array_equal(group_c, np.arange(34))
    for stratum in range(3):
        assert (counts_rg[:, stratum_c == stratum].sum(axis=1) == (stratum_c == stratum).sum()).all()


def test_many_clusters_are_drawn_in_groups_within_their_strata() -> None:
    stratum_c = np.repeat([0, 1], [4_000, 1_000])
    counts_rg, group_c = draw_counts(stratum_c, 10, 0)
    assert counts_rg.shape[1] == engine.MOST_GROUPS
    assert len(np.unique(group_c)) == engine.MOST_GROUPS
    sizes = np.bincount(group_c)
    assert sizes.max() - sizes.min() <= 1


def test_a_seed_with_few_clusters_is_drawn_with_others() -> None:
    cluster_n = np.arange(16)
    table = pd.DataFrame({"seed": [0] * 10 + [1] * 3 + [2] * 2 + [3]})
    assert _strata(table, cluster_n, 5).tolist() == [0] * 10 + [1] * 6
    lonely = pd.DataFrame({"seed": [0] * 15 + [1]})
    assert _strata(lonely, cluster_n, 5).tolist() == [0] * 16


def test_strata_take_out_what_differs_between_seeds() -> None:
    """Seeds that differ by a constant of their own: drawn together they blur the floor, drawn apart they do not."""
    random = np.random.default_rng(0)
    n, d = (axis.ravel() for axis in np.meshgrid(np.geomspace(1e4, 1e6, 8), np.geomspace(2.5e5, 2e6, 4)))
    one = pd.DataFrame({"N": n, "D": d})
    both = pd.concat([one.assign(seed=0), one.assign(seed=1)], ignore_index=True)
    shift = np.where(both["seed"] == 0, 0.02, -0.02) + 0.001 * random.standard_normal(len(both))
    table = both.assign(loss=planted_loss(both["N"], both["D"]) * np.exp(shift), trunk_id=np.arange(len(both)))
    apart = fit("chinchilla", table, objective="log_squares", bootstrap=200)
    together = fit("chinchilla", table.drop(columns="seed"), objective="log_squares", bootstrap=200)
    level = [np.log(known.draws_at(one)).mean(axis=1).std() for known in (apart, together)]
    assert level[0] < 0.5 * level[1]


@pytest.mark.parametrize("objective", ["huber", "log_squares", "lad"])
def test_one_newton_step_has_the_spread_of_many(objective: str, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    n, d = np.exp(random.uniform(np.log(1e4), np.log(1e6), 3_000)), np.exp(random.uniform(12.4, 15, 3_000))
    table = pd.DataFrame({"N": n, "D": d, "loss": planted_loss(n, d) * np.exp(0.01 * random.standard_normal(3_000))})
    many = fit("chinchilla", table, objective=objective, bootstrap=150)
    monkeypatch.setattr(engine, "MOST_ROWS", 1_000)
    one = fit("chinchilla", table, objective=objective, bootstrap=150)
    assert one.parameters == many.parameters
    assert one.draws.std(axis=0) == pytest.approx(many.draws.std(axis=0), rel=0.25)
    assert np.corrcoef(one.draws[:, 3], many.draws[:, 3])[0, 1] > 0.8


def test_weights_count_as_copies_and_known_noise_as_precision() -> None:
    table = branched_world(3)
    table = table.assign(twice=1.0 + (table.index % 3 == 0), sigma=0.01 * table["loss"])
    copies = pd.concat([table, table[table["twice"] == 2]], ignore_index=True)
    weighted = fit("chinchilla", table, weights="twice", bootstrap=0)
    copied = fit("chinchilla", copies, bootstrap=0)
    assert weighted.parameters == pytest.approx(copied.parameters, rel=1e-6)
    assert weighted.objective == pytest.approx(copied.objective, rel=1e-9)
    plain = fit("chinchilla", table, objective="log_squares", bootstrap=0)
    noisy = fit("chinchilla", table, objective="log_squares", noise="sigma", bootstrap=0)
    assert noisy.parameters == pytest.approx(plain.parameters, rel=1e-6)  # the same for all: nothing moves
    bad = table.assign(sigma=np.where(table.index % 4 == 0, 3.0, 0.01) * table["loss"])
    spoiled = bad.assign(loss=np.where(bad.index % 4 == 0, bad["loss"] * 1.2, bad["loss"]))
    kept = fit("chinchilla", spoiled, objective="log_squares", noise="sigma", bootstrap=0)
    assert kept.parameters["alpha"] == pytest.approx(plain.parameters["alpha"], rel=0.05)
