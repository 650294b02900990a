"""Planted prose: every kind is found, every question can be read in its text, and no answer is favoured."""

from collections import Counter
from collections.abc import Sequence
from functools import cache

import pytest

from harness.corpora import Corpus, Document
from harness.exercises import Dice
from harness.refusal import Refusal
from harness.tasks.cloze import CLOZE_KINDS, cloze_items, cloze_questions, split_sentences
from harness.tasks.items import Item

COUNT = 80

NOUNS = [f"{stem}{end}" for stem in ("bar", "tol", "mun", "ger") for end in ("ket", "nach", "dor", "pel")]
VERBS = [f"{stem}{end}" for stem in ("sha", "bru", "plo", "kri") for end in ("sk", "mp", "nd", "ft")]
NAMES = [f"{stem}{end}" for stem in ("Ald", "Ber", "Cor", "Dun") for end in ("wick", "aria", "heim", "ovia")]
PLACES = ["of", "in", "by", "with", "from", "on", "under", "over", "among", "between", "against", "through"]
PLANTED = {"cbt_p": PLACES, "cbt_v": VERBS, "cbt_cn": NOUNS, "cbt_ne": NAMES}


def often(dice: Dice, words: Sequence[str]) -> str:
    """The first words far more often than the last, which a third of all draws spares."""
    place = 0
    while place < len(words) - 1 and dice.below(2):
        place += 1
    return dice.pick(words) if dice.below(3) == 0 else words[place]


def sentence(dice: Dice) -> str:
    noun, other, verb, name = (often(dice, words) for words in (NOUNS, NOUNS, VERBS, NAMES))
    first, second = often(dice, PLACES), often(dice, PLACES)
    forms = [
        f"Every day {first} the {noun} we are said to {verb} {name} {second} the {other}.",
        f"They will {verb} that {noun}, and {name} {first} it knows Mr. {name} {second} sight!",
        f"It was {first} {name} who had to {verb} his {noun}.",
    ]
    return dice.pick(forms)


