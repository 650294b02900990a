"""Copies differ from their control in the first copy alone; a copying circuit has its closed form, a table no gain."""

import math
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

from harness.record import read_runs
from harness.refusal import Refusal
from harness.tasks.choice import Choice
from harness.tasks.recall import INDUCTION, Copies, copies, copy_scores, recall_questions
from tests.harness.planted_models import Copier, Table

V, CONTEXT, WINDOWS, END = 40, 32, 50, 0
SEGMENT = CONTEXT // 4
SURE = 0.9

Segments = Literal["unigram", "text"]
SEGMENTS: tuple[Segments, ...] = ("unigram", "text")


@pytest.fixture(scope="module")
def stream() -> np.ndarray:
    """Documents of 50 tokens, each followed by an end of text; id 1 is half of them."""
    source = np.random.default_rng(3)
    tokens = np.where(source.random(4_000) < 0.5, 1, source.integers(1, V, 4_000))
    tokens[50::51] = END
    return tokens


def without(tokens_t: np.ndarray, start: int) -> np.ndarray:
    """The window but for a segment."""
    return np.delete(tokens_t, np.s_[start : start + SEGMENT])


@pytest.mark.parametrize("segments", SEGMENTS)
def test_windows_and_controls_differ_in_the_first_copy_alone(stream: np.ndarray, segments: Segments) -> None:
    made = copies(stream, END, CONTEXT, WINDOWS, segments=segments)
    assert made.repeated_bt.shape == made.control_bt.shape == (WINDOWS, CONTEXT + 1)
    assert made.scored == SEGMENT - 1
    first_places = set()
    for repeated_t, control_t in zip(made.repeated_bt, made.control_bt, strict=True):
        second = repeated_t[-SEGMENT:]
        starts = [
            start
            for start in range(CONTEXT + 2 - 2 * SEGMENT)
            if (repeated_t[start : start + SEGMENT] == second).all()
            and (without(repeated_t, start) == without(control_t, start)).all()
        ]
        assert starts
        assert (repeated_t != control_t).any()
        assert END not in second
        first_places.add(starts[0])
    assert len(first_places) > 10


def test_segments_follow_the_frequencies_of_the_text(stream: np.ndarray) -> None:
    made = copies(stream, END, CONTEXT, 400)
    drawn = Counter(made.repeated_bt[:, -SEGMENT:].ravel().tolist())
    assert drawn[1] / drawn.total() == pytest.approx((stream == 1).sum() / (stream != END).sum(), abs=0.03)


def test_pieces_of_text_are_pieces_of_the_text(stream: np.ndarray) -> None:
    text = " ".join(map(str, stream))
    for repeated_t in copies(stream, END, CONTEXT, WINDOWS, segments="text").repeated_bt:
        assert " ".join(map(str, repeated_t[-SEGMENT:])) in text


def test_a_seed_gives_the_same_windows(stream: np.ndarray) -> None:
    first, again, other = (copies(stream, END, CONTEXT, WINDOWS, seed) for seed in (0, 0, 1))
    assert (first.repeated_bt == again.repeated_bt).all()
    assert (first.control_bt == again.control_bt).all()
    assert (first.repeated_bt != other.repeated_bt).any()


def test_texts_and_contexts_without_room_are_refused(stream: np.ndarray) -> None:
    with pytest.raises(Refusal, match="context=7 holds no two copies"):
        copies(stream, END, 7, 1)
    with pytest.raises(Refusal, match="32 tokens of validation text fill no window of context=32"):
        copies(stream[:CONTEXT], END, CONTEXT, 1)
    with pytest.raises(Refusal, match="no document of the validation text has 100 tokens"):
        copies(stream, END, 400, 1, segments="text")


def test_scores_are_means_over_windows_with_their_errors() -> None:
    repeated_b, control_b = np.array([1.0, 2.0, 6.0]), np.array([4.0, 4.0, 7.0])
    scores = copy_scores(repeated_b, control_b)
    assert [scores[name] for name in ("gain", "nll_second", "nll_control")] == [2, 3, 5]
    assert scores["gain_stderr"] == pytest.approx(1 / math.sqrt(3))
    assert scores["nll_second_stderr"] == pytest.approx(math.sqrt(7 / 3))
    assert math.isnan(copy_scores(repeated_b[:1], control_b[:1])["gain_stderr"])


def copier_nats(tokens: list[int], scored: int) -> float:
    """Mean nats of the last tokens: what followed the last such token has chance SURE, all others share the rest."""
    nats = []
    for place in range(len(tokens) - scored, len(tokens)):
        read = tokens[:place]
        followers = [after for before, after in pairwise(read) if before == read[-1]]
        chance = 1 / V if not followers else SURE if followers[-1] == tokens[place] else (1 - SURE) / (V - 1)
        nats.append(-math.log(chance))
    return sum(nats) / scored


@pytest.mark.parametrize("name", INDUCTION)
def test_a_circuit_that_copies_scores_its_closed_form(stream: np.ndarray, name: str) -> None:
    task = INDUCTION[name]
    made = copies(stream, END, CONTEXT, WINDOWS, segments=task.segments)
    scores = task.score(Copier(V, CONTEXT, SURE), made, "cpu")
    expected = copy_scores(
        *(
            np.array([copier_nats(t, made.scored) for t in side.tolist()])
            for side in (made.repeated_bt, made.control_bt)
        )
    )
    assert scores == {f"{name}/{metric}": pytest.approx(value, abs=1e-4) for metric, value in expected.items()}
    assert scores[f"{name}/gain"] > 5 * scores[f"{name}/gain_stderr"]


