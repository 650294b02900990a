"""What a shape costs: parameters and training FLOPs in parts, in closed form and without torch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from harness.refusal import Refusal, pick


class Shape(Protocol):
    """Whatever says how a model is cut: a Spec, or a row of a table."""

    @property
    def variant(self) -> str: ...
    @property
    def depth(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def heads(self) -> int: ...
    @property
    def context(self) -> int: ...
    @property
    def vocab_size(self) -> int: ...


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
    def flops(self) -> int:
        return self.flops_block + self.flops_attention + self.flops_head


BACKWARD_AND_FORWARD = 3  # each product is followed by two of its size: gradients of its input and of its weight


def _gpt2(shape: Shape) -> Parts:
    """N = L (12 d^2 + 13 d) + 2 d + V d + T d, the head tied to the embedding."""
    depth, width = shape.depth, shape.width
    return Parts(
        params_embedding=shape.vocab_size * width,
        params_position=shape.context * width,
        params_block=depth * (12 * width**2 + 9 * width),
        params_norm=depth * 4 * width + 2 * width,
        params_head=0,
        flops_block=BACKWARD_AND_FORWARD * 2 * depth * 12 * width**2,
        flops_attention=BACKWARD_AND_FORWARD * 4 * depth * shape.context * width,
        flops_head=BACKWARD_AND_FORWARD * 2 * shape.vocab_size * width,
    )


def _modern(shape: Shape) -> Parts:
    """N = 12 L d^2 + 2 V d: no biases, norms without weights, positions by rotation, a head of its own."""
    depth, width = shape.depth, shape.width
    return Parts(
        params_embedding=shape.vocab_size * width,
        params_position=0,
        params_block=depth * 12 * width**2,
        params_norm=0,
        params_head=shape.vocab_size * width,
        flops_block=BACKWARD_AND_FORWARD * 2 * depth * 12 * width**2,
        flops_attention=BACKWARD_AND_FORWARD * 4 * depth * shape.context * width,
        flops_head=BACKWARD_AND_FORWARD * 2 * shape.vocab_size * width,
    )


COUNTS: dict[str, Callable[[Shape], Parts]] = {
    "gpt2": _gpt2,
    "modern": _modern,
}

ROTARY = ("modern",)  # variants that rotate pairs of a head's features


def check_shape(shape: Shape) -> None:
    """Refuses a shape that its variant cannot be cut to."""
    pick(COUNTS, shape.variant, "variant")
    if shape.width % shape.heads:
        fitting = [heads for heads in range(1, shape.width + 1) if shape.width % heads == 0]
        raise Refusal(
            f"width={shape.width} is not divisible by heads={shape.heads}: each head needs an equal share; "
            f"use heads={min(fitting, key=lambda heads: abs(heads - shape.heads))}"
        )
    head_width = shape.width // shape.heads
    if shape.variant in ROTARY and head_width % 2:
        raise Refusal(
            f"width={shape.width} with heads={shape.heads} gives heads of {head_width}: {shape.variant} rotates "
            f"features in pairs, so the share must be even; use width={shape.heads * (head_width + 1)}"
        )


def counts(shape: Shape) -> Parts:
    """The parts of a shape; a variant that is not in COUNTS, or a shape it cannot have, is refused."""
    check_shape(shape)
    return COUNTS[shape.variant](shape)
