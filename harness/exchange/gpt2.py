"""GPT2LMHeadModel: our GPT-2, and our GPT-3 where its bands are as wide as its context."""

from collections.abc import Iterator

from harness.exchange.published import Fixed, Mapped, Published, pair, weight_and_bias
from harness.exchange.ways import TRANSPOSED
from harness.models.family import Build

# GPT-1's blocks are called the same.
NORMS = {"norm_attention": "ln_1", "norm_hidden": "ln_2"}
PRODUCTS = {
    "query_key_value": "attn.c_attn",
    "attention_output": "attn.c_proj",
    "hidden": "mlp.c_fc",
    "hidden_output": "mlp.c_proj",
}


def blocks(spec: Build) -> Iterator[Mapped]:
    """The products' weights stand the other way round."""
    for layer in range(spec.depth):
        for ours, theirs in NORMS.items():
            yield from weight_and_bias(f"blocks.{layer}.{ours}", f"transformer.h.{layer}.{theirs}")
        for ours, theirs in PRODUCTS.items():
            yield from weight_and_bias(f"blocks.{layer}.{ours}", f"transformer.h.{layer}.{theirs}", TRANSPOSED)


def _tensors(spec: Build) -> Iterator[Mapped]:
    yield pair("position", "transformer.wpe.weight")
    yield from blocks(spec)
    yield from weight_and_bias("norm", "transformer.ln_f")


def _obstacle(spec: Build) -> str | None:
    if spec.window >= spec.context:
        return None
    return (
        f"has no banded attention, and every other layer of this run sees window={spec.window} of context="
        f"{spec.context} (GPT-Neo's class has bands, but no biases on queries, keys and values); use window=context"
    )


GPT2 = Published(
    model_type="gpt2",
    architecture="GPT2LMHeadModel",
    base="transformer.",
    embedding="wte.weight",
    choices={"variant": ("gpt2", "gpt3")},
    sizes={
        "depth": "n_layer",
        "width": "n_embd",
        "heads": "n_head",
        "context": "n_positions",
        "vocab_size": "vocab_size",
        "mlp_width": "n_inner",
        "norm_epsilon": "layer_norm_epsilon",
    },
    unsaid={"mlp_width": None, "norm_epsilon": 1e-5},
    tensors=_tensors,
    fixed={
        "activation_function": Fixed(
            "gelu_new", "its activation is GELU by tanh", "gelu_new", ("gelu_pytorch_tanh", "gelu_fast")
        ),
        "scale_attn_weights": Fixed(True, "queries meet keys over the root of their width", True),
        "scale_attn_by_inverse_layer_idx": Fixed(False, "all layers scale alike", False),
        "add_cross_attention": Fixed(False, "it reads one text", False),
    },
    written={"attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0},
    obstacle=_obstacle,
)
