"""How far a baseline may be believed, from one-day-ahead residuals (out of sample by construction).

    CV(RMSE) = √(Σ r² / (n − p)) / ȳ      NMBE = Σ r / ((n − p) ȳ)      p = tr((A + R)⁻¹ A)

| state | condition | effect |
|---|---|---|
| learning | fewer than 28 valid days | no waste events |
| provisional | 28–90 valid days, or CV(RMSE) 0.30–1.0 | events, marked provisional, no money in totals |
| ready | ≥ 90 valid days, CV(RMSE) ≤ 0.30, abs(NMBE) ≤ 0.10 | everything |
| not_fit | CV(RMSE) > 1.0, or fewer than 70 % of the days valid | no waste events |

Limits follow ASHRAE Guideline 14 in spirit (secondary sources); a claimed saving needs more than this.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from processors.pure.baseline import effective_parameters
from processors.pure.channels import CHANNELS, Chart
from processors.pure.outputs import Readiness

LEARNING, READY = 28, 90
GOOD_CV, WORST_CV, GOOD_NMBE = 0.30, 1.0, 0.10
LEAST_SHARE = 0.70


def errors(residuals: Sequence[float], parameters: float, mean: float) -> tuple[float, float] | None:
    """Return (CV(RMSE), NMBE); None with too few residuals or a mean of nothing.

    >>> errors([1.0, -1.0, 1.0, -1.0], 0.0, 10.0)
    (0.1, 0.0)
    """
    freedom = len(residuals) - parameters
    if freedom <= 1 or mean <= 0:
        return None
    return math.sqrt(sum(r * r for r in residuals) / freedom) / mean, sum(residuals) / (freedom * mean)


def judge(meter: str, at_ms: int, charts: Sequence[Chart], valid_days: int, valid_share: float) -> Readiness:
    """Return the readiness of a meter; `valid_share` is the share of recent days that were valid."""
    total = charts[CHANNELS.index("tot")]
    found = errors((*total.scale[0], *total.scale[1]), effective_parameters(total.ridge), total.mean)
    cv, nmbe = found or (None, None)
    if valid_days < LEARNING:
        return Readiness(meter, at_ms, "learning", valid_days, cv, nmbe)
    if valid_share < LEAST_SHARE:
        return Readiness(meter, at_ms, "not_fit", valid_days, cv, nmbe, "days")
    if cv is None or nmbe is None or cv > WORST_CV:
        return Readiness(meter, at_ms, "not_fit", valid_days, cv, nmbe, "driver")
    if valid_days >= READY and cv <= GOOD_CV and abs(nmbe) <= GOOD_NMBE:
        return Readiness(meter, at_ms, "ready", valid_days, cv, nmbe)
    return Readiness(meter, at_ms, "provisional", valid_days, cv, nmbe)
