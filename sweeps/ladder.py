"""The reference study."""

BASE = {
    "variant": "modern",
    "heads": lambda run: max(1, run["width"] // 16),
    "context": 64,
    "corpus": "sotu",
    "unique_tokens": 10_240_000,
    "batch_tokens": 1_024,
    "learning_rate": 0.005,
    "eval_tokens": 65_536,
    "device": "cpu",
    "precision": "fp32",
    "kernel": "eager",
}
