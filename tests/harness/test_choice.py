"""Scores of planted models equal their closed forms; examples, floors, ties and refusals are as declared."""

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.refusal import Refusal
from harness.tasks.choice import Choice
from harness.tasks.items import Item, Questions
from tests.harness.planted_models import Table

LETTERS = "abcdefgh"
CONTEXT = 64


def task(items: list[Item], **options: Any) -> Choice:
    return Choice("planted", lambda cache: Questions(items, "planted", "1", "none"), **options)


def pairs_model() -> Table:
    """Bytes follow each other with chances drawn once."""
    logits_vv = torch.randn(256, 256, generator=torch.Generator().manual_seed(2))
    logits_vv[:, 128:] = -30.0  # what is likeliest is a character
    return Table(logits_vv.log_softmax(1), CONTEXT)


def log_p(model: Table, before: str, text: str) -> float:
    read = (before[-1:] or "\0") + text
    return sum(float(model.log_p_vv[ord(a), ord(b)]) for a, b in itertools.pairwise(read))


def questions(count: int) -> list[Item]:
    """Choices of different lengths, the answer anywhere."""
    made = []
    for number in range(count):
        choices = tuple(LETTERS[(number + place) % 8] * (1 + place) for place in range(3))
        made.append(Item((f"q{number}:",), choices, number % 3, bare="Answer"))
    return made


@pytest.mark.parametrize("rule", ["sum", "token", "byte", "pmi"])
def test_every_rule_equals_its_closed_form(tiny: Any, cache: Path, rule: str) -> None:
    model, asked = pairs_model(), questions(40)
    planted = task(asked)
    found = planted.score(model, planted.load(tiny(context=CONTEXT), cache), "cpu")

    def score(item: Item, place: int) -> float:
        choice = item.choices[place]
        unconditional = {"pmi": log_p(model, item.bare, choice)}.get(rule, 0.0)
        length = {"token": len(choice), "byte": len(choice.encode())}.get(rule, 1)
        return (log_p(model, item.contexts[0], choice) - unconditional) / length

    _, items = planted.split(asked)
    score_ic = np.array([[score(item, place) for place in range(3)] for item in items])
    right_i = np.array([score_ic[i, item.answer] for i, item in enumerate(items)])
    wrong_i = np.array([max(np.delete(score_ic[i], item.answer)) for i, item in enumerate(items)])
    accuracy = float((right_i > wrong_i).mean())
    assert found[f"planted/nll_{rule}"] == pytest.approx(-right_i.mean(), abs=1e-5)
    assert found[f"planted/margin_{rule}"] == pytest.approx((right_i - wrong_i).mean(), abs=1e-5)
    assert found[f"planted/margin_{rule}_stderr"] == pytest.approx((right_i - wrong_i).std(ddof=1) / len(items) ** 0.5)
    assert found[f"planted/acc_{rule}"] == pytest.approx(accuracy)
    assert found[f"planted/acc_{rule}_stderr"] == pytest.approx(math.sqrt(accuracy * (1 - accuracy) / len(items)))
    assert found["planted/chance"] == pytest.approx(1 / 3)
    assert found["planted/items"] == len(items) == 30  # ten of forty stand ready as examples
    assert found["planted/cut"] == 0


def test_an_open_question_is_right_where_each_token_is_the_likeliest(tiny: Any, cache: Path) -> None:
    model = pairs_model()
    likeliest = [chr(int(model.log_p_vv[ord(letter)].argmax())) for letter in LETTERS]
    items = [
        Item((f"{n}{letter}",), (likeliest[i] if n % 2 else LETTERS[i],))
        for n in range(8)
        for i, letter in enumerate(LETTERS)
    ]
    planted = task(items)
    found = planted.score(model, planted.load(tiny(context=CONTEXT), cache), "cpu")
    _, asked = planted.split(items)
    nats = [-log_p(model, item.contexts[0], item.choices[0]) for item in asked]
    right = [item.choices[0] == likeliest[LETTERS.index(item.contexts[0][-1])] for item in asked]
    assert found["planted/acc_exact"] == pytest.approx(np.mean(right))
    assert 0 < np.mean(right) < 1
    assert found["planted/nll_sum"] == pytest.approx(np.mean(nats), abs=1e-5)
    assert found["planted/ppl_sum"] == pytest.approx(math.exp(np.mean(nats)), rel=1e-5)
    assert found["planted/chance"] == 0
    assert not [name for name in found if "acc_sum" in name]


