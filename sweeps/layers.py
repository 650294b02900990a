"""GPT-1's figure 2 on the left, small: accuracy after fine-tuning against the number of layers that are transferred."""

from harness.parents import children_of
from harness.sweep import Fields, Sweep, over
from sweeps.layers_parents import SWEEP as PARENTS

EXAMPLES = {"era": 1_024, "sst2": 416}
EPOCHS = {"era": 2, "sst2": 4}  # more, and a few hundred sentences are learnt by heart


def wanted(run: Fields) -> bool:
    """A run from scratch has nothing that could be transferred."""
    return bool(run["parent"]) or run["transferred"] == 0


SWEEP = Sweep(
    name="layers",
    question="How many of a model's layers are worth taking over to who learns to classify?",
    base={
        "corpus": "sotu",
        "unique_tokens": lambda run: EXAMPLES[run["labels"]] * run["context"],
        "tokens": lambda run: EPOCHS[run["labels"]] * EXAMPLES[run["labels"]] * run["context"],
        "epochs": lambda run: EPOCHS[run["labels"]],
        "batch_tokens": 2_048,  # eight examples
        "warmup_tokens": 81_920,
        "learning_rate": 0.0035,  # the parents'
        "eval_tokens": 65_536,
        "device": "cpu",
        "precision": "fp32",
        "kernel": "eager",
    },
    axes=[children_of(PARENTS, from_scratch=True), over("transferred", 0, 1, 2, 3, 4), over("labels", *EXAMPLES)],
    where=wanted,
    parents=[PARENTS],
)
