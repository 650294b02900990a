"""A child starts with what it takes from its parent, learns what it is told, and is otherwise a run like any other."""

import json
import random
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from harness import record, weights
from harness.dataset import tokenizer_for
from harness.labelled.classifier import classification
from harness.labelled.windows import lesson_of
from harness.layout import lay_out
from harness.machine import resolve
from harness.models import VARIANTS, build
from harness.parents import children_of, kept_name, unfinished
from harness.record import Point, Run
from harness.refusal import Refusal
from harness.spec import Spec
from harness.sweep import Rung, Sweep, over
from harness.tasks import LanguageModelling
from harness.train import Preempted, Trunk
from tests.conftest import SYLLABLES, TINY, Command

WORDS = {"one": "X", "two": "Y"}  # class -> the word that tells it


def train(root: Path, cache: Path, specs: list[Spec], stop: threading.Event | None = None) -> list[Run]:
    for spec in specs:
        record.ask_for(root, spec)
    Trunk(root, specs, {"tasks": [], "data": {}}, cache, stop or threading.Event()).train()
    return [record.read_run(record.run_folder(root, spec.run_id)) for spec in specs]


def facts(root: Path, spec: Spec) -> list[Point]:
    """The run's points without what is effort."""
    run = record.read_run(record.run_folder(root, spec.run_id))
    assert run.done is not None
    return [replace(point, seconds=0.0) for point in run.points]


def planted_parent(root: Path, spec: Spec) -> Run:
    """A finished run whose weights no seed of these tests draws."""
    model = build(spec)
    model.initialise(torch.Generator().manual_seed(1_000 + spec.seed))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.01
    record.ask_for(root, spec)
    folder = record.run_folder(root, spec.run_id)
    path = weights.weights_file(folder, spec)
    path.parent.mkdir(parents=True, exist_ok=True)
    weights.save(path, model)
    point = Point(spec.steps, spec.tokens, "decayed", 0.0, 1.0, 1.0, {f"lm_{spec.corpus}/nll": 1.0})
    record.finish(folder, [point], {"run_id": spec.run_id, "seconds": 1.0})
    return record.read_run(folder)


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same texts twice: `told` by a word in them, and with labels drawn at `random`."""
    source, folder = random.Random(3), tmp_path_factory.mktemp("labelled")
    told, drawn = [], []
    for number in range(400):
        label = source.choice(list(WORDS))
        words = [source.choice(SYLLABLES) for _ in range(5)]
        words[source.randrange(5)] = WORDS[label]
        text = f"{' '.join(words)} {number}"
        told.append({"texts": [text], "label": label})
        drawn.append({"texts": [text], "label": source.choice(list(WORDS))})
    paths = {"told": folder / "told.jsonl", "random": folder / "random.jsonl"}
    for path, rows in zip(paths.values(), (told, drawn), strict=True):
        path.write_text("\n".join(map(json.dumps, rows)))
    return paths


@pytest.fixture
def kinds(tiny: Any, labelled: dict[str, Path]) -> Any:
    """Makes a child of each kind."""

    def make(kind: str, **fields: Any) -> Spec:
        own = {"epochs": 10.0, "unique_tokens": 4_096}
        if kind == "supervised":
            own |= {"labels": str(labelled["told"]), "context": 32, "eval_tokens": 4_096}
        made: Spec = tiny(**own | fields)
        return made

    return make


KINDS = ["continued", "supervised"]


# --- what is taken


@pytest.mark.parametrize("transferred", [0, 1, 2])
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_child_takes_these_tensors_and_draws_the_rest(
    tmp_path: Path, cache: Path, tiny: Any, variant: str, transferred: int
) -> None:
    parent = planted_parent(tmp_path / "parents", tiny(variant=variant, depth=2))
    child = tiny(variant=variant, depth=2, seed=5, parent=parent.run_id, transferred=transferred)
    record.ask_for(tmp_path / "children", child)
    design = {"tasks": [], "data": {}}
    started = Trunk(tmp_path / "children", [child], design, cache, threading.Event()).module.model.state_dict()
    drawn = build(child)
    drawn.initialise(torch.Generator().manual_seed(child.seed))
    theirs, own = weights.load_model(parent).state_dict(), drawn.state_dict()
    names = {name for name in own if torch.equal(started[name], theirs[name])}
    assert all(torch.equal(started[name], own[name]) for name in own.keys() - names)
    whole = {name for name in own if not name.startswith(("blocks.", "norm", "head"))}
    whole |= {name for name in own if name.startswith(tuple(f"blocks.{layer}." for layer in range(transferred)))}
    assert whole >= {"embedding"}
    assert names == (set(own) if transferred == 2 else whole)


def test_hardly_taught_a_child_is_its_parent(tmp_path: Path, cache: Path, tiny: Any) -> None:
    (parent,) = train(tmp_path / "parents", cache, [tiny()])
    child = tiny(seed=1, parent=parent.run_id, learning_rate=1e-9)
    (run,) = train(tmp_path / "children", cache, [child])
    name = f"lm_{child.corpus}/nll"
    for point in run.points:
        assert point.scores[name] == pytest.approx(parent.points[-1].scores[name], abs=1e-4)


def test_a_child_is_ahead_of_who_starts_from_scratch(tmp_path: Path, cache: Path, tiny: Any) -> None:
    (parent,) = train(tmp_path / "parents", cache, [tiny()])
    (child,) = train(tmp_path / "children", cache, [tiny(seed=1, parent=parent.run_id)])
    (scratch,) = train(tmp_path / "children", cache, [tiny(seed=1)])
    name = f"lm_{child.spec.corpus}/nll"
    assert all(a.scores[name] < b.scores[name] for a, b in zip(child.points, scratch.points, strict=True))
    assert parent.done is not None
    assert child.done is not None
    assert child.done["parent"] == {"run_id": parent.run_id, "sweep": "parents", "weights": weights.digest(parent)}
    assert scratch.done is not None
    assert "parent" not in scratch.done


# --- a run like any other


class StopAtStep(threading.Event):
    """Set after so many looks, that is, after so many steps."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.left = 2 * step

    def is_set(self) -> bool:
        self.left -= 1
        return self.left <= 0


