"""Language-model loss on held-out text, in nats a token and bits a byte, with errors clustered by document.

Shapes: n windows, t positions.
"""

import math

import numpy as np
import torch

from harness.dataset import EvalWindows
from harness.models.family import LanguageModel

BATCH_TOKENS = 4_096


@torch.no_grad()
def token_losses(model: LanguageModel, windows: EvalWindows, device: str) -> np.ndarray:
    """Nats for every target of the windows, float32 [n, t]."""
    batch = max(1, BATCH_TOKENS // windows.document_bt.shape[1])
    losses_nt = []
    for start in range(0, len(windows.windows_bt), batch):
        tokens_bt = torch.from_numpy(windows.windows_bt[start : start + batch]).to(device)
        losses_nt.append(model.token_losses(tokens_bt[:, :-1], tokens_bt[:, 1:]).float().cpu().numpy())
    return np.concatenate(losses_nt)


def language_modelling(model: LanguageModel, windows: EvalWindows, device: str) -> dict[str, float]:
    """Scores of one text: nll (nats a token) and bpb (bits a byte), each with its standard error."""
    nats_nt = token_losses(model, windows, device).astype(np.float64)
    scored = windows.scored_bt
    document = windows.document_bt[scored]
    documents = int(document.max()) + 1
    nats_d = np.bincount(document, nats_nt[scored], documents)
    tokens_d = np.bincount(document, minlength=documents).astype(np.float64)
    bytes_d = np.bincount(document, windows.bytes_bt[scored], documents)
    nll, nll_stderr = clustered_ratio(nats_d, tokens_d)
    bpb, bpb_stderr = clustered_ratio(nats_d / math.log(2), bytes_d)
    return {"nll": nll, "nll_stderr": nll_stderr, "bpb": bpb, "bpb_stderr": bpb_stderr}


def clustered_ratio(sum_d: np.ndarray, weight_d: np.ndarray) -> tuple[float, float]:
    """sum/weight over documents d, and its linearised standard error with documents as clusters (NaN for one)."""
    seen = weight_d > 0
    sum_d, weight_d = sum_d[seen], weight_d[seen]
    ratio = float(sum_d.sum() / weight_d.sum())
    documents = len(sum_d)
    if documents < 2:
        return ratio, math.nan
    residual_d = sum_d - ratio * weight_d
    variance = documents / (documents - 1) * float((residual_d**2).sum()) / float(weight_d.sum()) ** 2
    return ratio, math.sqrt(variance)
