"""The smoothly broken power law: one exponent before the break, the sum of two after it."""

import numpy as np

from analysis.laws.jet import Array, Jet, exp, softplus
from analysis.laws.law import Centre, Columns, Exponent, Law, from_terms


def _law(variable: str) -> Law:
    def terms(x: list[Jet], columns: Columns) -> list[Jet | float]:
        before, after, place, width = x  # place and width in logarithms
        log_n = np.log(columns[variable])
        bend = exp(width) * softplus((log_n - place) * exp(-width))
        return [1.0, exp(-before * log_n - after * bend)]

    def to_natural(theta_rp: Array, centre: Centre) -> Array:
        floor, scale, before, after, place, width = theta_rp.T
        b = scale * centre[variable] ** before
        return np.stack([floor, b, before, after, np.exp(place) * centre[variable], np.exp(width)], axis=1)

    def from_natural(theta_rp: Array, centre: Centre) -> Array:
        floor, b, before, after, place, width = theta_rp.T
        scale = b / centre[variable] ** before
        return np.stack([floor, scale, before, after, np.log(place / centre[variable]), np.log(width)], axis=1)

    return Law(
        name=f"broken_{variable}",
        formula=f"E + b {variable}^-c0 (1 + ({variable} / d)^(1/f))^(-c1 f)",
        source="arXiv 2210.14891, equation 1, with one break",
        variables=(variable,),
        coefficients=("E", "b"),
        exponents=(
            Exponent("c0", -1.0, 2.0, 7, "linear"),
            Exponent("c1", -1.0, 2.5, 8, "linear"),
            Exponent("d", -8.0, 8.0, 9, "linear", judged=False),
            Exponent("f", -4.0, 1.5, 4, "linear", judged=False),
        ),
        basis=from_terms(terms),
        to_natural=to_natural,
        from_natural=from_natural,
        rests_on={"b": ("c0",)},
        signed=("c0", "c1"),
        extents=("d", "f"),
    )


BROKEN = tuple(_law(variable) for variable in ("N", "D", "C"))
