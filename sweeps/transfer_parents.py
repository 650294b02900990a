"""What the children of `transfer` start from: four shapes, each at three budgets of speeches, three seeds."""

from harness.sweep import Sweep, over
from sweeps.ladder import BASE

SHAPES = ((1, 16), (1, 32), (2, 32), (2, 64))
SEEDS = (0, 1, 2)

SWEEP = Sweep(
    name="transfer_parents",
    question="How well do the parents of `transfer` know speeches, and other text before any of it is shown to them?",
    base=BASE | {"eval_tokens": 32_768},
    axes=[over("depth width", *SHAPES), over("seed", *SEEDS), over("tokens", 512_000, 2_048_000, 8_192_000)],
    tasks=("lm_kjv", "lm_wiki"),
)
