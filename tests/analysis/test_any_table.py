"""Any table at all gives an answer or a one-line reason: hundreds of strange ones, every law, every objective."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.fit import fit
from analysis.laws import LAWS
from analysis.optimum import Shapes, best
from analysis.solve import make_objectives
from harness.refusal import Refusal

COLUMNS = ("N", "D", "C", "M", "S", "U", "width", "depth", "aspect", "D_F", "loss", "accuracy", "error", "D_T")
STRANGE: tuple[Callable[[np.random.Generator, int], np.ndarray], ...] = (
    lambda random, rows: random.lognormal(0, 1, rows),
    lambda random, rows: np.full(rows, 3.0),
    lambda random, rows: random.integers(1, 3, rows).astype(float),
    lambda random, rows: 10 ** random.uniform(-300, 300, rows),
    lambda random, rows: random.normal(0, 1, rows),
    lambda random, rows: np.where(random.random(rows) < 0.2, np.nan, random.lognormal(0, 1, rows)),
    lambda random, rows: np.where(random.random(rows) < 0.2, np.inf, 1 + random.random(rows)),
    lambda random, rows: 1e308 * random.random(rows),
    lambda random, rows: 1e-310 * random.random(rows),
    lambda random, rows: np.linspace(1, 1 + 1e-12, rows),
    lambda random, rows: np.where(np.arange(rows) == 0, 1e200, 1 + random.random(rows)),
    lambda random, rows: np.exp(random.normal(0, 30, rows)),
    lambda random, rows: 2 + 0.01 * random.normal(0, 1, rows),
)


def strange_table(random: np.random.Generator) -> pd.DataFrame:
    """Columns from `STRANGE` among sound ones; few rows or some dozens; clusters and seeds now and then."""
    rows = int(random.choice([1, 2, 3, 4, 6, 8, 12, 30]))
    sound = {name: np.exp(random.uniform(0, 10, rows)) for name in COLUMNS}
    odd = {name: STRANGE[random.integers(len(STRANGE))](random, rows) for name in COLUMNS if random.random() < 0.3}
    table = pd.DataFrame(sound | odd)
    if random.random() < 0.3:
        table["trunk_id"] = random.integers(0, 6, rows)
        table["seed"] = random.integers(0, 3, rows)
    return table


def answered(ask: Callable[[], Any]) -> Any:
    """The answer, or None where the reason for having none is a line."""
    try:
        return ask()
    except Refusal as refusal:
        reason = str(refusal)
    assert "\n" not in reason
    return None


@pytest.mark.parametrize("law", LAWS)
def test_an_answer_or_a_reason(law: str) -> None:
    answers = 0
    for seed in range(12):
        random = np.random.default_rng(seed)
        table = strange_table(random)
        objective = str(random.choice(list(make_objectives(1.0))))
        bootstrap = int(random.choice([0, 30]))
        shapes = Shapes.of(table)
        known = answered(lambda: fit(law, table, objective=objective, bootstrap=bootstrap))  # noqa: B023
        if known is not None:
            answers += 1
            json.dumps(known.to_json(), allow_nan=False)
            known.predict_interval(table.head(2).fillna(1.0))
            answered(lambda: best(known, [1e10, 1e20], shapes))  # noqa: B023
    assert 0 < answers < 12  # a strange table that every law fits would not be strange


@pytest.mark.parametrize(("law", "rows"), [("chinchilla", 100_000), ("power_C", 1_000_000)])
def test_many_rows_are_no_trouble(law: str, rows: int) -> None:
    random = np.random.default_rng(0)
    n, d = np.exp(random.uniform(10, 20, rows)), np.exp(random.uniform(12, 24, rows))
    table = pd.DataFrame({"N": n, "D": d, "C": 6 * n * d})
    planted = np.array({"chinchilla": [1.0, 25.0, 80.0, 0.35, 0.40], "power_C": [16.0, 0.06]}[law])
    noise = np.exp(0.01 * random.standard_normal(rows))
    known = fit(law, table.assign(loss=LAWS[law].predict(planted, table) * noise), bootstrap=100)
    assert known.converged
    for value, (low, high) in zip(planted, known.intervals(0.9999).values(), strict=True):
        assert low < value < high
