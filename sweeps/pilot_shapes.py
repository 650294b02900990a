"""Which shapes show size at every budget, and how should size be counted?"""

from harness.sweep import Sweep, over
from sweeps.ladder import BASE

SWEEP = Sweep(
    name="pilot_shapes",
    question="Which shapes show size at every budget, and does the step size of the learning rate matter?",
    base=BASE | {"learning_rate": 0.005},
    axes=[
        over(
            "depth width learning_rate",
            *((depth, width, 0.005) for depth, width in ((1, 16), (1, 32), (2, 32), (1, 64), (2, 48), (3, 48))),
            *((depth, width, 0.005) for depth, width in ((4, 48), (4, 64), (3, 96), (4, 96))),
            *((depth, width, rate) for depth, width in ((2, 32), (4, 96)) for rate in (0.0025, 0.01)),
        ),
        over("tokens", 512_000, 1_024_000, 2_048_000),
    ],
)
