"""EleutherAI's lm-evaluation-harness: our finished runs are its model, its tasks become our columns."""

import contextlib
import math
import os
import sys
import warnings
from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import filter as matching
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.generate import Settings, TextStream, generate
from harness.likelihood import Request, answer, encoded
from harness.models.family import LanguageModel
from harness.record import Run
from harness.refusal import Refusal
from harness.tokenizers import Tokenizer
from harness.weights import load_model, tokenizer_of

# Read when it bootstraps an error: unset, it starts a process a core for it.
os.environ.setdefault("DISABLE_MULTIPROC", "1")

try:
    from lm_eval import simple_evaluate
    from lm_eval.api.model import TemplateLM
    from lm_eval.models.utils import normalize_gen_kwargs, postprocess_generated_text
    from lm_eval.tasks import TaskManager
    from lm_eval.utils import get_rolling_token_windows, make_disjoint_window
except ImportError as error:
    raise Refusal(
        f"lm-evaluation-harness is not installed ({error}): run pip install -c constraints.txt -e '.[lm-eval]'"
    ) from None

GENERATED_TOKENS = 256  # where a task does not say how many, as in its own models
BOOTSTRAP = 1_000  # replicates of a metric that is no mean; its default of 100,000 takes longer than the model


class FamilyLM(TemplateLM):  # type: ignore[misc, unused-ignore]
    """A model of the family and its tokenizer; requests become tokens by lm-evaluation-harness's own code."""

    def __init__(self, model: LanguageModel, tokenizer: Tokenizer, device: str = "cpu") -> None:
        super().__init__()
        self._model, self._tokenizer, self._device = model, tokenizer, torch.device(device)

    @property
    def eot_token_id(self) -> int:
        return self._tokenizer.end_of_text

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **kwargs: Any) -> list[int]:
        return [int(token) for token in self._tokenizer.encode(string)]

    def _loglikelihood_tokens(
        self, requests: Sequence[tuple[tuple[str, str], list[int], list[int]]], **kwargs: Any
    ) -> list[tuple[float, bool]]:
        """log p(continuation), and whether each of its tokens is the likeliest."""
        answers = answer(self._model, [self._request(*request) for request in requests], self._device.type)
        return [(-float(nats), bool(greedy)) for nats, greedy in zip(answers.nats, answers.greedy, strict=True)]

    def _request(self, texts: tuple[str, str], context: list[int], continuation: list[int]) -> Request:
        """A side that a merge across the seam, or a context of spaces, leaves empty is cut our way."""
        if context and continuation:
            return Request(tuple(context), tuple(continuation))
        return encoded(self._tokenizer, *texts)

    def loglikelihood_rolling(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[float]:
        """log p of each whole text, read in windows of the model's context."""
        asked, owners = [], []
        for owner, request in enumerate(requests):
            tokens = self.tok_encode(request.args[0])
            for window in get_rolling_token_windows(tokens, self.eot_token_id, self._model.context, context_len=1):
                context, continuation = make_disjoint_window(window)
                asked.append(Request(tuple(context), tuple(continuation)))
                owners.append(owner)
        nats = answer(self._model, asked, self._device.type).nats
        return [-float(total) for total in np.bincount(owners, nats, len(requests))]

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
        """Text up to the first of the sequences that stop it; greedy unless the task samples."""
        return [self._generated(*request.args) for request in requests]

    def _generated(self, prompt: str, told: dict[str, Any]) -> str:
        told = normalize_gen_kwargs(told, GENERATED_TOKENS)
        settings = Settings(
            tokens=told["max_gen_toks"],
            temperature=told.get("temperature", 1.0) if told["do_sample"] else 0.0,
            top_k=told.get("top_k") or None,
            top_p=told.get("top_p", 1.0),
        )
        text, stream = "", TextStream(self._tokenizer)
        for token in generate(self._model, self.tok_encode(prompt), settings, self.eot_token_id):
            text += stream.add(token)
            if any(stop and stop in text for stop in told["until"]):
                break
        return str(postprocess_generated_text(text + stream.rest(), told["until"], think_end_token=None))


def evaluate_with_lm_eval(
    run: Run,
    tasks: Sequence[str],
    cache: Path,
    include_path: Path | None = None,
    device: str = "cpu",
    limit: int | None = None,
) -> dict[str, float]:
    """lm_eval_<task>/<metric>, with `_stderr` where it gives one, for tasks of its own or of YAML files in a folder.

    A metric of an answer that a filter has taken out of the text is called <metric>_<filter>; a task of which no more
    than `limit` documents are asked <task>@limit=<limit>, as ours are.
    """
    with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
        warnings.simplefilter("ignore")
        manager = _manager(tasks, include_path)
        model = FamilyLM(load_model(run, device), tokenizer_of(run, cache), device)
        try:
            found = simple_evaluate(
                model,
                tasks=list(tasks),
                task_manager=manager,
                limit=limit,
                bootstrap_iters=BOOTSTRAP,
                log_samples=False,
            )
        except OSError as error:
            cause = " ".join(str(error).split())[:200]
            raise Refusal(
                f"{', '.join(tasks)}: the data cannot be read ({cause}); check the network or the YAML's paths"
            ) from None
    return _columns(found["results"], "" if limit is None else f"@limit={limit}")


def _manager(tasks: Sequence[str], folder: Path | None) -> TaskManager:
    """Knows the folder's tasks and, where these are not all that is asked, its own, for which it reads 14,000 files."""
    for own in (False, True) if folder else (True,):
        manager = TaskManager(include_path=str(folder) if folder else None, include_defaults=own)
        unknown = [task for task in tasks if not matching(manager.all_tasks, task)]
        if not unknown:
            return manager
    close = get_close_matches(unknown[0], manager.all_tasks, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise Refusal(
        f"lm-evaluation-harness knows no task {unknown[0]!r}: {hint}`lm-eval ls tasks` lists its own, and a folder "
        "with the task's YAML adds to them"
    )


def _columns(results: dict[str, dict[str, Any]], variation: str) -> dict[str, float]:
    """From {task: {"acc,none": .5, "acc_stderr,none": .1, "alias": ...}}; what is no finite number is left out."""
    columns: dict[str, float] = {}
    for task, metrics in results.items():
        for key, value in metrics.items():
            metric, comma, selected = key.partition(",")
            if not comma or not isinstance(value, int | float) or not math.isfinite(value):
                continue
            name, error = metric.removesuffix("_stderr"), "_stderr" if metric.endswith("_stderr") else ""
            kept = "" if selected == "none" else f"_{selected}"
            columns[f"lm_eval_{task}{variation}/{name}{kept}{error}"] = float(value)
    return columns
