"""Does the best learning rate stay where it is as depth grows eightfold: standard parametrisation against CompleteP?

At one width muP's rules differ from the standard ones by the scale of attention alone.
"""

from harness.sweep import Sweep
from sweeps.rates_width import BASE, DEPTHS, WIDTHS, around

SWEEP = Sweep(
    name="rates_depth",
    question="Does the best learning rate stay where it is as depth grows eightfold?",
    base=BASE,
    axes=[
        [
            point
            for depth, standard in zip(DEPTHS, (-6.25, -6.5, -6.75, -7), strict=True)  # by pilot_rates
            for parametrisation, vertex in (("standard", standard), ("completep", -5.5))
            for point in around(vertex, parametrisation, depth, WIDTHS[0], seeds=4)
        ]
    ],
)
