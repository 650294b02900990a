"""LlamaForCausalLM: our modern variant with a gated MLP and no QK-norm; and what its younger kin share with it."""

from collections.abc import Iterator

from harness.exchange.published import Constant, Fixed, Mapped, Pair, Part, Published, pair
from harness.exchange.ways import SAME, SWAPPED, Way
from harness.models.family import Build

SIZES = {
    "depth": "num_hidden_layers",
    "width": "hidden_size",
    "heads": "num_attention_heads",
    "context": "max_position_embeddings",
    "vocab_size": "vocab_size",
    "mlp_width": "intermediate_size",
    "norm_epsilon": "rms_norm_eps",
    "kv_heads": "num_key_value_heads",
    "head_width": "head_dim",
}
EMBEDDING = "embed_tokens.weight"
NORMS = ("rms", "plain_rms")
SILU = Fixed("silu", "its MLP is gated by SiLU", "silu", ("swish",))
SQUARED_RELU = Fixed("relu2", "its activation is the squared ReLU", "relu2")
NO_ATTENTION_BIAS = Fixed(False, "its products have no biases", False)
NO_MLP_BIAS = Fixed(False, "its products have no biases", False)
GATED, UNGATED = ("gate_proj", "up_proj"), ("up_proj",)


def attention(spec: Build, ours: str, theirs: str, turn: Way) -> Iterator[Mapped]:
    """Queries, keys and values apart; the turn is for those that positions rotate."""
    queries, keys = spec.heads * spec.head_width, spec.kv_heads * spec.head_width
    rows = {"q": queries, "k": keys, "v": keys}
    parts = (Part(f"{theirs}.{kind}_proj.weight", SAME if kind == "v" else turn, rows[kind]) for kind in rows)
    yield Pair(f"{ours}.query_key_value.weight", tuple(parts))
    yield pair(f"{ours}.attention_output.weight", f"{theirs}.o_proj.weight")


def mlp(spec: Build, ours: str, inputs: tuple[str, ...], output: str) -> Iterator[Mapped]:
    yield Pair(f"{ours}.hidden.weight", tuple(Part(f"{name}.weight", rows=spec.mlp_width) for name in inputs))
    yield pair(f"{ours}.hidden_output.weight", f"{output}.weight")


def _gains(spec: Build, ours: str, theirs: str, features: int, way: Way = SAME) -> Mapped:
    """Of a norm, which has none where it is plain."""
    if spec.norm == "plain_rms":
        return Constant(f"{theirs}.weight", 1.0, features)
    return pair(f"{ours}.weight", f"{theirs}.weight", way)


def _tensors(spec: Build, inputs: tuple[str, ...]) -> Iterator[Mapped]:
    for layer in range(spec.depth):
        ours, theirs = f"blocks.{layer}", f"model.layers.{layer}"
        heads = f"{theirs}.self_attn"
        yield _gains(spec, f"{ours}.norm_attention", f"{theirs}.input_layernorm", spec.width)
        yield from attention(spec, ours, heads, SWAPPED)
        if spec.qk_norm == "rms":
            yield _gains(spec, f"{ours}.norm_query", f"{heads}.q_norm", spec.head_width, SWAPPED)
            yield _gains(spec, f"{ours}.norm_key", f"{heads}.k_norm", spec.head_width, SWAPPED)
        yield _gains(spec, f"{ours}.norm_hidden", f"{theirs}.post_attention_layernorm", spec.width)
        yield from mlp(spec, ours, tuple(f"{theirs}.mlp.{name}" for name in inputs), f"{theirs}.mlp.down_proj")
    yield _gains(spec, "norm", "model.norm", spec.width)


def gated(spec: Build) -> Iterator[Mapped]:
    return _tensors(spec, GATED)


def ungated(spec: Build) -> Iterator[Mapped]:
    return _tensors(spec, UNGATED)


def width_is_shared_by_heads(spec: Build) -> str | None:
    """The configurations of some classes insist on it, though they have head_dim."""
    if spec.width % spec.heads == 0:
        return None
    return (
        f"takes no width={spec.width} that is not divisible by heads={spec.heads}, though it has head_dim; use another"
    )


LLAMA = Published(
    model_type="llama",
    architecture="LlamaForCausalLM",
    base="model.",
    embedding=EMBEDDING,
    choices={"variant": ("modern",), "activation": ("swiglu",), "norm": NORMS, "qk_norm": ("none",)},
    sizes=SIZES,
    unsaid={"norm_epsilon": 1e-6, "kv_heads": None, "head_width": None},
    tensors=gated,
    fixed={"hidden_act": SILU, "attention_bias": NO_ATTENTION_BIAS, "mlp_bias": NO_MLP_BIAS},
    written={"attention_dropout": 0.0},
    rotary_keys=("rope_theta",),
    obstacle=width_is_shared_by_heads,
)
