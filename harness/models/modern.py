"""The modern variant: rotary positions, RMSNorm without weights, QK-norm, squared ReLU, outputs that start at zero."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.models.family import Build, LanguageModel, Product, causal_attention

# transformers' NanoChatConfig
EPSILON = 1e-6
ROTARY_BASE = 10_000.0


class _Normalise(torch.autograd.Function):
    """y = x / sqrt(mean(x^2) + epsilon) over the last axis, in fewer passes than torch's own makes on CPU."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        scale = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_().div_(x.shape[-1]).add_(EPSILON).rsqrt_()
        y: Tensor = x * scale
        ctx.save_for_backward(y, scale)
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        y, scale = ctx.saved_tensors
        along = (grad * y).sum(-1, keepdim=True)
        gradient: Tensor = torch.addcmul(grad, y, along, value=-1 / y.shape[-1]).mul_(scale)
        return gradient


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


def normalise(x: Tensor) -> Tensor:
    """RMSNorm without weights, in float32."""
    y: Tensor = _Normalise.apply(x.float())  # type: ignore[no-untyped-call]
    return y


def squared_relu(x: Tensor) -> Tensor:
    """max(x, 0)^2, in float32."""
    y: Tensor = _SquaredRelu.apply(x.float())  # type: ignore[no-untyped-call]
    return y


def rotary_tables(context: int, features: int) -> tuple[Tensor, Tensor]:
    """cos and +-sin of position x base^(-2i/features), a row a position (arXiv 2104.09864).

    The halves repeat; the second half of the sines is negative, the sign with which a feature meets its partner.
    """
    # on CPU whatever the model's device, so that every device turns by the same angles
    frequencies = ROTARY_BASE ** -(torch.arange(0, features, 2, device="cpu") / features)
    angles_tc = torch.outer(torch.arange(context, device="cpu").float(), frequencies)
    cos_tc, sin_tc = angles_tc.cos(), angles_tc.sin()
    return torch.cat((cos_tc, cos_tc), dim=-1), torch.cat((sin_tc, -sin_tc), dim=-1)


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = Product(width, 3 * width, bias=False)
        self.attention_output = Product(width, width, bias=False)
        self.hidden = Product(width, 4 * width, bias=False)
        self.hidden_output = Product(4 * width, width, bias=False)

    def forward(self, x_btd: Tensor, dtype: torch.dtype, cos_tc: Tensor, sin_tc: Tensor) -> Tensor:
        qkv_btjhc = self.query_key_value(normalise(x_btd), dtype).unflatten(-1, (3, self.heads, -1))
        qk_btjhc, v_btjhc = qkv_btjhc.split((2, 1), dim=2)
        q_bhtc, k_bhtc = normalise(rotate(qk_btjhc, cos_tc, sin_tc)).to(dtype).transpose(1, 3).unbind(2)
        v_bhtc = v_btjhc.squeeze(2).transpose(1, 2)
        answer_btd = causal_attention(q_bhtc, k_bhtc, v_bhtc).transpose(1, 2).flatten(2)
        x_btd = x_btd + self.attention_output(answer_btd, dtype)
        hidden_bte = squared_relu(self.hidden(normalise(x_btd), dtype))
        y_btd: Tensor = x_btd + self.hidden_output(hidden_bte, dtype)
        return y_btd


def rotate(x_btjhc: Tensor, cos_tc: Tensor, sin_tc: Tensor) -> Tensor:
    """Turns feature i against feature i + c/2 of every head by its position's angle, clockwise, in float32."""
    x_btjhc = x_btjhc.float()
    partner_btjhc = x_btjhc.roll(x_btjhc.shape[-1] // 2, -1)
    return torch.addcmul(x_btjhc * cos_tc[:, None, None], partner_btjhc, sin_tc[:, None, None])


class Modern(LanguageModel):
    """Computes what transformers' NanoChatForCausalLM computes with `final_logit_softcapping=None`."""

    def __init__(self, spec: Build) -> None:
        super().__init__(spec)
        self.embedding = nn.Parameter(torch.empty(spec.vocab_size, spec.width))
        self.blocks = nn.ModuleList(Block(spec.width, spec.heads) for _ in range(spec.depth))
        self.head = Product(spec.width, spec.vocab_size, bias=False)
        cos_tc, sin_tc = rotary_tables(spec.context, spec.width // spec.heads)
        self.register_buffer("cos_tc", cos_tc, persistent=False)
        self.register_buffer("sin_tc", sin_tc, persistent=False)

    def embed(self, tokens_bt: Tensor) -> Tensor:
        return normalise(F.embedding(tokens_bt, self.embedding))

    def tables(self, context: int) -> tuple[Tensor, ...]:
        return self.get_buffer("cos_tc")[:context], self.get_buffer("sin_tc")[:context]

    def logits(self, x_btd: Tensor, dtype: torch.dtype) -> Tensor:
        logits_btv: Tensor = self.head(normalise(x_btd), dtype)
        return logits_btv

    def start(self, name: str) -> tuple[float, float]:
        if name == "head.weight" or name.endswith("_output.weight"):
            return 0.0, 0.0
        return 0.0, 1.0 if name == "embedding" else self.width**-0.5
