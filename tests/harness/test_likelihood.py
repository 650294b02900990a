"""Every probability equals its closed form, however requests are batched, shared or cut."""

import itertools
import math
import random
from typing import Any

import numpy as np
import pytest
import torch

from harness.likelihood import Request, answer, encoded
from harness.models import VARIANTS, build
from harness.tokenizers import build_tokenizer
from tests.harness.planted_models import Copier, Table

V, CONTEXT = 12, 48


def tokens(source: random.Random, least: int, most: int) -> tuple[int, ...]:
    return tuple(source.randrange(V) for _ in range(source.randint(least, most)))


def requests(count: int, longest: int = 30, shared: int = 0) -> list[Request]:
    """Questions of three choices; with `shared`, after a beginning that all have."""
    source = random.Random(count + shared)
    before = tokens(source, shared, shared)
    made = []
    for _ in range(count):
        context = before + tokens(source, 1, longest)
        made += [Request(context, tokens(source, 1, 9)) for _ in range(3)]
    return made


@pytest.fixture(scope="module")
def log_p_vv() -> torch.Tensor:
    return torch.randn(V, V, generator=torch.Generator().manual_seed(1)).log_softmax(1)


@pytest.mark.parametrize("shared", [0, 7, 16, 21])
@pytest.mark.parametrize("longest", [1, 18, 26])
def test_a_table_of_pairs_scores_as_its_rows_say(log_p_vv: torch.Tensor, longest: int, shared: int) -> None:
    asked = requests(40, longest, shared)
    found = answer(Table(log_p_vv, CONTEXT + 16), asked, "cpu")
    for place, request in enumerate(asked):
        read = (request.context[-1], *request.continuation)
        pairs = [(a, b) for a, b in itertools.pairwise(read)]
        log_p = [float(log_p_vv[a, b]) for a, b in pairs]
        lead = [float(log_p_vv[a, b] - max(log_p_vv[a, c] for c in range(V) if c != b)) for a, b in pairs]
        assert found.nats[place] == pytest.approx(-sum(log_p), abs=1e-5)
        assert found.margin[place] == pytest.approx(min(lead), abs=1e-5)
        assert found.greedy[place] == (min(lead) > 0)
    assert not found.cut.any()


def test_a_continuation_longer_than_the_context_is_scored_whole(log_p_vv: torch.Tensor) -> None:
    source = random.Random(5)
    asked = [Request(tokens(source, 1, 30), tokens(source, length, length)) for length in (15, 16, 17, 33, 48)]
    found = answer(Table(log_p_vv, 16), asked, "cpu")
    for place, request in enumerate(asked):
        read = (request.context[-1], *request.continuation)
        log_p = [float(log_p_vv[a, b]) for a, b in itertools.pairwise(read)]
        assert found.nats[place] == pytest.approx(-sum(log_p), abs=1e-5)


def test_a_copy_of_the_context_is_found_across_what_is_shared() -> None:
    sure, before = 0.9, tuple(range(V)) * 2
    copied = [Request((*before, 3), (4, 5, 6)), Request((*before, 7), (8,)), Request((*before, 3), (5, 6, 6))]
    found = answer(Copier(V, CONTEXT, sure), copied, "cpu")
    rest = (1 - sure) / (V - 1)
    expected = [-3 * math.log(sure), -math.log(sure), -math.log(rest) - math.log(sure) - math.log(rest)]
    assert found.nats == pytest.approx(expected, abs=1e-5)
    assert list(found.greedy) == [True, True, False]


@pytest.mark.parametrize("variant", VARIANTS)
def test_sharing_and_batching_change_no_score(variant: str, tiny: Any) -> None:
    step = {"batch_tokens": CONTEXT, "tokens": 20 * CONTEXT, "warmup_tokens": 0}
    model = build(tiny(variant=variant, depth=2, width=32, heads=2, context=CONTEXT, **step))
    model.initialise(torch.Generator().manual_seed(3))
    with torch.no_grad():
        for parameter in model.parameters():  # output projections start at nought, and then nothing would be read
            parameter.add_(
                0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(parameter.numel()))
            )
    asked = [*requests(12, 25, 18), *requests(6, 60)]
    found = answer(model, asked, "cpu")
    for place, request in enumerate(asked):
        window = torch.tensor([(request.context + request.continuation)[-CONTEXT - 1 :]])
        with torch.no_grad():
            nats_t = model.token_losses(window[:, :-1], window[:, 1:])[0][-len(request.continuation) :]
        assert found.nats[place] == pytest.approx(float(nats_t.sum()), abs=2e-5)
        assert found.cut[place] == (len(request.context + request.continuation) > CONTEXT + 1)
    assert found.cut.any()
    assert not found.cut.all()
    alone = np.array([answer(model, [request], "cpu").nats[0] for request in asked])
    assert found.nats == pytest.approx(alone, abs=2e-5)


@pytest.mark.parametrize("name", ["bytes", "gpt2"])
def test_the_parts_of_a_request_are_the_whole_text(name: str) -> None:
    tokenizer = build_tokenizer(name, (), {"bytes": 256, "gpt2": 50_257}[name])
    for context, continuation in (("The cat", " sat"), ("The cat ", "sat"), ("", "The"), ("a", "b"), ("  ", "x")):
        request = encoded(tokenizer, context, continuation)
        whole = [token for token in request.context + request.continuation if token != tokenizer.end_of_text]
        assert tokenizer.decode(whole) == context + continuation
        assert request.context
        assert request.continuation
    assert encoded(tokenizer, "The cat ", "sat") == encoded(tokenizer, "The cat", " sat")
    assert encoded(tokenizer, "", "The").context == (tokenizer.end_of_text,)
