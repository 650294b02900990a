"""A finished run out: a folder that transformers loads without any code of ours."""

import json
import os
import shutil
from pathlib import Path

import safetensors.torch

from harness.exchange import Published, class_of
from harness.exchange.published import Json, digest
from harness.exchange.tokenizer_files import tokenizer_files
from harness.models.family import LanguageModel
from harness.record import Run
from harness.refusal import Refusal
from harness.spec import Spec
from harness.tokenizers import Tokenizer
from harness.weights import load_model, tokenizer_of

OWN = "scalelaw"  # the key of config.json under which stand the run's spec, its last phase and a digest of its weights


def export(run: Run, out: Path, cache: Path) -> Published:
    """Writes the folder whole or not at all; returns the class that it is of."""
    published = class_of(run.spec)
    _refuse_full(out)
    model = load_model(run)
    phase = run.points[-1].phase if run.points else "decayed"
    write_folder(out, published, run.spec, model, tokenizer_of(run, cache), phase)
    return published


def write_folder(
    out: Path, published: Published, spec: Spec, model: LanguageModel, tokenizer: Tokenizer, phase: str
) -> None:
    """Beside its place, then renamed."""
    ends = {"bos_token_id": tokenizer.end_of_text, "eos_token_id": tokenizer.end_of_text, "pad_token_id": None}
    theirs = published.to_theirs(model.state_dict(), spec)
    weights = {name: tensor.clone().contiguous() for name, tensor in theirs.items()}
    own = {"spec": spec.model_dump(mode="json"), "phase": phase, "weights": digest(weights)}
    files: dict[str, Json] = {
        "config.json": published.config(spec) | ends | {OWN: own},
        "generation_config.json": ends,
        **tokenizer_files(tokenizer, spec.context),
    }
    staged = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        staged.mkdir()
        for name, content in files.items():
            (staged / name).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        (staged / "model.safetensors").write_bytes(safetensors.torch.save(weights, metadata={"format": "pt"}))
        _refuse_full(out)
        os.rename(staged, out)
    except OSError as error:  # its user knows nothing of the place beside
        raise OSError(error.errno, error.strerror, str(out)) from None
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _refuse_full(out: Path) -> None:
    if out.is_dir() and not any(out.iterdir()):
        return
    if out.exists() or out.is_symlink():
        raise Refusal(f"{out} exists already, and a folder is written whole or not at all: name another with --out")
