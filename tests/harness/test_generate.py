"""Kept keys and values change nothing, draws have their chances, characters come whole, the command answers."""

import io
import json
import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor

from harness import record
from harness.generate import REPLACEMENT, Settings, TextStream, chances, generate, next_token
from harness.models.family import LanguageModel
from harness.refusal import Refusal
from harness.spec import make_spec
from harness.tokenizers import TOKENIZERS, Bytes, Tokenizer
from harness.train import Trunk
from sweeps.__main__ import main
from tests.conftest import ROOT, TINY
from tests.harness.test_models import FAMILY, batch, initialised, shaken
from tests.harness.test_tokenizers import TEXTS, TRAINING, VOCABULARY, built, random_texts

NEVER = -1  # an end of text that no model says
# Of a process that keeps what it prints until it is told to write it, as is Python's way
BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
every_variant = pytest.mark.parametrize("variant", FAMILY)


# --- kept keys and values


@every_variant
@pytest.mark.parametrize("chunks", [[1] * 16, [9, *[1] * 7], [4, 3, 5, 4], [16]], ids=str)
def test_what_was_kept_counts_as_what_is_read(variant: str, chunks: list[int]) -> None:
    model = shaken(variant)
    tokens_bt, _ = batch(model)
    with torch.inference_mode():
        whole_btv, pasts = model(tokens_bt), model.pasts()
        parts = [model(part_bt, pasts) for part_bt in tokens_bt.split(chunks, dim=1)]
    assert (torch.cat(parts, dim=1) - whole_btv).abs().max() < 1e-5
    assert whole_btv.std() > 0.1


@pytest.mark.parametrize("window", [1, 3, 7, 16])
def test_bands_are_kept_too(window: int) -> None:
    model = shaken("gpt3", window=window)
    tokens_bt, _ = batch(model)
    with torch.inference_mode():
        whole_btv, pasts = model(tokens_bt), model.pasts()
        parts = [model(part_bt, pasts) for part_bt in tokens_bt.split([5, 1, 1, 4, 1, 1, 3], dim=1)]
    assert (torch.cat(parts, dim=1) - whole_btv).abs().max() < 1e-5


