"""Laws from a loss S to what it is good for: another text's loss, an accuracy, an error."""

import numpy as np

from analysis.laws.jet import Array, Jet, exp, log, softplus, where
from analysis.laws.law import Centre, Columns, Exponent, Law, from_terms


def _loss_terms(x: list[Jet], columns: Columns) -> list[Jet | float]:
    floor, kappa = x
    above = columns["S"] - floor
    least = floor * 0.0 + 1e-12  # at or below the source's floor only E is left
    return [1.0, exp(kappa * log(where(above.value_rn > 1e-12, above, least)))]


def _loss_rescaled(theta_rp: Array, centre: Centre, sign: int) -> Array:
    floor, scale, source_floor, kappa = theta_rp.T
    return np.stack([floor, scale * centre["S"] ** (-sign * kappa), source_floor * centre["S"] ** sign, kappa], axis=1)


LOSS_TO_LOSS = Law(
    name="loss_to_loss",
    formula="E + K (S - F)^kappa",
    source="arXiv 2411.12925",
    variables=("S",),
    coefficients=("E", "K"),
    exponents=(
        Exponent("F", 0.0, 0.99, steps=24, spacing="linear", judged=False),
        Exponent("kappa", 0.05, 5.0, steps=32),
    ),
    basis=from_terms(_loss_terms),
    to_natural=lambda theta_rp, centre: _loss_rescaled(theta_rp, centre, +1),
    from_natural=lambda theta_rp, centre: _loss_rescaled(theta_rp, centre, -1),
    centre="smallest",
    rests_on={"K": ("kappa",)},
)


def _sigmoid_rescaled(theta_rp: Array, centre: Centre, sign: int) -> Array:
    floor, gain, k, middle = theta_rp.T
    return np.stack([floor, gain, k * centre["S"] ** -sign, middle * centre["S"] ** sign], axis=1)


SIGMOID = Law(
    name="sigmoid",
    formula="b + a / (1 + exp(k (S - S0)))",
    source="arXiv 2412.04403, equation 2",
    variables=("S",),
    coefficients=("b", "a"),
    exponents=(
        Exponent("k", 0.3, 200.0, steps=32),
        Exponent("S0", 0.1, 3.0, steps=32, judged=False),
    ),
    basis=from_terms(lambda x, columns: [1.0, exp(-softplus(x[0] * (columns["S"] - x[1])))]),
    to_natural=lambda theta_rp, centre: _sigmoid_rescaled(theta_rp, centre, +1),
    from_natural=lambda theta_rp, centre: _sigmoid_rescaled(theta_rp, centre, -1),
    target="accuracy",
)

ERROR = Law(
    name="error",
    formula="eps - k exp(-gamma S)",
    source="arXiv 2403.08540, equation 5",
    variables=("S",),
    coefficients=("eps", "k"),
    exponents=(Exponent("gamma", 0.05, 50.0, steps=64),),
    # The basis function is negative, so that its coefficient is not.
    basis=from_terms(lambda x, columns: [1.0, -exp(-x[0] * columns["S"])]),
    to_natural=lambda theta_rp, centre: theta_rp / np.array([1.0, 1.0, centre["S"]]),
    from_natural=lambda theta_rp, centre: theta_rp * np.array([1.0, 1.0, centre["S"]]),
    target="error",
    rests_on={"k": ("gamma",)},
)
