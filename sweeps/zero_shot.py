"""The family's tasks, small: over pre-training and against size, in a context that holds examples.

Half of the text is speeches, half drills in copying, recall, sums and scrambled words, of which every asked one is
held out: what can be learnt in context has been seen done. What is asked only at the end is scored afterwards, by the
command in results/README.md.
"""

from harness.sweep import Sweep, over

SHAPES = ((1, 32), (2, 32), (2, 64), (4, 64), (4, 96), (4, 128))
SWEEP = Sweep(
    name="zero_shot",
    question="Which of the GPT papers' effects show in models that train in minutes?",
    base={
        "variant": "modern",
        "heads": lambda run: max(1, run["width"] // 32),
        "context": 512,
        "corpus": "drilled_sotu",
        "tokenizer": "bpe",
        "vocab_size": 1_024,
        "unique_tokens": 4_096_000,
        "batch_tokens": 2_048,
        "learning_rate": lambda run: round(0.005 * (32 / run["width"]) ** 0.5, 6),
        "warmup_tokens": 102_400,
        "eval_tokens": 16_384,
        "device": "cpu",
        "precision": "bf16",
        "kernel": "compiled",
    },
    axes=[over("depth width", *SHAPES), over("tokens", 1_024_000, 2_048_000, 4_096_000)],
    tasks=("default", "heuristics", "recall4", "induction", "add2", "add2@k=8", "insertion", "insertion@k=8"),
)
