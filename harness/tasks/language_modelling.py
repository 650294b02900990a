"""Zero-shot language modelling: the validation text of a corpus, whether the model was trained on it or not."""

from dataclasses import dataclass
from pathlib import Path

from harness.dataset import Dataset, EvalWindows, prepare, validation_windows
from harness.evaluate import language_modelling
from harness.models.family import LanguageModel
from harness.record import Json
from harness.spec import Spec


@dataclass(frozen=True)
class LanguageModelling:
    corpus: str

    @property
    def name(self) -> str:
        return f"lm_{self.corpus}"

    def load(self, spec: Spec, cache: Path) -> EvalWindows:
        """The validation text in the run's own tokens and context."""
        return validation_windows(self.dataset(spec, cache), spec.context, spec.eval_tokens)

    def dataset(self, spec: Spec, cache: Path) -> Dataset:
        """The text as the run's tokenizer, which was made for the run's own corpus, sees it."""
        return prepare(self.corpus, spec.tokenizer, spec.vocab_size, cache, tokenizer_corpus=spec.corpus)

    def facts(self, spec: Spec, cache: Path) -> Json:
        return self.dataset(spec, cache).facts

    def score(self, model: LanguageModel, windows: EvalWindows, device: str) -> dict[str, float]:
        return {f"{self.name}/{metric}": value for metric, value in language_modelling(model, windows, device).items()}
