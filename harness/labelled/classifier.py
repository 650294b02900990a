"""GPT-1's classifier: a linear head at the extract token, its loss beside the language model's, and its scores.

b example, t position, d width, c class.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.evaluate import BATCH_TOKENS, clustered_ratio
from harness.labelled.windows import Windows
from harness.models.family import Group, LanguageModel


class Examples(NamedTuple):
    """A batch of windows as `Windows` has them."""

    tokens_bt: Tensor
    targets_bt: Tensor
    extract_b: Tensor
    label_b: Tensor


def gathered(windows: Windows, rows: np.ndarray) -> Examples:
    parts = (windows.tokens_bt, windows.targets_bt, windows.extract_b, windows.label_b)
    return Examples(*(torch.from_numpy(part[rows]) for part in parts))


class Classifier(nn.Module):
    """P(class) = softmax(W x) (Radford et al. 2018, section 3.2), with no opinion before it has learnt: W = 0."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(classes, width))

    def group(self, model: LanguageModel) -> Group:
        """How the optimiser treats it: as the model's own head."""
        return Group([self.weight], decays=True, factors=model.scales.ends)

    def logits(self, model: LanguageModel, x_btd: Tensor, extract_b: Tensor) -> Tensor:
        """logits_bc of the stream as it leaves the last block, float32."""
        x_bd = x_btd[torch.arange(len(x_btd), device=x_btd.device), extract_b]
        return F.linear(model.features(x_bd).float(), self.weight)

    def loss(self, model: LanguageModel, examples: Examples, lm_weight: float) -> Tensor:
        """Mean nats an example for its class, and `lm_weight` times mean nats a token of its own (section 3.2)."""
        x_btd = model.training_stream(examples.tokens_bt)
        loss = F.cross_entropy(self.logits(model, x_btd, examples.extract_b), examples.label_b)
        return loss + lm_weight * model.stream_loss(x_btd, examples.targets_bt) if lm_weight else loss


@torch.no_grad()
def classification(model: LanguageModel, classifier: Classifier, windows: Windows, device: str) -> dict[str, float]:
    """nll (nats), acc (equals share), with errors clustered by source; chance, items, and the share that was cut."""
    size = max(1, BATCH_TOKENS // windows.tokens_bt.shape[1])
    logits = []
    for first in range(0, len(windows.tokens_bt), size):
        rows = slice(first, first + size)
        longest = int(windows.extract_b[rows].max()) + 1
        tokens_bt = torch.from_numpy(windows.tokens_bt[rows, :longest]).to(device)
        extract_b = torch.from_numpy(windows.extract_b[rows]).to(device)
        logits.append(classifier.logits(model, model.stream(tokens_bt), extract_b).cpu())
    logits_bc = torch.cat(logits).double()
    label_b = torch.from_numpy(windows.label_b)
    best_bc = logits_bc == logits_bc.max(dim=1, keepdim=True).values
    credit_b = best_bc[torch.arange(len(label_b)), label_b].double() / best_bc.sum(1)
    nll_b = F.cross_entropy(logits_bc, label_b, reduction="none")
    scores = {"chance": 1 / logits_bc.shape[1], "items": float(len(label_b)), "cut": float(windows.cut_b.mean())}
    items_s = np.bincount(windows.source_b).astype(np.float64)
    for metric, value_b in (("nll", nll_b), ("acc", credit_b)):
        mean, stderr = clustered_ratio(np.bincount(windows.source_b, value_b.numpy()), items_s)
        scores |= {metric: mean, f"{metric}_stderr": stderr}
    return scores
