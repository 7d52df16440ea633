"""Dated tables: tariffs, calendars, emission factors. Each row says its source and how sure it is."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from config.values import Strict

Status = Literal["ok", "single", "unconfirmed"]
Period = Literal["peak", "normal", "off_peak"]


class Price(Strict):
    """Prices from a day on, in currency per kWh before VAT (see `vat_included`).

    `demand` is an optional charge per kW and month for the highest quarter-hour of the month.
    """

    from_: date = Field(alias="from")
    source: str
    status: Status
    normal: float
    off_peak: float | None = None
    peak: float | None = None
    demand: Annotated[float, Field(ge=0)] | None = None


class PeriodWindow(Strict):
    """Hours of one period: `days` such as `mon-sat`, `sun`, `all`; `at` such as `17:30-22:30` in plant time."""

    days: str
    at: str
    is_: Period = Field(alias="is")


class Schedule(Strict):
    """Time-of-use windows from a day on, none over another. What no window covers is normal, unless normal hours are written, too."""

    id: str
    from_: date = Field(alias="from")
    source: str
    status: Status
    periods: tuple[PeriodWindow, ...]


class Tariff(Strict):
    """Prices and time-of-use schedules of one kind of contract."""

    currency: str
    unit: Literal["kWh"]
    vat_included: bool
    name: str = ""
    price: tuple[Price, ...] = Field(min_length=1)
    schedule: tuple[Schedule, ...] = ()


class Holidays(Strict):
    """Public holidays by country, with the plant's own days. `work` are swap days that are worked."""

    country: str | None = None
    extra: tuple[date, ...] = ()
    work: tuple[date, ...] = ()


class Calendar(Strict):
    """Which days and hours are worked. `week` maps days such as `mon-sat` to shifts such as `06:00-14:00 ca 1`."""

    holidays: Holidays = Holidays()
    week: dict[str, tuple[str, ...]] = {}


class Factor(Strict):
    """An emission factor, in kg CO2e per kWh, of one data year."""

    from_: date = Field(alias="from")
    kg_per_kwh: Annotated[float, Field(ge=0, le=3)]
    source: str
    status: Status
    data_year: int | None = None


class Factors(Strict):
    """Emission factors by day."""

    factor: tuple[Factor, ...] = Field(min_length=1)
