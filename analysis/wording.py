"""How numbers are written for people: no more digits than they carry."""

import math

UNITS = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
MOST_DIGITS = 6  # significant ones; a float carries more, no measurement does
SMALL, LARGE = 1e-4, 1e7  # sizes beyond are written with a power of ten


def short_number(value: float) -> str:
    """30000 -> 30k, for parameters and tokens."""
    for unit, letter in UNITS:
        if abs(value) >= unit * 0.9995:
            return f"{value / unit:.3g}{letter}"
    return f"{value:.3g}"


def power_of_ten(value: float) -> str:
    """2e13 -> 2·10¹³, for FLOPs."""
    lead, exponent = f"{value:.2e}".split("e")
    ten = f"10{str(int(exponent)).translate(SUPERSCRIPTS)}"
    return ten if float(lead) == 1 else f"{float(lead):g}·{ten}"


def three_digits(value: float) -> str:
    """1338 -> 1340."""
    return f"{float(f'{value:.3g}'):.10g}" if SMALL <= abs(value) < LARGE else f"{value:.3g}"


def rounded(value: float, uncertainty: float) -> str:
    """As many digits as the uncertainty leaves meaning to: two of its own, `MOST_DIGITS` in all; three without one.

    What is not nought is never printed as 0.
    """
    if not (math.isfinite(uncertainty) and uncertainty > 0 and (value == 0 or SMALL <= abs(value) < LARGE)):
        return three_digits(value)
    leading = math.floor(math.log10(abs(value))) if value else 0
    digits = min(max(1 - math.floor(math.log10(uncertainty)), -leading), MOST_DIGITS - 1 - leading)
    if digits < 0:
        return f"{round(value, digits):,.0f}"
    return f"{value:.{digits}f}"


def estimate(value: float, low: float, high: float) -> tuple[str, str]:
    """A value and its interval, each end with two digits of its own distance; no ends where there is no interval."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return rounded(value, math.nan), "no interval"
    below, above = value - low, high - value
    nearest = min((side for side in (below, above) if side > 0), default=math.nan)
    return rounded(value, nearest), f"{rounded(low, below)} to {rounded(high, above)}"


def percent(share: float) -> str:
    """0.0323 -> +3.2 %."""
    return f"{100 * share:+.1f} %" if math.isfinite(share) else "none"


def share_of(part: float) -> str:
    """0.323 -> 32.3 %."""
    return f"{100 * part:.1f} %" if math.isfinite(part) else "none"


def with_error(value: float, error: float, sign: str = "") -> str:
    """Two digits of the error, and the value to the same place."""
    if math.isnan(error) or error <= 0:
        return f"{value:{sign}.4g}"
    digits = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:{sign}.{digits}f} ± {error:.{digits}f}"


def on_clusters(rows: int, clusters: int, what: str = "rows") -> str:
    """How many rows there are, and of how many trunks."""
    trunks = "one trunk" if clusters == 1 else f"{clusters} trunks"
    return f"{rows} independent {what}" if rows == clusters else f"{rows} {what} of {trunks}"
