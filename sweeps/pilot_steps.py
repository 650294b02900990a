"""How large may a step be before the budget is limited by steps and not by data?"""

from harness.sweep import Sweep, over
from sweeps.ladder import BASE

SWEEP = Sweep(
    name="pilot_steps",
    question="How large may a step be before a budget is limited by steps and not by data?",
    base=BASE | {"learning_rate": 0.005},
    axes=[
        over("depth width", (1, 16), (2, 32), (3, 64)),
        over("batch_tokens", 256, 512, 1_024),
        over("tokens", 512_000, 1_024_000, 2_048_000, 4_096_000),
    ],
)