def plainly(model: LanguageModel, prompt: Sequence[int], settings: Settings) -> Iterator[int]:
    """The same, nothing kept: the whole window is read for every token."""
    generator = torch.Generator().manual_seed(settings.seed)
    window = list(prompt)[-model.context :]
    for _ in range(settings.tokens):
        with torch.inference_mode():
            logits_v = model(torch.tensor([window]))[0, -1]
        window.append(next_token(logits_v, settings, generator))
        yield window[-1]
        if len(window) > model.context:
            window = window[-(model.context // 2) :]


@every_variant
@pytest.mark.parametrize("temperature", [0, 1])
def test_text_is_the_same_with_nothing_kept(variant: str, temperature: float) -> None:
    """Past the context too, where half of the window is read anew."""
    model, settings = shaken(variant), Settings(tokens=40, temperature=temperature)
    for prompt in ([3], [5, 1, 4, 1, 5], list(range(16)), list(range(29))):
        text = list(generate(model, prompt, settings, NEVER))
        assert text == list(plainly(model, prompt, settings))
        assert len(text) == 40


def test_each_token_is_read_once_until_the_window_is_full() -> None:
    model, read = shaken("gpt2"), []
    model.blocks[0].register_forward_hook(
        lambda _, inputs, y_btd: read.append((inputs[0].shape[1], y_btd.requires_grad))
    )
    assert len(list(generate(model, [1, 2, 3, 4, 5, 6], Settings(tokens=30), NEVER))) == 30
    assert [tokens for tokens, _ in read] == [6, *[1] * 10, 8, *[1] * 8, 8, *[1] * 8, 8]
    assert not any(grad for _, grad in read)


def test_of_a_long_prompt_the_last_context_is_read_and_of_none_an_end_of_text() -> None:
    model, settings = shaken("modern"), Settings(tokens=10)
    prompt = [token % 29 for token in range(3, 103, 7)] * 3
    assert list(generate(model, prompt, settings, NEVER)) == list(generate(model, prompt[-16:], settings, NEVER))
    assert list(generate(model, prompt, settings, NEVER)) != list(generate(model, prompt[-15:], settings, NEVER))
    assert list(generate(model, [], settings, 28)) == list(generate(model, [28], settings, 28))


def test_nothing_is_left_switched_off_for_whoever_reads() -> None:
    model = shaken("modern")
    for _ in generate(model, [1], Settings(tokens=3), NEVER):
        assert not torch.is_inference_mode_enabled()
        assert torch.is_grad_enabled()


# --- draws


def random_logits(count: int) -> Iterator[Tensor]:
    """Flat and peaked ones, some with ties."""
    for seed in range(count):
        generator = torch.Generator().manual_seed(seed)
        logits_v = torch.randn(1 + seed % 40, generator=generator) * [0.3, 1, 4, 30][seed % 4]
        yield logits_v.round() if seed % 3 == 0 else logits_v


def plain_chances(logits: list[float]) -> list[float]:
    weights = [math.exp(logit - max(logits)) for logit in logits]
    return [weight / math.fsum(weights) for weight in weights]


def test_temperature_divides_the_logits() -> None:
    for logits_v in random_logits(60):
        for temperature in (0.2, 1, 3):
            plain = plain_chances((logits_v.double() / temperature).tolist())
            assert chances(logits_v, Settings(temperature=temperature)).tolist() == pytest.approx(plain)


@pytest.mark.parametrize("temperature", [0, 1e-310, 1e-30])
def test_without_temperature_the_likeliest_is_certain(temperature: float) -> None:
    logits_v = torch.tensor([1.0, 700.0, -5e4, 699.0])
    for settings in (Settings(temperature=temperature), Settings(temperature=temperature, top_k=2, top_p=0.5)):
        assert chances(logits_v, settings).tolist() == [0, 1, 0, 0]


def test_at_a_high_temperature_all_are_alike() -> None:
    assert chances(torch.tensor([1.0, 700.0, -5e4]), Settings(temperature=1e300)).tolist() == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize("k", [1, 2, 7, 100])
def test_top_k_keeps_the_k_likeliest(k: int) -> None:
    for logits_v in random_logits(120):
        found = chances(logits_v, Settings(top_k=k, temperature=20)).tolist()  # at 20 no chance rounds to 0
        kept = {token for token, chance in enumerate(found) if chance > 0}
        assert len(kept) == min(k, len(found))
        worst = min(logits_v[token] for token in kept)
        assert all(logits_v[token] <= worst for token in range(len(found)) if token not in kept)
        plain = plain_chances([float(logits_v[token]) / 20 for token in sorted(kept)])
        assert [found[token] for token in sorted(kept)] == pytest.approx(plain)


@pytest.mark.parametrize("p", [1e-9, 0.1, 0.5, 0.9, 0.999])
def test_top_p_keeps_the_fewest_that_hold_p(p: float) -> None:
    for logits_v in random_logits(120):
        plain = plain_chances(logits_v.double().tolist())
        kept: list[int] = []
        for token in sorted(range(len(plain)), key=lambda token: -plain[token]):
            if math.fsum(plain[other] for other in kept) < p - 1e-12:
                kept.append(token)
        mass = math.fsum(plain[token] for token in kept)
        wanted = [plain[token] / mass if token in kept else 0 for token in range(len(plain))]
        assert chances(logits_v, Settings(top_p=p)).tolist() == pytest.approx(wanted)


def test_top_p_is_taken_of_what_top_k_leaves() -> None:
    logits_v = torch.tensor([0.4, 0.3, 0.2, 0.1]).log()
    assert chances(logits_v, Settings(top_k=3, top_p=0.75)).tolist() == pytest.approx([4 / 7, 3 / 7, 0, 0])
    assert chances(logits_v, Settings(top_p=0.75)).tolist() == pytest.approx([4 / 9, 3 / 9, 2 / 9, 0])


def test_at_an_edge_the_lower_of_equal_tokens_stay_and_no_more_than_needed() -> None:
    for settings in (Settings(top_k=2), Settings(top_p=0.5), Settings(top_p=0.26)):
        assert chances(torch.zeros(4), settings).tolist() == [0.5, 0.5, 0, 0]
    assert chances(torch.zeros(4), Settings(top_p=0.25)).tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize(
    "settings",
    [Settings(), Settings(temperature=0.5), Settings(temperature=2, top_k=6), Settings(top_p=0.8)],
    ids=str,
)
def test_tokens_come_as_often_as_they_should(settings: Settings) -> None:
    logits_v = torch.randn(12, generator=torch.Generator().manual_seed(5))
    generator = torch.Generator().manual_seed(6)
    draws = 20_000
    counts = np.bincount([next_token(logits_v, settings, generator) for _ in range(draws)], minlength=12)
    expected = draws * chances(logits_v, settings).numpy()
    kept = expected > 0
    assert not counts[~kept].any()
    assert scipy.stats.chisquare(counts[kept], expected[kept]).pvalue > 1e-3
    warmer = draws * chances(logits_v / 1.1, settings).numpy()
    if (warmer > 0).tolist() == kept.tolist():
        assert scipy.stats.chisquare(counts[kept], warmer[kept]).pvalue < 1e-3


def test_the_seed_decides_the_text() -> None:
    model = shaken("gpt2")
    texts = [tuple(generate(model, [1, 2], Settings(tokens=20, seed=seed), NEVER)) for seed in (0, 1, 2, 0, 1, 2)]
    assert texts[:3] == texts[3:]
    assert len(set(texts)) == 3


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"temperature": -0.1}, "temperature=-0.1"),
        ({"temperature": math.nan}, "temperature=nan"),
        ({"temperature": math.inf}, "temperature=inf"),
        ({"top_k": 0}, "top-k=0"),
        ({"top_p": 0}, "top-p=0"),
        ({"top_p": 1.01}, r"top-p=1\.01"),
        ({"top_p": math.nan}, "top-p=nan"),
        ({"tokens": 0}, "tokens=0"),
        ({"seed": 2**64}, "seed=18446744073709551616"),
    ],
    ids=str,
)
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(Refusal, match=f"^{said}: .*; use "):
        Settings(**wrong)


