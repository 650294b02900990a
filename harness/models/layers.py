"""What blocks are made of: products in a chosen precision, norms, activations, rotary positions.

b batch, t position, h head, c a head's features.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# --- products


class Product(nn.Module):
    """y = x W^T + bias; W and bias are float32, the product is made and returned in the precision asked for."""

    def __init__(self, inputs: int, outputs: int, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.empty(outputs)) if bias else None

    def forward(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        return product(x, self.weight, self.bias, dtype)


def product(x: Tensor, weight: Tensor, bias: Tensor | None, dtype: torch.dtype) -> Tensor:
    """x W^T + bias in `dtype`, whatever the operands are kept in."""
    return F.linear(x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype))


def scaled(x: Tensor, factor: float) -> Tensor:
    """factor x."""
    return x if factor == 1 else x * factor


def joined(x: Tensor, y: Tensor, factor: float) -> Tensor:
    """x + factor y."""
    return x + y if factor == 1 else torch.add(x, y, alpha=factor)


# --- norms


class _Normalise(torch.autograd.Function):
    """y = x / sqrt(mean(x^2) + epsilon) over the last axis, in fewer passes than torch's own makes on CPU."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, epsilon: float) -> Tensor:
        scale = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_().div_(x.shape[-1]).add_(epsilon).rsqrt_()
        y: Tensor = x * scale
        ctx.save_for_backward(y, scale)
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        y, scale = ctx.saved_tensors
        along = (grad * y).sum(-1, keepdim=True)
        return torch.addcmul(grad, y, along, value=-1 / y.shape[-1]).mul_(scale), None


def normalise(x: Tensor, epsilon: float) -> Tensor:
    """RMSNorm without weights, in float32."""
    y: Tensor = _Normalise.apply(x.float(), epsilon)  # type: ignore[no-untyped-call]
    return y


class RMSNorm(nn.Module):
    """x / sqrt(mean(x^2) + epsilon), times learned gains unless it is plain, in float32 (arXiv 1910.07467)."""

    def __init__(self, width: int, epsilon: float, plain: bool = False) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.weight = None if plain else nn.Parameter(torch.empty(width))

    def forward(self, x: Tensor) -> Tensor:
        y = normalise(x, self.epsilon)
        return y if self.weight is None else y * self.weight


# --- activations


class _SquaredRelu(torch.autograd.Function):
    """y = max(x, 0)^2 with gradient 2 max(x, 0)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        positive = F.relu(x)
        ctx.save_for_backward(positive)
        return positive * positive

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (positive,) = ctx.saved_tensors
        gradient: Tensor = (grad * positive).mul_(2)
        return gradient


def squared_relu(x: Tensor) -> Tensor:
    """max(x, 0)^2, in float32."""
    y: Tensor = _SquaredRelu.apply(x.float())  # type: ignore[no-untyped-call]
    return y


def swiglu(x: Tensor) -> Tensor:
    """silu(gate) up of the two halves of the last axis, in float32 (arXiv 2002.05202)."""
    gate, up = x.float().chunk(2, dim=-1)
    return F.silu(gate) * up


def gelu(x: Tensor) -> Tensor:
    """As OpenAI's code has it, by tanh; in float32."""
    return F.gelu(x.float(), approximate="tanh")


# --- rotary positions


def rotary_tables(context: int, features: int, base: float) -> tuple[Tensor, Tensor]:
    """cos and +-sin of position x base^(-2i/features), a row a position (arXiv 2104.09864).

    The halves repeat; the second half of the sines is negative, the sign with which a feature meets its partner.
    """
    # on CPU whatever the model's device, so that every device turns by the same angles
    frequencies = base ** -(torch.arange(0, features, 2, device="cpu") / features)
    angles_tc = torch.outer(torch.arange(context, device="cpu").float(), frequencies)
    cos_tc, sin_tc = angles_tc.cos(), angles_tc.sin()
    return torch.cat((cos_tc, cos_tc), dim=-1), torch.cat((sin_tc, -sin_tc), dim=-1)


def rotate(x_bthc: Tensor, cos_tc: Tensor, sin_tc: Tensor) -> Tensor:
    """Turns feature i against feature i + c/2 of every head by its position's angle, clockwise, in float32."""
    x_bthc = x_bthc.float()
    partner_bthc = x_bthc.roll(x_bthc.shape[-1] // 2, -1)
    return torch.addcmul(x_bthc * cos_tc[:, None], partner_bthc, sin_tc[:, None])
