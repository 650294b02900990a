"""The GPT family: each variant's module under the name that its counts have in harness/counts.py."""

import math

import torch

from harness.models.family import Build, LanguageModel
from harness.models.gpt2 import GPT2
from harness.models.modern import Modern
from harness.refusal import pick

VARIANTS: dict[str, type[LanguageModel]] = {
    "gpt2": GPT2,
    "modern": Modern,
}


def build(spec: Build, device: torch.device | str = "cpu") -> LanguageModel:
    """The spec's model with NaN for weights: call `initialise`, or load a state, before use."""
    with torch.device(device):
        model = pick(VARIANTS, spec.variant, "variant")(spec)
    for parameter in model.parameters():
        torch.nn.init.constant_(parameter, math.nan)
    return model.to(device)
