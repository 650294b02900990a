"""Hugging Face folders, out and in: the catalogue of transformers' classes that our variants are."""

from harness.exchange.arcee import ARCEE
from harness.exchange.gpt1 import GPT1
from harness.exchange.gpt2 import GPT2
from harness.exchange.llama import LLAMA
from harness.exchange.nanochat import NANOCHAT
from harness.exchange.neox import NEOX
from harness.exchange.published import Published
from harness.exchange.qwen3 import QWEN3
from harness.models.family import Build
from harness.refusal import Refusal

__all__ = ["CLASSES", "Published", "class_of"]

CLASSES: dict[str, Published] = {
    published.model_type: published for published in (GPT1, GPT2, NEOX, NANOCHAT, ARCEE, LLAMA, QWEN3)
}

NO_CLASS = {
    "chinchilla": "none has Transformer-XL's relative positions and RMSNorm",
    "modern": "NanoChat's has the squared ReLU and QK-norm, but no gains; use norm=plain_rms, or activation=swiglu",
}


def class_of(spec: Build) -> Published:
    """The class that computes what the spec computes; refused where there is none, with the cause."""
    for published in CLASSES.values():
        if published.holds(spec):
            published.refuse_what_it_has_not(spec)
            return published
    said = f"variant={spec.variant}, activation={spec.activation}, norm={spec.norm}, qk_norm={spec.qk_norm}"
    raise Refusal(f"no class of transformers computes what {said} does: {NO_CLASS.get(spec.variant, 'none is known')}")
