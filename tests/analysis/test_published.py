"""The published Chinchilla data give the published answers; skipped where the data are not at hand."""

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


def test_published_standard_errors() -> None:
    result = fit("chinchilla", points())
    spread = dict(zip(result.law.parameters, result.draws.std(axis=0), strict=True))
    # The published standard errors, held to their own rounding, 4000 replicates, and the noise of 1000 of ours.
    assert [spread["alpha"], spread["beta"], spread["E"]] == pytest.approx([0.0154, 0.0206, 0.02566], rel=0.1)
    assert spread["A"] == pytest.approx(124.52, rel=0.12)
    assert spread["B"] == pytest.approx(1293.28, rel=0.2)
    alpha, beta = (result.draws[:, result.law.parameters.index(name)] for name in ("alpha", "beta"))
    assert np.std(beta / (alpha + beta)) == pytest.approx(0.020, rel=0.1)


def test_published_tables_of_depth_and_width_beat_the_authors_objective() -> None:
    raw = pd.read_json(PUBLISHED / "gemstones" / "cool_end.jsonl", lines=True)
    table = pd.DataFrame({"N": raw["params_active_precise"], "D": raw["tokens"], "loss": raw["final_loss"]})
    for delta, published in ((1e-3, 1.964086e-3), (1e-4, 2.04779e-4)):
        assert fit("chinchilla", table, delta=delta, bootstrap=0).objective == pytest.approx(published, rel=1e-5)
