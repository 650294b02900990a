"""Freezes a sweep's design in its results folder and asks for every rung, once data and folder are seen to fit."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from harness import record
from harness.dataset import WindowOrder, bytes_of, side_of
from harness.labelled.windows import lesson_of
from harness.overlap import overlaps
from harness.parents import parents_of
from harness.record import Json
from harness.refusal import Refusal
from harness.spec import Spec
from harness.sweep import Rung, Sweep
from harness.tasks import Choice, LanguageModelling, find_task

SEARCHED_BYTES = 2**28  # of a corpus at most, for words that it shares with questions

CURE = "pass --results DIR for a folder of its own, or move the old one away"


def lay_out(sweep: Sweep, rungs: Sequence[Rung], root: Path, cache: Path) -> None:
    """Writes sweep.json and every rung's spec.json; refuses a folder of another design or of other data."""
    refuse_strangers(rungs, root)
    specs = [rung.spec for rung in rungs]
    parents = parents_of(specs, root, cache)
    design = {
        "name": sweep.name,
        "question": sweep.question,
        "tasks": list(sweep.tasks),
        "law": sweep.law,
        "convention": sweep.convention,
        "data": _texts(specs, sweep.tasks, cache),
        "parents": parents,
        "overlap": _overlap({spec.corpus for spec in specs}, sweep.tasks, cache),
        "rungs": [
            {"run_id": rung.spec.run_id, "trunk_id": rung.spec.trunk_id, "held_out": rung.held_out} for rung in rungs
        ],
    }
    with record.claim(root / "layout.lock", patience=1000):
        refuse_strangers(rungs, root)
        _refuse_another(design, root)
        for rung in rungs:
            record.ask_for(root, rung.spec)
        record.write_sweep(root, design)


def refuse_strangers(rungs: Sequence[Rung], root: Path) -> None:
    """A folder may gain rungs, but all that stands in it must belong to the design."""
    strangers = set(record.run_ids(root)) - {rung.spec.run_id for rung in rungs}
    if strangers:
        raise Refusal(
            f"{root} holds {len(strangers)} of another spec's rungs (first: {min(strangers)}), "
            f"and a results folder belongs to one design: {CURE}"
        )


def _texts(specs: Sequence[Spec], tasks: Sequence[str], cache: Path) -> Json:
    """Facts of every text that is read, trained on or scored; refuses a pool or a window that the text cannot fill."""
    texts: Json = {}
    for spec in {(s.text, s.labels, s.context, s.unique_tokens, s.eval_tokens): s for s in specs}.values():
        own = LanguageModelling(spec.corpus)
        dataset = own.dataset(spec, cache)
        if spec.labels:
            lesson = lesson_of(spec, cache)
            texts[lesson.name] = lesson.facts
        else:
            WindowOrder(dataset.train_tokens, spec.context, spec.unique_tokens, seed=0)
        own.load(spec, cache)
        texts[spec.text] = dataset.facts
        for task in map(find_task, tasks):
            task.load(spec, cache)
            texts[f"{task.name} for {spec.text}"] = task.facts(spec, cache)
    return texts


def _overlap(corpora: Iterable[str], names: Sequence[str], cache: Path) -> Json:
    """Corpus -> task -> how many of its questions share 13 words with the text to train on; not of a huge corpus."""
    asked = {task.title: task for task in map(find_task, names) if isinstance(task, Choice)}
    texts = {title: [item.solved() for item in task.split(task.read(cache).items)[1]] for title, task in asked.items()}
    found: Json = {}
    for corpus in sorted(corpora) if texts else ():
        if bytes_of(corpus, cache).train_tokens <= SEARCHED_BYTES:
            train = side_of(corpus, "train", cache).documents()
            counted = overlaps((document.text for document in train), texts)
            found[corpus] = {title: asdict(overlap) for title, overlap in counted.items()}
    return found


def _refuse_another(design: Json, root: Path) -> None:
    """What was frozen before training stays: held-out flags, law, convention, tasks and texts."""
    frozen = record.read_json(root / "sweep.json")
    if frozen is None:
        return
    asked = {rung["run_id"]: rung["held_out"] for rung in design["rungs"]}
    for rung in frozen["rungs"]:
        if asked.get(rung["run_id"], rung["held_out"]) != rung["held_out"]:
            raise Refusal(f"rung {rung['run_id']} in {root} was laid out as held_out={rung['held_out']}: {CURE}")
    for field in ("law", "convention", "tasks"):
        if design[field] != frozen[field]:
            raise Refusal(
                f"{field}={design[field]!r} in {root} was frozen as {frozen[field]!r} before training: {CURE}"
            )
    for text, facts in design["data"].items():
        if text in frozen["data"]:
            refuse_other_text(text, facts["data_hash"], frozen["data"][text]["data_hash"])


def refuse_other_text(text: str, data_hash: str, frozen_hash: str) -> None:
    if data_hash != frozen_hash:
        raise Refusal(
            f"the text {text} now hashes to {data_hash[:12]}, the sweep was laid out on {frozen_hash[:12]}: "
            "two texts are never mixed; restore the text, or pass --results DIR for a folder of its own"
        )