# --- characters


@pytest.fixture(scope="module", params=TOKENIZERS)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return built(request.param, TRAINING)


def streamed(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    """The joined pieces, each of which came when its last character was whole and not before."""
    stream, text = TextStream(tokenizer), ""
    for count, token in enumerate(ids, start=1):
        text += stream.add(int(token))
        assert text == tokenizer.decode(ids[:count]).removesuffix(REPLACEMENT)
    return text + stream.rest()


def test_pieces_are_whole_characters(tokenizer: Tokenizer) -> None:
    for text in (*TEXTS, *random_texts(40), "\ufffd", "a\ufffd\ufffdb"):
        assert streamed(tokenizer, tokenizer.encode(text)) == text


def test_bytes_that_are_no_text_come_out_as_they_are_decoded(tokenizer: Tokenizer) -> None:
    """Cut characters, stray halves and impossible bytes, as an untrained model writes them."""
    high = [index for index in range(VOCABULARY[tokenizer.name]) if REPLACEMENT in tokenizer.decode([index])]
    for seed in range(40):
        draw = np.random.default_rng(seed)
        ids = draw.choice(high, 60) if seed % 2 else draw.integers(0, VOCABULARY[tokenizer.name], 60)
        assert streamed(tokenizer, ids) == tokenizer.decode(ids)
    for cut in range(1, 4):
        ids = tokenizer.encode("word 🙂")[:-cut]
        assert streamed(tokenizer, ids) == tokenizer.decode(ids)


def test_no_end_of_bad_bytes_is_decoded_again_and_again() -> None:
    class Watched(Bytes):
        longest = 0

        def decode(self, ids: Any) -> str:
            self.longest = max(self.longest, len(ids))
            return super().decode(ids)

    watched = Watched()
    stream = TextStream(watched)
    text = "".join(stream.add(token) for token in [0xFF, 0xE2, 0x82] * 1000)
    assert len(text + stream.rest()) == 2000
    assert watched.longest < 8


def test_a_model_that_must_say_it_says_it_and_stops() -> None:
    """The head is a table: after each byte of the text the next one, after the last the end of text."""
    said = "ñ€🙌"
    chain = [ord("a"), *said.encode(), Bytes.end_of_text]
    model = initialised("modern", depth=1, width=256, heads=8, vocab_size=256)
    with torch.no_grad():
        model.embedding.copy_(torch.eye(256))
        model.head.weight.zero_()
        for byte, following in pairwise(chain):
            model.head.weight[following, byte] = 1
    stream = TextStream(Bytes())
    pieces = [stream.add(token) for token in generate(model, chain[:1], Settings(temperature=0), Bytes.end_of_text)]
    assert pieces == ["", "ñ", "", "", "€", "", "", "", "🙌"]
    assert stream.rest() == ""


# --- the command


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, cache: Path, corpus: Path) -> Path:
    """A results folder with one run that is trained and one that is not."""
    results = tmp_path_factory.mktemp("results")
    root = results / "planted"
    specs = [make_spec({**TINY, "corpus": str(corpus), "seed": seed}) for seed in (0, 1)]
    for spec in specs:
        record.ask_for(root, spec)
    record.write_sweep(root, {"rungs": [{"run_id": spec.run_id} for spec in specs]})
    Trunk(root, specs[:1], {"tasks": [], "data": {}}, cache, threading.Event()).train()
    return results


