"""Coordinate check: how far do activations move in the first steps, over an eightfold depth?"""

from harness.sweep import Sweep, over
from sweeps.coordinates_width import COORDINATES, STEPS
from sweeps.rates_width import DEPTHS, WIDTHS

SWEEP = Sweep(
    name="coordinates_depth",
    question="How far do activations move in the first steps as depth grows?",
    base=COORDINATES,
    axes=[
        over("parametrisation", "standard", "mup", "completep"),
        over("depth width", *((depth, WIDTHS[0]) for depth in DEPTHS)),
        over("seed", 0, 1, 2),
        over("tokens", *(512 * steps for steps in STEPS)),
    ],
    tasks=("coordinates",),
)
