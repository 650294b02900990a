"""The learning rate as a pure function of the step."""

import math

from harness.spec import Spec


def learning_rate(spec: Spec, step: int) -> float:
    """Rate of the step after `step` steps: linear warm-up, then constant and 1-sqrt cool-down, or cosine to a tenth.

    Up to `spec.branch_step` a warmup-stable-decay rate knows no budget, which is what lets rungs share a trunk.
    """
    if step < spec.warmup_steps:
        return spec.learning_rate * (step + 1) / spec.warmup_steps
    if spec.schedule == "cosine":
        progress = (step - spec.warmup_steps) / max(1, spec.steps - spec.warmup_steps)
        # Final rate a tenth of the peak: arXiv 2203.15556, section 3
        return spec.learning_rate * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * progress)))
    if step < spec.branch_step:
        return spec.learning_rate
    # arXiv 2405.18392, equation 2
    return spec.learning_rate * (1 - math.sqrt((step - spec.branch_step) / (spec.steps - spec.branch_step)))


def phase(spec: Spec, step: int) -> str:
    """What a loss measured after `step` steps is: laws are fitted to `decayed` ones."""
    if step >= spec.steps:
        return "decayed"
    return "warmup" if step < spec.warmup_steps else "stable"
