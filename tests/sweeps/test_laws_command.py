"""Laws from the command: someone's own table in, a law, its card and its page out, and one line for every mistake."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.wording import estimate, power_of_ten, rounded, three_digits
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


def test_numbers_of_any_size_stay_short() -> None:
    assert [power_of_ten(x) for x in (5.76e23, 9.999e22, 1.5e20)] == ["5.76·10²³", "10²³", "1.5·10²⁰"]
    assert [three_digits(x) for x in (1338, 1072, 0.012345, 8.25)] == ["1340", "1070", "0.0123", "8.25"]
    assert rounded(2.123456789, 1e-16) == "2.12346"
    assert rounded(1234567.0, 1e-9) == "1,234,570"
    assert rounded(0.0, 1e-12) == "0.00000"
    assert estimate(1.5e200, 1e200, 2e200) == ("1.5e+200", "1e+200 to 2e+200")
    assert estimate(1.5e-200, 1e-200, 2e-200) == ("1.5e-200", "1e-200 to 2e-200")
    assert estimate(-2e9, float("nan"), 1.0) == ("-2e+09", "no interval")


@pytest.mark.parametrize("column", ["loss [/nats]", "loss [nats]", "loss [bold]:x:"])
def test_names_of_columns_are_no_markup(
    points: Path, column: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "named.csv"
    pd.read_csv(points).rename(columns={"loss": column}).to_csv(path, index=False)
    named = f"params=Model Size,flops=Training FLOP,loss={column}"
    assert main(["fit", str(path), "--bootstrap", "0", "--columns", named]) == 0
    assert f"loss: {column!r}" in capsys.readouterr().out


def test_a_row_is_a_line_where_no_terminal_is(points: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("--budget", "5.76e23", "1e14", "--conventions")
    assert main(["fit", str(points), "--bootstrap", "40", *asked, *COLUMNS]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line for line in lines if line.strip().startswith(("5.76·10²³ ", "10¹⁴ "))]
    assert len(rows) == 2
    for row in rows:
        assert row.count("(") == row.count(")") == 5
    assert [line.count(" to ") for line in lines if line.startswith("given ")] == [6]


def test_what_the_fit_does_not_know_is_said_once(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    random, path = np.random.default_rng(0), tmp_path / "noise.csv"
    table = branched_world(1)[["N", "D", "trunk_id", "loss"]]
    table.assign(loss=3 * np.exp(0.2 * random.standard_normal(len(table)))).to_csv(path, index=False)
    words = ("fit", path, "--bootstrap", "40", "--budget", "1e20", "1e21")
    found = answer(capsys, *words)
    assert found["not_identified"]
    assert found["budget"][0]["params"] == [None] * 3
    assert "beyond the fitted rows" in found["budget"][1]["caution"]
    assert main([*map(str, words)]) == 0
    said = capsys.readouterr().out
    assert "not known" in said
    assert sum(line.startswith("N*, ") for line in said.splitlines()) == 1
    assert sum(line.startswith("caution: ") for line in said.splitlines()) == 1
    at = answer(capsys, "predict", *words[1:4], "--at", "params=1e9,tokens=2e10")
    assert "alpha" in at["caution"]
    assert "caution" not in answer(capsys, "predict", *words[1:4], "--at", "N=1e5,D=1e6")


def test_the_shape_stands_beside_the_size(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    axes = np.meshgrid([2.0, 4, 8, 16], [64.0, 128, 256, 512], [1e6, 1e7, 1e8])
    depth, width, tokens = (axis.ravel() for axis in axes)
    n, noise = 12 * depth * width**2, 0.001 * np.random.default_rng(0).standard_normal(48)
    loss = (planted_loss(n, tokens) + 5 * np.log(width / depth / 30) ** 2 / n**0.35) * np.exp(noise)
    path = tmp_path / "shapes.csv"
    pd.DataFrame({"N": n, "D": tokens, "depth": depth, "width": width, "loss": loss}).to_csv(path, index=False)
    assert main(["fit", str(path), "--law", "shape", "--bootstrap", "30", "--budget", "1e15"]) == 0
    lines = capsys.readouterr().out.splitlines()
    heading = next(line for line in lines if "FLOPs " in line).split()
    assert heading.index("aspect") < heading.index("depth") < heading.index("width")


def test_a_card_answers_as_its_table_does(points: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    card = tmp_path / "card.json"
    asked = ("--budget", "1e13", "--profile", "alpha", "--isoflop", "--conventions")
    first = answer(capsys, "fit", points, "--bootstrap", "40", "--card", card, *asked, *COLUMNS)
    again = answer(capsys, "fit", card, *asked, "--card", tmp_path / "second.json")
    assert again["recreated"] is True
    for name in ("budget", "profile", "isoflop", "conventions", "intervals", "options"):
        assert again[name] == first[name]
    assert answer(capsys, "fit", tmp_path / "second.json")["parameters"] == first["parameters"]
    assert main(["fit", str(card), "--holdout"]) == 2
    assert "no rung is held out" in capsys.readouterr().err
    quick = ("--without", "bake-off", "isoflop", "profile", "conventions")
    assert answer(capsys, "report", card, *quick)["report"] == str(tmp_path / "card" / "report" / "report.html")
    page = (tmp_path / "card" / "report" / "report.html").read_text()
    assert "75 independent rows" in page
    assert points.name in page


def test_a_card_of_another_seed_does_not_come_out(
    points: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    card = tmp_path / "card.json"
    answer(capsys, "fit", points, "--bootstrap", "40", "--card", card, *COLUMNS)
    facts = json.loads(card.read_text())
    facts["options"]["seed"] = 1
    card.write_text(json.dumps(facts))
    for command in ("fit", "report"):
        assert main([command, str(card)]) == 2
        assert "does not come out again: the interval of" in capsys.readouterr().err


REFITTING = [
    ("--law", "kaplan"),
    ("--objective", "lad"),
    ("--delta", "0.01"),
    ("--bootstrap", "0"),
    ("--columns", "loss=x"),
    ("--weights", "w"),
    ("--noise", "w"),
    ("--drop-highest-loss", "0"),
    ("--seed", "0"),
    ("--convention", "given"),
    ("--phase", "all"),
]


@pytest.mark.parametrize("option", REFITTING, ids=lambda option: option[0])
@pytest.mark.parametrize("command", ["fit", "predict", "report"])
def test_a_card_is_not_fitted_otherwise(
    command: str, option: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "card.json", *option]) == 2
    err = capsys.readouterr().err
    assert f"{option[0]} {option[1]}: the card card.json says already" in err
    assert len(err.splitlines()) == 1


def test_without_resamplings_there_are_values_and_no_intervals(
    points: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["fit", str(points), "--bootstrap", "0", "--budget", "1e13", *COLUMNS]
    found = answer(capsys, *words)
    assert found["bootstrap"] == 0
    assert set(map(tuple, found["intervals"].values())) == {(None, None)}
    assert main(words) == 0
    said = capsys.readouterr().out
    assert f"alpha = {found['parameters']['alpha']:.3g}, not identified: no bootstrap" in said
    assert "no intervals" in said


def test_a_phase_chooses_the_rows(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path, world = tmp_path / "own.csv", branched_world(1)
    world.assign(phase=np.where(np.arange(len(world)) < 20, "stable", "decayed")).to_csv(path, index=False)
    rows = {name: answer(capsys, "fit", path, "--bootstrap", "0", *more)["rows"] for name, more in PHASES.items()}
    assert rows == {"default": 44, "decayed": 44, "stable": 20, "all": 64}


PHASES = {"default": ()} | {name: ("--phase", name) for name in ("decayed", "stable", "all")}


def test_settings_and_budgets_are_answered_together(
    points: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    card = tmp_path / "card.json"
    answer(capsys, "fit", points, "--bootstrap", "40", "--card", card, *COLUMNS)
    at = answer(capsys, "predict", card, "--at", "N=1e6,D=1e7")
    budget = answer(capsys, "predict", card, "--budget", "1e13")
    assert answer(capsys, "predict", card, "--at", "params=1e6", "tokens=1e7") == at
    both = answer(capsys, "predict", card, "--at", "N=1e6,D=1e7", "--budget", "1e13")
    assert both == {"at": at, "budget": budget}
    assert main(["predict", str(card), "--at", "N=1e6,D=1e7", "--budget", "1e13"]) == 0
    said = capsys.readouterr().out
    assert "loss at N 1M" in said
    assert "compute-optimal" in said


def test_an_output_without_our_letters_shows_others(points: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding="ascii", write_through=True))
    assert main(["predict", str(points), "--bootstrap", "0", "--budget", "1e13", *COLUMNS]) == 0
    assert b"compute-optimal" in out.getvalue()
    assert b"10??" in out.getvalue()


MISTAKES = [
    (("fit", "nosuch.csv"), "nosuch.csv does not exist"),
    (("report", "some/where"), "some/where does not exist"),
    (("fit", "POINTS", "--card", "card.txt", *COLUMNS), "does not end in .json"),
    (("fit", "POINTS", "--columns", "loss=a", "loss=b"), "--columns names loss twice"),
    (("predict", "POINTS", "--at", "N=1e6,params=2e6", *COLUMNS), "--at names N twice"),
    (("predict", "POINTS", "--at", "N=1e6,D=1e7,q=1", *COLUMNS), "its variables are N, D"),
    (("predict", "POINTS", "--at", "N=1e6,D=-1e7", *COLUMNS), "D=-1e+07"),
    (("predict", "POINTS", "--at", "N", *COLUMNS), "--at N=1e9,D=2e10"),
    (("fit", "POINTS", "--phase", "stable", *COLUMNS), "phase is not stable"),
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
    bootstrap = [] if "CARD" in words else ["--bootstrap", "10"]
    assert main([named.get(word, word) for word in words] + bootstrap) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert not out
