"""A finished run as a model again: its weights on disk, and the tokenizer that its tokens mean."""

import hashlib
from pathlib import Path

import safetensors.torch
import torch
from torch import nn

from harness import record
from harness.dataset import prepare, tokenizer_for
from harness.labelled.classifier import Classifier
from harness.models import build
from harness.models.family import LanguageModel
from harness.record import Run
from harness.refusal import Refusal
from harness.spec import Spec, is_kept
from harness.tokenizers import TRAINED, Tokenizer, keep, kept_file


def weights_file(run_folder: Path, spec: Spec) -> Path:
    """Where the weights of results/<sweep>/runs/<run_id> lie: beside its trunk's checkpoints, never committed."""
    return record.trunk_folder(run_folder.parent.parent, spec.trunk_id) / f"{spec.run_id}.safetensors"


def kept_copy(run_folder: Path, spec: Spec) -> Path:
    """Where an imported run has its tokenizer.json once more, for another machine's cache."""
    return weights_file(run_folder, spec).with_name("tokenizer.json")


def classifier_file(run_folder: Path, spec: Spec) -> Path:
    """Where the head that a run learnt with its labels lies, apart from the language model."""
    return weights_file(run_folder, spec).with_suffix(".classifier.safetensors")


def save(path: Path, module: nn.Module) -> None:
    weights = {name: tensor.cpu().contiguous() for name, tensor in module.state_dict().items()}
    record.replace_bytes(path, safetensors.torch.save(weights))


def digest(run: Run) -> str:
    """SHA-256 of the file of its weights."""
    with _present(weights_file(run.folder, run.spec), run).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_model(run: Run, device: str = "cpu") -> LanguageModel:
    """The trained model; refused where the run is not finished, or its weights are not on this disk or not its own."""
    path = _present(weights_file(run.folder, run.spec), run)
    model = build(run.spec.model_copy(update={"kernel": "eager"}))
    _fill(model, path, run)
    return model.to(torch.device(device))


def load_classifier(run: Run, classes: int, device: str = "cpu") -> Classifier:
    """The head that a run learnt with its labels; refused as `load_model` refuses."""
    classifier = Classifier(run.spec.width, classes)
    _fill(classifier, _present(classifier_file(run.folder, run.spec), run), run)
    return classifier.to(torch.device(device))


def _fill(module: nn.Module, path: Path, run: Run) -> None:
    try:
        module.load_state_dict(safetensors.torch.load_file(path))
    except safetensors.SafetensorError as error:
        raise Refusal(f"{path} does not read ({error}): train or import the run again") from None
    except RuntimeError as error:
        cause = " ".join(str(error).split())[:200]
        raise Refusal(f"{path} does not fit run {run.run_id} ({cause}): train or import it again") from None


def _present(path: Path, run: Run) -> Path:
    """The file, which a finished run has left, if it is on this disk."""
    if run.done is None:
        raise Refusal(f"run {run.run_id} is not finished, so it has no weights: launch its sweep first")
    if not path.is_file():
        again = f"delete {run.folder / 'done.json'} and launch the sweep again to train the run anew"
        cure = "import its folder again" if run.elsewhere else again
        raise Refusal(f"{path} is not there: weights are not committed with a study; {cure}")
    return path


def tokenizer_of(run: Run, cache: Path) -> Tokenizer:
    """The tokenizer whose ids the run reads and writes; only a trained one needs the run's corpus, unchanged."""
    spec, read = run.spec, (run.done or {}).get("data_hash")
    if is_kept(spec.tokenizer):
        copy = kept_copy(run.folder, spec)
        if copy.is_file() and not kept_file(spec.tokenizer, cache).is_file():
            keep(copy.read_text(encoding="utf-8", errors="replace"), cache)
    if spec.tokenizer in TRAINED and read is not None:
        found = prepare(spec.corpus, spec.tokenizer, spec.vocab_size, cache).data_hash
        if found != read:
            raise Refusal(
                f"corpus={spec.corpus} now hashes to {found[:12]}, and run {run.run_id} with its tokenizer was trained "
                f"on {read[:12]}: the same ids would mean other text; restore the corpus as it was"
            )
    return tokenizer_for(spec, cache)
