"""Qwen3ForCausalLM: our modern variant with a gated MLP and QK-norm."""

from harness.exchange.llama import EMBEDDING, NO_ATTENTION_BIAS, NORMS, SILU, SIZES, gated
from harness.exchange.published import Fixed, Published

QWEN3 = Published(
    model_type="qwen3",
    architecture="Qwen3ForCausalLM",
    base="model.",
    embedding=EMBEDDING,
    choices={"variant": ("modern",), "activation": ("swiglu",), "norm": NORMS, "qk_norm": ("rms",)},
    sizes=SIZES,
    unsaid={"norm_epsilon": 1e-6},
    tensors=gated,
    fixed={
        "hidden_act": SILU,
        "attention_bias": NO_ATTENTION_BIAS,
        "use_sliding_window": Fixed(False, "every layer sees the whole context", False),
    },
    written={"attention_dropout": 0.0},
    rotary_keys=("rope_theta",),
)