@pytest.mark.parametrize("step", [3, 41, 90])
@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupted_child_ends_as_if_it_had_not_been(
    tmp_path: Path, cache: Path, tiny: Any, kinds: Any, kind: str, step: int
) -> None:
    context = kinds(kind).context
    parent = planted_parent(tmp_path / "parents", tiny(context=context))
    spec = kinds(kind, parent=parent.run_id, transferred=0)
    train(tmp_path / "whole", cache, [spec])
    with pytest.raises(Preempted):
        train(tmp_path / "cut", cache, [spec], StopAtStep(step))
    train(tmp_path / "cut", cache, [spec])
    assert facts(tmp_path / "cut", spec) == facts(tmp_path / "whole", spec)


@pytest.mark.parametrize("kind", KINDS)
def test_a_branch_equals_the_child_that_was_never_branched(
    tmp_path: Path, cache: Path, tiny: Any, kinds: Any, kind: str
) -> None:
    parent = planted_parent(tmp_path / "parents", tiny(context=kinds(kind).context))
    budgets = [kinds(kind, parent=parent.run_id, tokens=tokens) for tokens in (6_400, 12_800)]
    assert len({spec.trunk_id for spec in budgets}) == 1
    train(tmp_path / "trunk", cache, budgets)
    for spec in budgets:
        train(tmp_path / "alone", cache, [spec])
        assert facts(tmp_path / "trunk", spec) == facts(tmp_path / "alone", spec)


@pytest.mark.parametrize("kind", KINDS)
def test_a_child_that_diverges_fails_with_its_reason(
    tmp_path: Path, cache: Path, tiny: Any, kinds: Any, kind: str
) -> None:
    fields = {"context": kinds(kind).context, "variant": "gpt2"}
    parent = planted_parent(tmp_path / "parents", tiny(**fields))
    (run,) = train(tmp_path / "children", cache, [kinds(kind, parent=parent.run_id, learning_rate=1e30, **fields)])
    assert run.done is None
    assert run.failure is not None
    assert run.failure["kind"] == "diverged"


# --- learning to classify


@pytest.mark.parametrize("from_parent", [True, False], ids=["child", "scratch"])
def test_labels_are_learnt_where_the_text_tells_them(
    tmp_path: Path, cache: Path, tiny: Any, labelled: dict[str, Path], from_parent: bool
) -> None:
    fields = {"context": 32, "unique_tokens": 128 * 32, "epochs": 25.0, "tokens": 51_200, "eval_tokens": 4_096}
    parent = train(tmp_path / "parents", cache, [tiny(context=32)])[0].run_id if from_parent else None
    scores = {}
    for name, path in labelled.items():
        (run,) = train(tmp_path / "children", cache, [tiny(**fields, parent=parent, labels=str(path))])
        scores[name] = {metric: run.points[-1].scores[f"{path}/{metric}"] for metric in ("acc", "acc_stderr", "chance")}
        assert f"lm_{run.spec.corpus}/nll" in run.points[-1].scores
    assert scores["told"]["acc"] > 0.9
    assert abs(scores["random"]["acc"] - scores["random"]["chance"]) < 3 * scores["random"]["acc_stderr"]


