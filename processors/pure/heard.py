"""What drives a meter's load, day by day: outdoor temperature and production as regressors, and their silence.

    CDD = max(0, T − 17 °C)     HDD = max(0, 15 °C − T)     P/100 = the day's mean of production by that of its first 28 days

T is the mean of the day. A driver that was there and is not counts as unknown, not as zero: the last weather stands for a
temperature for up to 3 valid days, usual production for a free day. Any other day without a driver cannot be judged
and teaches nothing; in a history, where no plant file names a driver, only for a week. Source: docs/detection.md, "Baseline".
"""

from __future__ import annotations

from typing import NamedTuple

from processors.pure.reach import NOWHERE, Reach
from processors.pure.robust import single

BALANCE_COOL, BALANCE_HEAT = 17.0, 15.0
MEAN_DAYS = 28
CARRIED_DAYS = 3
"""A driver is away when it was silent for more valid days than that."""
GONE_DAYS, MANY = 7, 1 << 30
"""In a history nobody says whether a driver will come back: after so many days its last value stands for good."""
MOST_PRODUCTION = 1e6
Regressors = tuple[float, float, float]
"""CDD/10, HDD/10 and P/100."""


class Drivers(NamedTuple):
    """Sums of the drivers over the intervals of a day, with their number of values: °C and units."""

    temperature: float = 0.0
    temperatures: int = 0
    production: float = 0.0
    productions: int = 0


class Heard(NamedTuple):
    """What a meter's drivers have said so far.

    `production` is the mean of the driver over its first 28 days with their count; `weather` the last known CDD/10 and HDD/10,
    `warmths` the count of days that had one. `cold` and `idle` count the valid days in a row without temperature,
    and without production, of drivers that were there before. `reach` is how far calm days have gone.
    """

    production: float = 0.0
    productions: int = 0
    weather: tuple[float, float] = (0.0, 0.0)
    warmths: int = 0
    cold: int = 0
    idle: int = 0
    reach: Reach = NOWHERE

    @property
    def usual(self) -> Regressors:
        """The last weather and usual production."""
        return (*self.weather, 1.0 if self.productions else 0.0)

    @property
    def settling(self) -> bool:
        """The mean of production is not known yet."""
        return 0 < self.productions < MEAN_DAYS

    def away(self, *, named: bool) -> str:
        """Return which driver has been silent for too long: `temperature`, `production`, or nothing.

        `named`: somebody says that the driver is there. Else one that is silent for more than a week is gone.
        """
        most = MANY if named else GONE_DAYS
        return "temperature" if CARRIED_DAYS < self.cold <= most else "production" if CARRIED_DAYS < self.idle <= most else ""

    def known(self, *, named: bool) -> bool:
        """Tell whether the last day can be judged."""
        return not self.away(named=named) and (not self.idle or (self.idle > GONE_DAYS and not named))


UNHEARD, NOTHING = Heard(), Drivers()


def take(heard: Heard, day: Drivers, *, free: bool) -> tuple[Heard, Regressors]:
    """Return what is heard after a valid day, and the day's regressors; on a `free` day nobody misses production.

    >>> told, z = take(UNHEARD, Drivers(temperature=54.0, temperatures=2, production=8.0, productions=2), free=False)
    >>> z, take(told, Drivers(), free=True)[1], [take(told, Drivers(), free=free)[0].known(named=True) for free in (True, False)]
    ((1.0, 0.0, 1.0), (1.0, 0.0, 1.0), [True, False])
    """
    production, productions, weather, warmths, cold, idle, reach = heard
    made = 1.0 if productions else 0.0
    if day.temperatures:
        outside = day.temperature / day.temperatures
        weather = (single(max(0.0, outside - BALANCE_COOL) / 10), single(max(0.0, BALANCE_HEAT - outside) / 10))
        warmths, cold = warmths + 1, 0
    elif warmths:
        cold += 1
    if day.productions:
        mean, idle = day.production / day.productions, 0
        if productions < MEAN_DAYS:
            productions += 1
            production += (mean - production) / productions
        made = single(min(mean / production, MOST_PRODUCTION)) if production > 0 else 0.0
    elif productions and not free:
        idle += 1
    return Heard(production, productions, weather, warmths, cold, idle, reach), (*weather, made)
