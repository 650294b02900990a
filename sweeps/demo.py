"""The main job, small: does loss fall as a power of size and data, and does it carry to text never trained on?"""

from harness.sweep import Sweep, over
from sweeps.ladder import BASE

SWEEP = Sweep(
    name="demo",
    question="Can a few minutes of tiny GPTs foretell a larger one?",
    base=BASE | {"eval_tokens": 32_768, "device": "auto", "precision": "auto", "kernel": "auto"},
    axes=[
        over("depth width", (1, 16), (1, 24), (1, 32), (1, 48), (2, 16), (2, 24), (2, 32), (3, 32), (2, 48), (3, 48)),
        over("tokens", 512_000, 1_024_000, 2_048_000),
    ],
    # Below, a rung is limited by its steps and not by its data (results/README.md, pilots).
    where=lambda run: run["tokens"] >= 16_000 * run["width"],
    held_out=[over("depth width tokens", (4, 64, 4_096_000))],
    tasks=("lm_kjv", "lm_wiki", "lm_python"),
)
