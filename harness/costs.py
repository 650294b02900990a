"""What training a shape costs by the rules of the literature: 6 N, days of a petaflop/s, bytes."""

from harness.anatomy import GATED, Shape
from harness.counts import Parts

FLOPS_PER_PARAMETER = 6  # arXiv 2001.08361, section 2.1
PF_DAY = 1e15 * 86_400
STATE_BYTES = 4 * 4  # float32 each: weight, gradient and Adam's two moments
LOGIT_BYTES = 4


def six_n(parts: Parts) -> int:
    """Training FLOPs a token by the rule 6 N, N being all parameters."""
    return FLOPS_PER_PARAMETER * parts.params


def six_n_error(parts: Parts) -> float:
    """What 6 N is off by, relative to the exact count."""
    return six_n(parts) / parts.flops - 1


def pf_days(flops: float) -> float:
    """FLOPs in days of a machine that does 1e15 a second."""
    return flops / PF_DAY


def state_bytes(parts: Parts) -> int:
    """16 N: what is kept from step to step, whatever the batch."""
    return STATE_BYTES * parts.params


def activation_bytes(shape: Shape) -> int:
    """c L (8 d + 4 (q + k) + 4 m) + 4 c V for a window: what the backward pass of a half-precision forward pass needs.

    That of arXiv 2205.05198, section 4.1, without the attention matrix, which is not kept, and without the masks of
    dropout, which no variant has: 32 of its 34 c d L where queries q and keys k are as wide as the model and the MLP m
    four times; a gated one has a second input. Its section 4.3 adds the logits, float32.
    """
    queries, keys = shape.heads * shape.head_width, shape.kv_heads * shape.head_width
    hidden = 4 * shape.mlp_width + (2 * shape.mlp_width if shape.activation in GATED else 0)
    layer = 8 * shape.width + 4 * (queries + keys) + hidden
    return shape.context * (shape.depth * layer + LOGIT_BYTES * shape.vocab_size)
