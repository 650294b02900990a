"""Laws from the command: someone's own table in, a law, its card and its page out, and one line for every mistake."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sweeps.__main__ import main
from tests.analysis.worlds import TRUTH, branched_world, planted_loss


@pytest.fixture
def points(tmp_path: Path) -> Path:
    """A published-looking table: sizes, FLOPs and losses, five of which are out of place."""
    random = np.random.default_rng(0)
    n, d = (axis.ravel() for axis in np.meshgrid(np.geomspace(1e4, 3e6, 10), np.geomspace(2e5, 2e7, 8)))
    loss = planted_loss(n, d) * np.exp(0.005 * random.standard_normal(len(n)))
    loss[:5] *= 3
    path = tmp_path / "points.csv"
    pd.DataFrame({"Model Size": n, "Training FLOP": 6 * n * d, "loss": loss}).to_csv(path, index=False)
    return path


COLUMNS = ("--columns", "params=Model Size,flops=Training FLOP,loss=loss", "--drop-highest-loss", "5")


def answer(capsys: pytest.CaptureFixture[str], *words: str | Path) -> Any:
    assert main([*map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_table_of_one_s_own(points: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--law", "chinchilla", "--objective", "huber", "--delta", "1e-3", "--bootstrap", "100")
    found = answer(capsys, "fit", points, *options, *COLUMNS)
    assert set(found["parameters"]) == set(TRUTH)
    assert found["rows"] == 75
    assert found["excluded"] == {"among the 5 highest losses": 5}
    assert "converged" in found["status"]
    assert found["objective"] > 0
    assert found["data"]["derived"] == {"tokens": "flops_given / (6 params_given)"}
    for name, (low, high) in found["intervals"].items():
        assert low < found["parameters"][name] < high
        assert low < TRUTH[name] * 1.2
        assert high > TRUTH[name] / 1.2


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".tsv"])
def test_every_kind_of_file_gives_the_same_law(
    points: Path, suffix: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    table, other = pd.read_csv(points), tmp_path / f"points{suffix}"
    writers = {
        ".parquet": lambda: table.to_parquet(other),
        ".jsonl": lambda: table.to_json(other, orient="records", lines=True, double_precision=15),
        ".tsv": lambda: table.to_csv(other, sep="\t", index=False),
    }
    writers[suffix]()
    one, two = (answer(capsys, "fit", path, "--bootstrap", "5", *COLUMNS) for path in (points, other))
    assert two["parameters"] == pytest.approx(one["parameters"], rel=1e-6)


def test_a_card_recreates_the_fit_and_foretells(
    points: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    card = tmp_path / "cards" / "card.json"
    first = answer(capsys, "fit", points, "--bootstrap", "60", "--card", card, *COLUMNS)
    again = answer(capsys, "fit", card)
    assert again["recreated"] is True
    assert again["parameters"] == first["parameters"]
    assert again["intervals"] == first["intervals"]
    at = answer(capsys, "predict", card, "--at", "N=1e6,D=1e7")
    assert at["loss"] == pytest.approx(planted_loss(1e6, 1e7), rel=0.01)
    assert at["new_trunk_interval"][0] < at["curve_interval"][0] < at["loss"]
    best = answer(capsys, "predict", card, "--budget", "1e13", "1e15")
    assert [one["flops"] for one in best] == [1e13, 1e15]
    assert best[0]["params"][0] * best[0]["tokens"][0] * 6 == pytest.approx(1e13)
    assert best[0]["params"][1] < best[0]["params"][0] < best[0]["params"][2]
    points.write_text(points.read_text().replace("loss", "loss ", 1))
    assert main(["fit", str(card)]) == 2
    assert "has changed" in capsys.readouterr().err


def test_everything_at_once_in_words(points: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["--budget", "1e14", "--profile", "alpha", "--isoflop", "--conventions", "--out", str(tmp_path / "page")]
    assert main(["fit", str(points), "--bootstrap", "40", *words, *COLUMNS]) == 0
    said = capsys.readouterr().out
    for piece in ("alpha", "compute-optimal", "profile likelihood", "approach 3", "given", "report:"):
        assert piece in said
    page = (tmp_path / "page" / "report.html").read_text()
    assert "How sure" in page
    assert "sha256" in page
    assert "Zero-shot" not in page
    assert (tmp_path / "page" / "surface.png").stat().st_size > 5_000


def test_a_bake_off_names_who_loses(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    branched_world(1).drop(columns=["run_id", "phase"]).to_csv(path, index=False)
    found = answer(capsys, "fit", path, "--bootstrap", "20", "--bake-off", "--holdout")
    assert {"top_compute", "largest_models", "largest_data"} <= {split["name"] for split in found["bake_off"]["splits"]}
    assert found["holdout"][0]["beyond"] == pytest.approx(12)


MISTAKES = [
    (("fit", "none.csv"), "none.csv"),
    (("fit", "POINTS", "--columns", "params"), "NAME=VALUE"),
    (("fit", "POINTS", "--columns", "params=Model Siz,loss=loss"), "Model Size"),
    (("fit", "POINTS", "--law", "chinchila", *COLUMNS), "chinchilla"),
    (("fit", "POINTS", "--law", "gemstones", *COLUMNS), "no column 'width'"),
    (("fit", "POINTS", "--objective", "hubber", *COLUMNS), "huber"),
    (("fit", "POINTS", "--delta", "-1", *COLUMNS), "delta=-1"),
    (("fit", "POINTS", "--delta", "x", *COLUMNS), "--delta"),
    (("fit", "POINTS", "--drop-highest-loss", "78", *COLUMNS[:2]), "2 usable rows"),
    (("fit", "POINTS", "--weights", "w", *COLUMNS), "no column 'w'"),
    (("fit", "POINTS", "--profile", "gamma", *COLUMNS), "gamma"),
    (("fit", "POINTS", "--convention", "kaplan", *COLUMNS), "params_block"),
    (("fit", "POINTS", "--holdout", *COLUMNS), "no rung is held out"),
    (("fit", "POINTS", "--budget", "-5", *COLUMNS), "positive"),
    (("predict", "POINTS", "--at", "N=x", *COLUMNS), "not a number"),
    (("predict", "POINTS", "--at", "N=1e6", *COLUMNS), "needs D"),
    (("predict", "CARD"), "not a fit card"),
    (("fit", "ladder", "--columns", "loss=x"), "names the columns of a table"),
]


@pytest.mark.parametrize(("words", "said"), MISTAKES, ids=[" ".join(words)[:60] for words, _ in MISTAKES])
def test_a_mistake_gets_one_line(
    points: Path, words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "card.json").write_text("{}")
    named = {"POINTS": str(points), "CARD": str(tmp_path / "card.json")}
    bootstrap = ["--bootstrap", "10"]
    assert main([named.get(word, word) for word in words] + bootstrap) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert not out
