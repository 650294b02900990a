"""GPT-NeoX and Pythia: attention and MLP side by side, rotary positions on a quarter of each head, an untied head."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.anatomy import rotary_features
from harness.models.attention import Past, causal_attention
from harness.models.family import Build, LanguageModel
from harness.models.layers import Product, joined, rotary_tables, rotate
from harness.models.parametrisation import Parametrisation


class Block(nn.Module):
    def __init__(self, spec: Build, scales: Parametrisation) -> None:
        super().__init__()
        self.heads, self.scales, self.rotary = spec.heads, scales, rotary_features(spec)
        features = spec.heads * spec.head_width
        self.norm_attention = nn.LayerNorm(spec.width, spec.norm_epsilon)
        self.query_key_value = Product(spec.width, 3 * features, bias=True)
        self.attention_output = Product(features, spec.width, bias=True)
        self.norm_hidden = nn.LayerNorm(spec.width, spec.norm_epsilon)
        self.hidden = Product(spec.width, spec.mlp_width, bias=True)
        self.hidden_output = Product(spec.mlp_width, spec.width, bias=True)

    def forward(
        self, x_btd: Tensor, dtype: torch.dtype, cos_tc: Tensor, sin_tc: Tensor, past: Past | None = None
    ) -> Tensor:
        qkv_bthc = self.query_key_value(self.norm_attention(x_btd), dtype).unflatten(-1, (3 * self.heads, -1))
        qk_bthc, v_bthc = qkv_bthc.split((2 * self.heads, self.heads), dim=2)
        turned_bthc = rotate(qk_bthc[..., : self.rotary], cos_tc, sin_tc)
        qk_bthc = torch.cat((turned_bthc.to(dtype), qk_bthc[..., self.rotary :]), dim=-1)
        q_bhtc, k_bhtc = qk_bthc.transpose(1, 2).chunk(2, dim=1)
        v_bhtc = v_bthc.transpose(1, 2)
        answer_bhtc = causal_attention(q_bhtc, k_bhtc, v_bhtc, self.scales.attention, past=past)
        answer_btd = self.attention_output(answer_bhtc.transpose(1, 2).flatten(2), dtype)
        hidden_bte = F.gelu(self.hidden(self.norm_hidden(x_btd), dtype).float())
        return joined(x_btd, answer_btd + self.hidden_output(hidden_bte, dtype), self.scales.branch)


class NeoX(LanguageModel):
    """Black et al. 2022, Biderman et al. 2023; computes what transformers' GPTNeoXForCausalLM computes."""

    def __init__(self, spec: Build) -> None:
        super().__init__(spec)
        # arXiv 2204.06745, section 2.1: small init, and 2 / (L sqrt(d)) for what enters the stream
        self.deviation = (2 / (5 * spec.base_width)) ** 0.5
        self.residual_deviation = 2 / spec.base_depth * spec.base_width**-0.5
        self.embedding = nn.Parameter(torch.empty(spec.vocab_size, spec.width))
        self.blocks = nn.ModuleList(Block(spec, self.scales) for _ in range(spec.depth))
        self.norm = nn.LayerNorm(spec.width, spec.norm_epsilon)
        self.head = Product(spec.width, spec.vocab_size, bias=False)
        cos_tc, sin_tc = rotary_tables(spec.context, rotary_features(spec), spec.rotary_base)
        self.register_buffer("cos_tc", cos_tc, persistent=False)
        self.register_buffer("sin_tc", -sin_tc, persistent=False)  # counter-clockwise

    def embed(self, tokens_bt: Tensor, start: int = 0) -> Tensor:
        return F.embedding(tokens_bt, self.embedding)

    def tables(self, stop: int, start: int = 0) -> tuple[Tensor, ...]:
        return self.get_buffer("cos_tc")[start:stop], self.get_buffer("sin_tc")[start:stop]

    def logits(self, x_btd: Tensor, dtype: torch.dtype) -> Tensor:
        logits_btv: Tensor = self.head(self.features(x_btd), dtype)
        return logits_btv

    def start(self, name: str) -> tuple[float, float]:
        if name.endswith("bias"):
            return 0.0, 0.0
        if "norm" in name:
            return 1.0, 0.0
        return 0.0, self.residual_deviation if name.endswith("_output.weight") else self.deviation
