"""Counting conventions: from the parts in the run table to parameters N, tokens D and training FLOPs C."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.refusal import Refusal, pick

Array = NDArray[np.float64]

EVERY_PARAMETER = ("params_embedding", "params_position", "params_block", "params_norm", "params_head")
# arXiv 2001.08361, section 2.1: two FLOPs a parameter forward, four backward.
FLOPS_PER_PARAMETER_TOKEN = 6.0


@dataclass(frozen=True)
class Convention:
    """How N, D and C are counted; `count` gives the three columns, float64."""

    name: str
    formula: str
    source: str
    count: Callable[[pd.DataFrame], tuple[Array, Array, Array]]


def _total(table: pd.DataFrame, names: tuple[str, ...]) -> Array:
    return np.asarray(np.sum([_column(table, name) for name in names], axis=0), dtype=np.float64)


def _column(table: pd.DataFrame, name: str) -> Array:
    if name not in table.columns:
        raise Refusal(
            f"the table has no column {name!r} that this counting convention needs: "
            "a table with only parameters and tokens is counted by the convention 'given' (params_given, tokens)"
        )
    values = pd.to_numeric(table[name], errors="coerce")
    # float64 before any product: 6 N D overflows 64-bit integers from 1B parameters and 2T tokens on.
    return np.asarray(values.to_numpy(np.float64, na_value=np.nan), dtype=np.float64)


def _six_nd(params: tuple[str, ...]) -> Callable[[pd.DataFrame], tuple[Array, Array, Array]]:
    def count(table: pd.DataFrame) -> tuple[Array, Array, Array]:
        n, d = _total(table, params), _column(table, "tokens")
        return n, d, FLOPS_PER_PARAMETER_TOKEN * n * d

    return count


def _exact(attention_share: float) -> Callable[[pd.DataFrame], tuple[Array, Array, Array]]:
    def count(table: pd.DataFrame) -> tuple[Array, Array, Array]:
        d = _column(table, "tokens")
        products = _column(table, "flops_block") + _column(table, "flops_head")
        per_token = products + attention_share * _column(table, "flops_attention")
        return _total(table, EVERY_PARAMETER), d, per_token * d

    return count


def _given(table: pd.DataFrame) -> tuple[Array, Array, Array]:
    """What the table gives, and what follows from it; NaN for what it neither has nor implies."""
    missing = np.full(len(table), np.nan)
    n, d, c = (
        _column(table, name) if name in table.columns else missing for name in ("params_given", "tokens", "flops_given")
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        return (
            n,
            np.where(np.isnan(d), c / (FLOPS_PER_PARAMETER_TOKEN * n), d),
            np.where(np.isnan(c), FLOPS_PER_PARAMETER_TOKEN * n * d, c),
        )


CONVENTIONS: dict[str, Convention] = {
    convention.name: convention
    for convention in (
        Convention(
            "kaplan",
            "N = blocks and norms, no embedding, no head; C = 6 N D",
            "arXiv 2001.08361",
            _six_nd(("params_block", "params_norm")),
        ),
        Convention("chinchilla", "N = all parameters; C = 6 N D", "arXiv 2203.15556", _six_nd(EVERY_PARAMETER)),
        Convention(
            "exact", "N = all parameters; C = (block + attention + head) D, full T^2", "arXiv 2406.19146", _exact(1.0)
        ),
        Convention("exact_causal", "as exact, attention counted at its causal half", "arXiv 2307.08691", _exact(0.5)),
        Convention(
            "given", "N = params_given; D = tokens, else C / 6 N; C = flops_given, else 6 N D", "the table", _given
        ),
    )
}


def add_counts(table: pd.DataFrame, convention: str = "chinchilla") -> pd.DataFrame:
    """The table with columns N, D and C (float64) as the convention counts them, and what laws make of them.

    M = D / N, aspect = width / depth and U = min(unique tokens, D), where the table has what they are made of.
    """
    n, d, c = pick(CONVENTIONS, convention, "counting convention").count(table)
    counted = {
        name: values for name, values in (("N", n), ("D", d), ("C", c)) if not len(values) or not np.isnan(values).all()
    }
    with np.errstate(divide="ignore", invalid="ignore"):
        if {"N", "D"} <= counted.keys():
            counted["M"] = d / n
        if "D" in counted and "unique_tokens" in table.columns:
            counted["U"] = np.fmin(_column(table, "unique_tokens"), d)
        if {"width", "depth"} <= set(table.columns):
            counted["aspect"] = _column(table, "width") / _column(table, "depth")
    return table.assign(**{name: values for name, values in counted.items() if name not in table or name in "NDC"})
