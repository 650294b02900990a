"""GPTNeoXForCausalLM: our NeoX, Pythia among it."""

from collections.abc import Iterator

from harness.exchange.published import Fixed, Mapped, Published, weight_and_bias
from harness.exchange.ways import HEAD_BY_HEAD
from harness.models.family import Build

BLOCK = {
    "norm_attention": "input_layernorm",
    "attention_output": "attention.dense",
    "norm_hidden": "post_attention_layernorm",
    "hidden": "mlp.dense_h_to_4h",
    "hidden_output": "mlp.dense_4h_to_h",
}


def _tensors(spec: Build) -> Iterator[Mapped]:
    for layer in range(spec.depth):
        ours, theirs = f"blocks.{layer}", f"gpt_neox.layers.{layer}"
        for name, other in BLOCK.items():
            yield from weight_and_bias(f"{ours}.{name}", f"{theirs}.{other}")
        fused = f"{theirs}.attention.query_key_value"
        yield from weight_and_bias(f"{ours}.query_key_value", fused, HEAD_BY_HEAD, HEAD_BY_HEAD)
    yield from weight_and_bias("norm", "gpt_neox.final_layer_norm")


NEOX = Published(
    model_type="gpt_neox",
    architecture="GPTNeoXForCausalLM",
    base="gpt_neox.",
    embedding="embed_in.weight",
    head="embed_out.weight",
    choices={"variant": ("neox",)},
    sizes={
        "depth": "num_hidden_layers",
        "width": "hidden_size",
        "heads": "num_attention_heads",
        "context": "max_position_embeddings",
        "vocab_size": "vocab_size",
        "mlp_width": "intermediate_size",
        "norm_epsilon": "layer_norm_eps",
    },
    unsaid={"norm_epsilon": 1e-5},
    tensors=_tensors,
    fixed={
        "hidden_act": Fixed("gelu", "its activation is the exact GELU", "gelu"),
        "use_parallel_residual": Fixed(True, "attention and MLP read the same stream", True),
        "attention_bias": Fixed(True, "its products have biases", True),
    },
    written={"attention_dropout": 0.0, "hidden_dropout": 0.0},
    rotary_keys=("rotary_emb_base", "rotary_pct"),
)
