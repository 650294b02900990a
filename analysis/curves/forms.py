"""The catalogue of curves of accuracy over size, compute or data, and over the task's own loss."""

import math

from analysis.curves.form import LEAST_CEILING, Form, Parameter
from analysis.laws.jet import Array, Jet, exp, softplus

STEEPNESS = Parameter("k", "rate", 0.0, 30.0, (0.7, 2.0, 5.0, 10.0, 20.0))
MIDDLE = Parameter("middle", "place", -4.0, 4.0, (-1.5, -1.0, -0.6, -0.3, 0.0, 0.3, 0.6, 1.0, 1.5))
CEILING = Parameter("ceiling", "ceiling", LEAST_CEILING, 1.0, (0.1, 0.25, 0.45, 0.65, 0.85, 1.0))


def _sigmoid(z: Jet) -> Jet:
    return exp(-softplus(-z))


def _to_ceiling(theta: list[Jet], u: Array, chance: float) -> Jet:
    k, middle, ceiling = theta
    return chance + (ceiling - chance) * _sigmoid(k * (u - middle))


def _falling_with_loss(theta: list[Jet], u: Array, chance: float) -> Jet:
    k, middle, ceiling = theta
    return chance + (ceiling - chance) * _sigmoid(k * (middle - u))


FORMS: dict[str, Form] = {
    form.name: form
    for form in (
        Form(
            name="log_linear",
            formula="a + b log(x / x0)",
            source="a straight line, as a baseline",
            parameters=(
                Parameter("a", "plain", -math.inf, math.inf, (0.5,)),
                Parameter("b", "plain", -math.inf, math.inf, (0.0,)),
            ),
            curve=lambda theta, u, chance: theta[0] + theta[1] * u,
        ),
        Form(
            name="sigmoid_to_one",
            formula="chance + (1 - chance) / (1 + exp(-k log(x / middle)))",
            source="arXiv 2405.10938",
            parameters=(STEEPNESS, MIDDLE),
            curve=lambda theta, u, chance: chance + (1 - chance) * _sigmoid(theta[0] * (u - theta[1])),
        ),
        Form(
            name="power_neglog",
            formula="exp(-a (x / x0)^-b)",
            source="arXiv 2303.08774, section 3.2",
            parameters=(
                Parameter("a", "plain", 1e-6, 60.0, (0.1, 0.3, 1.0, 3.0)),
                Parameter("b", "rate", 0.0, 60.0, (0.2, 0.7, 2.0, 5.0)),
            ),
            curve=lambda theta, u, chance: exp(-theta[0] * exp(-theta[1] * u)),
        ),
        Form(
            name="sigmoid_free_ceiling",
            formula="chance + (ceiling - chance) / (1 + exp(-k log(x / middle)))",
            source="arXiv 2405.10938, with the ceiling free",
            parameters=(STEEPNESS, MIDDLE, CEILING),
            curve=_to_ceiling,
        ),
        Form(
            name="sigmoid_of_loss",
            formula="chance + (ceiling - chance) / (1 + exp(k (S - middle)))",
            source="arXiv 2412.04403, equation 2",
            parameters=(STEEPNESS, MIDDLE, CEILING),
            curve=_falling_with_loss,
            of_loss=True,
        ),
    )
}
BASELINE = "log_linear"
DIRECT = tuple(name for name, form in FORMS.items() if not form.of_loss)
