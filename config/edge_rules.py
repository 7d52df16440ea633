"""What an `edge.toml` must keep to beyond its shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl, urlsplit

from config.broker_rules import broker_faults, split_url
from config.edge import Bus, EdgeFile, Meter
from config.explain import did_you_mean, shown
from config.profiles import LAST_ADDRESS, Profile
from config.source import Fault

BAUDS = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
FORMATS = ("8N1", "8N2", "8E1", "8O1")
NO_IDS = "ids=none"
"""Of a gateway that answers every request with transaction 0."""
PYMODBUS = "client=pymodbus"
"""Asks for the library's client in the place of our own."""
_BUS_URLS = '"tcp://host:502", "rtu-tcp://host:4001" or "rtu:///dev/ttyUSB0?baud=9600&format=8N1"'


def edge_faults(edge: EdgeFile, profiles: Mapping[str, Profile]) -> Iterator[Fault]:
    """Yield every broken rule of an edge file. `profiles` holds those that could be loaded, by name."""
    yield from broker_faults(edge.broker, may_be_embedded=False)
    buses: dict[str, int] = {}
    lines: dict[str, int] = {}
    meters: dict[str, str] = {}
    for index, bus in enumerate(edge.bus):
        key = ("bus", index)
        if bus.id in buses:
            yield Fault((*key, "id"), f"stands twice, first in bus[{buses[bus.id]}]", shown(bus.id))
        buses.setdefault(bus.id, index)
        yield from _url_faults(index, bus)
        line = line_of_url(bus.url)
        if line in lines:
            yield Fault((*key, "url"), f"is already bus[{lines[line]}]: one line has one master", shown(bus.url))
        lines.setdefault(line, index)
        yield from _meter_faults(index, bus, meters, profiles)


def line_of_url(url: str) -> str:
    """Return what two URLs of the same line have in common: host and port, or the device; else the URL itself."""
    if url.startswith("rtu:"):
        return urlsplit(url).path
    parts = split_url(url)
    return f"{parts.hostname}:{parts.port or 502}" if parts else url


def _url_faults(index: int, bus: Bus) -> Iterator[Fault]:
    key = ("bus", index, "url")
    try:
        parts = urlsplit(bus.url)
    except ValueError:
        yield Fault(key, "is not the address of a bus", shown(bus.url), _BUS_URLS)
        return
    if parts.scheme in ("tcp", "rtu-tcp"):
        good = split_url(bus.url) is not None and not (parts.path.strip("/") or parts.username)
        good = good and (not parts.query or (parts.scheme == "tcp" and parts.query in (NO_IDS, PYMODBUS)))
    else:
        good = parts.scheme == "rtu" and not parts.netloc and len(parts.path) > 1
    if not good:
        yield Fault(key, "is not the address of a bus", shown(bus.url), _BUS_URLS)
    elif parts.scheme == "rtu":
        yield from _serial_faults(key, dict(parse_qsl(parts.query, keep_blank_values=True)))


def has_no_transactions(url: str) -> bool:
    """Tell whether replies on a bus do not say which request they answer: RTU, and gateways that echo no ids."""
    parts = urlsplit(url)
    return parts.scheme != "tcp" or parts.query == NO_IDS


def _serial_faults(key: tuple[str | int, ...], options: dict[str, str]) -> Iterator[Fault]:
    for name in options.keys() - {"baud", "format"}:
        yield Fault(key, "has an unknown option", shown(name), "baud, format")
    if options.get("baud") not in [str(baud) for baud in BAUDS]:
        yield Fault(key, "needs the speed of the line", shown(options.get("baud")), "baud=" + ", ".join(map(str, BAUDS)))
    if options.get("format") not in FORMATS:
        yield Fault(key, "needs the format of the line", shown(options.get("format")), "format=" + ", ".join(FORMATS))


def _meter_faults(index: int, bus: Bus, meters: dict[str, str], profiles: Mapping[str, Profile]) -> Iterator[Fault]:
    units: dict[int, str] = {}
    for inner, meter in enumerate(bus.meter):
        key = ("bus", index, "meter", inner)
        place = f"bus[{index}].meter[{inner}]"
        if meter.id in meters:
            yield Fault((*key, "id"), f"duplicate meter, first in {meters[meter.id]}", shown(meter.id), "an id of its own")
        meters.setdefault(meter.id, place)
        if meter.unit in units:
            yield Fault((*key, "unit"), f"overlapping unit ids: {shown(units[meter.unit])} has this one on the same bus", str(meter.unit))
        units.setdefault(meter.unit, meter.id)
        if meter.profile in profiles:
            yield from _base_faults((*key, "base"), meter, profiles[meter.profile])
        if meter.only is None or meter.profile not in profiles:
            continue
        known = [register.quantity for register in profiles[meter.profile].registers]
        for number, quantity in enumerate(meter.only):
            if quantity not in known:
                allowed = did_you_mean(quantity, known) + (f"; all of them: driftwatt profiles {meter.profile}" if len(known) > 30 else "")
                yield Fault((*key, "only", number), f"profile {meter.profile} has no such quantity", shown(quantity), allowed)
        if not meter.only:
            yield Fault((*key, "only"), "is empty", "[]", "quantities of the profile, or leave it out")


def _base_faults(key: tuple[str | int, ...], meter: Meter, profile: Profile) -> Iterator[Fault]:
    if meter.base is None:
        return
    if profile.sunspec is None:
        yield Fault(key, f"profile {meter.profile} is of no SunSpec model: its registers stand where they stand", str(meter.base))
    elif meter.base + profile.sunspec.length + 1 > LAST_ADDRESS:
        yield Fault(key, "puts registers beyond the last one", str(meter.base), f"at most {LAST_ADDRESS - profile.sunspec.length - 1}")
