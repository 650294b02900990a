"""Language models whose every probability is known: a table of token pairs, and a circuit that copies.

b batch, t position, s earlier position, v vocabulary.
"""

import math

import torch
from torch import Tensor, nn

from harness.models.attention import Past
from harness.models.family import LanguageModel
from harness.spec import make_spec


class Table(LanguageModel):
    """log p(next | token) is the row of the token, whatever stood before it."""

    def __init__(self, log_p_vv: Tensor, context: int) -> None:
        super().__init__(_spec(len(log_p_vv), context))
        self.log_p_vv = log_p_vv
        self.blocks = nn.ModuleList([Nothing()])

    def embed(self, tokens_bt: Tensor, start: int = 0) -> Tensor:
        return self.log_p_vv[tokens_bt]

    def logits(self, x_btd: Tensor, dtype: torch.dtype) -> Tensor:
        return x_btd.to(dtype)


class Nothing(nn.Module):
    """A block that reads as others do and adds nothing."""

    def forward(self, x_btd: Tensor, dtype: torch.dtype, past: Past | None = None) -> Tensor:
        if past is not None:
            past.extend(x_btd[:, None], x_btd[:, None])
        return x_btd


class Copier(LanguageModel):
    """Gives probability `sure` to what followed the token when it last stood in the context, else all are alike."""

    def __init__(self, vocab_size: int, context: int, sure: float) -> None:
        super().__init__(_spec(vocab_size, context))
        self.blocks = nn.ModuleList([Copy()])
        self.seen = math.log(sure * (vocab_size - 1) / (1 - sure))

    def embed(self, tokens_bt: Tensor, start: int = 0) -> Tensor:
        return torch.eye(self.vocab_size)[tokens_bt]

    def logits(self, x_btd: Tensor, dtype: torch.dtype) -> Tensor:
        return (x_btd * self.seen).to(dtype)


class Copy(nn.Module):
    """Each position gets the token after the last earlier place of its own token, as one of v, or nothing."""

    def forward(self, x_btd: Tensor, dtype: torch.dtype, past: Past | None = None) -> Tensor:
        queries = x_btd.shape[1]
        read_bsd = x_btd if past is None else past.extend(x_btd[:, None], x_btd[:, None])[0][:, 0]
        same_bts = torch.einsum("btd,bsd->bts", x_btd, read_bsd)
        place_t = torch.arange(read_bsd.shape[1] - queries, read_bsd.shape[1])
        earlier_ts = torch.arange(read_bsd.shape[1])[None] < place_t[:, None]
        place_bts = torch.where((same_bts > 0) & earlier_ts, torch.arange(read_bsd.shape[1]), -1)
        last_bt = place_bts.max(-1).values
        found_btd = read_bsd.gather(1, (last_bt + 1).unsqueeze(-1).expand(-1, -1, read_bsd.shape[-1]))
        return torch.where((last_bt >= 0).unsqueeze(-1), found_btd, 0.0)


def _spec(vocab_size: int, context: int) -> object:
    return make_spec(
        {
            "depth": 1,
            "width": 16,
            "heads": 1,
            "context": context,
            "vocab_size": vocab_size,
            "tokenizer": "bytes" if vocab_size == 256 else "bpe",
            "tokens": context,
            "unique_tokens": context,
            "batch_tokens": context,
            "warmup_tokens": 0,
            "schedule": "cosine",
        }
    )