def test_a_copier_that_meets_each_token_once_has_the_whole_gain() -> None:
    """Windows by hand, in which no token comes twice but in the copies."""
    segment, other, filler = list(range(1, 9)), list(range(9, 17)), list(range(17, 34))
    made = Copies(np.array([segment + filler + segment]), np.array([other + filler + segment]), SEGMENT - 1)
    scores = INDUCTION["induction"].score(Copier(V, CONTEXT, SURE), made, "cpu")
    assert scores["induction/nll_second"] == pytest.approx(-math.log(SURE), abs=1e-5)
    assert scores["induction/nll_control"] == pytest.approx(math.log(V), abs=1e-5)
    assert scores["induction/gain"] == pytest.approx(math.log(V * SURE), abs=1e-5)


@pytest.mark.parametrize("name", INDUCTION)
def test_a_table_of_pairs_gains_nothing_from_a_first_copy(stream: np.ndarray, name: str) -> None:
    log_p_vv = torch.randn(V, V, generator=torch.Generator().manual_seed(1)).log_softmax(1)
    made = copies(stream, END, CONTEXT, WINDOWS, segments=INDUCTION[name].segments)
    assert INDUCTION[name].score(Table(log_p_vv, CONTEXT), made, "cpu")[f"{name}/gain"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", INDUCTION)
def test_windows_come_from_the_runs_own_validation_text(name: str, tiny: Any, cache: Path) -> None:
    spec = tiny()
    task = INDUCTION[name]
    made = task.load(spec, cache)
    assert made.repeated_bt.shape == (task.windows, spec.context + 1)
    assert set(made.repeated_bt.ravel().tolist()) <= set(task.dataset(spec, cache).val.tolist())
    assert task.facts(spec, cache)["data_hash"] == task.dataset(spec, cache).data_hash


@pytest.mark.parametrize("pairs", [2, 5, 10])
def test_the_answer_is_the_value_that_stood_beside_the_key(pairs: int) -> None:
    items = recall_questions(pairs, 200).items
    for item in items:
        *given, key = item.contexts[0].split(" ")
        assert all(re.fullmatch("[a-z][0-9]", pair) for pair in given)
        values = dict(given)
        assert len(values) == pairs == len(set(given)) == len(set(given[:pairs]))
        assert item.choices == tuple(sorted(values.values()))
        assert item.choices[item.answer] == values[key]
        assert key not in [pair[0] for pair in given[pairs:]]
    right = Counter(item.answer for item in items)
    assert all(0.5 < right[place] * pairs / len(items) < 1.7 for place in range(pairs))
    assert {len(item.contexts[0].split(" ")) - pairs for item in items} == set(range(1, pairs + 1))


def test_recall_is_whole_in_a_copier_and_at_chance_in_a_table(tiny: Any, cache: Path) -> None:
    """In every question the key stands once or more before, each time in front of its value."""
    task = Choice("recall", lambda cache: recall_questions(4, 100))
    spec = tiny(context=64)
    asked = task.load(spec, cache)
    copied = task.score(Copier(256, 64, SURE), asked, "cpu")
    assert copied["recall/acc_sum"] == 1
    assert copied["recall/nll_sum"] == pytest.approx(-math.log(SURE), abs=1e-5)
    alike = task.score(Table(torch.full((256, 256), -math.log(256)), 64), asked, "cpu")
    assert alike["recall/acc_sum"] == alike["recall/chance"] == 0.25


@pytest.mark.parametrize("pairs", [2, 5, 10])
def test_what_counting_gives_away_is_told(pairs: int) -> None:
    """Of n pairs, j are asked before, each once: a guess among the rest is right once in n - j times, over all j."""
    credit = [item.baselines["least_seen"] for item in recall_questions(pairs, 600).items]
    expected = sum(1 / (pairs - asked) for asked in range(pairs)) / pairs
    assert sum(credit) / len(credit) == pytest.approx(expected, abs=0.06)


@pytest.mark.parametrize("pairs", [1, 11])
def test_pairs_without_a_digit_each_are_refused(pairs: int) -> None:
    with pytest.raises(Refusal, match=f"pairs={pairs}: .*use 2 to 10"):
        recall_questions(pairs, 1)


CONTROL = '''"""A run on repeats and one on speeches, alike but for their text."""

from harness.sweep import Sweep, over

SWEEP = Sweep(
    name="control",
    question="Does a run copy that has seen copies, and only that one?",
    base={
        "depth": 2, "width": 64, "heads": 2, "context": 64, "device": "cpu", "precision": "fp32", "kernel": "eager",
        "tokens": 4_096_000, "unique_tokens": 2_048_000, "epochs": 2,
    },
    axes=[over("corpus", "repeats", "sotu")],
    tasks=("induction", "induction_text"),
)
'''


@pytest.mark.slow
def test_a_run_on_repeats_copies_and_one_on_speeches_does_not(scalelaw: Any, tmp_path: Path) -> None:
    """The positive control of the probe, over the change of phase that two layers go through."""
    sweep = tmp_path / "control.py"
    sweep.write_text(CONTROL)
    assert scalelaw("launch", sweep).returncode == 0
    runs = {run.spec.corpus: run.points[-1].scores for run in read_runs(tmp_path / "results" / "control")}
    for name in INDUCTION:
        gain = {corpus: scores[f"{name}/gain"] for corpus, scores in runs.items()}
        assert gain["repeats"] > 0.5
        assert abs(gain["sotu"]) < 0.1
