"""Laws that are sums of products of powers: a coefficient times powers of the variables, term by term."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from analysis.laws.jet import Array
from analysis.laws.law import Basis, Centre, Columns, Exponent, Law, cheapest_params

# variable -> (exponent's name, its sign)
Power = Mapping[str, tuple[str, int]]


def sum_of_powers(terms: Mapping[str, Power], exponents: tuple[Exponent, ...], **declared: Any) -> Law:
    """The law with a term for each coefficient: `{"A": {"N": ("alpha", -1)}}` is A N^-alpha, `{}` a floor."""
    names = [exponent.name for exponent in exponents]
    variables = tuple(dict.fromkeys(variable for power in terms.values() for variable in power))
    moving = [k for k, power in enumerate(terms.values()) if power]

    def basis(exponents_rx: Array, columns: Columns, order: int) -> Basis:
        rows = len(columns[variables[0]])
        logs_kxn = np.zeros((len(terms), len(names), rows))
        for k, power in enumerate(terms.values()):
            for variable, (name, sign) in power.items():
                logs_kxn[k, names.index(name)] += sign * np.log(columns[variable])
        return _exponentials(logs_kxn, moving, exponents_rx, order)

    def at_centre(theta_rp: Array, centre: Centre) -> Array:
        one_row = {variable: np.array([centre[variable]]) for variable in variables}
        return basis(theta_rp[:, len(terms) :], one_row, 0).value_rkn[..., 0]

    def to_natural(theta_rp: Array, centre: Centre) -> Array:
        return np.concatenate([theta_rp[:, : len(terms)] / at_centre(theta_rp, centre), theta_rp[:, len(terms) :]], 1)

    def from_natural(theta_rp: Array, centre: Centre) -> Array:
        return np.concatenate([theta_rp[:, : len(terms)] * at_centre(theta_rp, centre), theta_rp[:, len(terms) :]], 1)

    usual: dict[str, Any] = {"to_natural": to_natural, "from_natural": from_natural}
    usual["rests_on"] = {k: tuple(name for name, _ in power.values()) for k, power in terms.items() if power}
    fields = usual | declared
    return Law(variables=variables, coefficients=tuple(terms), exponents=exponents, basis=basis, **fields)


def _exponentials(logs_kxn: Array, moving: list[int], exponents_rx: Array, order: int) -> Basis:
    """exp(sum over x of exponent_x logs_kxn), with derivatives; terms that are not `moving` are one."""
    terms, count, rows = logs_kxn.shape
    value_rkn = np.ones((len(exponents_rx), terms, rows))
    flat = exponents_rx @ np.swapaxes(logs_kxn[moving], 0, 1).reshape(count, -1)
    value_rkn[:, moving] = np.exp(flat).reshape(-1, len(moving), rows)
    if not order:
        return Basis(value_rkn)

    def second(weights_rn: Array) -> Array:
        squares_knxx = np.einsum("kxn,kyn->knxy", logs_kxn, logs_kxn).reshape(terms, rows, -1)
        weighted_krn = np.swapaxes(value_rkn * weights_rn[:, None], 0, 1)
        return np.asarray(np.swapaxes(weighted_krn @ squares_knxx, 0, 1).reshape(-1, terms, count, count))

    return Basis(value_rkn, value_rkn[:, :, None] * logs_kxn, second)


def _alone(variable: str, floor: bool) -> Law:
    return sum_of_powers(
        ({"E": {}} if floor else {}) | {"A": {variable: ("alpha", -1)}},
        (Exponent("alpha", 0.005, 2.5, steps=48),),
        name=f"power_floor_{variable}" if floor else f"power_{variable}",
        formula=f"E + A / {variable}^alpha" if floor else f"A / {variable}^alpha",
        source="arXiv 2010.14701" if floor else "arXiv 1712.00409",
    )


def _kaplan_alone(variable: str) -> Law:
    """Kaplan's own parameters of a power law: the scale at which the loss would be one."""
    scale, exponent = f"{variable}_c", f"alpha_{variable}"

    def to_natural(theta_rp: Array, centre: Centre) -> Array:
        # (N_c / N)^alpha = K (N / centre)^-alpha with K = (N_c / centre)^alpha
        with np.errstate(divide="ignore", over="ignore"):
            log_scale = np.log(theta_rp[:, 0]) / theta_rp[:, 1] + np.log(centre[variable])
            return np.stack([np.exp(log_scale), theta_rp[:, 1]], axis=1)

    def from_natural(theta_rp: Array, centre: Centre) -> Array:
        return np.stack([(theta_rp[:, 0] / centre[variable]) ** theta_rp[:, 1], theta_rp[:, 1]], axis=1)

    return sum_of_powers(
        {scale: {variable: (exponent, -1)}},
        (Exponent(exponent, 0.005, 2.5, steps=48),),
        name=f"kaplan_{variable}",
        formula=f"({scale} / {variable})^{exponent}",
        source="arXiv 2001.08361, equations 1.1 to 1.3",
        to_natural=to_natural,
        from_natural=from_natural,
    )


