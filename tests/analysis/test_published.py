"""Published data give the published answers; skipped where the data are not at hand."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.fit import Fit, fit

PUBLISHED = Path(__file__).parents[3] / "shared" / "published"
POINTS = PUBLISHED / "chinchilla" / "svg_extracted_data.csv"

pytestmark = pytest.mark.skipif(not POINTS.is_file(), reason="the published data are not beside this checkout")

# arXiv 2404.10102's data: A, B, E, alpha, beta
OPTIMA = {
    "huber": (477.826, 2143.417, 1.817218, 0.347310, 0.367172),
    "lad": (482.006, 2085.436, 1.816864, 0.347813, 0.365854),
    "log_squares": (593.322, 4875.64, 1.864550, 0.360253, 0.405883),
    "squares": (567.81, 7581.96, 1.882814, 0.357615, 0.427621),
}
# Standard errors with a global search in every replicate: A, B, E, alpha, beta.
SPREADS = {"huber": (116, 1434, 0.0263, 0.0147, 0.0213), "lad": (127, 1409, 0.0268, 0.0159, 0.0208)}
HELD_TO = (0.08, 0.15, 0.05, 0.05, 0.05)


@cache
def points(drop_highest: int = 5) -> pd.DataFrame:
    raw = pd.read_csv(POINTS).sort_values("loss")
    raw = raw.iloc[: len(raw) - drop_highest]
    table = pd.DataFrame({"N": raw["Model Size"], "C": raw["Training FLOP"], "loss": raw["loss"]})
    return table.assign(D=table["C"] / (6 * table["N"]))


def assert_at(result: Fit, optimum: tuple[float, ...]) -> None:
    assert result.converged
    found = result.parameters
    assert [found["A"], found["B"]] == pytest.approx(optimum[:2], rel=1e-3)
    assert [found["E"], found["alpha"], found["beta"]] == pytest.approx(optimum[2:], abs=1e-4)


@pytest.mark.parametrize("objective", OPTIMA)
def test_published_optimum(objective: str) -> None:
    result = fit("chinchilla", points(), objective=objective, bootstrap=0)
    assert_at(result, OPTIMA[objective])
    assert result.certificate.starts_agreeing > 0.9


def test_published_objective() -> None:
    assert fit("chinchilla", points(), bootstrap=0).objective == pytest.approx(0.0010182740178, rel=1e-6)


def test_published_optimum_of_all_rows() -> None:
    assert_at(fit("chinchilla", points(0), bootstrap=0), (495.726, 12845.6, 1.891338, 0.349313, 0.453049))


@pytest.mark.parametrize("objective", SPREADS)
def test_published_standard_errors(objective: str) -> None:
    result = fit("chinchilla", points(), objective=objective, bootstrap=4000)
    names = ("A", "B", "E", "alpha", "beta")
    spread = dict(zip(result.law.parameters, result.draws.std(axis=0), strict=True))
    for name, published, share in zip(names, SPREADS[objective], HELD_TO, strict=True):
        assert spread[name] == pytest.approx(published, rel=share), name
    alpha, beta = (result.draws[:, result.law.parameters.index(name)] for name in ("alpha", "beta"))
    assert np.std(beta / (alpha + beta)) == pytest.approx(0.020, rel=0.06)


@pytest.mark.parametrize(
    ("law", "delta", "published"),
    [
        ("chinchilla", 1e-3, 1.964086e-3),
        ("chinchilla", 1e-4, 2.04779e-4),
        ("gemstones", 1e-3, 8.10659e-4),
        ("gemstones", 1e-4, 8.9274e-5),
    ],
)
def test_published_objectives_of_depth_and_width(law: str, delta: float, published: float) -> None:
    raw = pd.read_json(PUBLISHED / "gemstones" / "cool_end.jsonl", lines=True)
    names = {"params_active_precise": "N", "tokens": "D", "final_loss": "loss"}
    table = raw.rename(columns=names)[["N", "D", "loss", "width", "depth"]]
    found = fit(law, table, delta=delta, bootstrap=0)
    assert found.objective == pytest.approx(published, rel=1e-6, abs=5e-10)
    assert found.converged


def gadre(rows: Callable[[pd.DataFrame], pd.Series]) -> pd.DataFrame:
    raw = pd.read_csv(PUBLISHED / "gadre" / "gadre_104_models.csv").astype({"N": float, "D": float, "flops": float})
    trained = raw[raw["dataset_name"] == "c4_original"]
    chosen = trained[rows(trained)]
    return chosen.assign(
        C=6 * chosen["N"] * chosen["D"], M=chosen["tok_mult"], S=chosen["loss_c4_val"], error=chosen["err_avg_subset"]
    )


def small(rows: pd.DataFrame) -> pd.Series:
    return (rows["N"] < 0.42e9) & (rows["tok_mult"] == 20) | (rows["N"] < 0.011e9) & (rows["tok_mult"] == 320)


def test_published_overtraining_law() -> None:
    """Five rows carry no interval and no test of the form: fewer than the engine asks for more than four parameters."""
    table = gadre(small).assign(loss=lambda rows: rows["loss_c4_val"])
    assert len(table) == 5
    found = fit("gadre", table, objective="squares", bootstrap=0).parameters
    assert found["E"] == pytest.approx(1.5083, abs=1e-4)
    assert found["eta"] == pytest.approx(0.12124, abs=1e-5)
    assert [found["a"], found["b"]] == pytest.approx([141.28, 189.52], rel=1e-3)


def test_published_error_law() -> None:
    table = gadre(lambda rows: small(rows) | (rows["N"].between(1.4e9, 1.5e9)) & (rows["tok_mult"] == 20))
    assert len(table) == 6
    found = fit("error", table, objective="squares", bootstrap=0).parameters
    assert [found["eps"], found["k"], found["gamma"]] == pytest.approx([0.8497, 2.0789, 0.7561], abs=1e-4)
