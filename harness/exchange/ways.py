"""How a tensor of ours lies in a published class, and back: each way is a function and its inverse.

Rows are a weight's or a bias's first axis: heads h of features c.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.models.family import Build
from harness.models.layers import normalise


@dataclass(frozen=True)
class Way:
    out: Callable[[Tensor, Build], Tensor]
    back: Callable[[Tensor, Build], Tensor]


def _same(tensor: Tensor, spec: Build) -> Tensor:
    return tensor


def _transposed(tensor: Tensor, spec: Build) -> Tensor:
    return tensor.T


def _swapped(tensor: Tensor, spec: Build) -> Tensor:
    """The halves of each head change places: a clockwise turn of (x, y) is a counter-clockwise one of (y, x)."""
    return _rows(tensor, -1, 2, spec.head_width // 2).flip(1).flatten(0, 2)


def _head_by_head(tensor: Tensor, spec: Build) -> Tensor:
    """From all queries, all keys, all values to query, key and value of each head in turn."""
    return _rows(tensor, 3, spec.heads, spec.head_width).transpose(0, 1).flatten(0, 2)


def _kind_by_kind(tensor: Tensor, spec: Build) -> Tensor:
    return _rows(tensor, spec.heads, 3, spec.head_width).transpose(0, 1).flatten(0, 2)


def _rows(tensor: Tensor, *sizes: int) -> Tensor:
    return tensor.reshape(*sizes, *tensor.shape[1:])


def _normalised(embedding: Tensor, spec: Build) -> Tensor:
    """A norm without gains sees one row at a time, so it may as well be in the rows."""
    return normalise(embedding, spec.norm_epsilon)


def _before_norm(rows: Tensor, spec: Build) -> Tensor:
    """Rows that the norm makes these: s x with s^2 = epsilon / (1 - mean x^2).

    As the mean nears one s no longer matters, and is kept from a division by nought.
    """
    left = (1 - rows.double().square().mean(-1, keepdim=True)).clamp(min=spec.norm_epsilon / 100)
    return (rows.double() * (spec.norm_epsilon / left).sqrt()).to(torch.float32)


SAME = Way(_same, _same)
TRANSPOSED = Way(_transposed, _transposed)
SWAPPED = Way(_swapped, _swapped)
HEAD_BY_HEAD = Way(_head_by_head, _kind_by_kind)
NORMALISED = Way(_normalised, _before_norm)
