"""Does the best learning rate stay where it is as width grows eightfold: standard parametrisation against CompleteP?

At one depth CompleteP's rules are muP's.
"""

from harness.sweep import Axis, Sweep, over

WIDTHS = (32, 64, 128, 256)
DEPTHS = (2, 4, 8, 16)

BASE = {
    "variant": "modern",
    "qk_norm": "none",  # with it the loss hardly depends on the rate, and no vertex can be located
    "heads": lambda run: run["width"] // 16,
    "context": 64,
    "corpus": "sotu",
    "unique_tokens": 10_240_000,
    "tokens": 307_200,
    "batch_tokens": 512,
    "warmup_tokens": 30_720,
    "base_width": lambda run: run["width"] if run["parametrisation"] == "standard" else WIDTHS[0],
    "base_depth": lambda run: DEPTHS[0] if run["parametrisation"] == "completep" else run["depth"],
    "eval_tokens": 65_536,
    "device": "cpu",
    "precision": "fp32",
    "kernel": "eager",
}

# Of the base shape, by pilot_rates: quarters of an octave, so that all shapes share one grid.
BASE_VERTEX = {"standard": -6.25, "completep": -5.5}


def around(vertex: float, parametrisation: str, depth: int, width: int, seeds: int) -> Axis:
    """All seeds an octave to either side of 2^vertex by quarters; one two octaves off, and around the base's vertex."""
    near = [vertex + quarter / 4 for quarter in range(-4, 5)]
    base = BASE_VERTEX[parametrisation]
    far = {vertex - 2, vertex + 2, base, base + 0.5} - set(near)
    points = [(exponent, seed) for exponent in near for seed in range(seeds)] + [
        (exponent, 0) for exponent in sorted(far)
    ]
    shape = (parametrisation, depth, width)
    return over("parametrisation depth width learning_rate seed", *((*shape, 2.0**e, seed) for e, seed in points))


SWEEP = Sweep(
    name="rates_width",
    question="Does the best learning rate stay where it is as width grows eightfold?",
    base=BASE,
    axes=[
        [
            point
            for width, standard in zip(WIDTHS, (-6.25, -7.5, -8.75, -10), strict=True)  # by pilot_rates
            for parametrisation, vertex in (("standard", standard), ("completep", -5.5))
            for point in around(vertex, parametrisation, 2, width, seeds=2)
        ]
    ],
)
