"""What this machine is and gives: resolved "auto" fields, peak FLOP/s, and the provenance of a run."""

import functools
import importlib.metadata
import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

from harness.corpora import CORPORA
from harness.refusal import Refusal
from harness.spec import TOKENIZER_VOCABULARY, Spec

VERSIONED = ("torch", "lightning", "numpy", "optuna", "tokenizers")

# Dense bf16 FLOP/s from the makers' data sheets.
GPU_PEAK_FLOPS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12, "4090": 165e12}

# Below this width a CPU step is bound by dispatch and the compiler's start-up costs more than it saves.
COMPILED_FROM_WIDTH = 128


def resolve(fields: dict[str, Any], cache: Path | None = None) -> dict[str, Any]:
    """Resolves "auto" device, precision, kernel and files: a run's name says what it was computed with.

    A corpus is known by its absolute path, a tokenizer.json by its content, which the cache keeps.
    """
    from harness.models.kernels import compiler, fast_bf16

    fields = dict(fields)
    corpus, tokenizer = (Path(str(fields.get(field, ""))) for field in ("corpus", "tokenizer"))
    if str(corpus) not in CORPORA and fields.get("corpus") and corpus.exists():
        fields["corpus"] = str(corpus.absolute())
    if str(tokenizer) not in TOKENIZER_VOCABULARY and tokenizer.is_file():
        size = fields.get("vocab_size", Spec.model_fields["vocab_size"].default)
        fields["tokenizer"] = _kept(tokenizer.absolute(), tokenizer.stat().st_mtime_ns, str(size), cache)
    if fields.get("device", "auto") == "auto":
        fields["device"] = "cuda" if has_gpu() else "cpu"
    on_gpu = fields["device"] == "cuda"
    if on_gpu and not has_gpu():
        raise Refusal("device='cuda': torch sees no GPU on this machine; use device=cpu, or device=auto")
    compiled = compiler() is not None and (on_gpu or fields.get("width", 0) >= COMPILED_FROM_WIDTH)
    if fields.get("kernel", "auto") == "auto":
        # Classifiers are trained uncompiled.
        fields["kernel"] = "compiled" if compiled and not fields.get("labels") else "eager"
    if fields.get("precision", "auto") == "auto":
        # Uncompiled, a CPU loses more to conversions at small widths than it gains in products.
        pays = fast_bf16(fields["device"]) and (on_gpu or fields["kernel"] == "compiled")
        fields["precision"] = "bf16" if pays else "fp32"
    return fields


@functools.cache
def _kept(tokenizer: Path, changed: int, vocab_size: str, cache: Path | None) -> str:
    """Read once for all rungs of a sweep."""
    from harness.dataset import default_cache
    from harness.tokenizers import file_name

    return file_name(tokenizer, int(vocab_size) if vocab_size.isdigit() else 0, cache or default_cache())


@functools.cache
def has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def device_name(device: str) -> str:
    if device == "cuda":
        import torch

        return torch.cuda.get_device_name()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


@functools.cache
def peak_flops(device: str, precision: str) -> float:
    """FLOP/s that MFU is counted against: a GPU's data sheet, else a matrix product timed on this process's threads."""
    import torch

    if device == "cuda" and precision == "bf16":
        for word in device_name(device).replace("-", " ").split():
            if word in GPU_PEAK_FLOPS:
                return GPU_PEAK_FLOPS[word]
    side = 4096 if device == "cuda" else 768
    a = torch.randn(side, side, device=device, dtype=torch.bfloat16 if precision == "bf16" else torch.float32)
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        a @ a
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return 2 * side**3 / best


@functools.cache
def provenance() -> dict[str, Any]:
    """Commit of the checkout and versions of what computes."""
    return {
        "commit": commit(),
        "versions": {"python": platform.python_version(), **{n: importlib.metadata.version(n) for n in VERSIONED}},
    }


def commit() -> str:
    """Short hash of the checkout, with `+` when tracked code differs from it; empty outside git."""
    here = Path(__file__).parent

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=here, capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        head = git("rev-parse", "--short=12", "HEAD")
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", "../sweeps", "../analysis")
    except FileNotFoundError:
        return ""
    return head + ("+" if head and changed else "")
