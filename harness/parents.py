"""Runs that start from another run's weights: which run that is, whether it fits, and sweeps of its children."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from harness import machine, record
from harness.anatomy import CHOICES
from harness.models.family import LanguageModel
from harness.record import Json, Run
from harness.refusal import Refusal
from harness.spec import Spec
from harness.sweep import Fields, Resolve, Rung, Sweep
from harness.tokenizers import END_OF_TEXT, TRAINED, keep
from harness.weights import digest, load_model, tokenizer_of, weights_file

# The fields by which weights become the same function.
SHAPE = ["variant", "depth", "width", "heads", "context", "vocab_size", *CHOICES]
SHAPE += ["parametrisation", "base_width", "base_depth"]

CURE = "launch the sweep that trains it first, or pass --results DIR for the folder where it is"


# --- the parent of a run


def find_parent(spec: Spec, results: Path, cache: Path) -> Run:
    """The run results/*/runs/<parent>; refused unless the spec has its shape and reads its tokens."""
    folders = sorted(path.parent for path in results.glob(f"*/runs/{spec.parent}/spec.json"))
    if not folders:
        raise Refusal(f"parent={spec.parent} is no run under {results}: {CURE}")
    # One run may stand in several sweeps, and its weights in one of them only.
    found = [record.read_run(folder) for folder in folders]
    parent = max(found, key=lambda run: (run.done is not None, weights_file(run.folder, run.spec).is_file()))
    for field in SHAPE:
        own, theirs = getattr(spec, field), getattr(parent.spec, field)
        if own != theirs:
            raise Refusal(
                f"{field}={own} is not that of parent={spec.parent}, whose weights fit no other: use {field}={theirs}"
            )
    _refuse_other_tokens(spec, parent, cache)
    return parent


def _refuse_other_tokens(spec: Spec, parent: Run, cache: Path) -> None:
    own, theirs = spec.tokenizer, parent.spec.tokenizer
    if own == theirs and (own not in TRAINED or spec.corpus == parent.spec.corpus):
        tokenizer_of(parent, cache)  # an imported run brings its file along; a trained one's text must be as it was
        return
    if theirs in TRAINED:
        theirs = kept_name(parent, cache)
    if own != theirs:
        raise Refusal(
            f"tokenizer={own} of corpus={spec.corpus} is not that of parent={spec.parent}, whose weights mean its own "
            f"tokens: pass --set tokenizer={theirs}"
        )


def kept_name(run: Run, cache: Path) -> str:
    """The run's trained tokenizer by its content, under which the cache keeps it for other corpora."""
    definition = json.loads(tokenizer_of(run, cache).definition)
    return keep(json.dumps({"end_of_text": END_OF_TEXT, "tokenizer": definition}), cache)


def parents_of(specs: Sequence[Spec], root: Path, cache: Path) -> Json:
    """Facts of every run that one of the specs starts from; as frozen where no child of it is still to be trained.

    Refuses a parent that is not finished, or whose weights are not on this disk or no longer those that were frozen.
    """
    frozen: Json = (record.read_json(root / "sweep.json") or {}).get("parents", {})
    found: Json = {}
    for spec in specs:
        if spec.parent is None or (record.run_folder(root, spec.run_id) / "done.json").is_file():
            continue
        parent = find_parent(spec, root.parent, cache)
        if spec.parent not in found:
            found[spec.parent] = facts_of(parent, frozen)
    return frozen | found


def facts_of(parent: Run, frozen: Json) -> Json:
    """Where the parent stands and its weights' digest, which is still the frozen one."""
    found = {"run_id": parent.run_id, "sweep": parent.folder.parent.parent.name, "weights": digest(parent)}
    known = frozen.get(parent.run_id, found)
    if known["weights"] != found["weights"]:
        raise Refusal(
            f"the weights of parent={parent.run_id} now hash to {found['weights'][:12]}, the sweep was laid out on "
            f"{known['weights'][:12]}: two starts are never mixed; restore them, or pass --results DIR for a new folder"
        )
    return found


# --- what a run takes from it


def taken(name: str, transferred: int, depth: int) -> bool:
    """Whether a parameter is the parent's: what feeds the blocks, the first of these, and with the last one the end."""
    part, _, rest = name.partition(".")
    if part == "blocks":
        return int(rest.partition(".")[0]) < transferred
    return part not in ("norm", "head") or transferred == depth


@torch.no_grad()
def transfer(parent: Run, model: LanguageModel, transferred: int) -> None:
    """Overwrites the model's embedding, positions and first blocks with the parent's; with all blocks, all of it."""
    weights = load_model(parent).state_dict()
    for name, parameter in model.named_parameters():
        if taken(name, transferred, len(model.blocks)):
            parameter.copy_(weights[name])


# --- sweeps of children


def children_of(
    sweep: Sweep, where: Callable[[Spec], bool] = lambda spec: True, from_scratch: bool = False
) -> list[Fields]:
    """An axis: every wanted rung of the sweep as a parent, with its shape, tokenizer and seed; refuses "auto" fields.

    `from_scratch` adds each shape once more without a parent, as control.
    """
    specs = [rung.spec for rung in sweep.rungs(_resolved) if where(rung.spec)]
    if not specs:
        raise Refusal(f"sweep {sweep.name!r} has no rung that is wanted as a parent: loosen `where`")
    axis: list[Fields] = []
    for spec in specs:
        same = {name: getattr(spec, name) for name in (*SHAPE, "tokenizer", "seed")}
        axis.append({**same, "parent": spec.run_id})
        if from_scratch:
            axis.append({**same, "parent": None})
    return axis


def _resolved(fields: Fields) -> Fields:
    for name in ("device", "precision", "kernel"):
        if fields.get(name, "auto") == "auto":
            raise Refusal(
                f"{name}=auto in a sweep of parents: a parent is named by what it was computed with, and another "
                f"machine would name another; say {name} in its base"
            )
    return machine.resolve(fields)


def unfinished(sweep: Sweep, rungs: Sequence[Rung], results: Path, resolve: Resolve) -> list[tuple[Sweep, list[Rung]]]:
    """Those of `sweep.parents`, with their rungs, that have to be launched before the sweep's own `rungs` can be."""
    done = {path.parent.name for path in results.glob("*/runs/*/done.json")}
    missing = {rung.spec.parent for rung in rungs if rung.spec.run_id not in done} - done
    laid_out = [(parent, parent.rungs(resolve)) for parent in sweep.parents]
    return [(parent, theirs) for parent, theirs in laid_out if missing & {rung.spec.run_id for rung in theirs}]