@pytest.fixture
def trained(results: Path) -> str:
    return next(path.parent.name for path in results.glob("planted/runs/*/done.json"))


def command(*words: str | Path) -> list[str]:
    """The command in a process that hears Ctrl-C even where this one was started without ears for it."""
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from sweeps.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    return [sys.executable, "-W", "error", "-c", program, "generate", *map(str, words)]


def run(results: Path, cache: Path, *words: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """The words with --results and --cache added, in a process of its own."""
    words = (*words, "--results", results, "--cache", cache)
    return subprocess.run(command(*words), input=stdin, capture_output=True, cwd=ROOT, env=BUFFERED, check=False)


def test_the_same_text_streams_and_stands_in_json(results: Path, cache: Path, trained: str) -> None:
    asked = (trained[:8], "--tokens", "50", "--samples", "2", "--seed", "3", "--top-p", "0.95")
    streamed = run(results, cache, *asked, "--prompt", "kilo — mu")
    assert (streamed.returncode, streamed.stderr) == (0, b"")
    listed = run(results, cache, *asked, "--prompt", "-", "--json", stdin="kilo — mu".encode())
    assert (listed.returncode, listed.stderr) == (0, b"")
    answer = json.loads(listed.stdout)
    assert (answer["run_id"], answer["prompt"]) == (trained, "kilo — mu")
    assert answer["settings"].items() >= {"tokens": 50, "top_p": 0.95, "top_k": None, "seed": 3, "samples": 2}.items()
    first, second = answer["samples"]
    assert [first["seed"], second["seed"]] == [3, 4]
    assert first["text"] != second["text"]
    for sample in (first, second):
        assert sample["tokens"] == 50
        assert sample["ended_by"] == "tokens"
        assert sample["tokens_per_second"] == pytest.approx(50 / sample["seconds"])
    parts = [f"--- seed {sample['seed']}\nkilo — mu{sample['text']}\n" for sample in (first, second)]
    assert streamed.stdout.decode() == "".join(parts)


def test_a_prompt_that_is_too_long_is_cut_and_said_to_be(
    results: Path, cache: Path, trained: str, capfd: pytest.CaptureFixture[str]
) -> None:
    where = ("--tokens", "4", "--results", str(results), "--cache", str(cache))
    assert main(["generate", trained, "--prompt", "kilo" * 4, *where]) == 0
    assert capfd.readouterr().err == ""
    assert main(["generate", trained, "--prompt", "kilo" * 5, *where]) == 0
    said = capfd.readouterr()
    assert "20 tokens" in said.err
    assert "last 16" in said.err
    assert said.out.startswith("kilo" * 5)


def test_an_interrupt_leaves_what_was_written(results: Path, cache: Path, trained: str) -> None:
    endless = (trained, "--prompt", "ba", "--temperature", "0", "--tokens", "1000000000")
    words = command(*endless, "--results", results, "--cache", cache)
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env=BUFFERED) as writing:
        assert writing.stdout is not None
        assert writing.stderr is not None
        start = os.read(writing.stdout.fileno(), io.DEFAULT_BUFFER_SIZE)
        assert len(start) < io.DEFAULT_BUFFER_SIZE / 2  # each piece is on its way as soon as it is written
        start += writing.stdout.read(40)
        writing.send_signal(signal.SIGINT)
        rest = writing.stdout.read()
        assert writing.wait() == 130
        assert writing.stderr.read() == b""
    ahead = run(results, cache, *endless[:-1], "100").stdout
    assert ahead[:-1].startswith((start + rest)[:100])
    assert start.startswith(b"ba")


