"""lm-evaluation-harness gets from our runs what our own engine gives, and what its own Hugging Face model gives."""

import json
import math
import os
import random
import subprocess
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from harness import record, weights
from harness.dataset import prepare
from harness.exchange.export import export
from harness.generate import Settings, generate
from harness.likelihood import answer, encoded
from harness.models import build
from harness.record import Point, Run
from harness.refusal import Refusal
from harness.weights import load_model, tokenizer_of
from tests.conftest import ROOT, SYLLABLES

# Read when its data sets are imported: nothing is ever fetched.
os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}

CLOSE = 1e-5  # nats
CONTEXT = 48
VOCABULARY = {"bytes": 256, "bpe": 300}
STOP = "ba"

pytestmark = pytest.mark.filterwarnings("ignore")  # of what is not ours

YAML = """
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}, cache_dir: {cache}}}
test_split: test
doc_to_text: "{{{{question}}}}"
{rest}
"""
TASKS = {
    "planted_choice": """
output_type: multiple_choice
doc_to_choice: choices
doc_to_target: answer
metric_list: [{metric: acc}, {metric: acc_norm}]
""",
    "planted_rolling": """
output_type: loglikelihood_rolling
doc_to_target: "{{question}}"
metric_list: [{metric: word_perplexity}, {metric: bits_per_byte}]
""",
    "planted_open": """
output_type: generate_until
doc_to_target: "{{written}}"
generation_kwargs: {until: ["STOP"], max_gen_toks: 12}
filter_list: [{name: whole, filter: [{function: take_first}]}]
metric_list: [{metric: exact_match}]
""".replace("STOP", STOP),
}


def test_what_is_missing_is_said_in_one_line() -> None:
    program = (
        "import sys\nsys.modules['lm_eval'] = None\n"
        "from harness.refusal import Refusal\n"
        "try:\n    import harness.lm_eval\nexcept Refusal as refusal:\n    print(refusal)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    (line,) = done.stdout.splitlines()
    assert line.startswith("lm-evaluation-harness is not installed")
    assert line.endswith("-e '.[lm-eval]'")


@pytest.fixture(scope="module")
def adapter() -> ModuleType:
    pytest.importorskip("lm_eval", reason="the extra lm-eval is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from harness import lm_eval
    torch.set_num_threads(1)
    return lm_eval


@pytest.fixture(params=VOCABULARY)
def run(request: pytest.FixtureRequest, tmp_path: Path, cache: Path, tiny: Any) -> Run:
    """A finished run none of whose parameters is zero."""
    shape = {"variant": "gpt2", "width": 24, "heads": 3, "depth": 2, "context": CONTEXT, "batch_tokens": CONTEXT}
    spec = tiny(
        **shape, tokens=10 * CONTEXT, warmup_tokens=0, tokenizer=request.param, vocab_size=VOCABULARY[request.param]
    )
    model = build(spec)
    model.initialise(torch.Generator().manual_seed(0))
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            parameter.add_(0.15 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number)))
    folder = record.run_folder(tmp_path / "results" / "planted", spec.run_id)
    record.ask_for(tmp_path / "results" / "planted", spec)
    path = weights.weights_file(folder, spec)
    path.parent.mkdir(parents=True)
    weights.save(path, model)
    read = prepare(spec.corpus, spec.tokenizer, spec.vocab_size, cache).data_hash
    record.finish(folder, [Point(10, spec.tokens, "decayed", 0.01, 3.0, 1.0, {})], {"seconds": 1.0, "data_hash": read})
    return record.read_run(folder)


