"""Causal attention: over whole windows in training, over kept keys and values in generation, banded or not.

b batch, h head, t query position, s key position, c a head's features.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


class Past:
    """The keys and values of one block for the tokens it has read, in room for so many of them."""

    def __init__(self, room: int) -> None:
        self.room, self.length = room, 0
        self._kept: tuple[Tensor, Tensor] | None = None

    def extend(self, k_bhtc: Tensor, v_bhtc: Tensor) -> tuple[Tensor, Tensor]:
        """All keys and values up to the last of the new ones."""
        if self._kept is None:
            shape = (*k_bhtc.shape[:2], self.room, k_bhtc.shape[-1])
            self._kept = k_bhtc.new_empty(shape), v_bhtc.new_empty(shape)
        stop = self.length + k_bhtc.shape[2]
        for kept, new in zip(self._kept, (k_bhtc, v_bhtc), strict=True):
            kept[:, :, self.length : stop] = new
        self.length = stop
        keys, values = self._kept
        return keys[:, :, :stop], values[:, :, :stop]

    def spread(self, rows: Tensor, room: int) -> "Past":
        """What the rows of that number have read, each as often as it is named, in room of its own to go on."""
        past = Past(room)
        if self._kept is not None:
            past.extend(*(kept[rows, :, : self.length] for kept in self._kept))
        return past


def causal_attention(
    q_bhtc: Tensor, k_bhsc: Tensor, v_bhsc: Tensor, scale: float, window: int | None = None, past: Past | None = None
) -> Tensor:
    """softmax(scale q k^T) v, each position attending to itself and the past, or to the last `window` positions.

    Keys and values may have fewer heads than queries, each then serving as many neighbours.
    """
    if past is not None:
        k_bhsc, v_bhsc = past.extend(k_bhsc, v_bhsc)
    sharing = q_bhtc.shape[1] // k_bhsc.shape[1]
    if sharing > 1:
        k_bhsc, v_bhsc = k_bhsc.repeat_interleave(sharing, dim=1), v_bhsc.repeat_interleave(sharing, dim=1)
    queries, keys = q_bhtc.shape[2], k_bhsc.shape[2]
    if window is not None and window >= keys:
        window = None
    if queries == keys and q_bhtc.dtype == torch.bfloat16 and q_bhtc.device.type == "cpu":
        return _block_causal_attention(q_bhtc, k_bhsc, v_bhsc, scale, window)
    if window is None and queries in (1, keys):  # a single query stands last and sees every key
        return F.scaled_dot_product_attention(q_bhtc, k_bhsc, v_bhsc, is_causal=queries > 1, scale=scale)
    seen_ts = visible(queries, keys, window, q_bhtc.device)
    return F.scaled_dot_product_attention(q_bhtc, k_bhsc, v_bhsc, attn_mask=seen_ts, scale=scale)


def visible(queries: int, keys: int, window: int | None, device: torch.device) -> Tensor:
    """seen_ts: whether the query, of which the last stands at the last key, sees the key."""
    place_t = torch.arange(keys - queries, keys, device=device)[:, None]
    place_s = torch.arange(keys, device=device)
    return place_s <= place_t if window is None else (place_s <= place_t) & (place_s > place_t - window)


def distances(queries: int, keys: int, device: torch.device) -> Tensor:
    """How far back each key lies from each query; negative in the future."""
    first = keys - queries
    return torch.arange(first, keys, device=device)[:, None] - torch.arange(keys, device=device)


def _block_causal_attention(q_bhtc: Tensor, k_bhtc: Tensor, v_bhtc: Tensor, scale: float, window: int | None) -> Tensor:
    """The same by explicit products, a quarter of the queries at a time, each against no more keys than it sees.

    torch's fused attention is slower in bfloat16 than in float32 on CPU; softmax stays float32.
    """
    context = q_bhtc.shape[-2]
    step = -(-context // 4)
    answers = []
    for start in range(0, context, step):
        stop = min(start + step, context)
        begin = 0 if window is None else max(0, start + 1 - window)
        scores_bhqk = (q_bhtc[:, :, start:stop] @ k_bhtc[:, :, begin:stop].transpose(-1, -2)).float() * scale
        hidden_qk = ~visible(stop - start, stop - begin, window, q_bhtc.device)
        shares_bhqk = scores_bhqk.masked_fill(hidden_qk, float("-inf")).softmax(-1)
        answers.append(shares_bhqk.to(v_bhtc.dtype) @ v_bhtc[:, :, begin:stop])
    return torch.cat(answers, dim=2)
