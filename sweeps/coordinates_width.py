"""Coordinate check: how far do activations move in the first steps, over an eightfold width?"""

from harness.sweep import Sweep, over
from sweeps.rates_width import BASE, WIDTHS

STEPS = (5, 10, 20)

COORDINATES = BASE | {
    # An eighth of the base shape's best (rates_width), which its runs too have reached after so few steps of warm-up;
    # at once, all of it throws the activations of every shape but the smallest off.
    "learning_rate": 2.0**-9,
    "warmup_tokens": 512,
}

SWEEP = Sweep(
    name="coordinates_width",
    question="How far do activations move in the first steps as width grows?",
    base=COORDINATES,
    axes=[
        over("parametrisation", "standard", "completep"),
        over("depth width", *((2, width) for width in WIDTHS)),
        over("seed", 0, 1, 2),
        over("tokens", *(512 * steps for steps in STEPS)),
    ],
    tasks=("coordinates",),
)
