"""ArceeForCausalLM: our modern variant with the squared ReLU and no QK-norm."""

from harness.exchange.llama import (
    EMBEDDING,
    NO_ATTENTION_BIAS,
    NO_MLP_BIAS,
    NORMS,
    SIZES,
    SQUARED_RELU,
    ungated,
    width_is_shared_by_heads,
)
from harness.exchange.published import Published

ARCEE = Published(
    model_type="arcee",
    architecture="ArceeForCausalLM",
    base="model.",
    embedding=EMBEDDING,
    choices={"variant": ("modern",), "activation": ("squared_relu",), "norm": NORMS, "qk_norm": ("none",)},
    sizes=SIZES,
    unsaid={"norm_epsilon": 1e-5, "kv_heads": None, "head_width": None},
    tensors=ungated,
    fixed={"hidden_act": SQUARED_RELU, "attention_bias": NO_ATTENTION_BIAS, "mlp_bias": NO_MLP_BIAS},
    written={"attention_dropout": 0.0},
    rotary_keys=("rope_theta",),
    obstacle=width_is_shared_by_heads,
)
