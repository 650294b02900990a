"""Power laws of one variable, with and without a floor: for parameters, tokens or compute alone."""

import numpy as np

from analysis.laws.law import Array, Basis, Centre, Columns, Exponent, Law, power_terms


def _law(variable: str, floor: bool) -> Law:
    terms = 2 if floor else 1

    def basis(exponents_rx: Array, columns: Columns, derivatives: bool) -> Basis:
        logs_nkx = np.zeros((len(columns[variable]), terms, 1))
        logs_nkx[:, -1, 0] = -np.log(columns[variable])
        return power_terms(logs_nkx, exponents_rx, derivatives)

    def rescale(theta_rp: Array, centre: Centre, sign: int) -> Array:
        result = theta_rp.copy()
        result[:, terms - 1] *= centre[variable] ** (sign * theta_rp[:, terms])
        return result

    return Law(
        name=f"power_floor_{variable}" if floor else f"power_{variable}",
        formula=f"E + A / {variable}^alpha" if floor else f"A / {variable}^alpha",
        source="arXiv 2010.14701" if floor else "arXiv 2001.08361",
        variables=(variable,),
        coefficients=("E", "A") if floor else ("A",),
        exponents=(Exponent("alpha", 0.005, 2.5, steps=48),),
        basis=basis,
        to_natural=lambda theta_rp, centre: rescale(theta_rp, centre, +1),
        from_natural=lambda theta_rp, centre: rescale(theta_rp, centre, -1),
        rests_on={"A": ("alpha",)},
    )


POWERS = tuple(_law(variable, floor) for floor in (False, True) for variable in ("N", "D", "C"))
