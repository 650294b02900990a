"""What every variant shares: products in a chosen precision, losses, initialisation, decay groups, compiled steps.

b batch, t position, d width, h head, c a head's features, v vocabulary.
"""

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.counts import Shape, check_shape
from harness.models.kernels import KERNELS, start_group
from harness.refusal import pick

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


class Build(Shape, Protocol):
    """A shape, and how its training step is computed."""

    @property
    def precision(self) -> str: ...
    @property
    def kernel(self) -> str: ...


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


def causal_attention(q_bhtc: Tensor, k_bhtc: Tensor, v_bhtc: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(c)) v, each position attending to itself and the past."""
    if q_bhtc.dtype == torch.bfloat16 and q_bhtc.device.type == "cpu":
        return _block_causal_attention(q_bhtc, k_bhtc, v_bhtc)
    return F.scaled_dot_product_attention(q_bhtc, k_bhtc, v_bhtc, is_causal=True)


def _block_causal_attention(q_bhtc: Tensor, k_bhtc: Tensor, v_bhtc: Tensor) -> Tensor:
    """The same by explicit products, a quarter of the queries at a time, each against no more keys than it sees.

    torch's fused attention is slower in bfloat16 than in float32 on CPU; softmax stays float32.
    """
    context, features = q_bhtc.shape[-2:]
    step = -(-context // 4)
    answers = []
    for start in range(0, context, step):
        stop = min(start + step, context)
        scores_bhqk = (q_bhtc[:, :, start:stop] @ k_bhtc[:, :, :stop].transpose(-1, -2)).float() * features**-0.5
        future_qk = torch.ones(stop - start, stop, dtype=torch.bool, device=q_bhtc.device).triu(start + 1)
        shares_bhqk = scores_bhqk.masked_fill(future_qk, float("-inf")).softmax(-1)
        answers.append(shares_bhqk.to(v_bhtc.dtype) @ v_bhtc[:, :, :stop])
    return torch.cat(answers, dim=2)


class LanguageModel(nn.Module):
    """A variant: `embed`, `blocks`, `logits` and `start` are its own; the rest is the family's.

    `forward` and `token_losses` are eager float32, so that a score depends on the weights alone;
    `loss` is what training calls, in the precision and by the kernel of the spec.
    """

    blocks: nn.ModuleList

    def __init__(self, spec: Build) -> None:
        super().__init__()
        check_shape(spec)
        self.width = spec.width
        self.training_dtype = pick(PRECISIONS, spec.precision, "precision")
        kernel = pick(KERNELS, spec.kernel, "kernel")
        if spec.kernel == "compiled":
            start_group((spec.variant, spec.width, spec.heads, spec.context, spec.vocab_size, spec.precision))
        self._train_block = kernel(_run_block)
        self._train_head = kernel(_mean_loss)

    def embed(self, tokens_bt: Tensor) -> Tensor:
        raise NotImplementedError

    def tables(self, context: int) -> tuple[Tensor, ...]:
        """What every block reads beside the residual stream."""
        return ()

    def logits(self, x_btd: Tensor, dtype: torch.dtype) -> Tensor:
        raise NotImplementedError

    def start(self, name: str) -> tuple[float, float]:
        """Mean and standard deviation from which the parameter of that name is drawn."""
        raise NotImplementedError

    def forward(self, tokens_bt: Tensor) -> Tensor:
        """logits_btv, float32."""
        x_btd, tables = self.embed(tokens_bt), self.tables(tokens_bt.shape[1])
        for block in self.blocks:
            x_btd = block(x_btd, torch.float32, *tables)
        return self.logits(x_btd, torch.float32)

    def token_losses(self, tokens_bt: Tensor, targets_bt: Tensor) -> Tensor:
        """-log p(target), nats, float32."""
        logits_btv = self.forward(tokens_bt)
        return F.cross_entropy(logits_btv.transpose(1, 2), targets_bt, reduction="none")

    def loss(self, tokens_bt: Tensor, targets_bt: Tensor) -> Tensor:
        """Mean nats per token, to train on."""
        x_btd, tables = self.embed(tokens_bt), self.tables(tokens_bt.shape[1])
        for block in self.blocks:
            x_btd = self._train_block(block, x_btd, self.training_dtype, *tables)
        return self._train_head(self, x_btd, targets_bt, self.training_dtype)

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Draws every parameter from the CPU generator, in the order of their names' declaration."""
        for name, parameter in self.named_parameters():
            mean, deviation = self.start(name)
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * deviation + mean)

    def parameter_groups(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """(matrices, on which weights decay; vectors, on which they do not)."""
        parameters = list(self.parameters())
        return [p for p in parameters if p.ndim >= 2], [p for p in parameters if p.ndim < 2]


def _run_block(block: nn.Module, x_btd: Tensor, dtype: torch.dtype, *tables: Tensor) -> Tensor:
    y_btd: Tensor = block(x_btd, dtype, *tables)
    return y_btd


def _mean_loss(model: LanguageModel, x_btd: Tensor, targets_bt: Tensor, dtype: torch.dtype) -> Tensor:
    logits_btv = model.logits(x_btd, dtype).float()
    return F.cross_entropy(logits_btv.flatten(0, 1), targets_bt.flatten())
