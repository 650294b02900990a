"""Comparisons: only what differs, differences with their noise, planted gaps found, no heavy imports for two runs."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.compare import Comparison, Score, compare, text_plot
from harness.record import Run, read_runs
from harness.refusal import Refusal
from tests.analysis.planted import BUDGETS, SCORE_STDERR, SHAPES, write_planted


@pytest.fixture(scope="module")
def finished(planted: Path) -> list[Run]:
    return [run for run in read_runs(planted) if run.done]


@pytest.fixture(autouse=True)
def few_replicates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analysis.compare.BOOTSTRAP", 20)


def score(comparison: Comparison, name: str) -> Score:
    return next(score for score in comparison.scores if score.name == name)


def test_only_what_differs_is_listed(finished: list[Run]) -> None:
    first, second = finished[0], finished[1]
    assert compare(first.folder, second.folder).differs == {"tokens": (first.spec.tokens, second.spec.tokens)}
    assert "no spec field differs" in str(compare(first.folder, first.folder))


def test_what_follows_from_other_fields_is_not_listed(finished: list[Run]) -> None:
    narrow, wide = (next(run for run in finished if run.spec.width == width) for width in (16, 64))
    differs = compare(narrow.folder, wide.folder).differs
    assert "width" in differs
    assert not {"mlp_width", "kv_heads", "base_width"} & differs.keys()


def test_differences_stand_beside_their_noise(finished: list[Run]) -> None:
    found = score(compare(finished[0].folder, finished[-2].folder, finished[0].folder), "lm_sotu/nll")
    gap = finished[-2].points[-1].scores["lm_sotu/nll"] - finished[0].points[-1].scores["lm_sotu/nll"]
    assert found.differences[1] == pytest.approx(gap)
    assert found.difference_stderrs[1] == pytest.approx(math.sqrt(2) * SCORE_STDERR)
    assert found.verdicts == ("", "beyond noise", "within noise")


def test_json_and_text_say_the_same(finished: list[Run]) -> None:
    comparison = compare(finished[0].folder, finished[4].folder)
    plain = json.loads(comparison.to_json())
    assert plain["sides"] == [finished[0].run_id, finished[4].run_id]
    assert {entry["name"] for entry in plain["scores"]} >= {"lm_sotu/nll", "lm_wiki/bpb"}
    assert all(entry["name"] in str(comparison) for entry in plain["scores"])
    assert plain["scores"][0]["differences"][0] is None


def test_a_run_without_points_is_refused_with_its_reason(planted: Path, finished: list[Run]) -> None:
    lost = next(run for run in read_runs(planted) if run.failure)
    with pytest.raises(Refusal, match="loss was nan"):
        compare(finished[0].folder, lost.folder)


def test_runs_do_not_compare_with_sweeps(planted: Path, finished: list[Run]) -> None:
    with pytest.raises(Refusal, match="is a sweep"):
        compare(planted, finished[0].folder)


def test_sweeps_are_matched_by_what_they_share(planted: Path, tmp_path: Path) -> None:
    other = write_planted(tmp_path / "second", shapes=SHAPES[:5], seed=1, weight_decay=0.0, heads=1)
    comparison = compare(planted, other)
    assert comparison.differs["weight_decay"] == ("0.1", "0.0")
    assert set(comparison.differs) == {"weight_decay"}
    # Shapes up to width 16 .. 31 have one head in both sweeps; wider ones differ in heads and have no partner.
    matched = sum(max(1, width // 16) == 1 for _, width in SHAPES[:5]) * len(BUDGETS)
    assert any(note.startswith(f"{matched} rungs are matched") for note in comparison.notes)


def test_a_planted_gap_between_sweeps_is_found_and_none_is_not(planted: Path, tmp_path: Path) -> None:
    same = write_planted(tmp_path / "same", seed=2, weight_decay=0.0)
    worse = write_planted(tmp_path / "worse", seed=3, weight_decay=0.0, lines={"wiki": (1.2, 0.6)})
    assert score(compare(planted, same), "lm_sotu/nll").verdicts[1] == "within noise"
    found = score(compare(planted, worse), "lm_wiki/bpb")
    assert found.verdicts[1] == "beyond noise"
    assert found.differences[1] == pytest.approx(0.1, abs=0.02)


def test_few_trunks_need_a_larger_difference() -> None:
    values, differences, errors = (2.0, 2.1), (math.nan, 0.1), (math.nan, 0.1 / 2.5)
    assert Score("x", values, errors, differences, errors).verdicts[1] == "beyond noise"
    assert Score("x", values, errors, differences, errors, threshold=2.78).verdicts[1] == "within noise"


def test_laws_stand_side_by_side(planted: Path, tmp_path: Path) -> None:
    other = write_planted(tmp_path / "tiny", shapes=SHAPES[:1], held_out=False)
    laws = compare(planted, other).laws
    assert set(laws["planted"]) == {"E", "A", "B", "alpha", "beta"}
    assert "usable rows" in laws["tiny"]["law"]


def test_curves_are_drawn_where_asked(finished: list[Run], tmp_path: Path) -> None:
    compare(finished[0].folder, finished[4].folder, out=tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"curves.svg", "curves.png"}


def test_the_text_plot_keeps_its_frame_and_shows_every_curve(finished: list[Run]) -> None:
    curves = compare(finished[0].folder, finished[4].folder).curves
    lines = text_plot(curves, "D")
    assert max(map(len, lines)) <= 80
    assert any("o" in line for line in lines[1:])
    assert any("x" in line for line in lines[1:])
    assert text_plot([], "D") == ["no losses to plot"]


def test_two_runs_compare_without_heavy_imports(finished: list[Run]) -> None:
    code = (
        "import sys; from pathlib import Path; from analysis.compare import compare; "
        f"str(compare(Path({str(finished[0].folder)!r}), Path({str(finished[1].folder)!r}))); "
        "print([name for name in ('torch', 'pandas', 'optuna', 'lightning', 'matplotlib') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
