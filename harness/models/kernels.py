"""How a training step's functions are run: as they stand, or compiled; and what this machine is good at."""

import os
import re
import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

# what the dynamic loader of glibc says of a library that ends too early
TORN_LIBRARY = re.compile(r"(/\S+\.so): (?:file too short|cannot read file data)")

# the only state: which shapes the process compiles for now
_group: tuple[object, ...] | None = None


def compiler() -> str | None:
    """Path of the C++ compiler that torch.compile would call, None where there is none."""
    return shutil.which(os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++"))


def fast_bf16(device: str) -> bool:
    """Whether the device multiplies bfloat16 matrices faster than float32 ones."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return torch.cpu._is_avx512_bf16_supported()


def start_group(group: tuple[object, ...]) -> None:
    """Forgets what was compiled for other shapes: what a run computes must not depend on which runs came before."""
    global _group
    if group != _group:
        torch.compiler.reset()
        _group = group


def _eager(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    return function


def _compiled(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """`fullgraph` makes torch raise where it would otherwise fall back to eager in silence."""
    if compiler() is None:
        warnings.warn(
            "kernel=compiled needs a C++ compiler, and none is on the path: training runs eager; "
            "install g++ or name one in CXX",
            RuntimeWarning,
            stacklevel=2,
        )
        return function
    return _mended(torch.compile(function, dynamic=False, fullgraph=True))


def _mended(compiled: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """A process killed while it compiled leaves half a library in torch's cache: delete it and compile again."""

    def run(*inputs: Any) -> torch.Tensor:
        try:
            return compiled(*inputs)
        except Exception as error:
            torn = TORN_LIBRARY.search(str(error))
            if torn is None:
                raise
            Path(torn[1]).unlink(missing_ok=True)
            torch.compiler.reset()
            return compiled(*inputs)

    return run


KERNELS: dict[str, Callable[[Callable[..., torch.Tensor]], Callable[..., torch.Tensor]]] = {
    "eager": _eager,
    "compiled": _compiled,
}