POWERS = tuple(_alone(variable, floor) for floor in (False, True) for variable in ("N", "D", "C"))
KAPLAN_ALONE = tuple(_kaplan_alone(variable) for variable in ("N", "D", "C"))

ENVELOPE = sum_of_powers(
    {"E": {}, "A": {"C": ("gamma", -1)}},
    (Exponent("gamma", 0.005, 2.5, steps=48),),
    name="envelope",
    formula="E + A / C^gamma, of the rows that no cheaper row beats",
    source="arXiv 2010.14701",
    on_frontier=True,
)

_ALPHA, _BETA = Exponent("alpha", 0.02, 2.5, steps=20), Exponent("beta", 0.02, 2.5, steps=20)

CHINCHILLA = sum_of_powers(
    {"E": {}, "A": {"N": ("alpha", -1)}, "B": {"D": ("beta", -1)}},
    (_ALPHA, _BETA),
    name="chinchilla",
    formula="E + A / N^alpha + B / D^beta",
    source="arXiv 2203.15556",
    cheapest=lambda theta_rp, product_c: cheapest_params(
        theta_rp[:, 1], theta_rp[:, 2], theta_rp[:, 3], theta_rp[:, 4], product_c
    ),
)

CHINCHILLA_TIED = sum_of_powers(
    {"E": {}, "A": {"N": ("alpha", -1)}, "B": {"D": ("alpha", -1)}},
    (Exponent("alpha", 0.02, 2.5, steps=48),),
    name="chinchilla_tied",
    formula="E + A / N^alpha + B / D^alpha",
    source="arXiv 2305.16264, section 4",
    cheapest=lambda theta_rp, product_c: cheapest_params(
        theta_rp[:, 1], theta_rp[:, 2], theta_rp[:, 3], theta_rp[:, 3], product_c
    ),
)


def _gadre_cheapest(theta_rp: Array, product_c: Array) -> Array:
    """The tokens per parameter M at which both prices are equal, M^(2 eta) = b / a, and so N = (N D / M)^(1/2)."""
    _, a, b, eta = theta_rp.T
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        log_m = (np.log(b) - np.log(a)) / (2 * eta)
        log_n = 0.5 * (np.log(product_c) - log_m[:, None])
    return np.where(np.isfinite(log_n), np.exp(np.where(np.isfinite(log_n), log_n, 0.0)), np.nan)


GADRE = sum_of_powers(
    {"E": {}, "a": {"M": ("eta", 1), "C": ("eta", -1)}, "b": {"M": ("eta", -1), "C": ("eta", -1)}},
    (Exponent("eta", 0.01, 1.5, steps=48),),
    name="gadre",
    formula="E + (a M^eta + b M^-eta) C^-eta, M = D / N",
    source="arXiv 2403.08540, equation 4",
    cheapest=_gadre_cheapest,
)

GEMSTONES = sum_of_powers(
    {
        "E": {},
        "W": {"width": ("omega", -1)},
        "Z": {"depth": ("zeta", -1)},
        "A": {"N": ("alpha", -1)},
        "B": {"D": ("beta", -1)},
    },
    tuple(Exponent(name, 0.02, 3.0, steps=12) for name in ("omega", "zeta", "alpha", "beta")),
    name="gemstones",
    formula="E + W / width^omega + Z / depth^zeta + A / N^alpha + B / D^beta",
    source="arXiv 2502.06857",
)

TRANSFERRED = sum_of_powers(
    {"k": {"D_F": ("alpha", 1), "N": ("beta", 1)}},
    (Exponent("alpha", 0.01, 2.0), Exponent("beta", 0.01, 2.0)),
    name="transferred_data",
    formula="k D_F^alpha N^beta",
    source="arXiv 2102.01293, equation 1.1",
    target="D_T",
)
