"""Log-likelihood of texts that continue contexts: what requests share is read once, what has one length together.

b row of a batch, t position, n scored token, d width, v vocabulary, r request.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from harness.models.attention import Past
from harness.models.family import LanguageModel
from harness.tokenizers import Tokenizer

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

BATCH_TOKENS = 4_096
HEAD_VALUES = 2**23  # logits held at once
STEM_STEP = 16  # stems are read to a multiple of this, so that those of nearly one length share a batch


@dataclass(frozen=True)
class Request:
    """What is to be read, and what is to be scored after it; both in tokens, neither empty."""

    context: tuple[int, ...]
    continuation: tuple[int, ...]


@dataclass(frozen=True)
class Answers:
    """One value a request, in their order."""

    nats: Floats  # -log p(continuation | context)
    greedy: Flags  # every token of it is the likeliest one
    margin: Floats  # least over its tokens of log p(token) - log p(likeliest other token)
    cut: Flags  # the context did not fit and lost its beginning


def encoded(tokenizer: Tokenizer, context: str, continuation: str) -> Request:
    """The two as tokens of the whole text, so that a merge across the seam counts to the continuation.

    Spaces that end the context belong to the continuation; an empty context stands for a new document. So does
    EleutherAI's lm-evaluation-harness.
    """
    kept = context.rstrip()
    context, continuation = kept, context[len(kept) :] + continuation
    whole = tuple(int(token) for token in tokenizer.encode(context + continuation))
    if not context:
        return Request((tokenizer.end_of_text,), whole)
    read = len(tokenizer.encode(context))
    read = min(read, len(whole) - 1)
    return Request(whole[:read], whole[read:]) if read else Request((tokenizer.end_of_text,), whole)


@torch.inference_mode()
def answer(model: LanguageModel, requests: Sequence[Request], device: str) -> Answers:
    """Scores one request or more; of one too long for the model's context the last `context` + 1 tokens are read.

    A continuation that is longer than the context is scored piece by piece, each after what fits in front of it.
    """
    pieces = [_pieces(request, model.context) for request in requests]
    rows = [row for piece in pieces for row in piece]
    nats, margin, cut = np.empty(len(rows)), np.empty(len(rows)), np.array([row.cut for row in rows], bool)
    for part in (np.flatnonzero(~cut), np.flatnonzero(cut)):  # what was cut shares no beginning with the rest
        work = _Work(model, [rows[number] for number in part], torch.device(device))
        for place, row_nats, row_margin in work.scores():
            nats[part[place]], margin[part[place]] = row_nats, row_margin
    starts = np.cumsum([0, *(len(piece) for piece in pieces[:-1])])
    least = np.minimum.reduceat(margin, starts)
    return Answers(
        nats=np.add.reduceat(nats, starts),
        greedy=least > 0,
        margin=least,
        cut=np.logical_or.reduceat(cut, starts),
    )


@dataclass(frozen=True)
class _Row:
    """A request as the model reads it: targets[i] follows inputs[first + i]."""

    inputs: tuple[int, ...]
    targets: tuple[int, ...]
    cut: bool

    @property
    def first(self) -> int:
        return len(self.inputs) - len(self.targets)


def _pieces(request: Request, context: int) -> list[_Row]:
    whole, first = request.context + request.continuation, len(request.context)
    rows = []
    for start in range(first, len(whole), context):
        stop = min(start + context, len(whole))
        window = whole[max(0, stop - context - 1) : stop]
        rows.append(_Row(window[:-1], whole[start:stop], len(window) < stop))
    return rows


@dataclass(frozen=True)
class _Work:
    """One model and the rows that it is asked for."""

    model: LanguageModel
    rows: Sequence[_Row]
    device: torch.device

    def scores(self) -> Iterator[tuple[int, float, float]]:
        """Row, nats, margin; in the order in which batches come."""
        root = self._root()
        pasts = None
        if root:
            pasts = self.model.pasts(root)
            self.model.stream(torch.tensor([self.rows[0].inputs[:root]], device=self.device), pasts)
        for stem, group in self._stems(root).items():
            if stem == root:
                yield from self._batches([(number, 0) for number in group], root, pasts)
                continue
            texts = list(dict.fromkeys(self.rows[number].inputs[:stem] for number in group))
            tails: dict[tuple[int, ...], list[int]] = {text: [] for text in texts}
            for number in group:
                tails[self.rows[number].inputs[:stem]].append(number)
            texts.sort(key=lambda text: max(len(self.rows[number].inputs) for number in tails[text]))
            for some in _chunks(texts, max(1, BATCH_TOKENS // (stem - root))):
                read = self.model.pasts(stem) if pasts is None else _spread(pasts, [0] * len(some), stem)
                self.model.stream(torch.tensor([text[root:] for text in some], device=self.device), read)
                numbered = [(number, place) for place, text in enumerate(some) for number in tails[text]]
                yield from self._batches(numbered, stem, read)

    def _root(self) -> int:
        """How many first tokens all rows share, none of them scored; 0 where that would save little."""
        shared = min((row.first for row in self.rows), default=0)
        first = self.rows[0].inputs if self.rows else ()
        for row in self.rows:
            while row.inputs[:shared] != first[:shared]:
                shared -= 1
        return shared if shared >= STEM_STEP and len(self.rows) > 1 else 0

    def _stems(self, root: int) -> dict[int, list[int]]:
        """Length of stem -> the rows whose stem, longer than the root, is shared with another; root -> all others."""
        sharing: dict[tuple[int, ...], list[int]] = {}
        for number, row in enumerate(self.rows):
            sharing.setdefault(row.inputs[: row.first], []).append(number)
        stems: dict[int, list[int]] = {}
        for text, numbers in sharing.items():
            stem = root + (len(text) - root) // STEM_STEP * STEM_STEP
            stems.setdefault(stem if len(numbers) > 1 else root, []).extend(numbers)
        return stems

    def _batches(
        self, numbered: list[tuple[int, int]], start: int, pasts: list[Past] | None
    ) -> Iterator[tuple[int, float, float]]:
        """Scores rows of which `start` tokens have been read, in the row of `pasts` that stands beside each."""
        lengths = {number: len(self.rows[number].inputs) for number, _ in numbered}
        numbered = sorted(numbered, key=lambda pair: lengths[pair[0]])
        while numbered:
            # From the longest down: what is padded is short.
            size = max(1, BATCH_TOKENS // lengths[numbered[-1][0]])
            some, numbered = numbered[-size:], numbered[:-size]
            yield from self._batch(some, start, pasts)

    def _batch(
        self, some: list[tuple[int, int]], start: int, pasts: list[Past] | None
    ) -> Iterator[tuple[int, float, float]]:
        rows = [self.rows[number] for number, _ in some]
        longest = max(len(row.inputs) for row in rows)
        tokens_bt = torch.zeros(len(rows), longest - start, dtype=torch.long)
        scored_bt = torch.zeros(tokens_bt.shape, dtype=torch.bool)
        for place, row in enumerate(rows):
            tokens_bt[place, : len(row.inputs) - start] = torch.tensor(row.inputs[start:])
            scored_bt[place, row.first - start : len(row.inputs) - start] = True
        read = None if pasts is None else _spread(pasts, [place for _, place in some], longest)
        x_btd = self.model.stream(tokens_bt.to(self.device), read)
        targets_n = torch.tensor([token for row in rows for token in row.targets], device=self.device)
        log_p_n, margin_n = self._scored(x_btd[scored_bt.to(self.device)], targets_n)
        stop = 0
        for (number, _), row in zip(some, rows, strict=True):
            part = slice(stop, stop + len(row.targets))
            stop = part.stop
            yield number, -float(log_p_n[part].sum()), float(margin_n[part].min())

    def _scored(self, x_nd: Tensor, targets_n: Tensor) -> tuple[Tensor, Tensor]:
        """log p(target) and its lead over the likeliest other token, on the CPU in float64."""
        log_p, margin = [], []
        size = max(1, HEAD_VALUES // self.model.vocab_size)
        for start in range(0, len(x_nd), size):
            logits_nv = self.model.logits(x_nd[None, start : start + size], torch.float32)[0].double()
            target_n1 = targets_n[start : start + size, None]
            of_target_n = logits_nv.gather(1, target_n1)[:, 0]
            log_p.append(of_target_n - logits_nv.logsumexp(1))
            others_nv = logits_nv.scatter(1, target_n1, -torch.inf)
            margin.append(of_target_n - others_nv.max(1).values)
        return torch.cat(log_p).cpu(), torch.cat(margin).cpu()


def _spread(pasts: Sequence[Past], rows: Sequence[int], room: int) -> list[Past]:
    index = torch.tensor(rows)
    return [past.spread(index, room) for past in pasts]


def _chunks(values: Sequence[tuple[int, ...]], size: int) -> Iterator[Sequence[tuple[int, ...]]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
