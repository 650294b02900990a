"""A person's own questions come back as they were written; a line that is none is refused with its number."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.refusal import Refusal
from harness.tasks.files import judgements_from, pairs_from, questions_from
from harness.tasks.heuristics import Judgement

QUESTION = {"context": "One, two,", "choices": [" three", " four"], "answer": 0}
PAIR = {"good": "She was here.", "bad": "She were here."}
JUDGEMENT = {"sentence": "She was here.", "label": 1}
READERS: dict[str, tuple[Callable[[str | Path], Any], dict[str, Any]]] = {
    "questions": (questions_from, QUESTION),
    "pairs": (pairs_from, PAIR),
    "judgements": (judgements_from, JUDGEMENT),
}
KINDS = pytest.mark.parametrize("kind", READERS)


def written(folder: Path, *rows: object, name: str = "own.jsonl") -> Path:
    lines = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows).encode()
    path = folder / name
    path.write_bytes(gzip.compress(lines) if name.endswith(".gz") else lines)
    return path


@pytest.mark.parametrize("name", ["own.jsonl", "own.jsonl.gz"])
def test_a_question_is_read_as_it_is_written(name: str, tmp_path: Path) -> None:
    own = {"contexts": ["Ünï", "語 🙂"], "choices": [" a", " a"], "answer": 1, "id": 7}
    by_text = {**QUESTION, "answer": " four"}
    items = questions_from(written(tmp_path, QUESTION, "", by_text, own, name=name)).items
    assert [item.answer for item in items] == [0, 1, 1]
    assert (items[0].contexts, items[0].choices) == (("One, two,",), (" three", " four"))
    assert items[2].solved() == "語 🙂 a"
    assert not any(item.bare for item in items)


def test_one_choice_is_an_open_question_and_needs_no_answer(tmp_path: Path) -> None:
    [item] = questions_from(written(tmp_path, {"context": "One,", "choices": [" two"], "bare": "So"})).items
    assert (item.answer, item.bare, item.solved()) == (0, "So", "One, two")


@pytest.mark.parametrize("names", [("good", "bad"), ("sentence_good", "sentence_bad")])
def test_a_pair_is_two_whole_sentences_of_which_the_first_is_right(names: tuple[str, str], tmp_path: Path) -> None:
    [item] = pairs_from(written(tmp_path, dict(zip(names, PAIR.values(), strict=True)))).items
    assert (item.contexts, item.choices, item.answer) == (("",), tuple(PAIR.values()), 0)


def test_a_judgement_is_a_sentence_and_its_label(tmp_path: Path) -> None:
    read = judgements_from(written(tmp_path, JUDGEMENT, {"sentence": "Here she were was.", "label": False}))
    assert read.sentences == (Judgement("She was here.", True), Judgement("Here she were was.", False))


@KINDS
def test_the_version_is_the_content_and_not_the_place(kind: str, tmp_path: Path) -> None:
    read, row = READERS[kind]
    path = written(tmp_path, row)
    copied = written(tmp_path, row, name="copied.jsonl")
    assert read(path).version == read(copied).version
    assert read(path).source == str(path)
    assert read(written(tmp_path, row, row)).version != read(copied).version


@KINDS
@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("{", "line 2 is not JSON"),
        ("[" * 100_000, "line 2 is not JSON"),
        ("[1, 2]", r"line 2 is \[1, 2\] and must be an object"),
        ("{}", "line 2: .*; write for instance {"),
    ],
)
def test_a_line_that_is_no_object_of_the_kind_is_refused(kind: str, line: str, rule: str, tmp_path: Path) -> None:
    read, row = READERS[kind]
    with pytest.raises(Refusal, match=rule) as refused:
        read(written(tmp_path, row, line))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "changes", "rule"),
    [
        ("questions", {"context": 3}, "'context' has 3 where a string must be"),
        ("questions", {"context": "\ud800"}, "surrogates not allowed"),
        ("questions", {"contexts": ["a", "b"]}, "and not both"),
        ("questions", {"choices": " three"}, "'choices' is ' three' and must be a list"),
        ("questions", {"choices": [" three", None]}, "'choices' has None where"),
        ("questions", {"choices": []}, "'answer'|place of none of 0"),
        ("questions", {"choices": [" three", ""]}, "a choice is empty"),
        ("questions", {"choices": [" three", " three"]}, "' three' stands among the wrong ones too"),
        ("questions", {"answer": 2}, "answer=2 is the place of none of 2 choices"),
        ("questions", {"answer": -1}, "answer=-1 is the place of none"),
        ("questions", {"answer": True}, "'answer' is True and must be the place"),
        ("questions", {"answer": None}, "'answer' is None and must be the place"),
        ("questions", {"answer": "three"}, "'answer' is 'three' and must be the place"),
        ("questions", {"bare": ["Answer:"]}, "'bare' has"),
        ("questions", {"bare": "Answer:"}, "is a choice with a bare context, and the first is a choice without"),
        ("questions", {"choices": [" three"]}, "is open without a bare context, and the first is a choice"),
        ("pairs", {"bad": ""}, "a choice is empty"),
        ("pairs", {"bad": PAIR["good"]}, "are both 'She was here.'"),
        ("pairs", {"good": None}, "'good' has None where"),
        ("judgements", {"label": -1}, "'label' is -1 and must be 0 or 1"),
        ("judgements", {"label": "1"}, "'label' is '1' and must be 0 or 1"),
        ("judgements", {"sentence": ""}, "'sentence' is empty"),
    ],
)
def test_a_malformed_line_is_refused_with_its_number(
    kind: str, changes: dict[str, Any], rule: str, tmp_path: Path
) -> None:
    read, row = READERS[kind]
    with pytest.raises(Refusal, match=f"own.jsonl, line 2.*({rule})") as refused:
        read(written(tmp_path, row, {**row, **changes}))
    assert "\n" not in str(refused.value)


@KINDS
def test_an_empty_file_and_one_of_another_kind_are_refused(kind: str, tmp_path: Path) -> None:
    read, row = READERS[kind]
    with pytest.raises(Refusal, match="is empty: give it lines like"):
        read(written(tmp_path))
    with pytest.raises(Refusal, match=r"neither .jsonl nor .jsonl.gz"):
        read(written(tmp_path, row, name="own.csv"))
    with pytest.raises(Refusal, match="does not read"):
        read(tmp_path / "missing.jsonl")
    torn = written(tmp_path, row, name="own.jsonl.gz")
    torn.write_bytes(torn.read_bytes()[:-9])
    with pytest.raises(Refusal, match="does not read"):
        read(torn)


@KINDS
def test_the_hub_is_refused_as_it_is_for_text(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    read, _ = READERS[kind]
    for name, rule in (
        ("hf:only-a-name", "a hub id is hf:ORG/NAME"),
        ("hf:nobody-of-this-name/nothing-of-this-name@0", "not installed: pip install|check the id and the network"),
    ):
        with pytest.raises(Refusal, match=rule) as refused:
            read(name)
        assert "\n" not in str(refused.value)
