"""Whether a task's accuracy shows anything: the best rungs against chance, and a trend that is not flat."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from analysis.curves.scores import Scores
from analysis.curves.trend import slope
from analysis.laws.jet import Array
from analysis.optimum import Quantity
from harness.refusal import Refusal

AT_CHANCE, FLAT = "at chance", "flat"
TOP_SHARE = 4  # one rung in so many, those with the most x, is looked at together


def least_likely(accuracy: float, items: float, level: float) -> float:
    """Lower end of the accuracy's interval from so many items (Wilson)."""
    z = float(ndtri(0.5 + level / 2))
    middle = accuracy + z * z / (2 * items)
    half = z * np.sqrt(accuracy * (1 - accuracy) / items + (z / (2 * items)) ** 2)
    return float(accuracy**2 / (middle + half))  # as (middle - half) / (1 + z^2 / items), but nought where it is


@dataclass(frozen=True)
class Silence:
    """Why accuracy says nothing: in short, and in full."""

    kind: str
    words: str


def silence(found: Scores, x: str, level: float = 0.90) -> Silence | None:
    """Why accuracy carries no curve over x; None where it does.

    Rungs are scored on the same items, so that several of them together are no surer than one.
    """
    x_n: Array = found.rows[x].to_numpy(np.float64)
    top = np.argsort(-x_n, kind="stable")[: max(1, len(x_n) // TOP_SHARE)]
    best, items = float(found.accuracy_n[top].mean()), float(found.items_n[top].mean())
    if least_likely(best, items, level) <= found.chance:
        right, luck = f"{100 * best:.1f} % of {items:.0f} items", f"{100 * found.chance:.1f} %"
        return Silence(AT_CHANCE, f"the rungs with the most {x} answer {right} right, and guessing {luck}")
    trend = _trend(found, x, level)
    if not trend.doubt and trend.low <= 0:
        ends = trend.words(lambda share: f"{100 * share:+.2f}")
        return Silence(FLAT, f"accuracy does not rise with {x} for sure ({ends} points for each factor e)")
    return None


def _trend(found: Scores, x: str, level: float) -> Quantity:
    return slope(np.log(found.rows[x].to_numpy(np.float64)), found.accuracy_n, found.cluster_n, level)


def in_words(found: Scores, x: str, level: float = 0.90) -> str:
    """What accuracy does with x: why it says nothing, why that is not known, or that it rises."""
    if why := silence(found, x, level):
        return f"{why.kind}: {why.words}"
    doubt = _trend(found, x, level).doubt
    return f"above guessing; with {x} not known: {doubt}" if doubt else f"rises with {x}"


def refuse_at_chance(found: Scores, x: str, level: float = 0.90) -> None:
    """Refused where accuracy carries no curve."""
    if why := silence(found, x, level):
        cure = "read its nll and margin, which move before accuracy does, or train larger models"
        raise Refusal(f"task {found.task} is {why.kind}: {why.words}; {cure}")
