"""For every law of the catalogue: a planted truth, and a design that identifies it."""

from typing import Any

import numpy as np
import pandas as pd

from analysis.laws import LAWS

PAIR = {"E": 1.0, "A": 25.0, "B": 80.0, "alpha": 0.35, "beta": 0.40}
TRUTHS: dict[str, dict[str, float]] = {
    "chinchilla": PAIR,
    "chinchilla_tied": {"E": 1.0, "A": 25.0, "B": 80.0, "alpha": 0.38},
    "coupled": {"E": 0.8, "A": 90.0, "B": 900.0, "alpha": 0.60, "beta": 0.75, "k": 0.55},
    "kaplan": {"N_c": 6e8, "D_c": 9e8, "alpha_N": 0.16, "alpha_D": 0.21},
    "kaplan_N": {"N_c": 5e9, "alpha_N": 0.12},
    "kaplan_D": {"D_c": 8e10, "alpha_D": 0.10},
    "kaplan_C": {"C_c": 1e22, "alpha_C": 0.06},
    "power_N": {"A": 12.0, "alpha": 0.12},
    "power_D": {"A": 14.0, "alpha": 0.10},
    "power_C": {"A": 16.0, "alpha": 0.06},
    "power_floor_N": {"E": 1.0, "A": 30.0, "alpha": 0.30},
    "power_floor_D": {"E": 1.0, "A": 60.0, "alpha": 0.30},
    "power_floor_C": {"E": 1.0, "A": 300.0, "alpha": 0.20},
    "envelope": {"E": 1.0, "A": 300.0, "gamma": 0.20},
    "broken_N": {"E": 0.6, "b": 16.0, "c0": 0.10, "c1": 0.45, "d": 3e5, "f": 0.30},
    "broken_D": {"E": 0.6, "b": 16.0, "c0": 0.10, "c1": 0.45, "d": 6e6, "f": 0.30},
    "broken_C": {"E": 0.6, "b": 40.0, "c0": 0.08, "c1": 0.25, "d": 3e12, "f": 0.50},
    "gemstones": {
        "E": 0.8,
        "W": 12.0,
        "Z": 1.2,
        "A": 60.0,
        "B": 80.0,
        "omega": 0.70,
        "zeta": 0.90,
        "alpha": 0.40,
        "beta": 0.40,
    },
    "gemstones_coupled": {
        "E": 0.8,
        "W": 150.0,
        "Z": 2.0,
        "A": 900.0,
        "B": 3000.0,
        "omega": 1.30,
        "zeta": 1.50,
        "alpha": 0.70,
        "beta": 0.75,
        "k": 0.55,
    },
    "shape": PAIR | {"S": 2.5, "rho": 12.0, "drift": 0.10},
    "shape_coupled": {
        "E": 0.8,
        "A": 90.0,
        "S": 0.25,
        "B": 900.0,
        "alpha": 0.60,
        "beta": 0.75,
        "rho": 12.0,
        "drift": 0.10,
        "k": 0.55,
    },
    "repeated": {"E": 1.0, "A": 60.0, "B": 90.0, "alpha": 0.40, "R_D": 8.0, "R_N": 4.0},
    "gadre": {"E": 1.2, "a": 30.0, "b": 45.0, "eta": 0.17},
    "loss_to_loss": {"E": 0.9, "K": 0.7, "F": 1.1, "kappa": 1.3},
    "sigmoid": {"b": 0.25, "a": 0.60, "k": 5.0, "S0": 2.4},
    "error": {"eps": 0.85, "k": 2.1, "gamma": 0.75},
    "transferred_data": {"k": 50.0, "alpha": 0.30, "beta": 0.40},
}
VOCABULARY = 256
BREAK_ENDS = {"N": (1e3, 1e8), "D": (2e4, 2e9), "C": (1e9, 1e16)}


def truth(name: str) -> np.ndarray:
    """The planted parameters in the law's order."""
    return np.array([TRUTHS[name][parameter] for parameter in LAWS[name].parameters])


def design(name: str, dense: int = 1) -> pd.DataFrame:
    """A grid that identifies the law: sizes over two decades and more, budgets over one and more."""
    if name == "envelope":
        return pd.DataFrame({"C": np.geomspace(1e9, 1e16, 15)})  # so far apart that noise changes no order
    if name in ("loss_to_loss", "sigmoid", "error"):
        return pd.DataFrame({"S": np.linspace(1.3, 4.0, 40 * dense)})
    if name == "transferred_data":
        return grid({"N": np.geomspace(1e5, 1e8, 6), "D_F": np.geomspace(1e5, 1e8, 6)}, dense)
    if name in ("gemstones", "gemstones_coupled", "shape", "shape_coupled"):
        axes = {"depth": np.array([2, 4, 8, 16, 32]), "width": np.geomspace(32, 1024, 6)}
        table = grid(axes | {"D": np.geomspace(2e5, 2e7, 5)}, dense)
        return table.assign(
            N=12 * table["depth"] * table["width"] ** 2 + VOCABULARY * table["width"],
            aspect=table["width"] / table["depth"],
        )
    if name.startswith("broken"):
        return pd.DataFrame({variable: np.geomspace(*ends, 90 * dense) for variable, ends in BREAK_ENDS.items()})
    if name == "repeated":
        axes = {"N": np.geomspace(1e4, 3e7, 6), "U": np.geomspace(2e5, 8e6, 4), "times": np.array([1, 3, 8, 20, 60])}
        table = grid(axes, dense)
        return table.assign(D=table["U"] * table["times"])
    table = grid({"N": np.geomspace(1e4, 3e7, 10), "D": np.geomspace(2e5, 2e8, 7)}, dense)
    return table.assign(C=6 * table["N"] * table["D"], M=table["D"] / table["N"])


def grid(axes: dict[str, Any], dense: int = 1) -> pd.DataFrame:
    """Every combination of the axes' values, `dense` times over."""
    made = np.meshgrid(*axes.values(), indexing="ij")
    table = pd.DataFrame({name: axis.ravel().astype(float) for name, axis in zip(axes, made, strict=True)})
    return pd.concat([table] * dense, ignore_index=True)
