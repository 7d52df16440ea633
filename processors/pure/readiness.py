"""How far a baseline may be believed, from one-day-ahead residuals (out of sample by construction).

    CV(RMSE) = √(Σ r² / (n − p)) / ȳ      NMBE = Σ r / ((n − p) ȳ)      p = tr((A + R)⁻¹ A)

over the last calm days. The charts keep f = r − ℓ (channels.py), so r is taken as f + ℓ with ℓ of today.

| state | condition | effect |
|---|---|---|
| learning | fewer than 28 valid days | no waste events |
| provisional | 28–90 valid days, or CV(RMSE) 0.30–1.0 | events, marked provisional, no money in totals |
| ready | ≥ 90 valid days, CV(RMSE) ≤ 0.30, abs(NMBE) ≤ 0.10 | everything |
| not_fit | CV(RMSE) > 1.0, fewer than 70 % of the days valid, or a driver away for more than 3 days | no waste events |

Limits follow ASHRAE Guideline 14 in spirit (secondary sources); a claimed saving needs more than this.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import mul
from typing import Literal

from processors.pure.channels import CHANNELS, Chart
from processors.pure.cholesky import TERMS, effective_parameters
from processors.pure.outputs import Readiness

LEARNING, READY = 28, 90
GOOD_CV, WORST_CV, GOOD_NMBE = 0.30, 1.0, 0.10
LEAST_SHARE = 0.70
State = Literal["learning", "provisional", "ready", "not_fit"]
_SURELY = 1 - 1e-9
"""What rounding may take away."""
_TOT = CHANNELS.index("tot")


def errors(residuals: Sequence[float], parameters: float, mean: float) -> tuple[float, float] | None:
    """Return (CV(RMSE), NMBE); None with too few residuals or a mean of nothing.

    >>> errors([1.0, -1.0, 1.0, -1.0], 0.0, 10.0)
    (0.1, 0.0)
    """
    return _errors((len(residuals), sum(residuals), sum(map(mul, residuals, residuals))), parameters, mean)


def _errors(sums: tuple[int, float, float], parameters: float, mean: float) -> tuple[float, float] | None:
    count, total, squares = sums
    freedom = count - parameters
    if freedom <= 1 or mean <= 0:
        return None
    return math.sqrt(squares / freedom) / mean, total / (freedom * mean)


def judge(  # noqa: PLR0917 – what the close of a day has
    meter: str, at_ms: int, charts: Sequence[Chart], valid_days: int, valid_share: float, load: str = ""
) -> Readiness:
    """Return the readiness of a meter; `valid_share` is the share of recent days that were valid, `load` what a learning meter lacks."""
    total = charts[_TOT]
    found = _errors(_sums(total), effective_parameters(total.ridge.a), total.mean)
    state, missing = _state(found, valid_days, valid_share)
    cv, nmbe = found or (None, None)
    return Readiness(meter, at_ms, state, valid_days, cv, nmbe, load if state == "learning" else missing)


def without(meter: str, at_ms: int, valid_days: int, driver: str) -> Readiness:
    """Return the readiness of a meter whose driver has fallen silent: nothing is judged until it is back."""
    return Readiness(meter, at_ms, "learning" if valid_days < LEARNING else "not_fit", valid_days, missing=f"{driver}_away")


def anew(meter: str, at_ms: int, valid_days: int, reason: str) -> Readiness:
    """Return the readiness of a meter that begins to learn anew."""
    return Readiness(meter, at_ms, "learning", valid_days, missing=f"anew_{reason}")


def settled(before: str, charts: Sequence[Chart], valid_days: int, valid_share: float) -> bool:
    """Tell whether the state is still `before`, whatever the number of parameters: then nothing has to be computed or told."""
    if before not in ("provisional", "ready", "not_fit"):
        return False
    total = charts[_TOT]
    if valid_share >= LEAST_SHARE and _surely_good(total):
        return before == ("ready" if valid_days >= READY else "provisional")
    sums, mean = _sums(total), total.mean
    fewest, _ = _state(_errors(sums, 0.0, mean), valid_days, valid_share)
    most, _ = _state(_errors(sums, float(TERMS), mean), valid_days, valid_share)
    return fewest == before == most


def _surely_good(total: Chart) -> bool:
    """Tell from sizes alone that CV(RMSE) and NMBE are good with any number of parameters: Σ r² ≤ max|r| Σ|r|, |Σ r| ≤ Σ|r|."""
    one, other, level = total.working.sizes, total.other.sizes, abs(total.level)
    count = len(one) + len(other)
    most = max(one[-1] if one else 0.0, other[-1] if other else 0.0) + level
    size, good = sum(one) + sum(other) + count * level, (count - TERMS) * total.mean * _SURELY
    return count > TERMS + 1 and 0.0 < size <= GOOD_NMBE * good and most * size <= GOOD_CV * GOOD_CV * good * total.mean


def _sums(total: Chart) -> tuple[int, float, float]:
    one, other, level = total.working.order.tolist(), total.other.order.tolist(), total.level
    count, first = len(one) + len(other), sum(one) + sum(other)
    second = sum(map(mul, one, one)) + sum(map(mul, other, other))
    return count, first + count * level, second + 2 * level * first + count * level * level


def _state(found: tuple[float, float] | None, valid_days: int, valid_share: float) -> tuple[State, str]:
    """Return the state and what is missing."""
    if valid_days < LEARNING:
        return "learning", ""
    if valid_share < LEAST_SHARE:
        return "not_fit", "days"
    if found is None or found[0] > WORST_CV:
        return "not_fit", "driver"
    if valid_days >= READY and found[0] <= GOOD_CV and abs(found[1]) <= GOOD_NMBE:
        return "ready", ""
    return "provisional", ""
