"""Coordinate check: how far each activation has moved since initialisation, which should not depend on size.

b window, t position, d width, v vocabulary.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from harness.dataset import Dataset, prepare, validation_windows
from harness.models import build
from harness.models.family import LanguageModel
from harness.record import Json
from harness.refusal import Refusal
from harness.spec import Spec

WINDOWS = 16


@dataclass(frozen=True)
class Probe:
    """The run whose start the activations are measured from, and what both models read."""

    spec: Spec
    tokens_bt: Tensor


@dataclass(frozen=True)
class Coordinates:
    """Root mean square change of the embedded text, the stream after the first and the last block, and the logits."""

    name: str = "coordinates"

    def load(self, spec: Spec, cache: Path) -> Probe:
        if spec.parent is not None:
            raise Refusal(
                f"task {self.name} measures from initialisation, and a run with parent={spec.parent} starts elsewhere: "
                "leave it out, or the parent"
            )
        windows = validation_windows(self.dataset(spec, cache), spec.context, WINDOWS * spec.context)
        return Probe(spec, torch.from_numpy(windows.windows_bt[:, :-1]))

    def dataset(self, spec: Spec, cache: Path) -> Dataset:
        return prepare(spec.corpus, spec.tokenizer, spec.vocab_size, cache)

    def facts(self, spec: Spec, cache: Path) -> Json:
        return self.dataset(spec, cache).facts

    @torch.no_grad()
    def score(self, model: LanguageModel, probe: Probe, device: str) -> dict[str, float]:
        start = build(probe.spec.model_copy(update={"kernel": "eager"}))
        start.initialise(torch.Generator().manual_seed(probe.spec.seed))
        tokens_bt = probe.tokens_bt.to(device)
        before, after = activations(start.to(device), tokens_bt), activations(model, tokens_bt)
        moved = {part: (after[part] - before[part]).square().mean().sqrt().item() for part in after}
        return {f"{self.name}/{part}": value for part, value in moved.items()}


def activations(model: LanguageModel, tokens_bt: Tensor) -> dict[str, Tensor]:
    """The stream as it enters, after the first and the last block, and the logits; float32."""
    x_btd, tables = model.embed(tokens_bt), model.tables(tokens_bt.shape[1])
    seen = {"embedding": x_btd}
    for layer, block in enumerate(model.blocks):
        x_btd = block(x_btd, torch.float32, *tables)
        if layer == 0:
            seen["first_block"] = x_btd
    return seen | {"last_block": x_btd, "logits": model.logits(x_btd, torch.float32)}
