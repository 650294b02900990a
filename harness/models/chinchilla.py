"""Chinchilla and Gopher: RMSNorm, positions relative as in Transformer-XL, no biases, the head tied to the embedding.

b batch, h head, t query position, s key position, r distance from key to query, c a head's features, d width.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.models.attention import Past, distances
from harness.models.family import Build, LanguageModel
from harness.models.layers import Product, RMSNorm, gelu, joined, product
from harness.models.parametrisation import Parametrisation

# Neither paper prints its initialisation: GPT-2's.
DEVIATION = 0.02
WAVES_BASE = 10_000.0  # arXiv 1706.03762, section 3.5


class Block(nn.Module):
    def __init__(self, spec: Build, scales: Parametrisation) -> None:
        super().__init__()
        self.heads, self.scales = spec.heads, scales
        features = spec.heads * spec.head_width
        self.norm_attention = RMSNorm(spec.width, spec.norm_epsilon)
        self.query_key_value = Product(spec.width, 3 * features, bias=False)
        self.distance = Product(spec.width, features, bias=False)
        self.content_bias = nn.Parameter(torch.empty(features))
        self.distance_bias = nn.Parameter(torch.empty(features))
        self.attention_output = Product(features, spec.width, bias=False)
        self.norm_hidden = RMSNorm(spec.width, spec.norm_epsilon)
        self.hidden = Product(spec.width, spec.mlp_width, bias=False)
        self.hidden_output = Product(spec.mlp_width, spec.width, bias=False)

    def forward(self, x_btd: Tensor, dtype: torch.dtype, waves_rd: Tensor, past: Past | None = None) -> Tensor:
        q_bthc, k_bthc, v_bthc = (
            self.query_key_value(self.norm_attention(x_btd), dtype).unflatten(-1, (3, self.heads, -1)).unbind(2)
        )
        k_bhsc, v_bhsc = k_bthc.transpose(1, 2), v_bthc.transpose(1, 2)
        if past is not None:
            k_bhsc, v_bhsc = past.extend(k_bhsc, v_bhsc)
        scores_bhts = self._scores(q_bthc, k_bhsc, waves_rd)
        answer_bhtc = (scores_bhts * self.scales.attention).softmax(-1).to(dtype) @ v_bhsc
        answer_btd = answer_bhtc.transpose(1, 2).flatten(2)
        x_btd = joined(x_btd, self.attention_output(answer_btd, dtype), self.scales.branch)
        hidden_bte = gelu(self.hidden(self.norm_hidden(x_btd), dtype))
        return joined(x_btd, self.hidden_output(hidden_bte, dtype), self.scales.branch)

    def _scores(self, q_bthc: Tensor, k_bhsc: Tensor, waves_rd: Tensor) -> Tensor:
        """(q + u) k^T + (q + v) r^T at each pair's distance, float32, -inf ahead (arXiv 1901.02860, section 3.3)."""
        u_hc, v_hc = (bias.view(self.heads, -1) for bias in (self.content_bias, self.distance_bias))
        r_hrc = self.distance(waves_rd, q_bthc.dtype).unflatten(-1, (self.heads, -1)).transpose(0, 1)
        content_bhts = (q_bthc + u_hc.to(q_bthc.dtype)).transpose(1, 2) @ k_bhsc.transpose(-1, -2)
        far_bhtr = (q_bthc + v_hc.to(q_bthc.dtype)).transpose(1, 2) @ r_hrc.transpose(-1, -2)
        distance_ts = distances(q_bthc.shape[1], k_bhsc.shape[2], q_bthc.device)
        index_bhts = distance_ts.clamp(min=0).expand(*far_bhtr.shape[:2], -1, -1)
        scores_bhts = content_bhts.float() + far_bhtr.float().gather(-1, index_bhts)
        return torch.where(distance_ts < 0, float("-inf"), scores_bhts)


class Chinchilla(LanguageModel):
    """Hoffmann et al. 2022, Rae et al. 2021, as far as they are published; transformers has no such class."""

    def __init__(self, spec: Build) -> None:
        super().__init__(spec)
        self.residual_deviation = DEVIATION * (2 * spec.base_depth) ** -0.5
        self.embedding = nn.Parameter(torch.empty(spec.vocab_size, spec.width))
        self.blocks = nn.ModuleList(Block(spec, self.scales) for _ in range(spec.depth))
        self.norm = RMSNorm(spec.width, spec.norm_epsilon)
        self.register_buffer("waves_rd", waves(spec.context, spec.width), persistent=False)

    def embed(self, tokens_bt: Tensor, start: int = 0) -> Tensor:
        return F.embedding(tokens_bt, self.embedding)

    def tables(self, stop: int, start: int = 0) -> tuple[Tensor, ...]:
        return (self.get_buffer("waves_rd")[:stop],)  # a query may be as far from a key as the window is long

    def logits(self, x_btd: Tensor, dtype: torch.dtype) -> Tensor:
        return product(self.features(x_btd), self.embedding, None, dtype)

    def start(self, name: str) -> tuple[float, float]:
        if name.endswith("_bias"):
            return 0.0, 0.0
        if "norm" in name:
            return 1.0, 0.0
        return 0.0, self.residual_deviation if name.endswith("_output.weight") else DEVIATION


def waves(context: int, width: int) -> Tensor:
    """Sines and cosines of distance x base^(-2i/width), a row a distance."""
    frequencies = WAVES_BASE ** -(torch.arange(0, width, 2, device="cpu") / width)
    angles = torch.outer(torch.arange(context, device="cpu").float(), frequencies)
    return torch.cat((angles.sin(), angles.cos()), dim=-1)[:, :width]