def test_ties_share_the_credit(tiny: Any, cache: Path) -> None:
    items = [Item((f"{n}",), ("a", "b", "a" * (1 + n % 2)), 0) for n in range(40)]
    even = Table(torch.full((256, 256), -math.log(256)), CONTEXT)
    planted = task(items)
    found = planted.score(even, planted.load(tiny(context=CONTEXT), cache), "cpu")
    _, asked = planted.split(items)
    shares = [1 / 3 if len(item.choices[2]) == 1 else 1 / 2 for item in asked]
    assert found["planted/acc_sum"] == pytest.approx(np.mean(shares))
    assert found["planted/acc_token"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("k", [1, 2, 4, 8])
def test_examples_are_solved_items_that_are_never_asked(tiny: Any, cache: Path, k: int, shuffled: bool) -> None:
    items = questions(200)
    planted = task(items, k=k, shuffled=shuffled)
    pool, asked = planted.split(items)
    assert not {item.digest for item in pool} & {item.digest for item in asked}
    solved = {item.solved() for item in pool}
    wrong = {item.solved(place) for item in pool for place in range(3) if place != item.answer}
    for deck in planted.load(tiny(context=512, batch_tokens=512, tokens=12_800 * 2), cache):
        texts = [bytes(request.context + request.continuation).decode() for request in deck.asked]
        shown = texts[0].split("\n\n")[:-1]
        assert len(shown) == len(set(shown)) == k
        assert all(text.split("\n\n")[:-1] == shown for text in texts)
        if not shuffled:
            assert set(shown) <= solved
        elif k == 8:
            assert set(shown) & wrong
        fewer = task(items, k=max(1, k // 2), shuffled=shuffled)
        assert set(fewer.examples(pool, 0)) <= set(planted.examples(pool, 0))


def test_examples_shift_what_a_reader_of_the_context_answers(tiny: Any, cache: Path) -> None:
    """Data of a k-shot task is frozen with its examples, and its columns bear the variation."""
    items = questions(40)
    spec = tiny(context=CONTEXT)
    plain, shown = task(items), task(items, k=2)
    assert plain.facts(spec, cache)["data_hash"] != shown.facts(spec, cache)["data_hash"]
    assert shown.name == "planted@k=2"
    assert task(items, k=2, shuffled=True).name == "planted@k=2,shuffled"
    assert all(name.startswith("planted@k=2/") for name in shown.score(pairs_model(), shown.load(spec, cache), "cpu"))


def test_what_does_not_fit_is_cut_and_counted(tiny: Any, cache: Path) -> None:
    items = [Item(("x" * (100 if n % 2 else 10),), ("a", "b"), 0) for n in range(2)]
    items += [Item((f"{n}" + "x" * (100 if n % 2 else 10),), ("a", "b"), 0) for n in range(40)]
    planted = task(items)
    found = planted.score(pairs_model(), planted.load(tiny(context=CONTEXT), cache), "cpu")
    _, asked = planted.split(items)
    assert found["planted/cut"] == pytest.approx(np.mean([len(item.contexts[0]) > 100 - 1 for item in asked]))


def test_too_many_examples_are_refused(tiny: Any, cache: Path) -> None:
    with pytest.raises(Refusal, match="k=99"):
        task(questions(40), k=99).load(tiny(), cache)
