"""The GPT family: each variant's module under the name of its anatomy in harness/anatomy.py."""

import math

import torch

from harness.models.chinchilla import Chinchilla
from harness.models.family import Build, LanguageModel
from harness.models.gpt1 import GPT1
from harness.models.gpt2 import GPT2
from harness.models.gpt3 import GPT3
from harness.models.modern import Modern
from harness.models.neox import NeoX
from harness.refusal import pick

VARIANTS: dict[str, type[LanguageModel]] = {
    "gpt1": GPT1,
    "gpt2": GPT2,
    "gpt3": GPT3,
    "neox": NeoX,
    "chinchilla": Chinchilla,
    "modern": Modern,
}


def build(spec: Build, device: torch.device | str = "cpu") -> LanguageModel:
    """The spec's model with NaN for weights: call `initialise`, or load a state, before use."""
    with torch.device(device):
        model = pick(VARIANTS, spec.variant, "variant")(spec)
    for parameter in model.parameters():
        torch.nn.init.constant_(parameter, math.nan)
    return model.to(device)