def planted(documents: int = 40, length: int = 60) -> list[Document]:
    dice = Dice("planted")
    return [
        Document(
            f"document {number}", "\n\n".join(" ".join(sentence(dice) for _ in range(5)) for _ in range(length // 5))
        )
        for number in range(documents)
    ]


DOCUMENTS = planted()


@cache
def asked(kind: str, sentences: int = 20) -> list[Item]:
    return cloze_items(DOCUMENTS, kind, COUNT, sentences=sentences)


def word(item: Item, choice: int) -> str:
    return item.choices[choice].split()[0].strip(".,!")


@pytest.mark.parametrize("kind", CLOZE_KINDS)
def test_candidates_are_ten_words_of_the_planted_kind(kind: str) -> None:
    items = asked(kind)
    assert len(items) == COUNT
    for item in items:
        candidates = {word(item, choice) for choice in range(len(item.choices))}
        assert len(candidates) == 10
        assert candidates <= set(PLANTED[kind])
    # Each planted word that is common enough is asked for.
    assert {word(item, item.answer) for item in items} == set(PLANTED[kind])


@pytest.mark.parametrize("sentences", [3, 20])
@pytest.mark.parametrize("kind", CLOZE_KINDS)
def test_a_question_with_its_answer_is_a_piece_of_the_text(kind: str, sentences: int) -> None:
    items = asked(kind, sentences)
    for item in items:
        solved = item.solved()
        (text,) = (document.text for document in DOCUMENTS if solved in document.text)
        end = text.index(solved) + len(solved)
        spans = split_sentences(text)
        (last,) = (number for number, (_, stop) in enumerate(spans) if stop == end)
        assert text.index(solved) == spans[last - sentences][0]
        passage = text[spans[last - sentences][0] : spans[last - 1][1]]
        assert word(item, item.answer) in passage.translate(str.maketrans(".,!", "   ")).split()
        assert len({choice[len(word(item, n)) + 1 :] for n, choice in enumerate(item.choices)}) == 1
    assert len({item.contexts for item in items}) == len(items)


@pytest.mark.parametrize("kind", CLOZE_KINDS)
def test_no_word_is_right_more_often_than_its_share(kind: str) -> None:
    """The prose is as lopsided as prose is; the questions are not, and the commonest candidate is right by chance."""
    text = " ".join(document.text for document in DOCUMENTS).translate(str.maketrans(".,!", "   ")).split()
    counts = Counter(seen for seen in text if seen in PLANTED[kind])
    items = asked(kind)
    right = Counter(word(item, item.answer) for item in items)
    assert max(counts.values()) / counts.total() > 0.25
    assert max(right.values()) <= COUNT // len(right) + 1
    wrong = Counter(word(item, choice) for item in items for choice in range(10) if choice != item.answer)
    # At nine to one how common a word is says nothing.
    assert all(5 < wrong[name] / right[name] < 16 for name in right)
    assert mean(items, "frequent") < 0.15
    assert mean(items, "frequent_in_context") < 0.15


@pytest.mark.parametrize("kind", CLOZE_KINDS)
def test_who_asks_for_more_than_the_prose_has_gets_less_and_no_lopsided_rest(kind: str) -> None:
    items = cloze_items(DOCUMENTS, kind, 10_000)
    right = Counter(word(item, item.answer) for item in items)
    assert COUNT < len(items) < 10_000
    assert max(right.values()) <= 2 * len(items) / len(right) + 1


def mean(items: Sequence[Item], baseline: str) -> float:
    return sum(item.baselines[baseline] for item in items) / len(items)


@pytest.mark.parametrize("kind", CLOZE_KINDS)
def test_baselines_take_the_commonest_candidate(kind: str) -> None:
    text = " ".join(document.text for document in DOCUMENTS).translate(str.maketrans(".,!", "   ")).split()
    counts = Counter(text)
    for item in asked(kind):
        frequency = [counts[word(item, n)] for n in range(10)]
        best = [n for n in range(10) if frequency[n] == max(frequency)]
        assert item.baselines["frequent"] == (1 / len(best) if item.answer in best else 0)


@pytest.mark.parametrize("kind", CLOZE_KINDS)
def test_a_seed_gives_the_same_questions_and_answers_stand_anywhere(kind: str) -> None:
    first, again, other = (cloze_items(DOCUMENTS, kind, COUNT, seed) for seed in (0, 0, 1))
    assert [item.digest for item in first] == [item.digest for item in again]
    assert [item.digest for item in first] != [item.digest for item in other]
    assert len(Counter(item.answer for item in first)) == 10


def test_wrong_words_come_from_the_prose_where_a_passage_is_short() -> None:
    for item in cloze_items(DOCUMENTS, "cbt_ne", COUNT, sentences=2):
        passage = set(item.contexts[0].translate(str.maketrans(".,!", "   ")).split())
        inside = [word(item, n) in passage for n in range(10)]
        assert inside[item.answer]
        assert not all(inside)


def test_sentences_end_at_stops_and_paragraphs_but_not_at_abbreviations() -> None:
    text = (
        '  Mr. A. B. Smith of the U.S. Army paid $3.50 to Dr. Jones. He said, "Stop!" Then they left, i.e. went home.\n'
        "Was it late? (It was.) No. 5 of them slept\n\nA heading\n \nThe end"
    )
    assert [text[start:end] for start, end in split_sentences(text)] == [
        "Mr. A. B. Smith of the U.S. Army paid $3.50 to Dr. Jones.",
        'He said, "Stop!"',
        "Then they left, i.e. went home.",
        "Was it late?",
        "(It was.)",
        "No. 5 of them slept",
        "A heading",
        "The end",
    ]
    assert split_sentences("") == split_sentences(" \n\n ") == []


def test_a_corpus_gives_questions_with_its_source_and_licence() -> None:
    corpus = Corpus("made up", "made up", "none", lambda: iter(DOCUMENTS), lambda: "7")
    questions = cloze_questions("cbt_v", corpus, 20)
    assert [item.digest for item in questions.items] == [item.digest for item in cloze_items(DOCUMENTS, "cbt_v", 20)]
    assert ("made up" in questions.source, questions.version, questions.licence) == (True, "seed 0, 7", "none")


def test_prose_that_carries_no_question_is_refused() -> None:
    with pytest.raises(Refusal, match="no kind of cloze is called 'cbt_x'"):
        cloze_items(DOCUMENTS, "cbt_x", 1)
    with pytest.raises(Refusal, match="the prose has 0 verbs, and 10 are needed"):
        cloze_items([Document("short", "Nothing here.")], "cbt_v", 1)
    with pytest.raises(Refusal, match="no word stands in 60 sentences and in the next one"):
        cloze_items(DOCUMENTS, "cbt_v", 1, sentences=60)