def test_what_a_run_leaves_scores_as_it_did(tmp_path: Path, cache: Path, kinds: Any) -> None:
    spec = kinds("supervised")
    (run,) = train(tmp_path / "runs", cache, [spec])
    lesson = lesson_of(spec, cache)
    model, classifier = weights.load_model(run), weights.load_classifier(run, lesson.classes)
    own = LanguageModelling(spec.corpus)
    scores = own.score(model, own.load(spec, cache), "cpu")
    learnt = classification(model, classifier, lesson.held_out, "cpu")
    scores |= {f"{spec.labels}/{metric}": value for metric, value in learnt.items()}
    assert run.points[-1].scores == pytest.approx(scores, rel=1e-5)


def test_who_has_learnt_to_classify_can_be_a_parent(tmp_path: Path, cache: Path, kinds: Any) -> None:
    (parent,) = train(tmp_path / "parents", cache, [kinds("supervised")])
    (child,) = train(tmp_path / "children", cache, [kinds("supervised", parent=parent.run_id, lm_weight=0.0)])
    nll = f"{child.spec.labels}/nll"
    assert child.points[0].scores[nll] < parent.points[0].scores[nll]


# --- refusals


def laid_out(results: Path, cache: Path, *specs: Spec, name: str = "children") -> None:
    lay_out(Sweep(name, "?", {}, []), [Rung(spec, False) for spec in specs], results / name, cache)


def test_a_parent_that_is_nowhere_is_refused(tmp_path: Path, cache: Path, tiny: Any) -> None:
    with pytest.raises(Refusal, match="launch the sweep that trains it first"):
        laid_out(tmp_path, cache, tiny(parent="0123456789ab"))


def test_a_parent_that_is_not_finished_is_refused(tmp_path: Path, cache: Path, tiny: Any) -> None:
    record.ask_for(tmp_path / "parents", tiny())
    with pytest.raises(Refusal, match="not finished"):
        laid_out(tmp_path, cache, tiny(parent=tiny().run_id))


def test_weights_are_needed_by_those_who_are_still_to_start(tmp_path: Path, cache: Path, tiny: Any) -> None:
    parent = planted_parent(tmp_path / "parents", tiny())
    child, later = (tiny(parent=parent.run_id, seed=seed) for seed in (1, 2))
    laid_out(tmp_path, cache, child)
    train(tmp_path / "children", cache, [child])
    weights.weights_file(parent.folder, parent.spec).unlink()
    laid_out(tmp_path, cache, child)
    frozen = record.read_sweep(tmp_path / "children")["parents"]
    assert frozen.keys() == {parent.run_id}
    with pytest.raises(Refusal, match="is not there"):
        laid_out(tmp_path, cache, child, later)


def test_a_sweep_has_one_set_of_weights_of_a_parent(tmp_path: Path, cache: Path, tiny: Any) -> None:
    parent = planted_parent(tmp_path / "parents", tiny())
    child = tiny(parent=parent.run_id)
    laid_out(tmp_path, cache, child)
    weights.save(weights.weights_file(parent.folder, parent.spec), _other(parent.spec))
    with pytest.raises(Refusal, match="two starts are never mixed"):
        laid_out(tmp_path, cache, child)
    design = record.read_sweep(tmp_path / "children")
    with pytest.raises(Refusal, match="two starts are never mixed"):
        Trunk(tmp_path / "children", [child], design, cache, threading.Event())


def _other(spec: Spec) -> torch.nn.Module:
    model = build(spec)
    model.initialise(torch.Generator().manual_seed(9))
    return model


