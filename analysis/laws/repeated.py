"""The law of repeated data: tokens read again, and parameters beyond what unique tokens can use, are worth less."""

import numpy as np

from analysis.laws.coupled import BALANCE
from analysis.laws.jet import Array, Jet, exp, log, where
from analysis.laws.law import Centre, Columns, Exponent, Law, from_terms

# Each is worth as much as u (1 + R* (1 - exp(-R / R*))) fresh ones: u the unique ones, R the repeats of each beyond the
# first. Unique parameters are those that are compute-optimal for the unique tokens: U (A/B)^(1/alpha).


def _worth(unique: Jet, total_n: Array, decay: Jet) -> Jet:
    """ln of the effective number."""
    repeats = exp(np.log(total_n) - unique) - 1.0
    none = repeats * 0.0
    repeats = where(repeats.value_rn > 0, repeats, none)
    scale = exp(-decay)
    return unique + log(1.0 + exp(decay) * (1.0 - exp(-repeats * scale)))


def _terms(x: list[Jet], columns: Columns) -> list[Jet | float]:
    alpha, balance, data_decay, size_decay = x
    unique_n = np.minimum(columns["U"], columns["D"])
    log_n, zero = np.log(columns["N"]), alpha * 0.0
    usable = np.log(unique_n) - balance * exp(-log(alpha))  # balance = ln(B / A)
    size = where(usable.value_rn < log_n, usable + 0.0 * log_n, zero + log_n)
    data = _worth(zero + np.log(unique_n), columns["D"], data_decay)
    return [1.0, exp(-alpha * _worth(size, columns["N"], size_decay)) + exp(balance - alpha * data)]


def _to_natural(theta_rp: Array, centre: Centre) -> Array:
    floor, scale, alpha, balance, data_decay, size_decay = theta_rp.T
    a = scale * centre["N"] ** alpha
    b = scale * np.exp(balance) * centre["D"] ** alpha
    return np.stack([floor, a, b, alpha, np.exp(data_decay), np.exp(size_decay)], axis=1)


def _from_natural(theta_rp: Array, centre: Centre) -> Array:
    floor, a, b, alpha, data_decay, size_decay = theta_rp.T
    scale, data = a / centre["N"] ** alpha, b / centre["D"] ** alpha
    with np.errstate(divide="ignore"):
        balance = np.subtract(np.log(data), np.log(scale), out=np.zeros_like(scale), where=scale > 0)
        return np.stack([floor, scale, alpha, balance, np.log(data_decay), np.log(size_decay)], axis=1)


REPEATED = Law(
    name="repeated",
    formula="E + A / N'^alpha + B / D'^alpha, D' = U + U R_D (1 - exp(-(D/U - 1) / R_D)), N' likewise with R_N",
    source="arXiv 2305.16264, equations 5 and 6",
    variables=("N", "D", "U"),
    coefficients=("E", "A"),
    exponents=(
        Exponent("alpha", 0.05, 2.5, steps=12),
        Exponent("B/A", -BALANCE, BALANCE, 9, "linear", judged=False),
        Exponent("R_D", -3.0, 7.0, 7, "linear", judged=False),
        Exponent("R_N", -3.0, 7.0, 7, "linear", judged=False),
    ),
    parameters=("E", "A", "B", "alpha", "R_D", "R_N"),
    basis=from_terms(_terms),
    to_natural=_to_natural,
    from_natural=_from_natural,
    centred_with={"U": "D"},
    rests_on={"A": ("alpha",), "B": ("alpha",)},
    made_of={"B": ("A", "B/A")},
    extents=("R_D", "R_N"),
)
