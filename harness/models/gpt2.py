"""GPT-2: learned positions, LayerNorm before each half block, GELU, biases, the head tied to the embedding."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.models.family import Build, LanguageModel, Product, causal_attention, product

# Radford et al. 2019, section 2.3, and the released code
DEVIATION = 0.02
EPSILON = 1e-5


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(width, EPSILON)
        self.query_key_value = Product(width, 3 * width, bias=True)
        self.attention_output = Product(width, width, bias=True)
        self.norm_hidden = nn.LayerNorm(width, EPSILON)
        self.hidden = Product(width, 4 * width, bias=True)
        self.hidden_output = Product(4 * width, width, bias=True)

    def forward(self, x_btd: Tensor, dtype: torch.dtype) -> Tensor:
        qkv_btd = self.query_key_value(self.norm_attention(x_btd), dtype)
        q_bhtc, k_bhtc, v_bhtc = qkv_btd.unflatten(-1, (3, self.heads, -1)).transpose(1, 3).unbind(2)
        answer_btd = causal_attention(q_bhtc, k_bhtc, v_bhtc).transpose(1, 2).flatten(2)
        x_btd = x_btd + self.attention_output(answer_btd, dtype)
        hidden_bte = F.gelu(self.hidden(self.norm_hidden(x_btd), dtype).float(), approximate="tanh")
        y_btd: Tensor = x_btd + self.hidden_output(hidden_bte, dtype)
        return y_btd


class GPT2(LanguageModel):
    """Radford et al. 2019; computes what transformers' GPT2LMHeadModel computes."""

    def __init__(self, spec: Build) -> None:
        super().__init__(spec)
        self.embedding = nn.Parameter(torch.empty(spec.vocab_size, spec.width))
        self.position = nn.Parameter(torch.empty(spec.context, spec.width))
        self.blocks = nn.ModuleList(Block(spec.width, spec.heads) for _ in range(spec.depth))
        self.norm = nn.LayerNorm(spec.width, EPSILON)

    def embed(self, tokens_bt: Tensor) -> Tensor:
        return F.embedding(tokens_bt, self.embedding) + self.position[: tokens_bt.shape[1]]

    def logits(self, x_btd: Tensor, dtype: torch.dtype) -> Tensor:
        return product(self.norm(x_btd), self.embedding, None, dtype)

    def start(self, name: str) -> tuple[float, float]:
        if name.endswith("bias"):
            return 0.0, 0.0
        if "norm" in name:
            return 1.0, 0.0
        if name.endswith("_output.weight"):
            return 0.0, DEVIATION * (2 * len(self.blocks)) ** -0.5
        return 0.0, DEVIATION
