"""The modern variant: rotary positions, RMSNorm, no biases; QK-norm, shared keys and the activation by choice."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.anatomy import GATED, rotary_features
from harness.models.attention import Past, causal_attention
from harness.models.family import Build, LanguageModel
from harness.models.layers import Product, RMSNorm, joined, rotary_tables, rotate, squared_relu, swiglu
from harness.models.parametrisation import Parametrisation

ACTIVATIONS = {"squared_relu": squared_relu, "swiglu": swiglu}


class Block(nn.Module):
    def __init__(self, spec: Build, scales: Parametrisation) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.scales = spec.heads, spec.kv_heads, scales
        self.activation = ACTIVATIONS[spec.activation]
        queries, keys = spec.heads * spec.head_width, spec.kv_heads * spec.head_width
        self.norm_attention = _norm(spec, spec.width)
        self.query_key_value = Product(spec.width, queries + 2 * keys, bias=False)
        self.attention_output = Product(queries, spec.width, bias=False)
        self.norm_query = _norm(spec, spec.head_width) if spec.qk_norm == "rms" else None
        self.norm_key = _norm(spec, spec.head_width) if spec.qk_norm == "rms" else None
        self.norm_hidden = _norm(spec, spec.width)
        self.hidden = Product(spec.width, spec.mlp_width * (2 if spec.activation in GATED else 1), bias=False)
        self.hidden_output = Product(spec.mlp_width, spec.width, bias=False)

    def forward(
        self, x_btd: Tensor, dtype: torch.dtype, cos_tc: Tensor, sin_tc: Tensor, past: Past | None = None
    ) -> Tensor:
        q_bhtc, k_bhtc, v_bhtc = self._queries_keys_values(x_btd, dtype, cos_tc, sin_tc)
        answer_bhtc = causal_attention(q_bhtc, k_bhtc, v_bhtc, self.scales.attention, past=past)
        answer_btd = answer_bhtc.transpose(1, 2).flatten(2)
        x_btd = joined(x_btd, self.attention_output(answer_btd, dtype), self.scales.branch)
        hidden_bte = self.activation(self.hidden(self.norm_hidden(x_btd), dtype))
        return joined(x_btd, self.hidden_output(hidden_bte, dtype), self.scales.branch)

    def _queries_keys_values(
        self, x_btd: Tensor, dtype: torch.dtype, cos_tc: Tensor, sin_tc: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        heads = self.heads + 2 * self.kv_heads
        qkv_bthc = self.query_key_value(self.norm_attention(x_btd), dtype).unflatten(-1, (heads, -1))
        qk_bthc, v_bthc = qkv_bthc.split((self.heads + self.kv_heads, self.kv_heads), dim=2)
        if self.norm_query is None or self.norm_key is None:
            qk_bthc = rotate(qk_bthc, cos_tc, sin_tc)
        elif self.norm_query.weight is None:  # one norm for both, which rotation does not change
            qk_bthc = self.norm_query(rotate(qk_bthc, cos_tc, sin_tc))
        else:
            q_bthc, k_bthc = qk_bthc.split((self.heads, self.kv_heads), dim=2)
            normed_bthc = torch.cat((self.norm_query(q_bthc), self.norm_key(k_bthc)), dim=2)
            qk_bthc = rotate(normed_bthc, cos_tc, sin_tc)
        # in one piece up to here: in two, compiled code passes twice over what they share
        q_bhtc, k_bhtc = qk_bthc.to(dtype).transpose(1, 2).split((self.heads, self.kv_heads), dim=1)
        return q_bhtc, k_bhtc, v_bthc.transpose(1, 2)


def _norm(spec: Build, width: int) -> RMSNorm:
    return RMSNorm(width, spec.norm_epsilon, plain=spec.norm == "plain_rms")


class Modern(LanguageModel):
    """Computes what transformers' NanoChat (its soft cap off), Arcee, Llama and Qwen3 compute, by its choices."""

    def __init__(self, spec: Build) -> None:
        super().__init__(spec)
        self.base_width = spec.base_width
        self.embedding = nn.Parameter(torch.empty(spec.vocab_size, spec.width))
        self.norm_embedding = _norm(spec, spec.width) if spec.norm == "plain_rms" else None
        self.blocks = nn.ModuleList(Block(spec, self.scales) for _ in range(spec.depth))
        self.norm = _norm(spec, spec.width)
        self.head = Product(spec.width, spec.vocab_size, bias=False)
        cos_tc, sin_tc = rotary_tables(spec.context, rotary_features(spec), spec.rotary_base)
        self.register_buffer("cos_tc", cos_tc, persistent=False)
        self.register_buffer("sin_tc", sin_tc, persistent=False)

    def embed(self, tokens_bt: Tensor, start: int = 0) -> Tensor:
        x_btd = F.embedding(tokens_bt, self.embedding)
        y_btd: Tensor = x_btd if self.norm_embedding is None else self.norm_embedding(x_btd)
        return y_btd

    def tables(self, stop: int, start: int = 0) -> tuple[Tensor, ...]:
        return self.get_buffer("cos_tc")[start:stop], self.get_buffer("sin_tc")[start:stop]

    def logits(self, x_btd: Tensor, dtype: torch.dtype) -> Tensor:
        logits_btv: Tensor = self.head(self.features(x_btd), dtype)
        return logits_btv

    def start(self, name: str) -> tuple[float, float]:
        if "norm" in name:
            return 1.0, 0.0
        if name == "head.weight" or name.endswith("_output.weight"):
            return 0.0, 0.0
        return 0.0, 1.0 if name == "embedding" else self.base_width**-0.5
