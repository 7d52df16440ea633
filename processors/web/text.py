"""Numbers, money and time as people of the plant write them. One formatter for pages, streams and messages.

Everything returns finished text with no-break spaces and the minus sign −; nothing here knows HTML. The
browser's own small formatter (static/js/format.js) follows the same rules; a test compares the two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from processors.web.words import Words

Lang = Literal["vi", "en"]
NBSP = "\u00a0"
NONE = "—"
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86400
_EN_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_EN_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_VI_DAYS = ("Thứ 2", "Thứ 3", "Thứ 4", "Thứ 5", "Thứ 6", "Thứ 7", "Chủ nhật")
_VI_GRID = ("T2", "T3", "T4", "T5", "T6", "T7", "CN")


class Figure(NamedTuple):
    """A number and its unit apart, for figures whose unit is set smaller. `str()` joins them."""

    value: str
    unit: str

    def __str__(self) -> str:
        if not self.unit:
            return self.value
        return self.value + ("" if self.unit == "%" else NBSP) + self.unit


def two_digits(value: float) -> float:
    """Return the value rounded to two significant digits, as estimates are told."""
    if value == 0 or not math.isfinite(value):
        return 0.0
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    return round(value / step) * step


@dataclass(frozen=True, slots=True)
class Text:
    """The formatter of one language, one time zone and one currency."""

    words: Words
    zone: ZoneInfo
    currency: str = "VND"

    @property
    def lang(self) -> Lang:
        """`vi` or `en`."""
        return self.words.lang

    def number(self, value: float, decimals: int = 0) -> str:
        """Return a plain number; never "−0"."""
        text = f"{abs(value):,.{decimals}f}"
        if self.lang == "vi":
            text = text.translate(str.maketrans(",.", ".,"))
        return ("−" + text) if value < 0 and any(c in "123456789" for c in text) else text

    def signed(self, value: float, decimals: int = 0) -> str:
        """Return a number with + or −, a zero without."""
        text = self.number(value, decimals)
        return "+" + text if value > 0 and any(c in "123456789" for c in text) else text

    def power(self, kw: float | None) -> Figure:
        """Return power given in kW: one decimal below 100, MW from 10,000."""
        if kw is None:
            return Figure(NONE, "kW")
        if abs(kw) >= 10_000:
            return Figure(self.number(kw / 1000, 1), "MW")
        return Figure(self.number(kw, 1 if abs(kw) < 99.95 else 0), "kW")

    def excess(self, kw: float) -> Figure:
        """Return a difference of power with its sign."""
        return Figure(self.signed(kw, 1 if abs(kw) < 99.95 else 0), "kW")

    def band(self, lo_kw: float, hi_kw: float) -> str:
        """Return an expected band without its unit: one value when both ends read the same."""
        decimals = 1 if hi_kw < 9.95 else 0
        lo, hi = self.number(max(lo_kw, 0), decimals), self.number(hi_kw, decimals)
        return lo if lo == hi else f"{lo}–{hi}"

    def energy(self, kwh: float | None) -> Figure:
        """Return energy given in kWh: one decimal below 10, MWh from 10,000."""
        if kwh is None:
            return Figure(NONE, "kWh")
        if abs(kwh) >= 9_999.5:
            return Figure(self.number(kwh / 1000, 1), "MWh")
        return Figure(self.number(kwh, 1 if abs(kwh) < 9.95 else 0), "kWh")

    def money(self, amount: float | None) -> Figure:
        """Return measured money: to 100 đ below a million, then millions with one decimal, then billions."""
        if amount is None:
            return Figure(NONE, self.currency_sign)
        if self.currency != "VND":
            return Figure(self.number(amount, 2 if abs(amount) < 100 else 0), self.currency)
        if abs(amount) < 999_950:
            return Figure(self.number(round(amount / 100) * 100), self.currency_sign)
        if abs(amount) < 999_950_000:
            return Figure(self.number(amount / 1e6, 1), self.words["unit.million"])
        return Figure(self.number(amount / 1e9, 2), self.words["unit.billion"])

    def about(self, amount: float) -> Figure:
        """Return estimated money, two digits, with ≈ in front."""
        value = two_digits(amount)
        if self.currency == "VND" and abs(value) >= 1e6:
            large = abs(value) >= 1e9
            scaled = value / (1e9 if large else 1e6)
            return Figure("≈ " + self.number(scaled, 1 if abs(scaled) < 10 else 0), self.words["unit.billion" if large else "unit.million"])
        return Figure("≈ " + self.number(value, 0 if abs(value) >= 10 else 1), self.currency_sign)

    @property
    def currency_sign(self) -> str:
        """`đ` or `VND` for đồng, else the currency's code."""
        return self.words["unit.currency"] if self.currency == "VND" else self.currency

    def price(self, per_kwh: float) -> str:
        """Return a unit price per kWh."""
        return f"{self.number(per_kwh, 0 if self.currency == 'VND' else 4)}{NBSP}{self.currency_sign}/kWh"

    def co2(self, kg: float) -> Figure:
        """Return emissions given in kg CO₂e."""
        if kg < 999.5:
            return Figure(self.number(kg), self.words["unit.co2_kg"])
        return Figure(self.number(kg / 1000, 2), self.words["unit.co2_t"])

    def percent(self, share: float, decimals: int = 0) -> str:
        """Return a share 0…1 as percent."""
        return self.number(100 * share, decimals) + "%"

    def deviation(self, value: float, expected: float, decimals: int = 0) -> str:
        """Return how far a value is from what was expected, in percent with its sign; "" where that says nothing."""
        return "" if expected <= 0 else self.signed(100 * (value / expected - 1), decimals) + "%"

    def local(self, t_ms: float) -> datetime:
        """Return an instant in plant time."""
        return datetime.fromtimestamp(t_ms / 1000, self.zone)

    def clock(self, t_ms: float, *, seconds: bool = False) -> str:
        """Return the plant's time of day, 24 h."""
        return self.local(t_ms).strftime("%H:%M:%S" if seconds else "%H:%M")

    def weekday(self, t_ms: float, *, grid: bool = False, inside: bool = False) -> str:
        """Return the day of the week; `grid` gives the short form of tables, `inside` a sentence Vietnamese ones are small."""
        day = self.local(t_ms).weekday()
        if self.lang == "en":
            return _EN_DAYS[day]
        if grid:
            return _VI_GRID[day]
        return _VI_DAYS[day].lower() if inside else _VI_DAYS[day]

    def date(self, t_ms: float, *, year: bool = False) -> str:
        """Return day and month, and the year where asked."""
        day = self.local(t_ms)
        if self.lang == "en":
            return f"{day.day}{NBSP}{_EN_MONTHS[day.month - 1]}" + (f"{NBSP}{day.year}" if year else "")
        return f"{day.day:02}/{day.month:02}" + (f"/{day.year}" if year else "")

    def day(self, t_ms: float, *, inside: bool = False, year: bool = False) -> str:
        """Return weekday and date; `inside` a sentence Vietnamese weekdays are small."""
        return f"{self.weekday(t_ms, inside=inside)} {self.date(t_ms, year=year)}"

    def full_date(self, t_ms: float) -> str:
        """Return the weekday with the date and year."""
        comma = " " if self.lang == "en" else ", "
        return f"{self.weekday(t_ms)}{comma}{self.date(t_ms, year=True)}".replace(" ", NBSP)

    def moment(self, t_ms: float, now_ms: float) -> str:
        """Return the time of day, with the date before it when it is another day."""
        clock = self.clock(t_ms)
        return clock if self.local(t_ms).date() == self.local(now_ms).date() else f"{self.date(t_ms)}, {clock}"

    def age(self, seconds: float) -> str:
        """Return an age as tiles show it: 4 s, 14 min, 3 h, 2 d."""
        seconds = max(0.0, seconds)
        for limit, size, unit in ((MINUTE_S, 1, "s"), (HOUR_S, MINUTE_S, "min"), (DAY_S, HOUR_S, "h"), (math.inf, DAY_S, "d")):
            if seconds < limit:
                return f"{int(seconds // size)}{NBSP}{self.words['age.' + unit]}"
        raise AssertionError  # the last limit is infinite

    def age_text(self, t_ms: float, now_ms: float) -> str:
        """Return an age as sentences tell it; older than a day is a date."""
        seconds = (now_ms - t_ms) / 1000
        if seconds < 1:
            return self.words["age.now"]
        for limit, size, unit in ((MINUTE_S, 1, "ago_s"), (HOUR_S, MINUTE_S, "ago_min"), (DAY_S, HOUR_S, "ago_h")):
            if seconds < limit:
                return self.words("age." + unit, n=str(int(seconds // size)))
        return self.date(t_ms)

    def duration(self, seconds: float) -> str:
        """Return a duration: 47 min, 3 h 45, 5 d."""
        minutes = round(seconds / MINUTE_S)
        if minutes < 1:
            return f"{int(seconds)}{NBSP}{self.words['age.s']}"
        if minutes < 60:
            return f"{minutes}{NBSP}{self.words['age.min']}"
        if minutes < 48 * 60:
            hours, rest = divmod(minutes, 60)
            return f"{hours}{NBSP}h" + (f"{NBSP}{rest:02}" if rest else "")
        return f"{round(minutes / 1440)}{NBSP}{self.words['age.d']}"
