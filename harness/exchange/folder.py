"""A Hugging Face folder on this disk, read: its configuration and its weights, of which nothing is run."""

import hashlib
import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from harness.exchange.multipliers import State
from harness.exchange.published import Json, Published
from harness.models.family import Build
from harness.refusal import Refusal

# What weights may lie in, the best first.
SINGLE = ("model.safetensors", "pytorch_model.bin")
HEADS = ("lm_head.weight", "embed_out.weight")
# Ends of names that older folders keep beside the weights, and that follow from the configuration.
BUFFERS = (".attn.bias", ".attn.masked_bias", ".attention.bias", ".attention.masked_bias", ".inv_freq", "position_ids")
SEVERAL = 3  # of many names, in a refusal


@dataclass(frozen=True)
class Weights:
    """Tensors by the names of their class, and the SHA-256 of each file that they came from."""

    tensors: State
    files: dict[str, str]


def read_config(folder: Path) -> Json:
    """The object in config.json."""
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise Refusal(
            f"{folder} holds no config.json, so it is no Hugging Face folder: name one on this disk, as "
            "save_pretrained or `hf download` writes it (nothing is downloaded here)"
        ) from None
    except ValueError as error:
        raise Refusal(f"{path} is not JSON ({error}): get it again") from None
    if not isinstance(config, dict):
        raise Refusal(f"{path} holds {config!r:.40} and should hold an object: get it again")
    return config


def read_weights(folder: Path, published: Published, spec: Build, config: Json) -> Weights:
    """The tensors that the class has for this spec, float32; refused where one lacks, differs or is too many."""
    raw, files = _read_files(folder)
    tensors = {_full_name(name, published): tensor for name, tensor in raw.items() if not name.endswith(BUFFERS)}
    expected = published.shapes(spec)
    if published.tied or config.get("tie_word_embeddings", False):
        _tie(folder, tensors, published)
    _refuse_others(folder, tensors, expected, published)
    return Weights({name: _number(folder, name, tensor) for name, tensor in tensors.items()}, files)


def _tie(folder: Path, tensors: State, published: Published) -> None:
    """Tied weights are stored once; where our head is a matrix of its own, it gets a copy."""
    embedding = published.base + published.embedding
    head = tensors.pop(published.head, None)
    if embedding in tensors:
        if head is not None and not torch.equal(head, tensors[embedding]):
            raise Refusal(
                f"{folder}: {published.head} differs from {embedding}, and its config.json says tie_word_embeddings: "
                "one of them is wrong; say there what it is"
            )
        if not published.tied:
            tensors[published.head] = tensors[embedding]


def _full_name(name: str, published: Published) -> str:
    """Folders of a class without its head leave out what all other names begin with."""
    if name in HEADS:
        return published.head
    return name if name.startswith(published.base) else published.base + name


def _refuse_others(folder: Path, tensors: State, expected: Mapping[str, torch.Size], published: Published) -> None:
    missing, surplus = expected.keys() - tensors.keys(), tensors.keys() - expected.keys()
    if missing:
        raise Refusal(
            f"{folder} lacks {_some(missing)}, which {published.architecture} has by its config.json: get it again"
        )
    if surplus:
        raise Refusal(
            f"{folder} holds {_some(surplus)}, which {published.architecture} has not where it computes what variant="
            f"{published.variant} does: it is another model, and cannot be imported"
        )
    for name, shape in expected.items():
        if tensors[name].shape != shape:
            raise Refusal(
                f"{folder}: {name} is {_by(tensors[name].shape)}, and by its config.json it is {_by(shape)}: "
                "one of the two is of another model; get the folder again"
            )


def _number(folder: Path, name: str, tensor: Tensor) -> Tensor:
    if not tensor.is_floating_point():
        raise Refusal(f"{folder}: {name} is {tensor.dtype}, and weights are floating point: get it unquantised")
    tensor = tensor.float()
    if not tensor.isfinite().all():
        raise Refusal(f"{folder}: {name} holds values that are no finite numbers, so no score could be one")
    return tensor


def _some(names: set[str]) -> str:
    more = f" and {len(names) - SEVERAL} more" if len(names) > SEVERAL else ""
    return ", ".join(sorted(names)[:SEVERAL]) + more


def _by(shape: torch.Size) -> str:
    return " x ".join(str(size) for size in shape)


# --- files


def _read_files(folder: Path) -> tuple[State, dict[str, str]]:
    tensors: State = {}
    files: dict[str, str] = {}
    for name in _weight_files(folder):
        path = folder / name
        tensors |= _read_tensors(path)
        with path.open("rb") as file:
            files[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return tensors, files


def _weight_files(folder: Path) -> list[str]:
    for name in SINGLE:
        if (folder / name).is_file():
            return [name]
        index = folder / f"{name}.index.json"
        if index.is_file():
            return _shards(index)
    raise Refusal(
        f"{folder} holds neither {' nor '.join(SINGLE)}, whole or in shards with an index: save the model there with "
        "save_pretrained"
    )


def _shards(index: Path) -> list[str]:
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        if not names or any(Path(name).name != name for name in names):
            raise ValueError("its weight_map does not name files beside it")
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        raise Refusal(f"{index} does not read ({error}): get it again") from None
    lacking = {name for name in names if not (index.parent / name).is_file()}
    if lacking:
        raise Refusal(f"{index.parent} lacks {_some(lacking)}, which {index.name} names: get the folder whole")
    return names


def _read_tensors(path: Path) -> State:
    try:
        if path.suffix == ".safetensors":
            return dict(safetensors.torch.load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
            raise pickle.UnpicklingError
        return dict(state)
    except pickle.UnpicklingError:
        raise Refusal(f"{path} is torn, or holds more than tensors by name, which is not read: get it again") from None
    except (safetensors.SafetensorError, RuntimeError, EOFError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise Refusal(f"{path} does not read ({reason:.120}): it is torn; get it again") from None
