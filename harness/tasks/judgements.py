"""Single sentences judged by their mean log-probability a token, as GPT-1 judged CoLA's without any training."""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.dataset import tokenizer_for
from harness.likelihood import Request, answer, encoded
from harness.models.family import LanguageModel
from harness.record import Json
from harness.refusal import Refusal
from harness.spec import Spec
from harness.tasks.files import Judgements


@dataclass(frozen=True)
class Sentences:
    """The labels, and each sentence as a request after the start of a document."""

    acceptable: np.ndarray
    requests: tuple[Request, ...]


@dataclass(frozen=True)
class Acceptability:
    """How well the mean log-probability of a token tells acceptable sentences from others, without a threshold."""

    name: str
    read: Callable[[], Judgements]

    def facts(self, spec: Spec, cache: Path) -> Json:
        found = self.read()
        text = "\0".join(f"{judged.acceptable:d}{judged.sentence}" for judged in found.sentences)
        told = {"source": found.source, "version": found.version, "licence": found.licence}
        return {**told, "items": len(found.sentences), "data_hash": hashlib.sha256(text.encode()).hexdigest()}

    def load(self, spec: Spec, cache: Path) -> Sentences:
        tokenizer = tokenizer_for(spec, cache)
        judged = self.read().sentences
        good = sum(one.acceptable for one in judged)
        if min(good, len(judged) - good) < 2:
            raise Refusal(
                f"{self.name} has {good} acceptable sentences and {len(judged) - good} others, and an error takes two "
                "of each: add some"
            )
        return Sentences(
            np.array([one.acceptable for one in judged]),
            tuple(encoded(tokenizer, "", one.sentence) for one in judged),
        )

    def score(self, model: LanguageModel, sentences: Sentences, device: str) -> dict[str, float]:
        """auc: how often an acceptable sentence scores above another, ties half; acc_median: split in the middle."""
        answers = answer(model, sentences.requests, device)
        score = -answers.nats / [len(request.continuation) for request in sentences.requests]
        good, bad = score[sentences.acceptable], score[~sentences.acceptable]
        above = (good[:, None] > bad).mean(), (good[:, None] == bad).mean()
        auc = float(above[0] + above[1] / 2)
        right = float(np.mean((score > np.median(score)) == sentences.acceptable))
        columns = {
            "nll_token": float(-good.mean()),
            "margin_token": float(good.mean() - bad.mean()),
            "margin_token_stderr": math.sqrt(good.var(ddof=1) / len(good) + bad.var(ddof=1) / len(bad)),
            "auc_token": auc,
            "auc_token_stderr": _auc_error(auc, len(good), len(bad)),
            "acc_median": right,
            "acc_median_stderr": math.sqrt(right * (1 - right) / len(score)),
            "chance": 0.5,
            "items": float(len(score)),
            "cut": float(answers.cut.mean()),
        }
        return {f"{self.name}/{column}": value for column, value in columns.items()}


def _auc_error(auc: float, good: int, bad: int) -> float:
    """Hanley and McNeil 1982, equation 1, with their exponential form of its two probabilities."""
    both_good, both_bad = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (good - 1) * (both_good - auc**2) + (bad - 1) * (both_bad - auc**2)
    return math.sqrt(max(0.0, variance) / (good * bad))
