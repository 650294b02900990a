"""Every target is scored once with the context it is owed, on planted models to the closed form; benchmarks whole."""

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.dataset import EvalWindows, validation_windows
from harness.detokenise import DETOKENISERS
from harness.evaluate import language_modelling, losses_at_positions, token_losses
from harness.refusal import Refusal
from harness.spec import Spec
from harness.tasks import find_task
from harness.tasks.language_modelling import LanguageModelling, Positions
from tests.harness.planted_models import Copier, Table

CONTEXT, V = 16, 256
STRIDES = [1, 4, 7, 16]
SURE = 0.3  # of a copier, which is right more often on the planted text


@pytest.fixture(scope="module")
def table() -> Table:
    return Table(torch.randn(V, V, generator=torch.Generator().manual_seed(1)).log_softmax(1), CONTEXT)


@pytest.fixture
def spec(tiny: Any) -> Spec:
    return tiny(eval_tokens=2_000)  # type: ignore[no-any-return]


def windows_of(spec: Spec, cache: Path, eval_tokens: int | None, stride: int | None) -> tuple[np.ndarray, EvalWindows]:
    """The validation stream and the windows that read it."""
    dataset = LanguageModelling(spec.corpus).dataset(spec, cache)
    return np.asarray(dataset.val, np.int64), validation_windows(dataset, CONTEXT, eval_tokens, stride)


# --- windows


@pytest.mark.parametrize("stride", STRIDES)
def test_each_target_is_scored_once_after_the_context_it_is_owed(spec: Spec, cache: Path, stride: int) -> None:
    stream, windows = windows_of(spec, cache, None, stride)
    before = np.append(0, stream)
    places = np.flatnonzero(stream != 0)  # an end of text is no target
    assert int(windows.bytes_bt.sum()) == int(windows.scored_bt.sum()) == len(places)
    for place, (n, t) in zip(places, np.argwhere(windows.scored_bt), strict=True):
        assert windows.windows_bt[n, : t + 2].tolist() == before[place - t : place + 2].tolist()
        assert t >= min(CONTEXT - stride, place)


def test_a_stride_of_the_context_is_no_stride(spec: Spec, cache: Path) -> None:
    for eval_tokens in (None, 400):
        _, plain = windows_of(spec, cache, eval_tokens, None)
        _, strided = windows_of(spec, cache, eval_tokens, CONTEXT)
        for name in ("windows_bt", "document_bt", "scored_bt", "bytes_bt"):
            assert np.array_equal(getattr(plain, name), getattr(strided, name))


@pytest.mark.parametrize("stride", STRIDES)
def test_targets_are_counted_whatever_the_stride(spec: Spec, cache: Path, stride: int) -> None:
    _, windows = windows_of(spec, cache, 400, stride)
    assert 350 <= int(windows.scored_bt.sum()) <= 400
    assert len(windows.windows_bt) == 400 // stride


@pytest.mark.parametrize("stride", [0, 17, -3])
def test_a_stride_that_leaves_targets_out_is_refused(spec: Spec, cache: Path, stride: int) -> None:
    with pytest.raises(Refusal, match=f"stride={stride}: .* from 1 to 16"):
        LanguageModelling(spec.corpus, stride=stride).load(spec, cache)


# --- scores


@pytest.mark.parametrize("stride", STRIDES)
def test_what_looks_one_token_back_scores_the_same_at_every_stride(
    table: Table, spec: Spec, cache: Path, stride: int
) -> None:
    stream, windows = windows_of(spec, cache, None, stride)
    before = np.append(0, stream)[:-1]
    nats = -table.log_p_vv.double()[before, stream][stream != 0]
    scores = language_modelling(table, windows, "cpu")
    assert list(scores) == ["nll", "nll_stderr", "bpb", "bpb_stderr"]
    assert scores["nll"] == pytest.approx(float(nats.mean()), abs=1e-5)
    assert scores["bpb"] == pytest.approx(float(nats.mean()) / math.log(2), abs=1e-5)


@pytest.mark.parametrize("stride", STRIDES)
def test_what_looks_further_back_scores_as_its_windows_say(spec: Spec, cache: Path, stride: int) -> None:
    stream, windows = windows_of(spec, cache, None, stride)
    stream = np.append(0, stream)
    nats = []
    for place in np.flatnonzero(stream != 0):
        block = (place - 1) // stride
        read = stream[max(0, (block + 1) * stride - CONTEXT) : place].tolist()
        found = [later for token, later in itertools.pairwise(read) if token == read[-1]]
        right = SURE if found and found[-1] == stream[place] else (1 - SURE) / (V - 1)
        nats.append(-math.log(right if found else 1 / V))
    scores = language_modelling(Copier(V, CONTEXT, SURE), windows, "cpu")
    assert scores["nll"] == pytest.approx(np.mean(nats), abs=1e-5)


def test_more_context_costs_a_copier_nothing_and_shows(spec: Spec, cache: Path) -> None:
    model = Copier(V, CONTEXT, SURE)
    nll = [
        language_modelling(model, windows_of(spec, cache, None, stride)[1], "cpu")["nll"] for stride in (16, 8, 4, 1)
    ]
    assert nll == sorted(nll, reverse=True)
    assert nll[0] > nll[-1] + 0.05


