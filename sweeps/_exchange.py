"""The commands `export` and `import`: runs to Hugging Face folders and back, and what is said of it."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness import record
from harness.counts import counts
from harness.exchange.export import export
from harness.exchange.imported import Told, bring_in
from harness.record import Run
from harness.refusal import Refusal
from harness.tasks import expanded
from sweeps._score import show_scores


def write_out(arguments: argparse.Namespace, folder: Path, cache: Path) -> dict[str, Any]:
    """Exports the run; the answer is what --json prints."""
    if (folder / "sweep.json").is_file():
        raise Refusal(f"{folder.name} is a sweep, and a folder holds one run: name one of its run ids")
    run = record.read_run(folder)
    out = Path(arguments.out or f"exported/{run.run_id}").absolute()
    published = export(run, out, cache)
    return {"run_id": run.run_id, "folder": str(out), "architecture": published.architecture}


def bring(arguments: argparse.Namespace, results: Path, cache: Path) -> dict[str, Any]:
    """Imports the folder; the answer is what --json prints."""
    told = Told(arguments.corpus, arguments.tokens, arguments.context, arguments.tokenizer)
    run = bring_in(Path(arguments.folder), results, cache, expanded(arguments.tasks), told)
    spec, last, done = run.spec, run.points[-1], run.done or {}
    return {
        "run_id": run.run_id,
        "folder": str(run.folder),
        "model_type": done["model_type"],
        "variant": spec.variant,
        "params": counts(spec).params,
        "context": spec.context,
        "tokenizer": spec.tokenizer,
        "corpus": spec.corpus,
        "phase": last.phase,
        "tokens": spec.tokens if last.phase == "decayed" else None,
        "scores": last.scores,
        "notes": list(_notes(run, arguments.tokens)),
    }


def _notes(run: Run, told_tokens: int | None) -> Iterator[str]:
    """What its user may take for something else."""
    done, spec = run.done or {}, run.spec
    if "copied_params" in done:
        copied = done["copied_params"]
        yield f"its head is tied there: {copied:,} parameters fewer; here it is a copy of the embedding, and counted"
    if told_tokens is None and run.points[-1].phase != "decayed":
        yield "nobody said how many tokens it was trained on (--tokens), so no law is fitted to it"
    if told_tokens not in (None, spec.tokens):
        yield f"tokens are counted in whole windows of context={spec.context}: {told_tokens:,} became {spec.tokens:,}"


def show_exported(answer: dict[str, Any]) -> None:
    print(f"{answer['folder']}: run {answer['run_id']} as {answer['architecture']}, for AutoModelForCausalLM")


def show_imported(answer: dict[str, Any]) -> None:
    shape = f"{answer['variant']}, {answer['params']:,} parameters, context {answer['context']}"
    print(f"run {answer['run_id']} in {answer['folder']}: {answer['model_type']} as {shape}, {answer['tokenizer']}")
    for note in answer["notes"]:
        print(note)
    show_scores(answer["scores"])
