"""GPT-1: learned positions, LayerNorm after each half block and none at the end, GELU, a tied head."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.models.attention import Past, causal_attention
from harness.models.family import Build, LanguageModel
from harness.models.layers import Product, gelu, joined, product, scaled
from harness.models.parametrisation import Parametrisation

# Radford et al. 2018, section 4.1
DEVIATION = 0.02


class Block(nn.Module):
    def __init__(self, spec: Build, scales: Parametrisation) -> None:
        super().__init__()
        self.heads, self.scales = spec.heads, scales
        features = spec.heads * spec.head_width
        self.query_key_value = Product(spec.width, 3 * features, bias=True)
        self.attention_output = Product(features, spec.width, bias=True)
        self.norm_attention = nn.LayerNorm(spec.width, spec.norm_epsilon)
        self.hidden = Product(spec.width, spec.mlp_width, bias=True)
        self.hidden_output = Product(spec.mlp_width, spec.width, bias=True)
        self.norm_hidden = nn.LayerNorm(spec.width, spec.norm_epsilon)

    def forward(self, x_btd: Tensor, dtype: torch.dtype, past: Past | None = None) -> Tensor:
        qkv_btd = self.query_key_value(x_btd, dtype)
        q_bhtc, k_bhtc, v_bhtc = qkv_btd.unflatten(-1, (3, self.heads, -1)).transpose(1, 3).unbind(2)
        answer_btd = causal_attention(q_bhtc, k_bhtc, v_bhtc, self.scales.attention, past=past)
        answer_btd = self.attention_output(answer_btd.transpose(1, 2).flatten(2), dtype)
        x_btd = self.norm_attention(joined(x_btd, answer_btd, self.scales.branch))
        hidden_btd = self.hidden_output(gelu(self.hidden(x_btd, dtype)), dtype)
        y_btd: Tensor = self.norm_hidden(joined(x_btd, hidden_btd, self.scales.branch))
        return y_btd


class GPT1(LanguageModel):
    """Radford et al. 2018; computes what transformers' OpenAIGPTLMHeadModel computes."""

    def __init__(self, spec: Build) -> None:
        super().__init__(spec)
        self.embedding = nn.Parameter(torch.empty(spec.vocab_size, spec.width))
        self.position = nn.Parameter(torch.empty(spec.context, spec.width))
        self.blocks = nn.ModuleList(Block(spec, self.scales) for _ in range(spec.depth))

    def embed(self, tokens_bt: Tensor, start: int = 0) -> Tensor:
        return F.embedding(tokens_bt, self.embedding) + self.position[start : start + tokens_bt.shape[1]]

    def features(self, x_btd: Tensor) -> Tensor:
        return scaled(x_btd, self.scales.logits)

    def logits(self, x_btd: Tensor, dtype: torch.dtype) -> Tensor:
        return product(self.features(x_btd), self.embedding, None, dtype)

    def start(self, name: str) -> tuple[float, float]:
        if name.endswith("bias"):
            return 0.0, 0.0
        return (1.0, 0.0) if "norm" in name else (0.0, DEVIATION)
