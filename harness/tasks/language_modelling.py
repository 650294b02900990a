"""Zero-shot language modelling: a corpus's validation text or a whole benchmark, and loss along the context."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from harness.dataset import Dataset, EvalWindows, prepare, validation_windows
from harness.detokenise import DETOKENISERS
from harness.evaluate import language_modelling, losses_at_positions
from harness.models.family import LanguageModel
from harness.record import Json
from harness.refusal import pick
from harness.spec import Spec


@dataclass(frozen=True)
class LanguageModelling:
    """Nats a token and bits a byte of a text, whether the model was trained on the rest of it or not.

    A `detokeniser` says that the text is a benchmark: all of its documents are scored, whatever `eval_tokens` says, in
    bits a byte of what they were before, with word perplexity beside them. `raw` changes nothing.
    """

    corpus: str
    stride: int | None = None  # targets from one window to the next; None: windows do not overlap
    detokeniser: str = ""

    OPTIONS: ClassVar[Mapping[str, Callable[[str], object]]] = {"stride": int, "detokeniser": str}

    def __post_init__(self) -> None:
        if self.detokeniser:
            pick(DETOKENISERS, self.detokeniser, "de-tokeniser")

    @property
    def name(self) -> str:
        told = [f"stride={self.stride}"] * (self.stride is not None)
        told += [f"detokeniser={self.detokeniser}"] * bool(self.detokeniser)
        return f"lm_{self.corpus}@{','.join(told)}" if told else f"lm_{self.corpus}"

    def load(self, spec: Spec, cache: Path) -> EvalWindows:
        """The text in the run's own tokens and context."""
        eval_tokens = None if self.detokeniser else spec.eval_tokens
        return validation_windows(self.dataset(spec, cache), spec.context, eval_tokens, self.stride)

    def dataset(self, spec: Spec, cache: Path) -> Dataset:
        """The text as the run's tokenizer, which was made for the run's own corpus, sees it."""
        return prepare(self.corpus, spec.tokenizer, spec.vocab_size, cache, spec.corpus, self.detokeniser)

    def facts(self, spec: Spec, cache: Path) -> Json:
        return self.dataset(spec, cache).facts

    def score(self, model: LanguageModel, windows: EvalWindows, device: str) -> dict[str, float]:
        return {f"{self.name}/{metric}": value for metric, value in language_modelling(model, windows, device).items()}


@dataclass(frozen=True)
class Positions:
    """Loss against position in the context: arXiv 2001.08361, figure 20."""

    corpus: str

    @property
    def name(self) -> str:
        return f"positions_{self.corpus}"

    def load(self, spec: Spec, cache: Path) -> EvalWindows:
        return LanguageModelling(self.corpus).load(spec, cache)

    def facts(self, spec: Spec, cache: Path) -> Json:
        return LanguageModelling(self.corpus).facts(spec, cache)

    def score(self, model: LanguageModel, windows: EvalWindows, device: str) -> dict[str, float]:
        return {f"{self.name}/{metric}": value for metric, value in losses_at_positions(model, windows, device).items()}
