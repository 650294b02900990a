"""Laws whose prices are added under one outer power: E + (sum of powers)^k, and Kaplan's joint law among them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from analysis.laws.jet import Array, Jet, exp, log_sum
from analysis.laws.law import Centre, Columns, Exponent, Law, cheapest_params, from_terms

# Centred form: E + K S^k with S = sum of exp(q_j) v_j^-a_j and q of the first price nought, so that E and K are linear
# and of the order of the loss; the prices are A_1 = K^(1/k) and A_j = A_1 exp(q_j), before centring is undone.

BALANCE = 8.0  # the centred prices lie within a factor exp(8) of each other
OUTER = Exponent("k", 0.05, 2.0, steps=8)


def coupled_law(prices: Mapping[str, tuple[str, Exponent]], floor: bool = True, **declared: Any) -> Law:
    """The law with the prices {"A": ("N", alpha), ...}; the balances stand for all prices but the first."""
    first, *others = prices
    variables = tuple(variable for variable, _ in prices.values())
    count, linear = len(prices), 1 + floor

    def terms(x: list[Jet], columns: Columns) -> list[Jet | float]:
        logs = [-x[j] * np.log(columns[variable]) for j, variable in enumerate(variables)]
        balanced = [logs[0], *(log + x[count + 1 + j] for j, log in enumerate(logs[1:]))]
        term = exp(x[count] * log_sum(balanced))
        return [1.0, term] if floor else [term]

    def to_natural(theta_rp: Array, centre: Centre) -> Array:
        exponents, outer, balances = np.split(theta_rp[:, linear:], [count, count + 1], axis=1)
        with np.errstate(divide="ignore", over="ignore"):
            log_price = np.log(theta_rp[:, linear - 1 : linear]) / outer
            logs = np.concatenate([log_price, log_price + balances], axis=1)
            natural = np.exp(logs + exponents * np.log([centre[variable] for variable in variables]))
        return np.concatenate([theta_rp[:, : linear - 1], natural, exponents, outer], axis=1)

    def from_natural(theta_rp: Array, centre: Centre) -> Array:
        natural, exponents, outer = np.split(theta_rp[:, linear - 1 :], [count, 2 * count], axis=1)
        with np.errstate(divide="ignore"):
            logs = np.log(natural) - exponents * np.log([centre[variable] for variable in variables])
        alive = natural[:, :1] > 0  # without the first price none is left
        balances = np.subtract(logs[:, 1:], logs[:, :1], out=np.zeros_like(logs[:, 1:]), where=alive)
        return np.concatenate(
            [theta_rp[:, : linear - 1], np.exp(outer * logs[:, :1]), exponents, outer, balances], axis=1
        )

    exponents = tuple(exponent for _, exponent in prices.values())
    floors = ("E",) if floor else ()
    return Law(
        variables=variables,
        coefficients=(*floors, first),
        exponents=(
            *exponents,
            OUTER,
            *(Exponent(f"{name}/{first}", -BALANCE, BALANCE, 9, "linear", judged=False) for name in others),
        ),
        parameters=(*floors, *prices, *(exponent.name for exponent in exponents), "k"),
        basis=from_terms(terms),
        to_natural=to_natural,
        from_natural=from_natural,
        rests_on={name: (exponent.name, "k") for name, (_, exponent) in prices.items()},
        made_of={name: (first, f"{name}/{first}") for name in others},
        **declared,
    )


def _exponent(name: str) -> Exponent:
    return Exponent(name, 0.05, 4.0, steps=9)


COUPLED = coupled_law(
    {"A": ("N", _exponent("alpha")), "B": ("D", _exponent("beta"))},
    name="coupled",
    formula="E + (A / N^alpha + B / D^beta)^k",
    source="arXiv 2001.08361 (its joint law, with a floor and free exponents)",
    cheapest=lambda theta_rp, product_c: cheapest_params(
        theta_rp[:, 1], theta_rp[:, 2], theta_rp[:, 3], theta_rp[:, 4], product_c
    ),
)

GEMSTONES_COUPLED = coupled_law(
    {
        "W": ("width", _exponent("omega")),
        "Z": ("depth", _exponent("zeta")),
        "A": ("N", _exponent("alpha")),
        "B": ("D", _exponent("beta")),
    },
    name="gemstones_coupled",
    formula="E + (W / width^omega + Z / depth^zeta + A / N^alpha + B / D^beta)^k",
    source="arXiv 2502.06857 (its four terms, under an outer power)",
)


def _kaplan_cheapest(theta_rp: Array, product_c: Array) -> Array:
    n_c, d_c, alpha_n, alpha_d = theta_rp.T
    ratio = alpha_n / alpha_d
    return cheapest_params(n_c**ratio, d_c, ratio, np.ones_like(ratio), product_c)


def _kaplan_joint() -> Law:
    """K (N^-r + exp(q) / D)^alpha_D, centred, with r = alpha_N / alpha_D."""

    def terms(x: list[Jet], columns: Columns) -> list[Jet]:
        ratio, outer, balance = x
        return [exp(outer * log_sum([-ratio * np.log(columns["N"]), balance - np.log(columns["D"])]))]

    def to_natural(theta_rp: Array, centre: Centre) -> Array:
        scale, ratio, outer, balance = theta_rp.T
        with np.errstate(divide="ignore", over="ignore"):
            log_price = np.log(scale) / outer
            n_c = np.exp(log_price / ratio + np.log(centre["N"]))
            d_c = np.exp(log_price + balance + np.log(centre["D"]))
        return np.stack([n_c, d_c, ratio * outer, outer], axis=1)

    def from_natural(theta_rp: Array, centre: Centre) -> Array:
        n_c, d_c, alpha_n, alpha_d = theta_rp.T
        log_price = alpha_n / alpha_d * np.log(n_c / centre["N"])
        balance = np.log(d_c / centre["D"]) - log_price
        return np.stack([np.exp(alpha_d * log_price), alpha_n / alpha_d, alpha_d, balance], axis=1)

    return Law(
        name="kaplan",
        formula="((N_c / N)^(alpha_N / alpha_D) + D_c / D)^alpha_D",
        source="arXiv 2001.08361, equation 1.5",
        variables=("N", "D"),
        coefficients=("K",),
        exponents=(
            Exponent("alpha_N / alpha_D", 0.05, 10.0, steps=10),
            Exponent("alpha_D", 0.01, 2.0, steps=10),
            Exponent("balance", -BALANCE, BALANCE, 9, "linear", judged=False),
        ),
        parameters=("N_c", "D_c", "alpha_N", "alpha_D"),
        basis=from_terms(terms),
        to_natural=to_natural,
        from_natural=from_natural,
        cheapest=_kaplan_cheapest,
        rests_on={"N_c": ("alpha_N", "alpha_D"), "D_c": ("alpha_D",)},
        judged=("alpha_N", "alpha_D"),
        made_of={
            "N_c": ("K", "alpha_N / alpha_D"),
            "D_c": ("K", "balance"),
            "alpha_N": ("alpha_N / alpha_D", "alpha_D"),
        },
    )


KAPLAN = _kaplan_joint()
