"""From files to policies: what the engine has to know of each meter of a plant.

Public holidays come from the `holidays` library as dates; a plant's own days win over them. Which years are
asked for follows from the instant given, never from a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

import holidays

from config.loader import load_calendar, load_factors, load_tariff
from config.plant import Closed, PlantFile, PlantMeter, TariffChoice
from config.table_rules import minutes, weekdays
from config.tables import Calendar, Factors, Schedule, Tariff
from driftwatt.errors import ConfigError
from processors.pure.alerts import AlertContext
from processors.pure.calendar import DAY_MINUTES, ClosedWindow, DayCalendar, Shift, day_start_ms, wall_ms
from processors.pure.csv_rows import RowError, interval_ms, rows
from processors.pure.drivers import QUARTER_MS, Driven, Drivers, Series
from processors.pure.policy import DEFAULT_MAX_POWER_W, MeterPolicy
from processors.pure.price import FactorBook, FactorVersion, PriceVersion, ScheduleVersion, TariffBook, Window
from processors.pure.settings import Settings

RATED_TIMES = 3.0
"""A meter may show so many times its rated power before it is not believed."""
YEARS_BACK, YEARS_AHEAD = 3, 3


def policies(plant: PlantFile, folder: Path, *, now_ms: int) -> dict[str, MeterPolicy]:
    """Return the policy of every meter of a plant, by id.

    `folder` is where the plant file lies; tables named by path count from there. `now_ms` chooses the years of the
    public holidays. Raises ConfigError, ConfigErrors.
    """
    zone = ZoneInfo(plant.plant.timezone)
    tariff = tariff_book(load_tariff(plant.tariff.use, folder), plant.tariff, zone)
    factors = factor_book(load_factors(plant.factors.use, folder), plant.factors.use, zone)
    year = datetime.fromtimestamp(now_ms / 1000, zone).year
    years = range(year - YEARS_BACK, year + YEARS_AHEAD + 1)
    used = {meter.calendar or plant.calendar.use for meter in plant.meter}
    tables = {use: load_calendar(use, folder) for use in used}
    driven, out = drivers(plant, folder), {}
    for meter in plant.meter:
        table = tables[meter.calendar or plant.calendar.use]
        calendar = day_calendar(table, plant.calendar.closed, meter.id, zone, years=years)
        policy, mine = _policy(plant.plant.id, meter, calendar, tariff, factors), _driven(plant, meter, driven)
        named = mine is not None and mine.temperature is not None, mine is not None and mine.production is not None
        out[meter.id] = replace(policy, settings=replace(policy.settings, drivers=named), drivers=mine)
    return out


def drivers(plant: PlantFile, folder: Path) -> Drivers:
    """Return the drivers of a plant, those of files filled. Raises ConfigError for a file that cannot be read."""
    book = Drivers({driver.id: Series(driver.kind) for driver in plant.driver})
    for driver in plant.driver:
        kind, _, where = driver.source.partition(":")
        if kind == "meter":
            meter, _, quantity = where.rpartition(".")
            book.sources[meter] = (*book.sources.get(meter, ()), (quantity, driver.id))
        elif kind == "mqtt":
            book.topics[where] = driver.id
        else:
            _from_file(book.series[driver.id], folder / where)
    return book


def _from_file(line: Series, path: Path) -> None:
    """Fill a driver from a CSV of `timestamp,value` (°C, or units made in the interval); longer intervals are spread evenly."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            found = list(rows(text))
    except (OSError, UnicodeDecodeError, RowError) as error:
        raise ConfigError("the driver's file cannot be read", file=str(path), found=str(error), allowed="CSV: timestamp,value") from error
    if not found:
        return
    parts = max(1, interval_ms(found) // QUARTER_MS)
    for row in found:
        if row.value is None:
            continue
        for n in range(parts):
            line.add(row.start_ms + n * QUARTER_MS + 1, row.value if line.kind == "temperature" else row.value / parts)


def _driven(plant: PlantFile, meter: PlantMeter, book: Drivers) -> Driven | None:
    kinds = {driver.id: driver.kind for driver in plant.driver}
    mine = {kinds[driver]: book.series[driver] for driver in meter.drivers if driver in kinds}
    return Driven(book, mine.get("temperature"), mine.get("production")) if mine else None


def _policy(site: str, meter: PlantMeter, calendar: DayCalendar, tariff: TariffBook, factors: FactorBook) -> MeterPolicy:
    return MeterPolicy(
        meter=meter.id,
        site=site,
        zone=calendar.zone,
        calendar=calendar,
        settings=Settings(meter.id, calendar.zone, calendar, learn_from=meter.learn_from.toordinal() if meter.learn_from else 0),
        tariff=tariff,
        factors=factors,
        ct_ratio=meter.ct_ratio,
        pt_ratio=meter.pt_ratio,
        sign=meter.sign,
        max_power_w=DEFAULT_MAX_POWER_W if meter.rated_kw is None else RATED_TIMES * 1000 * meter.rated_kw,
    )


def alert_context(plant: PlantFile, known: Mapping[str, MeterPolicy]) -> AlertContext:
    """Return what alerts have to know of the plant."""
    any_policy = next(iter(known.values()), None)
    return AlertContext(
        plant=plant.plant.id,
        areas={meter.id: meter.area for meter in plant.meter if meter.area},
        feeds={meter.id: meter.feeds for meter in plant.meter if meter.feeds},
        tariff=any_policy.tariff if any_policy else None,
        factors=any_policy.factors if any_policy else None,
        medium_per_month=plant.alerts.medium_per_month,
        high_per_month=plant.alerts.high_per_month,
        floor_per_month=plant.alerts.floor_per_month,
        meters=tuple(meter.id for meter in plant.meter),
    )


def tariff_book(tariff: Tariff, choice: TariffChoice, zone: ZoneInfo) -> TariffBook:
    """Return the prices of a tariff file under the chosen schedule.

    Before the chosen schedule began, the one that was in force then applies. Prices that include VAT are taken
    without it. Raises ConfigError for a schedule that the file does not have.
    """
    share = 1 + choice.vat if tariff.vat_included else 1.0
    prices = [
        PriceVersion(
            day_start_ms(zone, row.from_),
            row.from_.isoformat(),
            row.normal / share,
            None if row.off_peak is None else row.off_peak / share,
            None if row.peak is None else row.peak / share,
            row.source,
            row.status,
            (row.demand or 0.0) / share,
        )
        for row in tariff.price
    ]
    schedules = [_schedule(row, zone) for row in _chosen(tariff, choice.schedule)]
    name = choice.use
    return TariffBook(zone, name=name, currency=tariff.currency, prices=prices, schedules=schedules, vat=choice.vat)


def _chosen(tariff: Tariff, wanted: str | None) -> list[Schedule]:
    ordered = sorted(tariff.schedule, key=lambda row: row.from_)
    if wanted is None:
        return ordered
    ids = [row.id for row in ordered]
    if wanted not in ids:
        raise ConfigError("schedule is not in the tariff", key="tariff.schedule", found=repr(wanted), allowed=", ".join(ids) or "none")
    return ordered[: ids.index(wanted) + 1]


def _schedule(row: Schedule, zone: ZoneInfo) -> ScheduleVersion:
    windows = []
    for period in row.periods:
        begin, end = _span(period.at)
        windows.append(Window(frozenset(weekdays(period.days)), begin, end, period.is_))
    return ScheduleVersion(day_start_ms(zone, row.from_), row.id, tuple(windows), row.source, row.status)


def _span(text: str) -> tuple[int, int]:
    begin, end = minutes(text)
    return begin, end if end > begin else end + DAY_MINUTES


def factor_book(factors: Factors, name: str, zone: ZoneInfo) -> FactorBook:
    """Return the emission factors of a file; a version is named by its data year where it has one."""
    rows = [
        FactorVersion(day_start_ms(zone, row.from_), str(row.data_year or row.from_.isoformat()), row.kg_per_kwh, row.source, row.status)
        for row in factors.factor
    ]
    return FactorBook(name, tuple(sorted(rows, key=lambda row: row.from_ms)))


def day_calendar(table: Calendar, closed: tuple[Closed, ...], meter: str, zone: ZoneInfo, *, years: range) -> DayCalendar:
    """Return the calendar of one meter for some years: public holidays and own days, shifts, announced shutdowns."""
    country = table.holidays.country
    off = {*(_public(country, years) if country else ()), *table.holidays.extra}
    shut = [
        ClosedWindow(wall_ms(zone, one.from_), wall_ms(zone, one.to), one.note)
        for one in closed
        if "*" in one.meters or meter in one.meters
    ]
    return DayCalendar(
        zone=zone,
        off_days=frozenset(off),
        work_days=frozenset(table.holidays.work),
        week=_week(table.week),
        closed_windows=tuple(sorted(shut, key=lambda one: one.from_ms)),
    )


def _week(written: Mapping[str, tuple[str, ...]]) -> dict[int, tuple[Shift, ...]]:
    week: dict[int, list[Shift]] = {}
    for days, shifts in written.items():
        for text in shifts:
            hours, _, name = text.partition(" ")
            for weekday in weekdays(days):
                week.setdefault(weekday, []).append(Shift(*_span(hours), name))
    return {weekday: tuple(sorted(shifts, key=lambda shift: shift.begin)) for weekday, shifts in week.items()}


@lru_cache(maxsize=32)
def _public(country: str, years: range) -> frozenset[date]:
    """Return the public holidays of a country. Raises ConfigError for one that the library does not know."""
    try:
        return frozenset(holidays.country_holidays(country, years=years))
    except NotImplementedError:
        raise ConfigError(
            "country has no calendar of holidays", key="holidays.country", found=repr(country), allowed="such as VN"
        ) from None
