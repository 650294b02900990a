"""GPT-2: learned positions, LayerNorm before each half block, GELU, biases, the head tied to the embedding."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.models.attention import Past, causal_attention
from harness.models.family import Build, LanguageModel
from harness.models.layers import Product, gelu, joined, product
from harness.models.parametrisation import Parametrisation

# Radford et al. 2019, section 2.3, and the released code
DEVIATION = 0.02


class Block(nn.Module):
    """`window` is how far back its attention sees, None for all of it."""

    def __init__(self, spec: Build, scales: Parametrisation, window: int | None = None) -> None:
        super().__init__()
        self.heads, self.scales, self.window = spec.heads, scales, window
        features = spec.heads * spec.head_width
        self.norm_attention = nn.LayerNorm(spec.width, spec.norm_epsilon)
        self.query_key_value = Product(spec.width, 3 * features, bias=True)
        self.attention_output = Product(features, spec.width, bias=True)
        self.norm_hidden = nn.LayerNorm(spec.width, spec.norm_epsilon)
        self.hidden = Product(spec.width, spec.mlp_width, bias=True)
        self.hidden_output = Product(spec.mlp_width, spec.width, bias=True)

    def forward(self, x_btd: Tensor, dtype: torch.dtype, past: Past | None = None) -> Tensor:
        qkv_btd = self.query_key_value(self.norm_attention(x_btd), dtype)
        q_bhtc, k_bhtc, v_bhtc = qkv_btd.unflatten(-1, (3, self.heads, -1)).transpose(1, 3).unbind(2)
        answer_bhtc = causal_attention(q_bhtc, k_bhtc, v_bhtc, self.scales.attention, self.window, past)
        answer_btd = answer_bhtc.transpose(1, 2).flatten(2)
        x_btd = joined(x_btd, self.attention_output(answer_btd, dtype), self.scales.branch)
        hidden_bte = gelu(self.hidden(self.norm_hidden(x_btd), dtype))
        return joined(x_btd, self.hidden_output(hidden_bte, dtype), self.scales.branch)


class GPT2(LanguageModel):
    """Radford et al. 2019; computes what transformers' GPT2LMHeadModel computes."""

    def __init__(self, spec: Build) -> None:
        super().__init__(spec)
        self.residual_deviation = DEVIATION * (2 * spec.base_depth) ** -0.5
        self.embedding = nn.Parameter(torch.empty(spec.vocab_size, spec.width))
        self.position = nn.Parameter(torch.empty(spec.context, spec.width))
        self.blocks = nn.ModuleList(Block(spec, self.scales, self.window(spec, i)) for i in range(spec.depth))
        self.norm = nn.LayerNorm(spec.width, spec.norm_epsilon)

    def window(self, spec: Build, layer: int) -> int | None:
        """How far back the layer sees, None for all of the context."""
        return None

    def embed(self, tokens_bt: Tensor, start: int = 0) -> Tensor:
        return F.embedding(tokens_bt, self.embedding) + self.position[start : start + tokens_bt.shape[1]]

    def logits(self, x_btd: Tensor, dtype: torch.dtype) -> Tensor:
        return product(self.features(x_btd), self.embedding, None, dtype)

    def start(self, name: str) -> tuple[float, float]:
        if name.endswith("bias"):
            return 0.0, 0.0
        if "norm" in name:
            return 1.0, 0.0
        return 0.0, self.residual_deviation if name.endswith("_output.weight") else DEVIATION
