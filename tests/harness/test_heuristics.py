"""GPT-1's heuristics: what is asked, which answer is right, and that nothing but the order of words gives it away."""

import random

import pytest

from harness.tasks.heuristics import acceptability_items, sentiment, substitution

NOUNS = ["house", "river", "answer", "morning", "window", "stranger"]
VERBS = ["keeps", "finds", "leaves", "follows", "carries"]


def prose(seed: int, sentences: int) -> str:
    """Plain sentences of nine words each, some broken over lines, in paragraphs under a heading."""
    draw = random.Random(seed)
    made = [
        f"The {draw.choice(NOUNS)} {draw.choice(VERBS)} an old {draw.choice(NOUNS)} near the\n{draw.choice(NOUNS)}."
        for _ in range(sentences)
    ]
    return "CHAPTER ONE\n\n" + " ".join(made[::2]) + "\n\n" + " ".join(made[1::2])


DOCUMENTS = [prose(seed, sentences) for seed, sentences in enumerate([3, 12, 40, 0])]


@pytest.mark.parametrize(("label", "answer"), [(1, " positive"), (0, " negative")])
def test_sentiment_is_the_word_after_very(label: int, answer: str) -> None:
    item = sentiment({"sentence": "a sweet film . ", "label": label})
    assert item.solved() == f"a sweet film . very{answer}"
    assert sorted(item.choices) == [" negative", " positive"]


@pytest.mark.parametrize(("answer", "right"), [("1", "Ann thanked Bea because Ann was"), ("2", "because Bea was")])
def test_a_referent_is_put_in_the_place_of_the_blank_and_scored_with_the_rest(answer: str, right: str) -> None:
    row = {"sentence": "Ann thanked Bea because _ was glad.", "option1": "Ann", "option2": "Bea", "answer": answer}
    item = substitution(row)
    assert item.contexts == ("Ann thanked Bea because",)
    assert item.choices == (" Ann was glad.", " Bea was glad.")
    assert right in item.solved()


def test_a_blank_at_the_beginning_leaves_no_context() -> None:
    item = substitution({"sentence": "_ is glad.", "option1": "Ann", "option2": "Bea", "answer": "1"})
    assert (item.contexts, item.choices) == (("",), ("Ann is glad.", "Bea is glad."))


def test_exactly_two_neighbouring_plain_words_are_exchanged() -> None:
    items = acceptability_items(DOCUMENTS)
    assert items
    for item in items:
        whole, exchanged = (choice.split() for choice in item.choices)
        moved = [place for place, (a, b) in enumerate(zip(whole, exchanged, strict=True)) if a != b]
        assert item.answer == 0
        assert len(moved) == 2
        assert moved[1] == moved[0] + 1
        assert (whole[moved[0]], whole[moved[1]]) == (exchanged[moved[1]], exchanged[moved[0]])
        assert all(whole[place].isalpha() and whole[place].islower() for place in moved)


def test_sentences_are_whole_and_headings_are_none() -> None:
    said = {" ".join(part.split()) + "." for document in DOCUMENTS for part in document.partition("\n\n")[2].split(".")}
    for item in acceptability_items(DOCUMENTS):
        assert item.choices[0] in said


def test_no_document_gives_more_than_its_share_and_others_do_not_change_it() -> None:
    assert len(acceptability_items(DOCUMENTS, per_document=5)) == 3 + 5 + 5
    assert acceptability_items(DOCUMENTS, per_document=5)[3:8] == acceptability_items(DOCUMENTS[1:2], per_document=5)
    few, many = (acceptability_items(DOCUMENTS[2:3], per_document=count) for count in (4, 9))
    assert many[:4] == few


def test_every_place_is_exchanged() -> None:
    items = acceptability_items([prose(7, 400)], per_document=400)
    places = [
        next(i for i, (a, b) in enumerate(zip(*map(str.split, item.choices), strict=True)) if a != b) for item in items
    ]
    # Words 1 to 7 of nine are plain, so that six pairs can be exchanged; a sixth each, within five standard errors.
    for place in range(1, 7):
        assert places.count(place) / len(places) == pytest.approx(1 / 6, abs=5 * (5 / 36 / len(places)) ** 0.5)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Too short here.",
        "no capital begins this sentence of plain words.",
        "This one of plain words has no end",
        "Every Word Has A Capital Letter Here.",
        "It, is, all, a, list, of, words.",
        "Words " + "and more " * 30 + "words.",
    ],
)
def test_what_is_no_plain_sentence_is_left_out(text: str) -> None:
    assert acceptability_items([text]) == []
