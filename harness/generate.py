"""Text from a trained model, a token at a time: how one is drawn, what the model has read, which characters are whole.

b batch, t position, v vocabulary.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from harness.models.family import LanguageModel
from harness.refusal import Refusal
from harness.tokenizers import Tokenizer

LARGEST_SEED = 2**63 - 1
REPLACEMENT = "\ufffd"  # what decoding gives for bytes that make no character, or none yet


@dataclass(frozen=True)
class Settings:
    """How the next token is drawn, and at most how many."""

    tokens: int = 256
    temperature: float = 1.0  # 0: always the likeliest token
    top_k: int | None = None  # None: all
    top_p: float = 1.0  # 1: all
    seed: int = 0

    def __post_init__(self) -> None:
        if self.tokens < 1:
            raise Refusal(f"tokens={self.tokens}: there is nothing to write; use 1 or more")
        if not 0 <= self.temperature < math.inf:
            raise Refusal(
                f"temperature={self.temperature:g}: logits are divided by it, so it is finite and not below 0; "
                "use 0 for the likeliest token, 1 for the model's own chances"
            )
        if self.top_k is not None and self.top_k < 1:
            raise Refusal(
                f"top-k={self.top_k}: so many of the likeliest tokens are kept; use 1 or more, or leave it out"
            )
        if not 0 < self.top_p <= 1:
            raise Refusal(
                f"top-p={self.top_p:g}: it is the share of the chances that is kept, above 0 and at most 1; "
                "use for instance 0.9, or 1 for all"
            )
        if not 0 <= self.seed <= LARGEST_SEED:
            raise Refusal(f"seed={self.seed}: seeds go from 0 to {LARGEST_SEED}; use one of these")


def chances(logits_v: Tensor, settings: Settings) -> Tensor:
    """softmax(logits / temperature) of the top-k tokens, then of the fewest of these that hold top-p; float64.

    Of equal logits at an edge the lower ids are kept.
    """
    if settings.temperature == 0:
        return F.one_hot(logits_v.argmax(), len(logits_v)).double()
    logits_v = logits_v.double()
    logits_v = (logits_v - logits_v.max()) / settings.temperature
    if settings.top_k is None and settings.top_p == 1:
        return logits_v.softmax(0)
    sorted_v, order_v = logits_v.sort(descending=True, stable=True)
    if settings.top_k is not None:
        sorted_v[settings.top_k :] = -math.inf
    chances_v = sorted_v.softmax(0)
    if settings.top_p < 1:
        chances_v[chances_v.cumsum(0) - chances_v >= settings.top_p] = 0
    return torch.zeros_like(chances_v).scatter(0, order_v, chances_v / chances_v.sum())


def next_token(logits_v: Tensor, settings: Settings, generator: torch.Generator) -> int:
    """A token drawn on the CPU, so that a seed means the same draws on every device."""
    return int(torch.multinomial(chances(logits_v.cpu(), settings), 1, generator=generator))


@torch.inference_mode()
def generate(model: LanguageModel, prompt_ids: Sequence[int], settings: Settings, end_of_text: int) -> Iterator[int]:
    """Tokens that follow the prompt, until the end of text (which is not among them) or `settings.tokens`.

    The prompt is read at once and its keys and values kept, as are those of every token after it. A window has no more
    positions than the context: of a longer prompt the last `context` tokens are read, and each time the window is full
    the last half of it is read anew, as the beginning of a new one. An empty prompt stands for a new document: the
    model reads an end of text.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    device = next(model.parameters()).device
    window = list(prompt_ids)[-model.context :] or [end_of_text]
    unread, pasts = window, model.pasts()
    for _ in range(settings.tokens):
        logits_v = model.next_logits(torch.tensor([unread], device=device), pasts)[0]
        token = next_token(logits_v, settings, generator)
        if token == end_of_text:
            return
        yield token
        window.append(token)
        unread = [token]
        if len(window) > model.context:
            window = window[-(model.context // 2) :]
            unread, pasts = window, model.pasts()


class TextStream:
    """Tokens in, characters out as soon as all their bytes are there; joined they are what all the tokens decode to."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._decode = tokenizer.decode
        self._held: list[int] = []  # tokens since the last character that was whole
        self._shown = 0  # characters of their text that are out already

    def add(self, token: int) -> str:
        """The characters that this token completes; a last one that is no character may still become one."""
        self._held.append(token)
        text = self._decode(self._held)
        whole = text.removesuffix(REPLACEMENT)
        new, self._shown = whole[self._shown :], len(whole)
        own = self._decode([token])
        if whole == text:
            self._held, self._shown = [], 0
        elif own and self._decode(self._held[:-1]) + own == text:
            # The token takes up nothing from those before it, so that these need not be decoded again.
            self._held, self._shown = [token], len(own) - 1
        return new

    def rest(self) -> str:
        """What is left at the end: bytes that have become no character."""
        text = self._decode(self._held)[self._shown :]
        self._held, self._shown = [], 0
        return text
