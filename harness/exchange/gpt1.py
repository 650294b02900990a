"""OpenAIGPTLMHeadModel: our GPT-1."""

from collections.abc import Iterator

from harness.exchange.gpt2 import blocks
from harness.exchange.published import Fixed, Mapped, Published, pair
from harness.models.family import Build


def _tensors(spec: Build) -> Iterator[Mapped]:
    yield pair("position", "transformer.positions_embed.weight")
    yield from blocks(spec)


GPT1 = Published(
    model_type="openai-gpt",
    architecture="OpenAIGPTLMHeadModel",
    base="transformer.",
    embedding="tokens_embed.weight",
    choices={"variant": ("gpt1",)},
    sizes={
        "depth": "n_layer",
        "width": "n_embd",
        "heads": "n_head",
        "context": "n_positions",
        "vocab_size": "vocab_size",
        "norm_epsilon": "layer_norm_epsilon",
    },
    unsaid={"norm_epsilon": 1e-5},
    tensors=_tensors,
    fixed={"afn": Fixed("gelu", "its activation is GELU by tanh, which this class calls gelu", "gelu")},
    written={"attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0},
)
