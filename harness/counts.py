"""What a shape costs: parameters and training FLOPs in parts, in closed form and without torch."""

from dataclasses import dataclass

from harness.anatomy import ANATOMIES, GATED, Shape, check_shape


@dataclass(frozen=True)
class Parts:
    """Parameters, and training FLOPs per token (forward x 3; a multiply-add is 2; attention over the full context)."""

    params_embedding: int
    params_position: int
    params_block: int
    params_norm: int
    params_head: int  # 0 where the head is the embedding
    flops_block: int
    flops_attention: int
    flops_head: int

    @property
    def params(self) -> int:
        return self.params_embedding + self.params_position + self.params_block + self.params_norm + self.params_head

    @property
    def params_non_embedding(self) -> int:
        """N of arXiv 2001.08361: blocks and norms."""
        return self.params_block + self.params_norm

    @property
    def flops(self) -> int:
        return self.flops_block + self.flops_attention + self.flops_head


BACKWARD_AND_FORWARD = 3  # each product is followed by two of its size: gradients of its input and of its weight
NORM_VECTORS = {"layer": 2, "rms": 1, "plain_rms": 0}  # of the norm's width
BLOCK_NORMS = 2


def counts(shape: Shape) -> Parts:
    """The parts of a shape; one that its variant cannot have is refused.

    Relative positions are projected once a step for all its windows: those 4 L T d h c FLOPs a step are no token's,
    and are left out.
    """
    check_shape(shape)
    anatomy = ANATOMIES[shape.variant]
    depth, width = shape.depth, shape.width
    queries, keys = shape.heads * shape.head_width, shape.kv_heads * shape.head_width
    relative = anatomy.positions == "relative"
    products_attention = 2 * width * queries + 2 * width * keys
    mlp_inputs = shape.mlp_width * (2 if shape.activation in GATED else 1)
    products_mlp = width * mlp_inputs + shape.mlp_width * width
    vectors = queries + 2 * keys + width + mlp_inputs + width if anatomy.biases else 0
    positions = width * queries + 2 * queries if relative else 0
    norm = NORM_VECTORS[shape.norm]
    qk_norms = 2 * shape.head_width * norm if shape.qk_norm != "none" else 0
    return Parts(
        params_embedding=shape.vocab_size * width,
        params_position=shape.context * width if anatomy.positions == "learned" else 0,
        params_block=depth * (products_attention + products_mlp + vectors + positions),
        params_norm=depth * (BLOCK_NORMS * norm * width + qk_norms) + norm * width * anatomy.final_norm,
        params_head=0 if anatomy.tied else shape.vocab_size * width,
        flops_block=BACKWARD_AND_FORWARD * 2 * depth * (products_attention + products_mlp),
        # queries with keys, shares with values; relative ones meet the positions too
        flops_attention=BACKWARD_AND_FORWARD * 2 * depth * shape.context * queries * (3 if relative else 2),
        flops_head=BACKWARD_AND_FORWARD * 2 * shape.vocab_size * width,
    )