def documents() -> list[dict[str, Any]]:
    """Questions short, empty, with signs of several bytes, and longer than the context."""
    source = random.Random(5)

    def words(least: int, most: int) -> str:
        return " ".join("".join(source.choices(SYLLABLES, k=2)) for _ in range(source.randint(least, most)))

    questions = ["", "Ünï — 語言: ", "two\n\nlines\n", *(words(1, 40) for _ in range(40))]
    return [
        {"question": question, "choices": [words(1, 4) for _ in range(3)], "answer": source.randrange(3)}
        for question in questions
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three tasks on these documents; the last asks for a text that no model is likely to write."""
    made = tmp_path / "tasks"
    made.mkdir()
    data = made / "data.jsonl"
    data.write_text("".join(json.dumps(document | {"written": "?"}) + "\n" for document in documents()))
    for name, rest in TASKS.items():
        text = YAML.format(name=name, data=data, cache=tmp_path / "datasets", rest=rest)
        (made / f"{name}.yaml").write_text(text)
    return made


def asked_and_answered(adapter: ModuleType, model: Any, folder: Path) -> list[tuple[tuple[str, str], float, bool]]:
    """Every request that it makes of the questions, with log p and whether it is greedy."""
    manager = adapter.TaskManager(include_path=str(folder), include_defaults=False)
    found = adapter.simple_evaluate(model, tasks=["planted_choice"], task_manager=manager, bootstrap_iters=0)
    samples = sorted(found["samples"]["planted_choice"], key=lambda sample: sample["doc_id"])
    return [
        (tuple(asked), *answers[0])
        for sample in samples
        for asked, answers in zip(sample["arguments"], sample["resps"], strict=True)
    ]


def test_each_request_is_answered_as_ours(adapter: ModuleType, run: Run, folder: Path, cache: Path) -> None:
    model, tokenizer = load_model(run), tokenizer_of(run, cache)
    texts = [(document["question"], f" {choice}") for document in documents() for choice in document["choices"]]
    ours = answer(model, [encoded(tokenizer, *text) for text in texts], "cpu")
    theirs = asked_and_answered(adapter, adapter.FamilyLM(model, tokenizer), folder)
    assert [text for text, _, _ in theirs] == texts
    assert ours.cut.any()
    assert not ours.cut.all()
    assert [log_p for _, log_p, _ in theirs] == pytest.approx(list(-ours.nats), abs=CLOSE)
    assert [greedy for _, _, greedy in theirs] == list(ours.greedy)
    assert np.std(ours.nats) > 1


def test_its_own_hugging_face_model_answers_the_same(
    adapter: ModuleType, run: Run, folder: Path, cache: Path, tmp_path: Path
) -> None:
    pytest.importorskip("accelerate", reason="its Hugging Face model needs it")
    from lm_eval.models.huggingface import HFLM  # type: ignore[import-not-found, unused-ignore]

    export(run, tmp_path / "out", cache)
    theirs = asked_and_answered(adapter, HFLM(str(tmp_path / "out"), device="cpu", dtype="float32"), folder)
    ours = asked_and_answered(adapter, adapter.FamilyLM(load_model(run), tokenizer_of(run, cache)), folder)
    assert [text for text, _, _ in ours] == [text for text, _, _ in theirs]
    rounding = float(np.finfo(np.float32).eps) * 3  # it adds tokens in float32, whose steps at 150 nats are above CLOSE
    assert [log_p for _, log_p, _ in ours] == pytest.approx([log_p for _, log_p, _ in theirs], abs=CLOSE, rel=rounding)
    assert [greedy for _, _, greedy in ours] == [greedy for _, _, greedy in theirs]


def test_its_tasks_become_columns(
    adapter: ModuleType, run: Run, folder: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = adapter.evaluate_with_lm_eval(run, list(TASKS), cache, folder)
    model, tokenizer = load_model(run), tokenizer_of(run, cache)
    asked = documents()
    nats = answer(
        model,
        [
            encoded(tokenizer, document["question"], f" {choice}")
            for document in asked
            for choice in document["choices"]
        ],
        "cpu",
    ).nats.reshape(-1, 3)
    right = nats.argmin(1) == [document["answer"] for document in asked]
    assert columns["lm_eval_planted_choice/acc"] == pytest.approx(right.mean())
    assert columns["lm_eval_planted_choice/acc_stderr"] == pytest.approx(right.std(ddof=1) / math.sqrt(len(right)))
    assert "lm_eval_planted_choice/acc_norm" in columns
    texts = [document["question"] for document in asked if document["question"]]
    whole = answer(model, [encoded(tokenizer, "", text) for text in texts], "cpu").nats.sum()
    sizes = sum(len(text.encode()) for text in texts)
    assert columns["lm_eval_planted_rolling/bits_per_byte"] == pytest.approx(whole / math.log(2) / sizes, abs=CLOSE)
    assert columns["lm_eval_planted_open/exact_match_whole"] == 0
    assert columns["lm_eval_planted_open/exact_match_whole_stderr"] == 0
    few = adapter.evaluate_with_lm_eval(run, ["planted_choice"], cache, folder, limit=4)
    assert {column.partition("/")[0] for column in few} == {"lm_eval_planted_choice@limit=4"}
    assert capsys.readouterr().out == ""


def test_text_is_written_up_to_what_stops_it(adapter: ModuleType, run: Run, cache: Path) -> None:
    model, tokenizer = load_model(run), tokenizer_of(run, cache)
    family = adapter.FamilyLM(model, tokenizer)
    prompts = [document["question"] for document in documents()]
    for prompt in prompts[:12]:
        tokens = generate(model, tokenizer.encode(prompt).tolist(), Settings(30, temperature=0), tokenizer.end_of_text)
        plain = tokenizer.decode(list(tokens))
        stop = plain[len(plain) // 2 : len(plain) // 2 + 2]
        asked = [Asked(prompt, {"until": stop, "max_gen_toks": 30}), Asked(prompt, {"until": [], "max_gen_toks": 30})]
        stopped, whole = family.generate_until(asked)
        assert whole == plain
        assert stopped == plain.split(stop)[0] if stop else plain


class Asked:
    """A request as the harness makes it."""

    def __init__(self, *args: Any) -> None:
        self.args = args


def test_data_that_is_not_there_is_refused(adapter: ModuleType, run: Run, folder: Path, cache: Path) -> None:
    path = folder / "planted_choice.yaml"
    path.write_text(path.read_text().replace("data.jsonl", "lost.jsonl"))
    with pytest.raises(Refusal, match="planted_choice: the data cannot be read"):
        adapter.evaluate_with_lm_eval(run, ["planted_choice"], cache, folder)


@pytest.mark.slow
def test_a_task_that_nobody_knows_is_refused(adapter: ModuleType, run: Run, folder: Path, cache: Path) -> None:
    """It reads all of its own tasks to say so."""
    with pytest.raises(Refusal, match="knows no task 'planted_choise': did you mean 'planted_choice'"):
        adapter.evaluate_with_lm_eval(run, ["planted_choise"], cache, folder)
