"""Planted overlap is found wherever it stands, and nothing else is."""

import math
import random
from collections.abc import Iterator

import pytest

from harness.overlap import Overlap, overlap
from harness.refusal import Refusal

WORDS = [f"word{number}" for number in range(2_000)]


def text(seed: int, words: int) -> list[str]:
    return random.Random(seed).choices(WORDS, k=words)


def reference(documents: list[str], texts: list[str], n: int) -> Overlap:
    """The definition, in sets of tuples."""

    def grams(text: str) -> set[tuple[str, ...]]:
        words = text.split()
        return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}

    trained = set().union(*map(grams, documents))
    return Overlap(
        n, len(texts), sum(bool(grams(text) & trained) for text in texts), sum(not grams(text) for text in texts)
    )


@pytest.mark.parametrize("n", [1, 2, 3, 13])
def test_it_counts_what_the_definition_counts(n: int) -> None:
    source = random.Random(n)
    few = WORDS[: 30 if n > 1 else 1_500]  # so that short n-grams are shared now and then, and not always
    documents = [" ".join(source.choices(few, k=source.randrange(60))) for _ in range(20)]
    texts = [" ".join(source.choices(few, k=source.randrange(20))) for _ in range(200)]
    counted = overlap(documents, texts, n)
    assert counted == reference(documents, texts, n)
    assert n == 13 or 0 < counted.touched < counted.texts
    assert counted.short > 0


def test_thirteen_words_touch_and_twelve_do_not() -> None:
    training, other = text(0, 500), text(1, 20)
    touching = other[:10] + training[100:113] + other[10:]
    almost = other[:10] + training[100:112] + other[10:]
    swapped = [*training[100:105], training[106], training[105], *training[107:113]]
    counted = overlap([" ".join(training)], map(" ".join, [touching, almost, other, swapped, training[:12]]))
    assert counted == Overlap(n=13, texts=5, touched=1, short=1)
    assert (counted.share, counted.short_share) == (0.2, 0.2)


def test_case_punctuation_and_lines_do_not_hide_an_overlap() -> None:
    words = text(2, 13)
    trained = "“" + ", ".join(words).upper() + "!”"
    assert overlap([trained], ["_" + "—\n".join(words) + "..."]).touched == 1
    assert overlap(["One don't, two."], ["one DON 'T two"], n=4).touched == 1


def test_words_do_not_run_from_one_document_into_the_next() -> None:
    words = text(3, 13)
    assert overlap([" ".join(words[:7]), " ".join(words[7:])], [" ".join(words)]).touched == 0


@pytest.mark.parametrize("place", [0, 2**18 - 13, 2**18 - 12, 2**18 - 6, 2**18 - 1, 2**18, 300_000 - 13])
def test_a_long_document_hides_nothing(place: int) -> None:
    training = text(4, 300_000)
    assert overlap([" ".join(training)], [" ".join(training[place : place + 13])]).touched == 1


def test_the_training_text_is_streamed() -> None:
    open_documents = 0

    def documents() -> Iterator[str]:
        nonlocal open_documents
        for seed in range(5):
            open_documents += 1
            yield " ".join(text(seed, 50))

    assert overlap(documents(), [" ".join(text(4, 50))]).touched == 1
    assert open_documents == 5


def test_nothing_overlaps_with_nothing() -> None:
    assert overlap([], ["a b c"], n=2) == Overlap(n=2, texts=1, touched=0, short=0)
    assert overlap(["a b c"], ["", "?!"], n=2) == Overlap(n=2, texts=2, touched=0, short=2)
    assert math.isnan(overlap(["a b c"], []).share)
    with pytest.raises(Refusal, match="n=0: an n-gram has at least one word"):
        overlap([], [], n=0)
