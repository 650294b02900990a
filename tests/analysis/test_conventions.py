"""Counting conventions: what each leaves out, on parts that are told apart by their digits."""

import numpy as np
import pandas as pd
import pytest

from analysis.conventions import CONVENTIONS, add_counts
from harness.refusal import Refusal

PARTS = {
    "params_embedding": [1_000],
    "params_position": [200],
    "params_block": [30_000],
    "params_norm": [4],
    "params_head": [500_000],
    "flops_block": [7_000],
    "flops_attention": [80],
    "flops_head": [900_000],
    "tokens": [10],
}
EXPECTED = {
    "kaplan": (30_004, 6 * 30_004 * 10),
    "chinchilla": (531_204, 6 * 531_204 * 10),
    "exact": (531_204, 907_080 * 10),
    "exact_causal": (531_204, 907_040 * 10),
    "given": (12, 6 * 12 * 10),
}


@pytest.mark.parametrize("name", CONVENTIONS)
def test_counts_are_the_parts_that_the_convention_names(name: str) -> None:
    counted = add_counts(pd.DataFrame(PARTS | {"params_given": [12]}), name)
    params, flops = EXPECTED[name]
    assert (counted["N"][0], counted["D"][0], counted["C"][0]) == (params, 10, flops)
    assert all(counted[column].dtype == np.float64 for column in "NDC")


@pytest.mark.parametrize("name", [name for name in CONVENTIONS if name != "given"])
def test_a_missing_part_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(Refusal) as caught:
        add_counts(pd.DataFrame({"depth": [1]}), name)
    assert "\n" not in str(caught.value)


def test_products_of_large_integers_do_not_wrap() -> None:
    table = pd.DataFrame({"params_given": [10**12], "tokens": [10**13]})
    assert add_counts(table, "given")["C"][0] == pytest.approx(6e25)


def test_tokens_follow_from_parameters_and_flops() -> None:
    table = pd.DataFrame({"params_given": [70e9], "flops_given": [5.88e23]})
    assert add_counts(table, "given")["D"][0] == pytest.approx(1.4e12)


def test_flops_that_are_given_are_kept() -> None:
    table = pd.DataFrame({"params_given": [10.0], "tokens": [10.0], "flops_given": [999.0]})
    assert add_counts(table, "given")["C"][0] == 999


def test_what_a_table_does_not_give_is_no_column() -> None:
    assert set("NDC") & set(add_counts(pd.DataFrame({"flops_given": [1e20], "loss": [2.0]}), "given")) == {"C"}


def test_what_laws_make_of_the_counts() -> None:
    table = pd.DataFrame({"params_given": [1e6, 1e6], "tokens": [3e7, 3e7], "unique_tokens": [1e7, 9e7]})
    counted = add_counts(table.assign(width=[64, 64], depth=[4, 2]), "given")
    assert counted["M"].tolist() == [30, 30]
    assert counted["U"].tolist() == [1e7, 3e7]
    assert counted["aspect"].tolist() == [16, 32]


def test_unknown_convention_names_the_nearest() -> None:
    with pytest.raises(Refusal, match="kaplan"):
        add_counts(pd.DataFrame(PARTS), "kaplann")
