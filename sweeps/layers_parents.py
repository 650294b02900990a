"""What the children of `layers` start from: four layers that have read speeches, in a context that holds a passage."""

from harness.sweep import Sweep, over

SEEDS = (0, 1, 2)

SWEEP = Sweep(
    name="layers_parents",
    question="How well do the parents of `layers` know speeches?",
    base={
        "variant": "modern",
        "depth": 4,
        "width": 64,
        "heads": 4,
        "context": 256,
        "corpus": "sotu",
        "unique_tokens": 10_240_000,
        "tokens": 8_192_000,
        "batch_tokens": 1_024,
        "learning_rate": 0.0035,
        "eval_tokens": 32_768,
        "device": "cpu",
        "precision": "fp32",
        "kernel": "eager",
    },
    axes=[over("seed", *SEEDS)],
)
