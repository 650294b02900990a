"""What every variant shares: losses, initialisation, the optimiser's groups, compiled steps, kept keys and values.

b batch, t position, d width, v vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.anatomy import CHOICES, Shape, check_shape
from harness.models.attention import Past
from harness.models.kernels import KERNELS, start_group
from harness.models.layers import scaled
from harness.models.parametrisation import Factors, Sized, parametrise
from harness.refusal import pick

# What compiled code depends on; a block serves any depth.
COMPILED_FOR = ("variant", "width", "heads", "context", "vocab_size", "precision", *CHOICES)

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


class Build(Shape, Sized, Protocol):
    """A shape, how its scales follow size, and how its training step is computed."""

    @property
    def precision(self) -> str: ...
    @property
    def kernel(self) -> str: ...


@dataclass(frozen=True)
class Group:
    """Parameters that the optimiser treats alike; weights decay on matrices, not on vectors."""

    parameters: list[nn.Parameter]
    decays: bool
    factors: Factors


class LanguageModel(nn.Module):
    """A variant: `embed`, `blocks`, `logits` and `start` are its own; the rest is the family's.

    `forward` and `token_losses` are eager float32, so that a score depends on the weights alone;
    `loss` is what training calls, in the precision and by the kernel of the spec.
    """

    blocks: nn.ModuleList
    norm: nn.Module  # of the stream as it leaves the last block

    def __init__(self, spec: Build) -> None:
        super().__init__()
        check_shape(spec)
        self.context, self.vocab_size = spec.context, spec.vocab_size
        self.scales = parametrise(spec)
        self.training_dtype = pick(PRECISIONS, spec.precision, "precision")
        kernel = pick(KERNELS, spec.kernel, "kernel")
        if spec.kernel == "compiled":
            start_group((self.scales, *(getattr(spec, name) for name in COMPILED_FOR)))
        self._train_block = kernel(_run_block)
        self._train_head = kernel(_mean_loss)

    def embed(self, tokens_bt: Tensor, start: int = 0) -> Tensor:
        """The stream as it enters the first block; the first token stands at position `start`."""
        raise NotImplementedError

    def tables(self, stop: int, start: int = 0) -> tuple[Tensor, ...]:
        """What every block reads beside the stream, for positions [start, stop)."""
        return ()

    def features(self, x_btd: Tensor) -> Tensor:
        """The stream as a head reads it."""
        return scaled(self.norm(x_btd), self.scales.logits)

    def logits(self, x_btd: Tensor, dtype: torch.dtype) -> Tensor:
        raise NotImplementedError

    def start(self, name: str) -> tuple[float, float]:
        """Mean and standard deviation from which the parameter of that name is drawn at the base size."""
        raise NotImplementedError

    def forward(self, tokens_bt: Tensor, pasts: Sequence[Past] | None = None) -> Tensor:
        """logits_btv, float32; with `pasts`, the tokens follow those that these have kept, and are kept too."""
        return self.logits(self.stream(tokens_bt, pasts), torch.float32)

    def next_logits(self, tokens_bt: Tensor, pasts: Sequence[Past]) -> Tensor:
        """logits_bv after the last of the tokens, which follow those that `pasts` have kept, and are kept too."""
        return self.logits(self.stream(tokens_bt, pasts)[:, -1:], torch.float32)[:, 0]

    def stream(self, tokens_bt: Tensor, pasts: Sequence[Past] | None = None) -> Tensor:
        """x_btd as it leaves the last block, float32; what `logits` reads, a position at a time if one likes."""
        kept: Sequence[Past | None] = pasts or [None] * len(self.blocks)
        start = pasts[0].length if pasts else 0
        x_btd, tables = self.embed(tokens_bt, start), self.tables(start + tokens_bt.shape[1], start)
        for block, past in zip(self.blocks, kept, strict=True):
            x_btd = block(x_btd, torch.float32, *tables, past=past)
        return x_btd

    def pasts(self, room: int | None = None) -> list[Past]:
        """Empty room for the keys and values of so many tokens, of a whole context unasked."""
        return [Past(room or self.context) for _ in self.blocks]

    def token_losses(self, tokens_bt: Tensor, targets_bt: Tensor) -> Tensor:
        """-log p(target), nats, float32."""
        logits_btv = self.forward(tokens_bt)
        return F.cross_entropy(logits_btv.transpose(1, 2), targets_bt, reduction="none")

    def loss(self, tokens_bt: Tensor, targets_bt: Tensor) -> Tensor:
        """Mean nats per token, to train on."""
        return self.stream_loss(self.training_stream(tokens_bt), targets_bt)

    def training_stream(self, tokens_bt: Tensor) -> Tensor:
        """x_btd as it leaves the last block, to train on."""
        x_btd, tables = self.embed(tokens_bt), self.tables(tokens_bt.shape[1])
        for block in self.blocks:
            x_btd = self._train_block(block, x_btd, self.training_dtype, *tables)
        return x_btd

    def stream_loss(self, x_btd: Tensor, targets_bt: Tensor) -> Tensor:
        """Mean nats per token from the stream; a target of -100 is none, as in torch."""
        return self._train_head(self, x_btd, targets_bt, self.training_dtype)

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Draws every parameter from the CPU generator, in the order of their names' declaration."""
        for name, parameter in self.named_parameters():
            mean, deviation = self.start(name)
            deviation *= self.scales.factors(name, parameter.ndim).deviation
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * deviation + mean)

    def parameter_groups(self) -> list[Group]:
        """Every parameter once, the first group that of the embedding."""
        groups: dict[tuple[bool, Factors], list[nn.Parameter]] = {}
        for name, parameter in self.named_parameters():
            factors = self.scales.factors(name, parameter.ndim)
            groups.setdefault((parameter.ndim >= 2, factors), []).append(parameter)
        return [Group(parameters, decays, factors) for (decays, factors), parameters in groups.items()]


def _run_block(block: nn.Module, x_btd: Tensor, dtype: torch.dtype, *tables: Tensor) -> Tensor:
    y_btd: Tensor = block(x_btd, dtype, *tables)
    return y_btd


def _mean_loss(model: LanguageModel, x_btd: Tensor, targets_bt: Tensor, dtype: torch.dtype) -> Tensor:
    logits_btv = model.logits(x_btd, dtype).float()
    return F.cross_entropy(logits_btv.flatten(0, 1), targets_bt.flatten())
