"""Every law in the catalogue: derivatives, bounds, conversions, and the truth found again in a table without noise."""

import numpy as np
import pytest

from analysis.fit import fit
from analysis.laws import LAWS
from harness.refusal import Refusal
from tests.analysis.catalogue import TRUTHS, design, truth


def test_every_law_has_a_planted_truth() -> None:
    assert set(TRUTHS) == set(LAWS)
    assert len(LAWS) >= 14


@pytest.mark.parametrize("name", LAWS)
def test_noiseless_truth_is_recovered_and_certified(name: str) -> None:
    law, table = LAWS[name], design(name)
    result = fit(law, table.assign(**{law.target: law.predict(truth(name), table)}), bootstrap=0)
    assert result.converged, result.certificate
    found, planted = result.theta, truth(name)
    scales = np.isin(law.parameters, [name for name in law.parameters if name in law.scales])
    assert found[~scales] == pytest.approx(planted[~scales], abs=1e-6, rel=1e-6)
    assert np.log(found[scales]) == pytest.approx(np.log(planted[scales]), abs=1e-6, rel=1e-6)


@pytest.mark.parametrize("name", LAWS)
def test_declared_derivatives_match_differences(name: str) -> None:
    law, table = LAWS[name], design(name)
    columns = {variable: table[variable].to_numpy() / table[variable].min() for variable in law.variables}
    columns |= {name: table[name].to_numpy() / table[other].min() for name, other in law.centred_with.items()}
    middle = np.array([[0.5 * (max(e.low, -1.0, 0.1 * (e.low >= 0)) + min(e.high, 1.0)) for e in law.exponents]])
    middle += 0.03 * np.arange(1, middle.shape[1] + 1)  # off the symmetric points, where derivatives vanish
    basis, step = law.basis(middle, columns, 2), 1e-5
    weights = np.linspace(0.5, 1.5, len(table))[None]
    for i in range(middle.shape[1]):
        ahead, behind = middle.copy(), middle.copy()
        ahead[0, i] += step
        behind[0, i] -= step
        after, before = law.basis(ahead, columns, 1), law.basis(behind, columns, 1)
        first = (after.value_rkn - before.value_rkn) / (2 * step)
        size = np.abs(first).max() + 1e-12
        np.testing.assert_allclose(basis.first_rkxn[:, :, i], first, rtol=1e-5, atol=1e-7 * size)
        second = np.einsum("rn,rkxn->rkx", weights, after.first_rkxn - before.first_rkxn) / (2 * step)
        np.testing.assert_allclose(basis.second(weights)[..., i], second, rtol=1e-5, atol=1e-6 * np.abs(second).max())


@pytest.mark.parametrize("name", LAWS)
def test_orders_of_derivatives_agree(name: str) -> None:
    law, table = LAWS[name], design(name)
    columns = {variable: table[variable].to_numpy() / table[variable].min() for variable in law.variables}
    settings = law.grid()[::97]
    bases = [law.basis(settings, columns, order) for order in (0, 1, 2)]
    assert all(np.array_equal(basis.value_rkn, bases[0].value_rkn) for basis in bases)
    assert np.array_equal(bases[1].first_rkxn, bases[2].first_rkxn)


@pytest.mark.parametrize("name", LAWS)
def test_centring_and_back_changes_nothing(name: str) -> None:
    law, table = LAWS[name], design(name)
    centre = {variable: 2.0 + i for i, variable in enumerate(law.variables)}
    centre |= {name: centre[other] for name, other in law.centred_with.items()}
    planted = truth(name)[None]
    centred = law.from_natural(planted, centre)
    np.testing.assert_allclose(law.to_natural(centred, centre), planted, rtol=1e-10)
    count = len(law.coefficients)
    columns = {variable: table[variable].to_numpy() / centre[variable] for variable in law.variables}
    value_rkn = law.basis(centred[:, count:], columns, 0).value_rkn
    np.testing.assert_allclose((centred[:, None, :count] @ value_rkn)[0, 0], law.predict(planted[0], table), rtol=1e-10)


@pytest.mark.parametrize("name", LAWS)
def test_every_law_is_declared_in_full(name: str) -> None:
    law = LAWS[name]
    assert law.name == name
    assert law.source.startswith("arXiv ")
    assert all(parameter in law.formula for parameter in law.parameters)
    assert all(exponent.low < exponent.high for exponent in law.exponents)
    assert set(law.scales) <= set(law.parameters)
    with pytest.raises(Refusal, match=f"needs {law.variables[0]}"):
        law.predict(truth(name), {"something else": 1.0})


@pytest.mark.parametrize("name", [name for name, law in LAWS.items() if law.cheapest is not None])
def test_the_optimum_in_closed_form_is_the_least_loss(name: str) -> None:
    law, product = LAWS[name], np.array([1e11, 1e13])
    assert law.cheapest is not None
    planted = dict(zip(law.parameters, truth(name), strict=True))
    for budget, best in zip(product, law.cheapest(truth(name)[None], product)[0], strict=True):
        n = best * np.exp(np.linspace(-1, 1, 2001))
        shape = {"aspect": planted["rho"] * n ** planted["drift"]} if "aspect" in law.variables else {}
        counts = {"N": n, "D": budget / n, "M": budget / n**2, "C": np.full_like(n, 6 * budget)}
        losses = law.predict(truth(name), counts | shape)
        assert losses.argmin() == pytest.approx(1000, abs=1)


def test_repeated_data_as_published() -> None:
    """arXiv 2305.16264's own constants give its own losses (its released code's check values)."""
    published = {"E": np.exp(0.6254804), "A": np.exp(6.255414), "B": np.exp(7.3049974), "alpha": 0.3526596}
    published |= {"R_D": 15.387756, "R_N": 5.309743}
    law = LAWS["repeated"]
    theta = np.array([published[name] for name in law.parameters])
    found = law.predict(theta, {"N": [6.34e9, 8.67e9], "D": [242e9, 178e9], "U": [25e9, 25e9]})
    assert found == pytest.approx([2.2256440889984477, 2.2269634075087867], rel=1e-9)


def test_tokens_read_once_are_worth_themselves() -> None:
    law, tied = LAWS["repeated"], LAWS["chinchilla_tied"]
    planted = dict(zip(law.parameters, truth("repeated"), strict=True))
    plain = np.array([planted[name] for name in tied.parameters])
    small = {"N": np.array([1e5, 3e5]), "D": np.array([1e8, 1e8])}  # fewer parameters than the tokens can use
    assert law.predict(truth("repeated"), small | {"U": small["D"]}) == pytest.approx(tied.predict(plain, small))
    assert (law.predict(truth("repeated"), small | {"U": small["D"] / 30}) > tied.predict(plain, small)).all()
