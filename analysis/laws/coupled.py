"""The coupled law: the two prices of Chinchilla's law added under one outer power."""

import numpy as np

from analysis.laws.law import Array, Basis, Centre, Columns, Exponent, Law, cheapest_params, floor_and

# Centred form: E + K S^k with S = N^-alpha + exp(q) D^-beta, so that E and K are linear; A = K^(1/k), B = A exp(q).


def _basis(exponents_rx: Array, columns: Columns, derivatives: bool) -> Basis:
    alpha, beta, outer, balance = (exponents_rx[:, i, None] for i in range(4))
    log_n, log_d = np.log(columns["N"]), np.log(columns["D"])
    size_rn, data_rn = -alpha * log_n, balance - beta * log_d
    sum_rn = np.logaddexp(size_rn, data_rn)
    if not derivatives:
        term_rn = np.exp(outer * sum_rn)
        return Basis(np.stack([np.ones_like(term_rn), term_rn], axis=-1))
    share_rn = np.exp(size_rn - sum_rn)
    slope_nx = np.zeros((2, len(log_n), 4))  # of the two prices' logarithms in (alpha, beta, k, q)
    slope_nx[0, :, 0] = -log_n
    slope_nx[1, :, 1] = -log_d
    slope_nx[1, :, 3] = 1.0
    inner_rnx = share_rn[..., None] * slope_nx[0] + (1 - share_rn)[..., None] * slope_nx[1]
    difference_nx = slope_nx[0] - slope_nx[1]
    mixing_rn = outer * share_rn * (1 - share_rn)
    second_rnxx = mixing_rn[..., None, None] * difference_nx[:, :, None] * difference_nx[:, None, :]
    second_rnxx[..., 2, :] += inner_rnx
    second_rnxx[..., :, 2] += inner_rnx
    first_rnx = outer[..., None] * inner_rnx
    first_rnx[..., 2] += sum_rn
    return floor_and(outer * sum_rn, first_rnx, second_rnxx)


def _to_natural(theta_rp: Array, centre: Centre) -> Array:
    floor, scale, alpha, beta, outer, balance = theta_rp.T
    with np.errstate(divide="ignore"):
        log_a = np.log(scale) / outer
    a = np.exp(log_a + alpha * np.log(centre["N"]))
    b = np.exp(log_a + balance + beta * np.log(centre["D"]))
    return np.stack([floor, a, alpha, beta, outer, b], axis=1)


def _from_natural(theta_rp: Array, centre: Centre) -> Array:
    floor, a, alpha, beta, outer, b = theta_rp.T
    with np.errstate(divide="ignore"):
        log_a = np.log(a) - alpha * np.log(centre["N"])
        log_b = np.log(b) - beta * np.log(centre["D"])
    balance = np.subtract(log_b, log_a, out=np.zeros_like(log_a), where=a > 0)  # without A neither price is left
    return np.stack([floor, np.exp(outer * log_a), alpha, beta, outer, balance], axis=1)


COUPLED = Law(
    name="coupled",
    formula="E + (A / N^alpha + B / D^beta)^k",
    source="arXiv 2001.08361 (its joint law, with a floor and free exponents)",
    variables=("N", "D"),
    coefficients=("E", "A"),
    exponents=(
        Exponent("alpha", 0.05, 4.0, steps=9),
        Exponent("beta", 0.05, 4.0, steps=9),
        Exponent("k", 0.05, 2.0, steps=6),
        Exponent("B", -8.0, 8.0, steps=9, spacing="linear", judged=False),
    ),
    basis=_basis,
    to_natural=_to_natural,
    from_natural=_from_natural,
    cheapest=lambda theta_rp, product_c: cheapest_params(
        theta_rp[:, 1], theta_rp[:, 5], theta_rp[:, 2], theta_rp[:, 3], product_c
    ),
    rests_on={"A": ("alpha", "k"), "B": ("beta", "k")},
)