def test_a_reader_that_leaves_is_no_error(results: Path, cache: Path, trained: str) -> None:
    words = command(trained, "--temperature", "0", "--tokens", "1000000000", "--results", results, "--cache", cache)
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env=BUFFERED) as writing:
        assert writing.stdout is not None
        assert writing.stderr is not None
        writing.stdout.read(10)
        writing.stdout.close()
        assert writing.wait() == 0
        assert writing.stderr.read() == b""


MISTAKES = [
    (["TRAINED", "--temperature", "-1"], "temperature=-1"),
    (["TRAINED", "--temperature", "nan"], "temperature=nan"),
    (["TRAINED", "--top-p", "1.5"], "top-p=1.5"),
    (["TRAINED", "--top-k", "0"], "top-k=0"),
    (["TRAINED", "--tokens", "0"], "'0' is not a whole number from 1"),
    (["TRAINED", "--seed", str(2**63 - 1), "--samples", "2"], "seed=9223372036854775808"),
    (["TRAINED", "--device", "tpu"], "choose from"),
    (["UNTRAINED"], "is not finished"),
    (["planted"], "planted is a sweep"),
    (["0123456789ab"], "no single run or sweep"),
]


@pytest.mark.parametrize(("words", "said"), MISTAKES, ids=[" ".join(words) for words, _ in MISTAKES])
def test_a_mistake_gets_one_line(
    results: Path, cache: Path, trained: str, words: list[str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    ids = {path.name for path in (results / "planted/runs").iterdir()}
    names = {"TRAINED": trained, "UNTRAINED": (ids - {trained}).pop()}
    words = [names.get(word, word) for word in words]
    assert main(["generate", *words, "--results", str(results), "--cache", str(cache)]) == 2
    answer = capfd.readouterr()
    assert said in answer.err
    assert len(answer.err.strip().splitlines()) == 1
    assert not answer.out


def test_a_sweep_names_its_runs_that_can_write(
    results: Path, cache: Path, trained: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", str(results / "planted"), "--cache", str(cache)]) == 2
    assert capfd.readouterr().err.strip().endswith(f"name one of those that have weights, {trained}")


def test_a_run_whose_weights_lie_elsewhere_says_so(
    results: Path, cache: Path, trained: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """As in a study that was cloned: facts are committed, weights are not."""
    folder = tmp_path / "cloned/runs" / trained
    folder.mkdir(parents=True)
    for path in (results / "planted/runs" / trained).iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    assert main(["generate", str(folder), "--cache", str(cache)]) == 2
    answer = capfd.readouterr()
    assert f"{trained}.safetensors is not there" in answer.err
    assert len(answer.err.strip().splitlines()) == 1
