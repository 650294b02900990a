"""Labelled sets are balanced and split by source; windows hold what they say; scores equal their closed forms."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.labelled import LABELLED, Example, find_labelled, halved
from harness.labelled.addresses import ERAS, PARTIES, PASSAGE_CHARACTERS, PASSAGES_A_SPEECH, passages
from harness.labelled.classifier import Classifier, classification, gathered
from harness.labelled.example import LabelledSet
from harness.labelled.windows import DELIMITER, EXTRACT, NO_TARGET, START, fitted, lesson_of, transformed
from harness.machine import resolve
from harness.models import VARIANTS, build
from harness.models.family import LanguageModel
from harness.refusal import Refusal
from harness.tokenizers import build_tokenizer

BYTES = build_tokenizer("bytes", (), 256)


# --- the sets


@pytest.mark.parametrize("name", LABELLED)
def test_no_source_is_on_both_sides(name: str) -> None:
    halves = halved(LABELLED[name])
    sources, texts = ([{getattr(e, field) for e in side} for side in halves.sides] for field in ("source", "texts"))
    assert not sources[0] & sources[1]
    assert not texts[0] & texts[1]


@pytest.mark.parametrize("name", LABELLED)
def test_every_beginning_of_a_half_is_balanced(name: str) -> None:
    classes = len(LABELLED[name].classes)
    for side in halved(LABELLED[name]).sides:
        assert len(side) >= 100
        assert len(side) % classes == 0
        for count in range(0, len(side), classes):
            assert Counter(example.label for example in side[count : count + classes]) == Counter(range(classes))


@pytest.mark.parametrize("name", LABELLED)
def test_the_halves_are_about_halves_of_the_set(name: str) -> None:
    halves, whole = halved(LABELLED[name]), list(LABELLED[name].read())
    assert {example.texts for side in halves.sides for example in side} <= {example.texts for example in whole}
    assert 0.6 * len(whole) < sum(map(len, halves.sides)) <= len(whole)
    assert 0.35 < len(halves.train) / sum(map(len, halves.sides)) < 0.65


@pytest.mark.parametrize("name", LABELLED)
def test_the_order_of_reading_changes_nothing(name: str) -> None:
    backwards = replace(LABELLED[name], read=lambda: reversed(list(LABELLED[name].read())))
    assert halved(backwards).hash == halved(LABELLED[name]).hash


@pytest.mark.parametrize("name", LABELLED)
def test_texts_are_free_of_marks(name: str) -> None:
    texts = "".join(text for example in LABELLED[name].read() for text in example.texts)
    assert not set(texts) & {START, DELIMITER, EXTRACT, "\0"}


def test_passages_are_whole_words_of_their_speech_and_lie_apart() -> None:
    text = " ".join(str(number) for number in range(10_000))
    found = passages(text)
    assert len(found) == PASSAGES_A_SPEECH
    words = [int(word) for passage in found for word in passage.split()]
    assert len(set(words)) == len(words)
    assert all(f" {passage} " in text and 150 < len(passage) <= PASSAGE_CHARACTERS for passage in found)
    assert passages("too short") == []


def test_addresses_are_labelled_by_who_held_them_and_when() -> None:
    presidents = {"Lincoln": "Republican", "Eisenhower": "Republican", "Wilson": "Democratic", "Obama": "Democratic"}
    seen = set()
    for example in LABELLED["party"].read():
        for president in presidents:
            if president in example.source:
                seen.add(president)
                assert PARTIES[example.label] == presidents[president]
    assert seen == set(presidents)
    firsts = [*ERAS.values(), 2100]
    for example in LABELLED["era"].read():
        assert firsts[example.label] <= int(example.source[:4]) < firsts[example.label + 1]


def test_sentiment_is_that_of_glue() -> None:
    labels = {example.texts[0]: LABELLED["sst2"].classes[example.label] for example in LABELLED["sst2"].read()}
    assert labels["unflinchingly bleak and desperate"] == "negative"
    assert labels["it 's a charming and often affecting journey ."] == "positive"


def test_a_wrong_name_is_answered_with_the_right_ones() -> None:
    with pytest.raises(Refusal, match=r"did you mean 'sst2'.*era, party, rte, sst2"):
        find_labelled("sst22")


ROWS = [{"texts": ["good"], "label": "yes"}, {"texts": ["bad"], "label": "no"}]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["{"], "line 1 is not JSON"),
        ([*ROWS, {"texts": [], "label": "no"}], "line 3: 'texts'"),
        ([*ROWS, {"texts": "good", "label": "no"}], "line 3: 'texts'"),
        ([{"texts": ["good"]}], "'label' is None"),
        ([{"texts": ["good"], "label": "no", "source": 3}], "'source' 3"),
        (ROWS[:1], "1 different labels"),
        (ROWS, "give it more examples"),
    ],
    ids=str,
)
def test_a_file_that_is_no_labelled_set_is_refused(tmp_path: Path, lines: list[Any], said: str) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    with pytest.raises(Refusal) as refusal:
        halved(find_labelled(str(path)))
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_relative_path_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.jsonl").write_text(json.dumps(ROWS[0]))
    with pytest.raises(Refusal, match=str(tmp_path / "own.jsonl")):
        find_labelled("own.jsonl")


def test_sources_keep_examples_together(tmp_path: Path) -> None:
    rows = [{"texts": [f"{i} {j}"], "label": "ab"[j % 2], "source": f"book {i}"} for i in range(12) for j in range(4)]
    path = tmp_path / "own.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    for side in halved(find_labelled(str(path))).sides:
        assert set(Counter(example.source for example in side).values()) == {4}


# --- windows

TEXTS = [("short",), ("a premise", "its hypothesis"), ("much longer than any window is", "short"), ("é" * 30, "x" * 30)]


def examples(texts: Sequence[tuple[str, ...]] = TEXTS) -> list[Example]:
    return [Example(text, number % 2, f"source {number}") for number, text in enumerate(texts)]


@pytest.mark.parametrize("context", [8, 24, 64])
def test_a_window_is_the_marked_example(context: int) -> None:
    windows = transformed(examples(), BYTES, context)
    for row, text in enumerate(TEXTS):
        stop = windows.extract_b[row] + 1
        start, *inside, extract = bytes(windows.tokens_bt[row, :stop].astype(np.uint8))
        assert (chr(start), chr(extract)) == (START, EXTRACT)
        parts = bytes(inside).split(DELIMITER.encode())
        assert all(whole.encode().startswith(part) and part for whole, part in zip(text, parts, strict=True))
        assert windows.cut_b[row] == (b"".join(parts) != "".join(text).encode())
        assert not windows.cut_b[row] or stop == context
        assert (windows.tokens_bt[row, stop:] == BYTES.end_of_text).all()


def test_each_token_of_an_example_has_the_next_one_for_target() -> None:
    windows = transformed(examples(), BYTES, 24)
    for tokens, targets, extract in zip(windows.tokens_bt, windows.targets_bt, windows.extract_b, strict=True):
        assert (targets[:extract] == tokens[1 : extract + 1]).all()
        assert (targets[extract:] == NO_TARGET).all()


def test_of_several_texts_the_longest_is_cut() -> None:
    assert fitted([3, 50, 9], 30) == [3, 18, 9]
    assert fitted([3, 50, 50], 30) in ([3, 13, 14], [3, 14, 13])
    assert fitted([3, 4], 30) == [3, 4]
    with pytest.raises(Refusal, match="use context=5 or more"):
        fitted([3, 4], 1)


def test_every_byte_level_tokenizer_writes_a_mark_as_one_token(corpus: Path) -> None:
    text = " ".join(path.read_text() for path in corpus.iterdir())
    for tokenizer in (BYTES, build_tokenizer("bpe", [text], 300), build_tokenizer("gpt2", (), 50_257)):
        windows = transformed(examples(), tokenizer, 64)
        for row, texts in enumerate(TEXTS[:2]):
            ids = windows.tokens_bt[row, : windows.extract_b[row] + 1]
            assert tokenizer.decode(ids) == START + DELIMITER.join(texts) + EXTRACT


def test_a_lesson_takes_the_first_examples_of_each_half(tiny: Any, cache: Path) -> None:
    halves = halved(LABELLED["sst2"])
    fields = {"labels": "sst2", "context": 64, "batch_tokens": 640, "epochs": 100.0, "eval_tokens": 64 * 21}
    small, large = (lesson_of(tiny(**fields, unique_tokens=64 * count), cache) for count in (10, 30))
    assert (large.train.tokens_bt[:10] == small.train.tokens_bt).all()
    assert len(small.held_out.label_b) == 20  # as many of each class
    assert (small.held_out.tokens_bt == transformed(halves.held_out[:20], BYTES, 64).tokens_bt).all()


@pytest.mark.parametrize(("changes", "said"), [({"unique_tokens": 64 * 417}, "416"), ({"eval_tokens": 64}, "128")])
def test_what_a_labelled_set_cannot_fill_is_refused(tiny: Any, cache: Path, changes: Any, said: str) -> None:
    fields = {"labels": "sst2", "context": 64, "batch_tokens": 640, "epochs": 100.0, "unique_tokens": 64}
    with pytest.raises(Refusal, match=said):
        lesson_of(tiny(**fields | changes), cache)


# --- the classifier

WIDTH = 16  # of a tiny model


def model_of(spec: Any) -> LanguageModel:
    """Of weights that all say something: those that start from 0 too."""
    model, generator = build(spec), torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return model


def planted_classifier(classes: int) -> Classifier:
    classifier = Classifier(WIDTH, classes)
    with torch.no_grad():
        classifier.weight.copy_(torch.randn(classifier.weight.shape, generator=torch.Generator().manual_seed(2)))
    return classifier


@pytest.mark.parametrize("variant", VARIANTS)
@torch.no_grad()
def test_loss_and_scores_are_those_of_each_example_alone(tiny: Any, variant: str) -> None:
    model = model_of(tiny(variant=variant, context=32))
    classifier = planted_classifier(2)
    windows = transformed(examples(), BYTES, 32)
    log_p, lm_nats = [], []
    for row in range(len(TEXTS)):
        tokens_bt = torch.from_numpy(windows.tokens_bt[row : row + 1, : windows.extract_b[row] + 1])
        features_bd = model.features(model.stream(tokens_bt))[:, -1]
        log_p.append((features_bd @ classifier.weight.T).log_softmax(-1)[0])
        lm_nats.append(model.token_losses(tokens_bt[:, :-1], tokens_bt[:, 1:])[0])
    nll = -torch.stack([log_p_c[label] for log_p_c, label in zip(log_p, windows.label_b, strict=True)])
    scores = classification(model, classifier, windows, "cpu")
    assert scores["nll"] == pytest.approx(float(nll.mean()), rel=1e-4)
    assert scores["nll_stderr"] == pytest.approx(float(nll.std()) / math.sqrt(len(nll)), rel=1e-4)
    right = [float(log_p_c.argmax() == label) for log_p_c, label in zip(log_p, windows.label_b, strict=True)]
    assert scores["acc"] == np.mean(right)
    batch = gathered(windows, np.arange(len(nll)))
    for weight in (0.0, 0.5, 2.0):
        whole = float(nll.mean() + weight * torch.cat(lm_nats).mean())
        assert float(classifier.loss(model, batch, weight)) == pytest.approx(whole, rel=1e-4)


@pytest.mark.parametrize("classes", [2, 4])
def test_before_it_has_learnt_a_classifier_knows_nothing(tiny: Any, classes: int) -> None:
    model = model_of(tiny(context=32))
    windows = transformed([replace(e, label=n % classes) for n, e in enumerate(examples())], BYTES, 32)
    scores = classification(model, Classifier(WIDTH, classes), windows, "cpu")
    assert scores["acc"] == scores["chance"] == 1 / classes
    assert scores["nll"] == pytest.approx(math.log(classes))
    assert scores["items"] == len(TEXTS)


def test_errors_are_clustered_by_source(tiny: Any) -> None:
    """Every example eight times over from one source is no more evidence than once."""
    model = model_of(tiny(context=32))
    classifier = planted_classifier(2)
    once = classification(model, classifier, transformed(examples(), BYTES, 32), "cpu")
    often = classification(model, classifier, transformed(examples() * 8, BYTES, 32), "cpu")
    for metric in ("nll_stderr", "acc_stderr"):
        assert often[metric] == pytest.approx(once[metric])


def test_a_set_of_no_examples_is_refused() -> None:
    empty = LabelledSet("empty", ("a", "b"), "nowhere", "none", lambda: (), lambda: "0")
    with pytest.raises(Refusal, match="labels=empty"):
        halved(empty)


def test_a_classifier_is_trained_uncompiled_unasked() -> None:
    wide = {"width": 1_024, "labels": "era"}
    assert resolve(wide)["kernel"] == "eager"
    assert resolve({**wide, "kernel": "compiled"})["kernel"] == "compiled"  # which a spec refuses
