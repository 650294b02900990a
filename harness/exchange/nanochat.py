"""NanoChatForCausalLM: our modern variant as it is unasked, with the soft cap off; it rotates the way we do."""

from collections.abc import Iterator

from harness.exchange.llama import EMBEDDING, NO_ATTENTION_BIAS, SIZES, SQUARED_RELU, attention, mlp
from harness.exchange.published import Fixed, Mapped, Published
from harness.exchange.ways import SAME
from harness.models.family import Build


def _tensors(spec: Build) -> Iterator[Mapped]:
    for layer in range(spec.depth):
        ours, theirs = f"blocks.{layer}", f"model.layers.{layer}"
        yield from attention(spec, ours, f"{theirs}.self_attn", SAME)
        yield from mlp(spec, ours, (f"{theirs}.mlp.fc1",), f"{theirs}.mlp.fc2")


NANOCHAT = Published(
    model_type="nanochat",
    architecture="NanoChatForCausalLM",
    base="model.",
    embedding=EMBEDDING,
    normalises_embedding=True,
    choices={"variant": ("modern",), "activation": ("squared_relu",), "norm": ("plain_rms",), "qk_norm": ("rms",)},
    sizes=SIZES,
    unsaid={"norm_epsilon": 1e-6, "kv_heads": None, "head_width": None},
    tensors=_tensors,
    fixed={
        "hidden_act": SQUARED_RELU,
        "attention_bias": NO_ATTENTION_BIAS,
        "final_logit_softcapping": Fixed(None, "its logits are not capped", 15.0),
    },
    written={"attention_dropout": 0.0},
    rotary_keys=("rope_theta",),
)
