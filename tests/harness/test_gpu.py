"""Where there is a GPU a sweep uses it unasked: bf16, compiled, one worker."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import torch

from harness import record

SWEEP = '''"""Three rungs that say nothing of where they run."""

from harness.sweep import Sweep, over

SWEEP = Sweep(
    name="gpu",
    question="Is the GPU used unasked?",
    base={{
        "corpus": {corpus!r}, "heads": 4, "context": 64, "unique_tokens": 65_536, "batch_tokens": 4_096,
        "warmup_tokens": 8_192, "eval_tokens": 4_096, "epochs": 8,
        "device": "auto", "precision": "auto", "kernel": "auto",
    }},
    axes=[over("depth width", (2, 64)), over("tokens", 102_400, 204_800, 409_600)],
)
'''


@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_launch_uses_the_gpu(scalelaw: Callable[..., CompletedProcess[str]], tmp_path: Path, corpus: Path) -> None:
    path = tmp_path / "gpu.py"
    path.write_text(SWEEP.format(corpus=str(corpus)))
    launched = scalelaw("launch", path)
    assert launched.returncode == 0, launched.stderr
    runs = record.read_runs(tmp_path / "results" / "gpu")
    assert len(runs) == 3
    for run in runs:
        assert (run.spec.device, run.spec.precision, run.spec.kernel) == ("cuda", "bf16", "compiled")
        assert run.done is not None
        assert run.done["device_name"] == torch.cuda.get_device_name()
        assert run.points[-1].scores[f"lm_{run.spec.corpus}/nll"] < run.points[0].scores[f"lm_{run.spec.corpus}/nll"]
    assert json.loads(scalelaw("status", "gpu", "--json").stdout)["gpu"]["failed"] == {}
