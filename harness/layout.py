"""Freezes a sweep's design in its results folder and asks for every rung, once data and folder are seen to fit."""

from collections.abc import Sequence
from pathlib import Path

from harness import record
from harness.dataset import WindowOrder, prepare
from harness.record import Json
from harness.refusal import Refusal
from harness.sweep import Rung, Sweep
from harness.tasks import find_task

FACTS_OF_TEXT = ("source", "version", "licence", "tokenizer", "tokenizer_hash", "vocab_size")
FACTS_OF_FILES = ("train", "val", "dropped", "split_rule", "data_hash")


def lay_out(sweep: Sweep, rungs: Sequence[Rung], root: Path, cache: Path) -> None:
    """Writes sweep.json and every rung's spec.json; refuses a folder of another design or of other data."""
    texts = {(rung.spec.corpus, rung.spec.tokenizer, rung.spec.vocab_size): rung.spec for rung in rungs}
    data = {}
    for (corpus, tokenizer, vocab_size), spec in texts.items():
        dataset = prepare(corpus, tokenizer, vocab_size, cache)
        for pool in {(r.spec.context, r.spec.unique_tokens) for r in rungs if r.spec.corpus == corpus}:
            WindowOrder(dataset.train_tokens, *pool, seed=0)  # refuses a pool that the text cannot fill
        manifest = dataset.manifest
        data["/".join((corpus, tokenizer, str(vocab_size)))] = {
            key: manifest[key] for key in FACTS_OF_TEXT + FACTS_OF_FILES
        }
        for task in sweep.tasks:
            find_task(task).load(spec, cache)
    design = {
        "name": sweep.name,
        "question": sweep.question,
        "tasks": list(sweep.tasks),
        "law": sweep.law,
        "convention": sweep.convention,
        "data": data,
        "rungs": [
            {"run_id": rung.spec.run_id, "trunk_id": rung.spec.trunk_id, "held_out": rung.held_out} for rung in rungs
        ],
    }
    _refuse_another(design, root)
    for rung in rungs:
        record.ask_for(root, rung.spec)
    record.write_sweep(root, design)


def _refuse_another(design: Json, root: Path) -> None:
    """A folder may gain rungs; what stands in it must belong to the design, and the held-out ones stay held out."""
    asked = {rung["run_id"]: rung["held_out"] for rung in design["rungs"]}
    strangers = set(record.run_ids(root)) - set(asked)
    cure = "pass --results DIR for a folder of its own, or move the old one away"
    if strangers:
        raise Refusal(
            f"{root} holds {len(strangers)} of another spec's rungs (first: {min(strangers)}), "
            f"and a results folder belongs to one design: {cure}"
        )
    frozen = record.read_json(root / "sweep.json")
    if frozen is None:
        return
    for rung in frozen["rungs"]:
        if asked.get(rung["run_id"], rung["held_out"]) != rung["held_out"]:
            raise Refusal(f"rung {rung['run_id']} in {root} was laid out as held_out={rung['held_out']}: {cure}")
    for field in ("law", "convention"):
        if design[field] != frozen[field]:
            raise Refusal(
                f"{field}={design[field]!r} in {root} was frozen as {frozen[field]!r} before training: {cure}"
            )
    for key, facts in design["data"].items():
        if key in frozen["data"] and frozen["data"][key]["data_hash"] != facts["data_hash"]:
            raise Refusal(
                f"the text {key} now hashes to {facts['data_hash'][:12]}, the runs in {root} were trained on "
                f"{frozen['data'][key]['data_hash'][:12]}: two texts are never mixed; {cure}"
            )
