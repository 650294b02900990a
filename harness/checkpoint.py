"""A training state on disk: written beside, synced and swapped in, checksummed, with the one before as fallback."""

import hashlib
import io
import os
import pickle
from pathlib import Path
from typing import Any

import torch

from harness.record import replace_bytes

State = dict[str, Any]

# This variable would let a checkpoint run code, whatever weights_only says.
os.environ.pop("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", None)

DIGEST_BYTES = hashlib.sha256().digest_size


def save(path: Path, state: State) -> None:
    """Tensors and plain values only, so that loading never runs code."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    payload = buffer.getvalue()
    if path.exists():
        os.replace(path, _previous(path))
    replace_bytes(path, hashlib.sha256(payload).digest() + payload)


def load(path: Path) -> State | None:
    """The newest state that is whole, or None."""
    for candidate in (path, _previous(path)):
        try:
            content = candidate.read_bytes()
        except FileNotFoundError:
            continue
        digest, payload = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
        if hashlib.sha256(payload).digest() != digest:
            continue
        try:
            state: State = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
            return state
        except (RuntimeError, pickle.UnpicklingError):
            continue
    return None


def remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    _previous(path).unlink(missing_ok=True)


def _previous(path: Path) -> Path:
    return path.with_name(f"{path.name}.previous")
