"""Planted worlds for the fitters: branched trunks under a known law, with noise that a trunk's rungs share."""

from typing import Any

import numpy as np
import pandas as pd

TRUTH = {"E": 1.0, "A": 25.0, "B": 80.0, "alpha": 0.35, "beta": 0.40}
HELD_OUT = {"N": 3e6, "D": 8e6}
TRUNK_NOISE, RUNG_NOISE = 0.006, 0.003  # standard deviations of log loss


def planted_loss(n: Any, d: Any) -> Any:
    """Chinchilla's law at `TRUTH`."""
    return TRUTH["E"] + TRUTH["A"] / n ** TRUTH["alpha"] + TRUTH["B"] / d ** TRUTH["beta"]


def branched_world(seed: int, trunks: int = 16, noise: float = 1.0) -> pd.DataFrame:
    """Four budgets on every trunk, sizes over two decades, and one held-out trunk of a single rung."""
    random = np.random.default_rng(seed)
    n = np.append(np.repeat(np.geomspace(1e4, 1e6, trunks), 4), HELD_OUT["N"])
    d = np.append(np.tile(np.geomspace(2.5e5, 2e6, 4), trunks), HELD_OUT["D"])
    trunk = np.append(np.repeat(np.arange(trunks), 4), trunks)
    error = TRUNK_NOISE * random.standard_normal(trunks + 1)[trunk] + RUNG_NOISE * random.standard_normal(len(n))
    return pd.DataFrame(
        {
            "run_id": [f"run{i}" for i in range(len(n))],
            "trunk_id": [f"trunk{i}" for i in trunk],
            "N": n,
            "D": d,
            "C": 6 * n * d,
            "loss": planted_loss(n, d) * np.exp(noise * error),
            "phase": "decayed",
            "held_out": trunk == trunks,
        }
    )
