"""The reference study: 18 shapes over a factor of 45 in size and 16 in data, and one trunk held out beyond them all.

Shapes, step size, rates and budgets were found on the pilots in sweeps/pilot_*.py; results/README.md tells how.
"""

from harness.sweep import Sweep, over

BASE = {
    "variant": "modern",
    "heads": lambda run: max(1, run["width"] // 16),
    "context": 64,
    "corpus": "sotu",
    "unique_tokens": 10_240_000,
    "batch_tokens": 512,
    "learning_rate": lambda run: round(0.005 * (32 / run["width"]) ** 0.5, 6),
    "eval_tokens": 65_536,
    # Fixed, so that the study has the same names and numbers on every machine.
    "device": "cpu",
    "precision": "fp32",
    "kernel": "eager",
}

ONE_SEED = [(1, 16), (1, 32), (1, 48), (2, 16), (2, 24), (2, 48), (3, 32), (4, 48)]
ONE_SEED += [(2, 64), (3, 64), (4, 64), (3, 80), (4, 80), (3, 96), (4, 96)]
TWO_SEEDS = [(1, 24), (2, 32), (3, 48)]

SWEEP = Sweep(
    name="ladder",
    question="Does a law fitted to tiny GPTs on real English foretell one that costs four times as much?",
    base=BASE,
    axes=[
        over(
            "depth width seed",
            *((*shape, 0) for shape in ONE_SEED),
            *((*shape, seed) for shape in TWO_SEEDS for seed in (0, 1)),
        ),
        over("tokens", 512_000, 1_024_000, 2_048_000, 4_096_000, 8_192_000),
    ],
    # Below, a rung is limited by its steps and not by its data; above, it leaves no room for the held-out one.
    where=lambda run: (
        run["tokens"] >= 16_000 * run["width"] and run["tokens"] * run["depth"] * run["width"] ** 2 <= 1.55e11
    ),
    held_out=[over("depth width tokens", (5, 128, 8_192_000))],
    tasks=("lm_kjv", "lm_wiki", "lm_python"),
)
