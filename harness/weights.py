"""A finished run as a model again: its weights on disk, and the tokenizer that its tokens mean."""

from pathlib import Path

import safetensors.torch
import torch

from harness import record
from harness.dataset import tokenizer_for
from harness.models import build
from harness.models.family import LanguageModel
from harness.record import Run
from harness.refusal import Refusal
from harness.spec import Spec, is_kept
from harness.tokenizers import Tokenizer, keep, kept_file


def weights_file(run_folder: Path, spec: Spec) -> Path:
    """Where the weights of results/<sweep>/runs/<run_id> lie: beside its trunk's checkpoints, never committed."""
    return record.trunk_folder(run_folder.parent.parent, spec.trunk_id) / f"{spec.run_id}.safetensors"


def kept_copy(run_folder: Path, spec: Spec) -> Path:
    """Where an imported run has its tokenizer.json once more, for another machine's cache."""
    return weights_file(run_folder, spec).with_name("tokenizer.json")


def save(path: Path, model: LanguageModel) -> None:
    weights = {name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}
    record.replace_bytes(path, safetensors.torch.save(weights))


def load_model(run: Run, device: str = "cpu") -> LanguageModel:
    """The trained model; refused where the run is not finished, or its weights are not on this disk or not its own."""
    if run.done is None:
        raise Refusal(f"run {run.run_id} is not finished, so it has no weights: launch its sweep first")
    path = weights_file(run.folder, run.spec)
    try:
        weights = safetensors.torch.load_file(path)
    except FileNotFoundError:
        again = f"delete {run.folder / 'done.json'} and launch the sweep again to train the run anew"
        cure = "import its folder again" if run.elsewhere else again
        raise Refusal(f"{path} is not there: weights are not committed with a study; {cure}") from None
    except safetensors.SafetensorError as error:
        raise Refusal(f"{path} does not read ({error}): train or import the run again") from None
    model = build(run.spec.model_copy(update={"kernel": "eager"}))
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        cause = " ".join(str(error).split())[:200]
        raise Refusal(f"{path} does not fit run {run.run_id} ({cause}): train or import it again") from None
    return model.to(torch.device(device))


def tokenizer_of(run: Run, cache: Path) -> Tokenizer:
    """The tokenizer whose ids the run reads and writes; only a trained one needs the run's corpus."""
    spec = run.spec
    if is_kept(spec.tokenizer):
        copy = kept_copy(run.folder, spec)
        if copy.is_file() and not kept_file(spec.tokenizer, cache).is_file():
            keep(copy.read_text(encoding="utf-8", errors="replace"), cache)
    return tokenizer_for(spec, cache)
