"""The command `generate`: a finished run and a prompt in, text as it is written or JSON out."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch

from harness import machine, record
from harness.generate import Settings, TextStream, generate
from harness.models.family import LanguageModel
from harness.record import Json, Run
from harness.refusal import Refusal
from harness.tokenizers import Tokenizer
from harness.weights import load_model, tokenizer_of, weights_file

NAMED_RUNS = 5  # of a sweep, in a refusal


def write(arguments: argparse.Namespace, folder: Path, cache: Path) -> None:
    """Prints the samples one after another, each as it grows; with --json all of them at the end."""
    settings = _settings(arguments)
    run = _one_run(folder)
    device = machine.resolve({"device": arguments.device})["device"]
    torch.set_num_threads(1)  # as in training
    model, tokenizer = load_model(run, device), tokenizer_of(run, cache)
    given = sys.stdin.buffer.read() if arguments.prompt == "-" else os.fsencode(arguments.prompt)
    prompt = given.decode("utf-8", "replace")
    prompt_ids = tokenizer.encode(prompt).tolist()
    if len(prompt_ids) > model.context:
        notice = f"the prompt has {len(prompt_ids)} tokens and the model's context is {model.context}"
        print(f"scalelaw: {notice}: only its last {model.context} are read", file=sys.stderr)
    samples = []
    for seed in range(settings.seed, settings.seed + arguments.samples):
        show = _silent if arguments.json else _show
        if arguments.samples > 1:
            show(f"--- seed {seed}\n")
        show(prompt)
        samples.append(_sample(model, tokenizer, prompt_ids, replace(settings, seed=seed), show))
        show("\n")
    if arguments.json:
        asked = {**asdict(settings), "samples": arguments.samples, "device": device}
        print(json.dumps({"run_id": run.run_id, "prompt": prompt, "settings": asked, "samples": samples}, indent=1))


def _settings(arguments: argparse.Namespace) -> Settings:
    """Refuses the last sample's seed too before the first is written."""
    asked = {name: getattr(arguments, name) for name in ("tokens", "temperature", "top_k", "top_p")}
    settings = Settings(**asked, seed=arguments.seed)
    replace(settings, seed=arguments.seed + arguments.samples - 1)
    return settings


def _one_run(folder: Path) -> Run:
    if not (folder / "sweep.json").is_file():
        return record.read_run(folder)
    runs = record.read_runs(folder)
    able = [run.run_id for run in runs if run.done is not None and weights_file(run.folder, run.spec).is_file()]
    if not able:
        raise Refusal(
            f"{folder.name} is a sweep, and none of its {len(runs)} runs has weights on this disk: "
            "launch it here (or import its folder again), then name one run"
        )
    more = f" and {len(able) - NAMED_RUNS} more" if len(able) > NAMED_RUNS else ""
    raise Refusal(
        f"{folder.name} is a sweep, and text comes from one run: name one of those that have weights, "
        f"{', '.join(able[:NAMED_RUNS])}{more}"
    )


def _sample(
    model: LanguageModel,
    tokenizer: Tokenizer,
    prompt_ids: Sequence[int],
    settings: Settings,
    show: Callable[[str], None],
) -> Json:
    """One continuation with what it cost; its characters are shown as they come."""
    stream, text, tokens = TextStream(tokenizer), "", 0
    start = time.perf_counter()
    for token in generate(model, prompt_ids, settings, tokenizer.end_of_text):
        tokens += 1
        piece = stream.add(token)
        show(piece)
        text += piece
    seconds = time.perf_counter() - start
    rest = stream.rest()
    show(rest)
    return {
        "seed": settings.seed,
        "text": text + rest,
        "tokens": tokens,
        "ended_by": "tokens" if tokens == settings.tokens else "end of text",
        "seconds": seconds,
        "tokens_per_second": tokens / seconds,
    }


def _show(piece: str) -> None:
    if piece:
        print(piece, end="", flush=True)


def _silent(piece: str) -> None:
    pass
