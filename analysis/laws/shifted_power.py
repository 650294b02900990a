"""The shifted power law from one loss to another: what a loss on the source text S says about another text."""

import numpy as np

from analysis.laws.law import Array, Basis, Centre, Columns, Exponent, Law, floor_and


def _basis(exponents_rx: Array, columns: Columns, derivatives: bool) -> Basis:
    floor, kappa = exponents_rx[:, 0, None], exponents_rx[:, 1, None]
    above_rn = np.maximum(columns["S"] - floor, 1e-12)  # at or below the source's floor only E is left
    log_rn = np.log(above_rn)
    if not derivatives:
        term_rn = np.exp(kappa * log_rn)
        return Basis(np.stack([np.ones_like(term_rn), term_rn], axis=-1))
    mixed_rn = -1 / above_rn
    first_rnx = np.stack([kappa * mixed_rn, log_rn], axis=-1)
    second_rnxx = np.zeros((*log_rn.shape, 2, 2))
    second_rnxx[..., 0, 0] = -kappa * mixed_rn**2
    second_rnxx[..., 0, 1] = second_rnxx[..., 1, 0] = mixed_rn
    return floor_and(kappa * log_rn, first_rnx, second_rnxx)


def _rescale(theta_rp: Array, centre: Centre, sign: int) -> Array:
    result = theta_rp.copy()
    result[:, 1] *= centre["S"] ** (-sign * theta_rp[:, 3])
    result[:, 2] *= centre["S"] ** sign
    return result


SHIFTED_POWER = Law(
    name="shifted_power",
    formula="E + K (S - F)^kappa",
    source="arXiv 2411.12925",
    variables=("S",),
    coefficients=("E", "K"),
    exponents=(
        Exponent("F", 0.0, 0.99, steps=24, spacing="linear", judged=False),
        Exponent("kappa", 0.05, 5.0, steps=32),
    ),
    basis=_basis,
    to_natural=lambda theta_rp, centre: _rescale(theta_rp, centre, +1),
    from_natural=lambda theta_rp, centre: _rescale(theta_rp, centre, -1),
    centre="smallest",
    rests_on={"K": ("kappa",)},
)
