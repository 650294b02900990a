"""Language-model loss on held-out text, in nats a token and bits a byte, with errors clustered by document.

Shapes: n windows, t positions, d documents.
"""

import math

import numpy as np
import torch
from torch.nn import functional as F

from harness.dataset import EvalWindows
from harness.models.family import LanguageModel

BATCH_TOKENS = 4_096


@torch.no_grad()
def token_losses(model: LanguageModel, windows: EvalWindows, device: str) -> np.ndarray:
    """Nats for every target of the windows, float32 [n, t]; NaN before the first that a batch scores."""
    batch = max(1, BATCH_TOKENS // windows.document_bt.shape[1])
    losses_nt = np.full(windows.scored_bt.shape, np.nan, np.float32)
    for start in range(0, len(losses_nt), batch):
        part = slice(start, start + batch)
        first = int(windows.scored_bt[part].any(axis=0).argmax())
        tokens_bt = torch.from_numpy(windows.windows_bt[part]).to(device)
        logits_btv = model.logits(model.stream(tokens_bt[:, :-1])[:, first:], torch.float32)
        losses_bt = F.cross_entropy(logits_btv.transpose(1, 2), tokens_bt[:, first + 1 :], reduction="none")
        losses_nt[part, first:] = losses_bt.float().cpu().numpy()
    return losses_nt


def language_modelling(model: LanguageModel, windows: EvalWindows, device: str) -> dict[str, float]:
    """Scores of one text: nll (nats a token) and bpb (bits a byte), each with its standard error.

    A benchmark's bytes are those before its de-tokeniser changed them; it has word_ppl, exp(nats / words), too, and
    `unrecovered`, the share of its lines that the way back does not recover: above 0 its perplexity is no benchmark's.
    """
    nats_d, tokens_d, bytes_d = _by_document(token_losses(model, windows, device), windows, windows.scored_bt)
    original = windows.original
    scores = _with_error("nll", nats_d, tokens_d)
    scores |= _with_error("bpb", nats_d / math.log(2), bytes_d if original is None else original.bytes_d)
    if original is not None:
        nats, stderr = clustered_ratio(nats_d, original.words_d)
        with np.errstate(over="ignore"):
            word_ppl = float(np.exp(nats))
        scores |= {"word_ppl": word_ppl, "word_ppl_stderr": word_ppl * stderr}
        scores["unrecovered"] = float(original.lost_d.sum() / original.lines_d.sum())
    return scores


def losses_at_positions(model: LanguageModel, windows: EvalWindows, device: str) -> dict[str, float]:
    """nll_at_<p>, nats a token after p to 2p - 1 tokens of the window, for p = 1, 2, 4 ...; each with its error."""
    nats_nt = token_losses(model, windows, device)
    scores: dict[str, float] = {}
    for position in (2**exponent for exponent in range(windows.scored_bt.shape[1].bit_length())):
        there_nt = np.zeros_like(windows.scored_bt)
        there_nt[:, position - 1 : 2 * position - 1] = True
        nats_d, tokens_d, _ = _by_document(nats_nt, windows, windows.scored_bt & there_nt)
        scores |= _with_error(f"nll_at_{position}", nats_d, tokens_d)
    return scores


def _by_document(
    nats_nt: np.ndarray, windows: EvalWindows, scored_nt: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nats, tokens and bytes of the targets that are scored."""
    document, documents = windows.document_bt[scored_nt], int(windows.document_bt.max()) + 1
    nats_d = np.bincount(document, nats_nt[scored_nt].astype(np.float64), documents)
    tokens_d = np.bincount(document, minlength=documents)
    bytes_d = np.bincount(document, windows.bytes_bt[scored_nt], documents)
    return nats_d, tokens_d, bytes_d


def _with_error(name: str, sum_d: np.ndarray, weight_d: np.ndarray) -> dict[str, float]:
    value, stderr = clustered_ratio(sum_d, weight_d)
    return {name: value, f"{name}_stderr": stderr}


def clustered_ratio(sum_d: np.ndarray, weight_d: np.ndarray) -> tuple[float, float]:
    """sum/weight over documents d, and its linearised standard error with documents as clusters (NaN for one)."""
    seen = weight_d > 0
    sum_d, weight_d = sum_d[seen], weight_d[seen]
    if not len(sum_d):
        return math.nan, math.nan
    ratio = float(sum_d.sum() / weight_d.sum())
    documents = len(sum_d)
    if documents < 2:
        return ratio, math.nan
    residual_d = sum_d - ratio * weight_d
    variance = documents / (documents - 1) * float((residual_d**2).sum()) / float(weight_d.sum()) ** 2
    return ratio, math.sqrt(variance)
