"""What a `plant.toml` must keep to beyond its shape."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from config.broker_rules import broker_faults, split_url
from config.driver_rules import driver_faults
from config.explain import did_you_mean, shown
from config.plant import PlantFile
from config.source import Fault
from config.tables import Tariff
from driftwatt.hosts import is_loopback

_SENT = "nothing: alerts are on the topic dw/1/alerts/<plant>/<alert>"


def plant_faults(plant: PlantFile, tariff: Tariff | None) -> Iterator[Fault]:
    """Yield every broken rule of a plant file. `tariff` is None when it could not be loaded."""
    yield from broker_faults(plant.broker, may_be_embedded=True)
    yield from _zone_faults(plant.plant.timezone)
    yield from _store_faults(plant)
    yield from _web_faults(plant)
    if tariff is not None:
        yield from _tariff_faults(plant, tariff)
    yield from _closed_faults(plant)
    yield from _alert_faults(plant)
    for name, ids in (
        ("area", [area.id for area in plant.area]),
        ("meter", [meter.id for meter in plant.meter]),
        ("driver", [driver.id for driver in plant.driver]),
    ):
        yield from _twice(name, ids)
    yield from _meter_faults(plant)
    yield from _tree_faults(plant)
    yield from driver_faults(plant)
    for index, notify in enumerate(plant.notify):
        yield Fault(("notify", index, "kind"), "is not sent by this version", shown(notify.kind), _SENT)


def _twice(name: str, ids: Sequence[str]) -> Iterator[Fault]:
    for index, one in enumerate(ids):
        if (first := ids.index(one)) < index:
            yield Fault((name, index, "id"), f"duplicate {name}, first in {name}[{first}]", shown(one), "an id of its own")


def _zone_faults(zone: str) -> Iterator[Fault]:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield Fault(("plant", "timezone"), "is not a time zone", shown(zone), _zone_guess(zone))


def _zone_guess(zone: str) -> str:
    known = {name.lower(): name for name in available_timezones()}
    guess = did_you_mean(zone, list(known))
    match = re.search(r'mean "([^"]+)"', guess)
    return f'did you mean "{known[match[1]]}"?' if match else 'an IANA name such as "Asia/Ho_Chi_Minh"'


def _store_faults(plant: PlantFile) -> Iterator[Fault]:
    store = plant.store
    if store.kind == "influxdb":
        parts = split_url(store.url or "")
        if parts is None or parts.scheme not in ("http", "https"):
            yield Fault(("store", "url"), "is not the address of an InfluxDB", shown(store.url), '"http://host:8086"')
        if store.bucket is None and store.database is None:
            yield Fault(("store",), "needs a bucket, or a database for version 1")
    else:
        for name in ("url", "bucket", "database", "token"):
            if getattr(store, name) is not None:
                yield Fault(("store", name), 'only kind = "influxdb" has one')


def _web_faults(plant: PlantFile) -> Iterator[Fault]:
    web = plant.web
    parts = split_url(f"http://{web.listen}")
    if parts is None or parts.port is None:
        yield Fault(("web", "listen"), "is not an address to listen on", shown(web.listen), '"127.0.0.1:8080"')
    elif not is_loopback(parts.hostname or "") and not web.user:
        yield Fault(
            ("web", "listen"), "is open to the network without any user", shown(web.listen), "127.0.0.1, or at least one [[web.user]]"
        )
    names = [user.name for user in web.user]
    for index, name in enumerate(names):
        if names.index(name) < index:
            yield Fault(("web", "user", index, "name"), "duplicate user", shown(name))


def _tariff_faults(plant: PlantFile, tariff: Tariff) -> Iterator[Fault]:
    choice = plant.tariff
    known = [schedule.id for schedule in tariff.schedule]
    if choice.schedule is None and len(known) > 1:
        yield Fault(("tariff", "schedule"), f"{choice.use} offers several", None, ", ".join(known))
    elif choice.schedule is not None and choice.schedule not in known:
        yield Fault(
            ("tariff", "schedule"),
            f"is not in {choice.use}",
            shown(choice.schedule),
            did_you_mean(choice.schedule, known) or "none, leave it out",
        )
    if choice.currency is not None and choice.currency != tariff.currency:
        yield Fault(("tariff", "currency"), f"is not the currency of {choice.use}", shown(choice.currency), shown(tariff.currency))


def _closed_faults(plant: PlantFile) -> Iterator[Fault]:
    known = [meter.id for meter in plant.meter]
    for index, closed in enumerate(plant.calendar.closed):
        key = ("calendar", "closed", index)
        if closed.from_.tzinfo or closed.to.tzinfo:
            yield Fault(key, "has an offset", f"{closed.from_.isoformat()}", "plant time without offset")
        elif closed.from_ >= closed.to:
            yield Fault((*key, "to"), "is not after from", closed.to.isoformat(), f"later than {closed.from_.isoformat()}")
        for inner, meter in enumerate(closed.meters):
            if meter != "*" and meter not in known:
                yield Fault((*key, "meters", inner), "is not a meter of this plant", shown(meter), did_you_mean(meter, ["*", *known]))


def _alert_faults(plant: PlantFile) -> Iterator[Fault]:
    alerts = plant.alerts
    if not 0 <= alerts.floor_per_month <= alerts.medium_per_month <= alerts.high_per_month:
        levels = f"{alerts.floor_per_month:.15g}, {alerts.medium_per_month:.15g}, {alerts.high_per_month:.15g}"
        yield Fault(("alerts",), "levels do not rise", levels, "0 ≤ floor_per_month ≤ medium_per_month ≤ high_per_month")


def _meter_faults(plant: PlantFile) -> Iterator[Fault]:
    areas, drivers = [area.id for area in plant.area], [driver.id for driver in plant.driver]
    edges = {meter.edge for meter in plant.meter if meter.edge is not None}
    for index, meter in enumerate(plant.meter):
        key = ("meter", index)
        if meter.area is not None and meter.area not in areas:
            yield Fault(
                (*key, "area"),
                "is not an area of this plant",
                shown(meter.area),
                did_you_mean(meter.area, areas) or "none is defined: [[area]]",
            )
        for inner, driver in enumerate(meter.drivers):
            if driver not in drivers:
                allowed = did_you_mean(driver, drivers) or "none is defined: [[driver]]"
                yield Fault((*key, "drivers", inner), "is not a driver of this plant", shown(driver), allowed)
        if meter.edge is None and len(edges) > 1:
            yield Fault((*key, "edge"), f"is missing at {shown(meter.id)}, and the plant has several edges", None, ", ".join(sorted(edges)))


def _tree_faults(plant: PlantFile) -> Iterator[Fault]:
    known = [meter.id for meter in plant.meter]
    parent: dict[str, str] = {}
    for index, meter in enumerate(plant.meter):
        for inner, child in enumerate(meter.feeds):
            key = ("meter", index, "feeds", inner)
            if child not in known:
                yield Fault(key, "is not a meter of this plant", shown(child), did_you_mean(child, known))
            elif child in parent:
                yield Fault(key, f"is already fed by {shown(parent[child])}", shown(child), "one feeder each")
            else:
                parent[child] = meter.id
    for index, meter in enumerate(plant.meter):
        if _feeds_itself(meter.id, parent):
            yield Fault(("meter", index, "feeds"), f"{shown(meter.id)} feeds itself in a circle", " → ".join(_circle(meter.id, parent)))
            return


def _feeds_itself(meter: str, parent: dict[str, str]) -> bool:
    return _circle(meter, parent)[-1] == meter and meter in parent


def _circle(meter: str, parent: dict[str, str]) -> list[str]:
    path = [meter]
    while path[-1] in parent and parent[path[-1]] not in path[1:]:
        path.append(parent[path[-1]])
    return path
