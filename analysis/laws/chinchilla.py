"""Chinchilla's law: a floor, a price of few parameters and a price of few tokens, added."""

import numpy as np

from analysis.laws.law import Array, Basis, Centre, Columns, Exponent, Law, cheapest_params, power_terms


def _basis(exponents_rx: Array, columns: Columns, derivatives: bool) -> Basis:
    logs_nkx = np.zeros((len(columns["N"]), 3, 2))
    logs_nkx[:, 1, 0] = -np.log(columns["N"])
    logs_nkx[:, 2, 1] = -np.log(columns["D"])
    return power_terms(logs_nkx, exponents_rx, derivatives)


def _rescale(theta_rp: Array, centre: Centre, sign: int) -> Array:
    result = theta_rp.copy()
    result[:, 1] *= centre["N"] ** (sign * theta_rp[:, 3])
    result[:, 2] *= centre["D"] ** (sign * theta_rp[:, 4])
    return result


CHINCHILLA = Law(
    name="chinchilla",
    formula="E + A / N^alpha + B / D^beta",
    source="arXiv 2203.15556",
    variables=("N", "D"),
    coefficients=("E", "A", "B"),
    exponents=(Exponent("alpha", 0.02, 2.5), Exponent("beta", 0.02, 2.5)),
    basis=_basis,
    to_natural=lambda theta_rp, centre: _rescale(theta_rp, centre, +1),
    from_natural=lambda theta_rp, centre: _rescale(theta_rp, centre, -1),
    cheapest=lambda theta_rp, product_c: cheapest_params(
        theta_rp[:, 1], theta_rp[:, 2], theta_rp[:, 3], theta_rp[:, 4], product_c
    ),
    rests_on={"A": ("alpha",), "B": ("beta",)},
)
