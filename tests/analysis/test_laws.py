"""Every law in the catalogue: derivatives, bounds, conversions, and the truth found again in a table without noise."""

import numpy as np
import pandas as pd
import pytest

from analysis.fit import fit
from analysis.laws import LAWS
from analysis.laws.law import Law
from harness.refusal import Refusal

PLANTED = {
    "E": 1.2,
    "A": 25.0,
    "B": 80.0,
    "alpha": 0.35,
    "beta": 0.40,
    "K": 0.6,
    "F": 0.8,
    "kappa": 1.3,
    "k": 0.7,
}
# A is the whole loss in a law without a floor, and compute spans more decades than size does.
PLANTED_FOR = {"power_C": {"A": 12.0, "alpha": 0.05}, "power_floor_C": {"A": 300.0, "alpha": 0.2}}


def grid_table() -> pd.DataFrame:
    n, d = (axis.ravel() for axis in np.meshgrid(np.geomspace(1e4, 3e6, 7), np.geomspace(2e5, 4e6, 5)))
    return pd.DataFrame({"N": n, "D": d, "C": 6 * n * d, "S": 1.0 + 30 / n**0.3 + 90 / d**0.4})


def planted(law: Law) -> np.ndarray:
    values = PLANTED | PLANTED_FOR.get(law.name, {})
    return np.array([values[name] for name in law.parameters])


@pytest.mark.parametrize("name", LAWS)
def test_noiseless_truth_is_recovered_and_certified(name: str) -> None:
    law, table = LAWS[name], grid_table()
    result = fit(law, table.assign(loss=law.predict(planted(law), table)), bootstrap=0)
    assert result.converged
    assert result.theta == pytest.approx(planted(law), rel=1e-6)


@pytest.mark.parametrize("name", LAWS)
def test_declared_derivatives_match_differences(name: str) -> None:
    law, table = LAWS[name], grid_table()
    columns = {variable: table[variable].to_numpy() / table[variable].min() for variable in law.variables}
    middle = np.array([[0.5 * (max(e.low, 0.1) + min(e.high, 1.0)) for e in law.exponents]])
    basis, step = law.basis(middle, columns, True), 1e-5
    weights = np.linspace(0.5, 1.5, len(table))[None]
    for i in range(middle.shape[1]):
        ahead, behind = middle.copy(), middle.copy()
        ahead[0, i] += step
        behind[0, i] -= step
        after, before = law.basis(ahead, columns, True), law.basis(behind, columns, True)
        first = (after.value_rnk - before.value_rnk) / (2 * step)
        np.testing.assert_allclose(basis.first_rnkx[..., i], first, rtol=1e-5, atol=1e-7)
        second = np.einsum("rn,rnkx->rkx", weights, after.first_rnkx - before.first_rnkx) / (2 * step)
        np.testing.assert_allclose(basis.second(weights)[..., i], second, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", LAWS)
def test_centring_and_back_changes_nothing(name: str) -> None:
    law = LAWS[name]
    centre = {variable: 2.0 + i for i, variable in enumerate(law.variables)}
    truth = planted(law)[None]
    np.testing.assert_allclose(law.to_natural(law.from_natural(truth, centre), centre), truth, rtol=1e-12)


@pytest.mark.parametrize("name", LAWS)
def test_every_law_is_declared_in_full(name: str) -> None:
    law = LAWS[name]
    assert law.name == name
    assert law.source.startswith("arXiv ")
    assert all(parameter in law.formula for parameter in law.parameters)
    assert all(exponent.low < exponent.high for exponent in law.exponents)
    with pytest.raises(Refusal, match=f"needs {law.variables[0]}"):
        law.predict(planted(law), {"something else": 1.0})


@pytest.mark.parametrize("name", [name for name, law in LAWS.items() if law.cheapest is not None])
def test_the_optimum_in_closed_form_is_the_least_loss(name: str) -> None:
    law, product = LAWS[name], np.array([1e11, 1e13])
    assert law.cheapest is not None
    for budget, best in zip(product, law.cheapest(planted(law)[None], product)[0], strict=True):
        n = best * np.exp(np.linspace(-1, 1, 2001))
        losses = law.predict(planted(law), {"N": n, "D": budget / n})
        assert losses.argmin() == pytest.approx(1000, abs=1)
