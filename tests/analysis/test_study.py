"""One folder, every question: what stands in it foretells what does not stand yet."""

from pathlib import Path

import pytest

from analysis.study import Study


def test_rungs_to_come_are_foretold_with_an_interval(planted: Path) -> None:
    study = Study(planted, bootstrap=100)
    specs = [run.spec for run in study.runs if run.done]
    measured = study.decayed.set_index("run_id")["loss"]
    for spec, (loss, low, high) in zip(specs, study.foretell(specs), strict=True):
        assert low < loss < high
        assert loss == pytest.approx(measured[spec.run_id], rel=0.05)


def test_a_law_is_fitted_once(planted: Path) -> None:
    study = Study(planted, bootstrap=20)
    assert study.fit is study.fit
    assert study.forecast.fit is study.fit