def test_positions_part_the_loss_of_the_same_windows(spec: Spec, cache: Path) -> None:
    model = Copier(V, CONTEXT, SURE)
    windows = Positions(spec.corpus).load(spec, cache)
    nats_nt = token_losses(model, windows, "cpu")
    scores = losses_at_positions(model, windows, "cpu")
    buckets = {1: [0], 2: [1, 2], 4: range(3, 7), 8: range(7, 15), 16: [15]}
    assert list(scores) == [f"nll_at_{p}{end}" for p in buckets for end in ("", "_stderr")]
    for p, places in buckets.items():
        there = [nats_nt[n, t] for t in places for n in np.flatnonzero(windows.scored_bt[:, t])]
        assert scores[f"nll_at_{p}"] == pytest.approx(np.mean(there), abs=1e-6)
        assert 0 <= scores[f"nll_at_{p}_stderr"] < 1
    assert scores["nll_at_16"] < scores["nll_at_1"] - 0.1
    assert Positions(spec.corpus).score(model, windows, "cpu") == {
        f"positions_{spec.corpus}/{name}": value for name, value in scores.items()
    }


# --- benchmarks

WIKITEXT = [
    ' = A Cat = \n \n The " cat " sat , at 5 : 15 . \n',
    " = Another Cat = \n \n It didn 't sit ( on 1 @,@ 000 mats ) ; the cat-like one did . \n",
    ' = A Cat = \n \n The " cat " sat , at 5 : 15 . \n',
]


def benchmark(folder: Path, texts: list[str]) -> str:
    path = folder / "benchmark.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("stride", [None, 4])
def test_a_benchmark_is_scored_whole_by_what_it_was(
    table: Table, spec: Spec, cache: Path, tmp_path: Path, stride: int | None
) -> None:
    task = LanguageModelling(benchmark(tmp_path, WIKITEXT), stride, "wikitext")
    scores = task.score(table, task.load(spec, cache), "cpu")
    nats, tokens = [], 0
    for text in WIKITEXT:
        written = DETOKENISERS["wikitext"].forward(text).encode()
        nats.append(-sum(float(table.log_p_vv[a, b]) for a, b in itertools.pairwise(b"\0" + written)))
        tokens += len(written)
    words = np.array([len(text.split()) + text.count("\n") for text in WIKITEXT])
    sizes = np.array([len(text.encode()) for text in WIKITEXT])
    spread = np.array(nats) - sum(nats) / words.sum() * words
    found = {name.rpartition("/")[2]: value for name, value in scores.items()}
    assert found["nll"] == pytest.approx(sum(nats) / tokens, rel=1e-5)
    assert found["bpb"] == pytest.approx(sum(nats) / math.log(2) / sizes.sum(), rel=1e-5)
    assert found["word_ppl"] == pytest.approx(math.exp(sum(nats) / words.sum()), rel=1e-4)
    stderr = found["word_ppl"] * math.sqrt(3 / 2 * (spread**2).sum()) / words.sum()
    assert found["word_ppl_stderr"] == pytest.approx(stderr, rel=1e-4)
    assert found["unrecovered"] == pytest.approx(1 / 12)


def test_a_raw_benchmark_is_the_text_itself(table: Table, spec: Spec, cache: Path, tmp_path: Path) -> None:
    text = "One cat\nsat on a mat, \n and ran."
    path = tmp_path / "one.txt"
    path.write_text(text)
    task = LanguageModelling(str(path), detokeniser="raw")
    windows = task.load(spec, cache)
    assert windows.windows_bt[:, 1:].reshape(-1)[: len(text)].tolist() == list(text.encode())
    scores = task.score(table, windows, "cpu")
    nats = -sum(float(table.log_p_vv[a, b]) for a, b in itertools.pairwise(b"\0" + text.encode()))
    assert scores[f"{task.name}/word_ppl"] == pytest.approx(math.exp(nats / (8 + 2)), rel=1e-4)
    assert scores[f"{task.name}/bpb"] == pytest.approx(nats / math.log(2) / len(text), rel=1e-5)
    assert scores[f"{task.name}/unrecovered"] == 0
    assert math.isnan(scores[f"{task.name}/bpb_stderr"])  # one document says nothing of others


def test_a_benchmark_has_the_tokenizer_of_the_run(tiny: Any, cache: Path, tmp_path: Path) -> None:
    spec = tiny(tokenizer="bpe", vocab_size=280)
    own = LanguageModelling(spec.corpus).dataset(spec, cache)
    for source in (benchmark(tmp_path, WIKITEXT), spec.corpus):
        task = LanguageModelling(source, detokeniser="raw")
        assert task.facts(spec, cache)["tokenizer_hash"] == own.manifest["tokenizer_hash"]
    whole, parts = LanguageModelling(spec.corpus, detokeniser="raw").dataset(spec, cache).manifest, own.manifest
    assert whole["val"]["bytes"] == parts["train"]["bytes"] + parts["val"]["bytes"]
    assert whole["train"]["documents"] == 0
    assert whole["data_hash"] != parts["data_hash"]


def test_an_empty_benchmark_is_refused(spec: Spec, cache: Path, tmp_path: Path) -> None:
    task = LanguageModelling(benchmark(tmp_path, ["", "\0"]), detokeniser="raw")
    with pytest.raises(Refusal, match="benchmark holds no text"):
        task.load(spec, cache)


# --- names


@pytest.mark.parametrize("told", ["stride=4", "detokeniser=ptb", "stride=4,detokeniser=raw"])
def test_the_variation_is_in_the_name(told: str, corpus: Path) -> None:
    task = find_task(f"lm_{corpus}@{told}")
    assert task.name == f"lm_{corpus}@{told}"
    assert task == LanguageModelling(
        str(corpus),
        stride=4 if "stride" in told else None,
        detokeniser=told.partition("detokeniser=")[2],
    )


def test_a_de_tokeniser_that_there_is_not_is_refused(corpus: Path) -> None:
    with pytest.raises(Refusal, match="no de-tokeniser is called 'wikitex': did you mean 'wikitext'"):
        find_task(f"lm_{corpus}@detokeniser=wikitex")
