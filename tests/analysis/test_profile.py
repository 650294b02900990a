"""Profile likelihoods: least at the optimum, about as wide as the bootstrap, open where the data are flat."""

import numpy as np
import pytest

from analysis.fit import Fit, fit
from analysis.laws import LAWS
from analysis.laws.law import Exponent
from analysis.laws.powers import sum_of_powers
from analysis.profile import profile
from harness.refusal import Refusal
from tests.analysis.catalogue import design, truth
from tests.analysis.worlds import branched_world

TABLE = branched_world(1)


@pytest.fixture(scope="module")
def known() -> Fit:
    return fit("chinchilla", TABLE, bootstrap=300)


@pytest.mark.parametrize("name", ["E", "A", "B", "alpha", "beta"])
def test_a_profile_is_least_at_its_optimum_and_as_wide_as_the_bootstrap(known: Fit, name: str) -> None:
    found = profile(known, TABLE, name)
    at = found.values[found.deviance.argmin()]
    assert at == pytest.approx(known.parameters[name], rel=0.02)
    low, high = known.intervals()[name]
    assert found.low < known.parameters[name] < found.high
    assert np.log(found.high / found.low) == pytest.approx(np.log(high / low), rel=0.35)


def test_a_profile_holds_the_other_parameters_at_their_best(known: Fit) -> None:
    """Held at another value, the rest is fitted anew: as a law with that value in it is."""
    found = profile(known, TABLE, "beta")
    fitted = TABLE[~TABLE["held_out"]]
    at = [i for i in (5, 20, 40, 55) if i < len(found.values)]
    excess = []
    for i in at:
        held = sum_of_powers(
            {"E": {}, "A": {"N": ("alpha", -1)}, "B": {"X": ("one", 1)}},
            (Exponent("alpha", 0.02, 2.5), Exponent("one", 1.0, 1.0 + 1e-12, steps=1)),
            name="held",
            formula="",
            source="",
        )
        table = fitted.assign(X=(fitted["D"] / 1e6) ** -found.values[i])
        excess.append(2 * (fit(held, table, bootstrap=0).objective - known.objective))
    scale = found.deviance[at[0]] / excess[0]
    assert found.deviance[at] == pytest.approx(scale * np.array(excess), rel=1e-3)


@pytest.mark.parametrize("name", ["A", "S", "B", "drift"])
def test_scales_have_profiles_that_are_least_at_their_optimum(name: str) -> None:
    random = np.random.default_rng(0)
    table = design("shape")
    loss = LAWS["shape"].predict(truth("shape"), table) * np.exp(0.003 * random.standard_normal(len(table)))
    shaped = fit("shape", table.assign(loss=loss), bootstrap=100)
    found = profile(shaped, table.assign(loss=loss), name)
    at = float(np.interp(shaped.parameters[name], found.values, found.deviance))
    assert at == pytest.approx(0, abs=0.02)
    assert found.values[found.deviance.argmin()] == pytest.approx(shaped.parameters[name], rel=0.05)


def test_what_the_data_do_not_bound_has_an_open_end() -> None:
    wide = branched_world(4, trunks=40)
    narrow = wide[wide["N"].between(1e5, 2.5e5)]
    found = profile(fit("chinchilla", narrow, bootstrap=200), narrow, "alpha")
    assert any(found.open_ends) or found.high > 2 * found.low


def test_what_has_no_profile_is_refused_in_one_line(known: Fit) -> None:
    with pytest.raises(Refusal, match="alpha"):
        profile(known, TABLE, "alhpa")
    with pytest.raises(Refusal, match="--bootstrap"):
        profile(fit("chinchilla", TABLE, bootstrap=0), TABLE, "alpha")
    with pytest.raises(Refusal, match="profile one of"):
        profile(fit("coupled", TABLE, bootstrap=50), TABLE, "B")
