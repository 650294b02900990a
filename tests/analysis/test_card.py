"""Cards: what was written foretells as the fit did, is made again from its data, and says what has changed."""

import json
import os
from dataclasses import replace
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
    assert facts["level"] == 0.9
    assert facts["objective_name"] == facts["loss"] == "huber"
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


def test_data_are_found_from_the_card_s_folder(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    away, folder = tmp_path / "away", tmp_path / "kept"
    for place in (away, folder / "data"):
        place.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    card = make_card(replace(study, root=Path("own.csv")))
    assert card.source["path"] == "own.csv"
    monkeypatch.chdir(away)
    assert study_of(card, tmp_path).root == tmp_path / "own.csv"
    (away / "own.csv").write_text("N,D,loss\n1,1,1\n")  # another's table of the same name hides nothing
    assert study_of(card, tmp_path).root == tmp_path / "own.csv"
    beside = replace(card, source=card.source | {"path": os.fspath(Path("gone") / "own.csv")})
    assert study_of(beside, tmp_path).root == tmp_path / "own.csv"
    with pytest.raises(Refusal, match="are gone"):
        study_of(beside, folder)


def test_what_differs_is_named(study: Study) -> None:
    card = make_card(study)
    known = card.known
    width = known.intervals()["E"][1] - known.intervals()["E"][0]

    def with_floor(shift: float) -> dict[str, float]:
        moved = {**known.parameters, "E": known.parameters["E"] + shift * width}
        return differences(card, replace(known, parameters=moved))

    assert with_floor(1e-5) == {}
    assert "E" in with_floor(0.1)
    assert differences(card, replace(known, objective=known.objective * (1 + 1e-8))).keys() == {"objective"}
    assert differences(card, replace(known, objective=known.objective * (1 + 1e-12))) == {}
    other = replace(study, fitting={**study.fitting, "seed": 1}).fit
    assert "the interval of E" in differences(card, other)
    assert "objective" not in differences(card, other)
    none = replace(known, draws=known.draws[:0])
    assert differences(card, none)["the interval of E"] == np.inf
    assert differences(replace(card, known=none), none) == {}


def test_only_what_the_law_asks_for_is_foretold(study: Study) -> None:
    card = make_card(study)
    assert card.foretell({"N": 3e6, "D": 8e6})["at"]["C"] == pytest.approx(6 * 3e6 * 8e6)
    for given, said in (
        ({"N": 3e6, "D": 8e6, "q": 1.0}, "its variables are N, D"),
        ({"N": -3e6, "D": 8e6}, "^N=-3e"),
        ({"N": 3e6, "D": np.inf}, "^D=inf"),
        ({"N": 1e200, "D": 1e200}, "^N=1e.*D=1e"),
    ):
        with pytest.raises(Refusal, match=said):
            card.foretell(given)


def test_a_guess_is_called_one(study: Study) -> None:
    sure, unsure = make_card(study), make_card(replace(study, bootstrap=0))
    assert not unsure.caution({"C": unsure.ranges["C"][0], "aspect": 1e9})
    assert "alpha" in unsure.caution({"C": 100 * unsure.ranges["C"][1]})
    assert "alpha" in unsure.caution({"N": unsure.ranges["N"][0] / 100})
    assert not sure.caution({"C": 100 * sure.ranges["C"][1]}) or not sure.known.identified("alpha")


@pytest.mark.parametrize("text", ["", "{}", "[]", "{", '{"form": "other"}', '{"form": "scalelaw fit card 1"}'])
def test_what_is_no_card_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "card.json").write_text(text)
    with pytest.raises(Refusal) as caught:
        read_card(tmp_path / "card.json")
    assert "\n" not in str(caught.value)
