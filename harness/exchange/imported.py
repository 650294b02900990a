"""A Hugging Face folder in: a run of results/imported that every task can score, whoever trained it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from harness import machine, record
from harness.counts import counts
from harness.exchange import CLASSES, Published
from harness.exchange.export import OWN
from harness.exchange.folder import read_config, read_weights
from harness.exchange.multipliers import State
from harness.exchange.published import Json, digest
from harness.layout import refuse_other_text
from harness.models import build
from harness.models.family import LanguageModel
from harness.record import ELSEWHERE, Point, Run
from harness.refusal import Refusal, pick
from harness.score import best_device, facts_of, refuse_tasks_of_training, score_model
from harness.spec import TOKENIZER_VOCABULARY, Spec, is_kept, make_spec
from harness.tasks import Task, find_task
from harness.tokenizers import file_name, keep_file, kept_file, kept_tokenizer
from harness.weights import kept_copy, save, weights_file

QUESTION = "What do models that were trained elsewhere score here?"
PHASES = ("decayed", "imported")
IN_CONFIG = "its config.json says so; get the folder again"
SEED_DIGITS = 8  # hexadecimal, of a digest


@dataclass(frozen=True)
class Told:
    """What its user knows of a folder and the folder does not say; None: not known."""

    corpus: str | None = None
    tokens: int | None = None  # that it was trained on
    context: int | None = None  # a shorter one, to score it in
    tokenizer: str | None = None


@dataclass(frozen=True)
class Found:
    """What a folder turned out to be."""

    spec: Spec
    model: LanguageModel
    phase: str
    facts: Json  # for done.json


def bring_in(folder: Path, results: Path, cache: Path, tasks: Sequence[str] = (), told: Told | None = None) -> Run:
    """The run that the folder becomes, scored on the tasks; a folder that was brought in before gains their scores."""
    chosen = [find_task(name) for name in tasks]
    found = _read(folder, told or Told(), chosen, cache)
    device = best_device()
    scores = score_model(found.model.to(torch.device(device)), found.spec, chosen, cache, device)
    texts = facts_of(chosen, found.spec, cache)
    return _commit(results / record.IMPORTED, found, scores, texts, cache)


# --- what the folder is


def _read(folder: Path, told: Told, tasks: Sequence[Task], cache: Path) -> Found:
    config = read_config(folder)
    published = pick(CLASSES, str(config.get("model_type")), "model_type that can be imported")
    is_own = OWN in config
    if is_own:
        spec = _own_spec(folder, published, config, told, cache)
    else:
        refuse_tasks_of_training(tasks, told.corpus)
        spec = _foreign_spec(folder, published, config, told, cache)
    eager = spec.model_copy(update={"kernel": "eager"})
    weights = read_weights(folder, published, eager, config)
    identity = digest(weights.tensors)
    if is_own:
        _refuse_other_weights(folder, config[OWN].get("weights"), identity)
    state = published.to_ours(weights.tensors, eager)
    if not is_own:
        eager = spec = _narrowed(spec, state, told, identity)
    model = build(eager)
    model.load_state_dict(state)
    phase = config[OWN]["phase"] if is_own else PHASES[told.tokens is None]
    tied = not published.tied and bool(config.get("tie_word_embeddings"))
    facts = {"source": str(folder.absolute()), "model_type": published.model_type, "files": weights.files}
    copied = {"copied_params": counts(spec).params_head} if tied else {}
    return Found(spec, model, phase, {**facts, "weights": identity, **copied})


def _own_spec(folder: Path, published: Published, config: Json, told: Told, cache: Path) -> Spec:
    """The run that an export was made of, which its config.json must still describe."""
    if told != Told():
        raise Refusal(f"{folder} says itself which run it is, with corpus, tokens, context and tokenizer: name none")
    own = config[OWN]
    if not isinstance(own, dict) or not isinstance(own.get("spec"), dict) or own.get("phase") not in PHASES:
        raise Refusal(f"{folder}/config.json: {OWN!r} holds no run; export the run again, or take the key out")
    edited = "it was edited; export the run again, or take that key out"
    try:
        spec = make_spec(own["spec"], edited)
    except Refusal as refusal:
        raise Refusal(f"{folder}/config.json, under {OWN!r}: {refusal}") from None
    said = published.fields(config)
    apart = [name for name in said if name not in published.choices and said[name] != getattr(spec, name)]
    if apart or not published.holds(spec):
        wrong = f"{apart[0]}={said[apart[0]]}" if apart else f"model_type={published.model_type}"
        raise Refusal(f"{folder}/config.json: {wrong} is not of the run under {OWN!r}: {edited}")
    if is_kept(spec.tokenizer) and keep_file(_tokenizer_file(folder), cache) != spec.tokenizer:
        raise Refusal(f"{folder}/tokenizer.json is not the run's, tokenizer={spec.tokenizer}: {edited}")
    return spec


def _foreign_spec(folder: Path, published: Published, config: Json, told: Told, cache: Path) -> Spec:
    """A spec of the folder's shape and of what is known; the rest of it, the optimiser's part, means nothing.

    Learned positions are still whole.
    """
    shape = published.fields(config)
    whole = shape["context"]
    if told.context is not None and not 2 <= told.context <= whole:
        raise Refusal(f"context={told.context}: the model was trained in {whole}; use 2 to {whole}")
    if told.context is not None and published.rotary_fraction:
        shape["context"] = told.context
    if told.tokens is not None and told.tokens < (told.context or whole):
        raise Refusal(
            f"tokens={told.tokens} is less than one window of context={told.context or whole}: say all that it was "
            "trained on, or leave it out"
        )
    fields = {
        **shape,
        "corpus": told.corpus or record.UNKNOWN,
        "tokenizer": _tokenizer(folder, shape["vocab_size"], told, cache),
        "schedule": "cosine",
        "warmup_tokens": 0,
        "device": "cpu",
        "precision": "fp32",
        "kernel": "eager",
    }
    try:
        return make_spec(machine.resolve(fields | _budget(shape["context"], told.tokens)), IN_CONFIG)
    except Refusal as refusal:
        raise Refusal(f"{folder}: {refusal}") from None


def _budget(context: int, tokens: int | None) -> Json:
    """The fields that count tokens: whole windows, one where nobody knows how many."""
    windows = max(1, round((tokens or 0) / max(1, context)))
    budget = dict.fromkeys(("tokens", "unique_tokens"), windows * context)
    default: int = Spec.model_fields["eval_tokens"].default
    return {**budget, "batch_tokens": context, "eval_tokens": max(context, default)}


def _tokenizer(folder: Path, vocab_size: int, told: Told, cache: Path) -> str:
    if told.tokenizer is None:
        return file_name(_tokenizer_file(folder), vocab_size, cache)
    if is_kept(told.tokenizer):
        return kept_tokenizer(told.tokenizer, vocab_size, cache).name
    if told.tokenizer not in TOKENIZER_VOCABULARY and Path(told.tokenizer).is_file():
        return file_name(Path(told.tokenizer), vocab_size, cache)
    return told.tokenizer


def _tokenizer_file(folder: Path) -> Path:
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise Refusal(
            f"{folder} holds no tokenizer.json: save its tokenizer there with AutoTokenizer's save_pretrained, or name "
            "one with --tokenizer (bytes, gpt2, or a path to a tokenizer.json)"
        )
    return path


def _narrowed(whole: Spec, state: State, told: Told, identity: str) -> Spec:
    """The spec in the context that was told, to which learned positions are cut; named by its weights.

    Nobody knows the seed: a digest in its place makes two checkpoints of one shape two runs.
    """
    context = whole.context if told.context is None else told.context
    if "position" in state:
        state["position"] = state["position"][:context].contiguous()
    named = {"seed": int(identity[:SEED_DIGITS], 16), "context": context, "window": context}
    return make_spec(whole.model_dump() | named | _budget(context, told.tokens))


def _refuse_other_weights(folder: Path, left: Any, found: str) -> None:
    if left != found:
        raise Refusal(
            f"{folder}: its weights are not those that the run under {OWN!r} in config.json left, so they were trained "
            "on, rounded or damaged; take that key out to import them as another model"
        )


# --- the run that it becomes


def _commit(root: Path, found: Found, scores: Mapping[str, float], texts: Mapping[str, Json], cache: Path) -> Run:
    """Weights first, then the run, then the sweep that lists it: a kill in between leaves nothing that counts."""
    spec = found.spec
    folder = record.run_folder(root, spec.run_id)
    with record.claim(root / "layout.lock", patience=1000):
        design = _design(root, spec, texts)
        before = _before(folder, found.facts["weights"])
        path = weights_file(folder, spec)
        path.parent.mkdir(parents=True, exist_ok=True)
        save(path, found.model)
        if is_kept(spec.tokenizer):
            record.replace_bytes(kept_copy(folder, spec), kept_file(spec.tokenizer, cache).read_bytes())
        record.ask_for(root, spec)
        last = Point(spec.steps, spec.tokens, found.phase, None, None, None, {**before, **scores})
        done = {"run_id": spec.run_id, "device": spec.device, "device_name": ELSEWHERE, "seconds": 0.0}
        record.finish(folder, [last], {**done, "data_hash": None, **found.facts, **machine.provenance()})
        record.write_sweep(root, design)
    return record.read_run(folder)


def _before(folder: Path, identity: str) -> dict[str, float]:
    """Scores of the same weights, measured when they were brought in before."""
    done = record.read_json(folder / "done.json")
    if done is None:
        return {}
    if done.get("weights") != identity:
        raise Refusal(
            f"{folder} holds other weights of the same run: a run has one; delete that folder to bring these in"
        )
    return {name: value for point in record.read_points(folder) for name, value in point.scores.items()}


def _design(root: Path, spec: Spec, texts: Mapping[str, Json]) -> Json:
    """sweep.json with this run among its rungs; refuses scores on a text that was another one before."""
    design = record.read_json(root / "sweep.json") or {"question": QUESTION, "rungs": [], "data": {}}
    if design.get("question") != QUESTION:
        raise Refusal(f"{root} is a sweep of its own: pass --results DIR for a folder of imported runs")
    for text in texts.keys() & design["data"].keys():
        refuse_other_text(text, texts[text]["data_hash"], design["data"][text]["data_hash"])
    rung = {"run_id": spec.run_id, "trunk_id": spec.trunk_id, "held_out": False}
    others = [known for known in design["rungs"] if known["run_id"] != spec.run_id]
    facts = {
        "name": record.IMPORTED,
        "question": QUESTION,
        "tasks": [],
        "law": "chinchilla",
        "convention": "chinchilla",
    }
    return {**facts, "data": {**design["data"], **texts}, "rungs": [*others, rung]}
