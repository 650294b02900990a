"""Sums, scrambled words and recall with examples in front, by models that have read nothing but such examples.

What GPT-3's figures 1.2, 1.3 and 3.10 show can show here, if models of this size can learn it at all: every asked
question is held out, every kind of question was drilled.
"""

from harness.sweep import Sweep, over

SUMS = ("add2", "sub2", "composite1")
SCRAMBLES = ("cycle", "anagrams1", "anagrams2", "insertion", "reversal")
RECALL = ("recall2", "recall4")

SWEEP = Sweep(
    name="in_context",
    question="Do larger models learn more from examples in their context, where learning from them has been drilled?",
    base={
        "variant": "modern",
        "heads": lambda run: max(1, run["width"] // 32),
        "context": 256,
        "corpus": "drills",
        "unique_tokens": 4_700_160,
        "epochs": 2,
        "batch_tokens": 2_048,
        "learning_rate": lambda run: round(0.006 * (32 / run["width"]) ** 0.5, 6),
        "warmup_tokens": 102_400,
        "eval_tokens": 16_384,
        "device": "cpu",
        "precision": "bf16",
        "kernel": "compiled",
    },
    axes=[
        over("depth width", (1, 32), (2, 32), (2, 64), (3, 64), (3, 96)),
        over("tokens", 2_048_000, 6_144_000),
    ],
    tasks=(
        *(f"{task}{shots}" for task in (*SUMS, *SCRAMBLES, *RECALL) for shots in ("", "@k=1", "@k=4")),
        *("insertion@k=4,shuffled", "recall4@k=4,shuffled", "induction"),
    ),
)
