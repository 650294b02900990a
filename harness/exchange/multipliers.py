"""What a parametrisation multiplies by, folded into weights: no published class has such multipliers."""

import torch
from torch import Tensor

from harness.anatomy import ANATOMIES
from harness.models.family import Build
from harness.models.parametrisation import parametrise

State = dict[str, Tensor]


def folded(state: State, spec: Build) -> State:
    """Weights that compute without multipliers what `state` computes with them."""
    return {name: tensor * _factor(name, tensor, spec) for name, tensor in state.items()}


def unfolded(state: State, spec: Build) -> State:
    return {name: tensor / _factor(name, tensor, spec) for name, tensor in state.items()}


def _factor(name: str, tensor: Tensor, spec: Build) -> Tensor | float:
    scales, anatomy = parametrise(spec), ANATOMIES[spec.variant]
    if "_output." in name:
        return scales.branch
    if ".query_key_value." in name and spec.qk_norm == "none":  # normalised ones meet over the usual root
        factor = torch.ones(tensor.shape[0], *[1] * (tensor.ndim - 1), device=tensor.device)
        factor[: spec.heads * spec.head_width] = scales.attention / spec.head_width**-0.5
        return factor
    # a tied head is the embedding too, which must stay: the norm before it carries the factor
    carries = name.startswith("norm.") if anatomy.tied else name == "head.weight"
    return scales.logits if carries else 1.0
