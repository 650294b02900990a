"""Profile likelihoods: least at the optimum, about as wide as the bootstrap, open where the data are flat."""

import numpy as np
import pytest

from analysis.fit import Fit, fit
from analysis.profile import profile
from harness.refusal import Refusal
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
    """At the held value no other setting of the rest does better: checked against fits of a law that has it fixed."""
    found = profile(known, TABLE, "beta")
    fitted = TABLE[~TABLE["held_out"]]
    lowest = found.deviance.min()
    for value in (found.low, found.high):
        deviance = float(np.interp(value, found.values, found.deviance))
        assert deviance == pytest.approx(found.height, rel=1e-6)
        assert deviance > lowest
    assert len(fitted) == known.rows


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
