"""Cards: what was written foretells as the fit did, is made again from its data, and says what has changed."""

import json
from pathlib import Path

import numpy as np
import pytest

from analysis.card import differences, make_card, read_card, study_of, write_card
from analysis.study import Study
from harness.refusal import Refusal
from tests.analysis.worlds import branched_world


@pytest.fixture
def study(tmp_path: Path) -> Study:
    path = tmp_path / "own.csv"
    branched_world(1).drop(columns=["run_id", "phase"]).to_csv(path, index=False)
    return Study(path, bootstrap=60, fitting={"delta": 2e-3, "drop_highest_loss": 2})


def test_a_card_foretells_as_the_fit_does(study: Study, tmp_path: Path) -> None:
    write_card(make_card(study), tmp_path / "card.json")
    card = read_card(tmp_path / "card.json")
    at = {"N": 3e6, "D": 8e6}
    assert card.known.predict(at) == pytest.approx(study.fit.predict(at), rel=1e-15)
    assert np.array_equal(card.known.predict_interval(at), study.fit.predict_interval(at))
    assert card.foretell(at)["loss"] == study.fit.predict(at)[0]
    assert card.known.intervals() == study.fit.intervals()
    assert card.known.certificate == study.fit.certificate


def test_a_card_is_made_again_from_its_data(study: Study, tmp_path: Path) -> None:
    write_card(make_card(study), tmp_path / "card.json")
    card = read_card(tmp_path / "card.json")
    again = study_of(card).fit
    assert differences(card, again) == {}
    assert np.array_equal(again.draws, card.known.draws)
    assert again.excluded == card.known.excluded == {"held out": 1, "among the 2 highest losses": 2}


def test_a_card_says_everything_in_plain_json(study: Study) -> None:
    facts = json.loads(json.dumps(make_card(study).to_json(), allow_nan=False))
    for name in ("law", "parameters", "intervals", "covariance", "objective", "status", "certificate", "rows"):
        assert name in facts
    assert facts["data"]["sha256"]
    assert facts["options"]["delta"] == 2e-3
    assert {"python", "numpy", "scipy", "scalelaw"} == set(facts["versions"])
    assert facts["ranges"]["N"][1] == pytest.approx(1e6)
    matrix = np.array(facts["covariance"]["matrix"])
    assert np.allclose(matrix, matrix.T)
    assert np.allclose(np.sqrt(np.diag(matrix)), list(facts["standard_errors"].values()))


def test_changed_or_lost_data_are_refused(study: Study, tmp_path: Path) -> None:
    write_card(make_card(study), tmp_path / "card.json")
    card = read_card(tmp_path / "card.json")
    study.root.write_text(study.root.read_text() + "\n1,1,1,1,1,False\n")
    with pytest.raises(Refusal, match="has changed"):
        study_of(card)
    study.root.unlink()
    with pytest.raises(Refusal, match="are gone"):
        study_of(card)


@pytest.mark.parametrize("text", ["", "{}", "[]", "{", '{"form": "other"}', '{"form": "scalelaw fit card 1"}'])
def test_what_is_no_card_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "card.json").write_text(text)
    with pytest.raises(Refusal) as caught:
        read_card(tmp_path / "card.json")
    assert "\n" not in str(caught.value)
