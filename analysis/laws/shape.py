"""Laws with a best shape: the price of size rises with the squared distance from an aspect ratio that may drift."""

import numpy as np

from analysis.laws.coupled import BALANCE, OUTER
from analysis.laws.jet import Array, Jet, exp, log, log_sum, square
from analysis.laws.law import Centre, Columns, Exponent, Law, cheapest_params, from_terms

# aspect = width / depth; distance = ln(aspect) - ln(rho) - drift ln(N), nought at the best shape of each size.

REACH = 3.0  # the best aspect ratio lies within a factor exp(3) of the table's middle one
_ALPHA, _BETA = Exponent("alpha", 0.02, 2.5, steps=12), Exponent("beta", 0.02, 2.5, steps=12)
_RHO = Exponent("rho", -REACH, REACH, 7, "linear", judged=False)  # ln(rho) of the centred variables
_DRIFT = Exponent("drift", -1.0, 1.0, 5, "linear", judged=False)


def _distance(rho: Jet, drift: Jet, columns: Columns) -> Jet:
    return -(rho + drift * np.log(columns["N"])) + np.log(columns["aspect"])


def _rho(log_rho: Array, drift: Array, centre: Centre, sign: int) -> Array:
    """ln(rho) carried from centred variables to natural ones (sign +1) or back."""
    return np.asarray(log_rho + sign * (np.log(centre["aspect"]) - drift * np.log(centre["N"])))


def _cheapest(theta_rp: Array, product_c: Array) -> Array:
    """The best size at the best shape, where the distance is nought; A, B, alpha and beta stand alike in both laws."""
    a, b, alpha, beta = theta_rp.T[[1, 3, 4, 5]]
    return cheapest_params(a, b, alpha, beta, product_c)


def _separate() -> Law:
    def terms(x: list[Jet], columns: Columns) -> list[Jet | float]:
        alpha, beta, rho, drift = x
        size = exp(-alpha * np.log(columns["N"]))
        return [1.0, size, size * square(_distance(rho, drift, columns)), exp(-beta * np.log(columns["D"]))]

    def rescaled(theta_rp: Array, centre: Centre, sign: int) -> Array:
        floor, a, curve, b, alpha, beta, rho, drift = theta_rp.T
        size, data = centre["N"] ** (sign * alpha), centre["D"] ** (sign * beta)
        log_rho = rho if sign > 0 else np.log(rho)
        rho = _rho(log_rho, drift, centre, sign)
        return np.stack(
            [floor, a * size, curve * size, b * data, alpha, beta, np.exp(rho) if sign > 0 else rho, drift], axis=1
        )

    return Law(
        name="shape",
        formula="E + (A + S ln(aspect / (rho N^drift))^2) / N^alpha + B / D^beta, aspect = width / depth",
        source="arXiv 2001.08361, figure 5 (loss against aspect ratio), as a quadratic; arXiv 2006.12467 for the drift",
        variables=("N", "D", "aspect"),
        coefficients=("E", "A", "S", "B"),
        exponents=(_ALPHA, _BETA, _RHO, _DRIFT),
        basis=from_terms(terms),
        to_natural=lambda theta_rp, centre: rescaled(theta_rp, centre, +1),
        from_natural=lambda theta_rp, centre: rescaled(theta_rp, centre, -1),
        cheapest=_cheapest,
        rests_on={"A": ("alpha",), "S": ("alpha",), "B": ("beta",), "rho": ("drift",)},
        signed=("drift",),
        extents=("rho",),
    )


def _coupled() -> Law:
    """E + K (N^-alpha (1 + exp(s) distance^2) + exp(q) D^-beta)^k, centred; s = ln(S), q = ln(B / A)."""

    def terms(x: list[Jet], columns: Columns) -> list[Jet | float]:
        alpha, beta, rho, drift, curve, outer, balance = x
        bend = log(1.0 + exp(curve) * square(_distance(rho, drift, columns)))
        size = bend - alpha * np.log(columns["N"])
        return [1.0, exp(outer * log_sum([size, balance - beta * np.log(columns["D"])]))]

    def to_natural(theta_rp: Array, centre: Centre) -> Array:
        floor, scale, alpha, beta, rho, drift, curve, outer, balance = theta_rp.T
        with np.errstate(divide="ignore", over="ignore"):
            price = np.log(scale) / outer
            a = np.exp(price + alpha * np.log(centre["N"]))
            b = np.exp(price + balance + beta * np.log(centre["D"]))
        rho = np.exp(_rho(rho, drift, centre, +1))
        return np.stack([floor, a, np.exp(curve), b, alpha, beta, rho, drift, outer], axis=1)

    def from_natural(theta_rp: Array, centre: Centre) -> Array:
        floor, a, curve, b, alpha, beta, rho, drift, outer = theta_rp.T
        with np.errstate(divide="ignore"):
            price = np.log(a) - alpha * np.log(centre["N"])
            data = np.log(b) - beta * np.log(centre["D"])
        balance = np.subtract(data, price, out=np.zeros_like(price), where=a > 0)
        rho = _rho(np.log(rho), drift, centre, -1)
        return np.stack([floor, np.exp(outer * price), alpha, beta, rho, drift, np.log(curve), outer, balance], axis=1)

    return Law(
        name="shape_coupled",
        formula="E + (A (1 + S ln(aspect / (rho N^drift))^2) / N^alpha + B / D^beta)^k, aspect = width / depth",
        source="arXiv 2001.08361 (its joint law), with the shape term of `shape`",
        variables=("N", "D", "aspect"),
        coefficients=("E", "A"),
        exponents=(
            _ALPHA,
            _BETA,
            _RHO,
            _DRIFT,
            Exponent("S", -12.0, 3.0, 7, "linear", judged=False),
            OUTER,
            Exponent("B/A", -BALANCE, BALANCE, 9, "linear", judged=False),
        ),
        parameters=("E", "A", "S", "B", "alpha", "beta", "rho", "drift", "k"),
        basis=from_terms(terms),
        to_natural=to_natural,
        from_natural=from_natural,
        cheapest=_cheapest,
        rests_on={"A": ("alpha", "k"), "B": ("beta", "k"), "rho": ("drift",)},
        made_of={"B": ("A", "B/A")},
        signed=("drift",),
        extents=("S", "rho"),
    )


SHAPE, SHAPE_COUPLED = _separate(), _coupled()
