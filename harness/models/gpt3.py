"""GPT-3: GPT-2 with every other layer's attention locally banded, the first one dense."""

from harness.models.family import Build
from harness.models.gpt2 import GPT2


class GPT3(GPT2):
    """Brown et al. 2020 (arXiv 2005.14165, section 2.1); bands as the locally banded ones of arXiv 1904.10509."""

    def window(self, spec: Build, layer: int) -> int | None:
        return spec.window if layer % 2 else None