@pytest.mark.parametrize(
    "changes",
    [{"depth": 2}, {"width": 32}, {"context": 32}, {"variant": "gpt2"}, {"mlp_width": 32}, {"qk_norm": "none"}],
    ids=str,
)
def test_another_shape_is_refused(tmp_path: Path, cache: Path, tiny: Any, changes: dict[str, Any]) -> None:
    parent = planted_parent(tmp_path / "parents", tiny())
    with pytest.raises(Refusal) as refusal:
        laid_out(tmp_path, cache, tiny(parent=parent.run_id, **changes))
    field = next(iter(changes))
    assert f"use {field}={getattr(parent.spec, field)}" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_trained_tokenizer_goes_along_to_another_corpus(tmp_path: Path, cache: Path, tiny: Any) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for number in range(30):
        (other / f"{number}.txt").write_text(" ".join(f"{number} times {place} is wrong." for place in range(120)))
    fields = {"tokenizer": "bpe", "vocab_size": 300, "unique_tokens": 12_800}
    parent = planted_parent(tmp_path / "parents", tiny(**fields))
    laid_out(tmp_path, cache, tiny(**fields, parent=parent.run_id), name="siblings")
    child = {**fields, "corpus": str(other), "parent": parent.run_id}
    with pytest.raises(Refusal) as refusal:
        laid_out(tmp_path, cache, tiny(**child))
    kept = kept_name(parent, cache)
    assert f"--set tokenizer={kept}" in str(refusal.value)
    spec = tiny(**child | {"tokenizer": kept})
    (run,) = train(tmp_path / "children", cache, [spec])
    assert run.done is not None
    text = (other / "7.txt").read_text()
    ids = [tokenizer_for(each, cache).encode(text).tolist() for each in (spec, parent.spec)]
    assert ids[0] == ids[1]


# --- sweeps of children

FIXED = {**TINY, "device": "cpu", "precision": "fp32", "kernel": "eager"}


@pytest.fixture
def parents(corpus: Path) -> Sweep:
    axes = [over("depth width seed", (1, 16, 0), (2, 16, 3)), over("tokens", 6_400, 12_800)]
    return Sweep("parents", "?", {**FIXED, "corpus": str(corpus)}, axes)


def test_children_are_those_of_every_wanted_rung(parents: Sweep) -> None:
    launched = [rung.spec for rung in parents.rungs(resolve) if rung.spec.tokens == 12_800]
    axis = children_of(parents, where=lambda spec: spec.tokens == 12_800)
    assert [fields["parent"] for fields in axis] == [spec.run_id for spec in launched]
    assert [(fields["depth"], fields["seed"]) for fields in axis] == [(1, 0), (2, 3)]
    controlled = children_of(parents, where=lambda spec: spec.tokens == 12_800, from_scratch=True)
    assert [fields for fields in controlled if fields["parent"]] == axis
    assert [fields | {"parent": None} for fields in axis] == [f for f in controlled if not f["parent"]]


def test_parents_that_another_machine_would_name_otherwise_are_refused(parents: Sweep) -> None:
    with pytest.raises(Refusal, match="device=auto"):
        children_of(replace(parents, base={**parents.base, "device": "auto"}))
    with pytest.raises(Refusal, match="no rung"):
        children_of(parents, where=lambda spec: spec.depth == 3)


def test_a_sweep_of_children_is_trained_after_its_parents(
    tmp_path: Path, cache: Path, parents: Sweep, scalelaw: Command
) -> None:
    results = tmp_path / "results"
    children = Sweep(
        name="children",
        question="?",
        base={**FIXED, "corpus": parents.base["corpus"], "tokens": 6_400, "seed": 9},
        axes=[
            children_of(parents, where=lambda spec: spec.tokens == 12_800, from_scratch=True),
            over("transferred", 0, 1, 2),
        ],
        where=lambda run: run["transferred"] <= (run["depth"] if run["parent"] else 0),
        parents=[parents],
    )
    rungs = children.rungs(resolve)
    assert len(rungs) == (2 + 1) + (3 + 1)
    theirs = parents.rungs(resolve)
    assert unfinished(children, rungs, results, resolve) == [(parents, theirs)]
    with pytest.raises(Refusal, match="launch the sweep"):
        lay_out(children, rungs, results / "children", cache)
    for rung in theirs:
        planted_parent(results / "parents", rung.spec)
    assert unfinished(children, rungs, results, resolve) == []
    lay_out(children, rungs, results / "children", cache)
    child = next(rung.spec for rung in rungs if rung.spec.parent)
    done = scalelaw("worker", results / "children", "--run", child.run_id)
    assert done.returncode == 0, done.stderr
    facts = (record.read_run(record.run_folder(results / "children", child.run_id)).done or {})["parent"]
    assert facts == record.read_sweep(results / "children")["parents"][child.parent]
