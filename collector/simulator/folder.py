"""The demo plant as a folder: the two configuration files, its calendars, its labels and how to serve it again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path

from collector.simulator.load import SLOT_MS
from collector.simulator.plant import AREAS, BUSES, CONTRACT_KW, EDGE_ID, PLANT_ID, PLANT_NAME, POINTS, Plant, Point
from collector.simulator.steel import SteelYear
from collector.simulator.waste import Waste
from collector.simulator.worktime import ZONE, date_of, days_off, local_day
from driftwatt.clock import rfc3339
from driftwatt.errors import ConfigError

DAY_MS = 86_400_000
HISTORY_DAYS, STRIDE_DAYS = 56, 10
SIMULATED = "Mô phỏng"
RECORDED = "Ghi tại một nhà máy thép thật, năm 2018: Steel Industry Energy Consumption, UCI 851, CC BY 4.0, V E, Shin, Cho"


@dataclass(frozen=True, slots=True)
class Times:
    """The instants of a demo, UTC ms, all but `now_ms` at the start of a quarter-hour.

    Counters begin at `origin_ms`, history at `history_ms`; from `stride_ms` on readings come through the bus.
    """

    now_ms: int
    origin_ms: int
    history_ms: int
    stride_ms: int

    @classmethod
    def of(cls, now_ms: int) -> Times:
        """Return the times of a demo that starts at `now_ms`."""
        slot = now_ms - now_ms % SLOT_MS
        return cls(now_ms, slot - (HISTORY_DAYS + 1) * DAY_MS, slot - HISTORY_DAYS * DAY_MS, slot - STRIDE_DAYS * DAY_MS)


@dataclass(frozen=True, slots=True)
class Wiring:
    """Where the parts of a demo find each other: gateway ports by bus, broker, page."""

    ports: Mapping[str, int]
    broker: str = "mqtt://127.0.0.1:1883"
    user: str | None = None
    web: str = "127.0.0.1:8080"


def write(folder: Path, *, plant: Plant, steel: SteelYear, times: Times, wiring: Wiring) -> None:
    """Write everything but the history. The secret of a broker user is expected in `mqtt.password`."""
    (folder / "calendars").mkdir(parents=True, exist_ok=True)
    _put(folder / "edge.toml", edge_toml(wiring))
    _put(folder / "plant.toml", plant_toml(wiring))
    _put(folder / "calendars" / "two-shift.toml", _two_shift_toml(times))
    _put(folder / "calendars" / "furnace.toml", _furnace_toml(steel, times))
    _put(folder / "labels.json", json.dumps([label(waste) for waste in plant.wastes], ensure_ascii=False, indent=2))
    _put(folder / "simulation.json", json.dumps({"seed": plant.seed, **asdict(times)}, indent=2))


def read(folder: Path) -> tuple[int, Times]:
    """Return seed and times of a folder that was written before. Raises ConfigError."""
    path = folder / "simulation.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return int(raw.pop("seed")), Times(**raw)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError("not the folder of a simulated plant", file=str(path), allowed="one that `simulate --write` made") from error


def label(waste: Waste) -> dict[str, object]:
    """Return what a detector should find, as it is written in labels.json."""
    return {**asdict(waste), "since": rfc3339(waste.since_ms)}


def edge_toml(wiring: Wiring) -> str:
    """Return the collector's file of the demo plant."""
    head = [
        "# Written by `driftwatt simulate`: the demo plant, as its collector sees it.",
        _table("edge", id=EDGE_ID, data_dir="data", clock="trust"),
        _broker(wiring),
        _table("outbox", keep="1h", max_bytes="200MB", tail="5m", commit_every="1s"),
    ]
    buses = []
    for bus in BUSES:
        buses.append(_table("[bus]", id=bus, url=f"tcp://127.0.0.1:{wiring.ports[bus]}", timeout="1s", gap="0ms"))
        buses += [_edge_meter(point) for point in POINTS if point.bus == bus]
    return "\n".join([*head, *buses])


def _edge_meter(point: Point) -> str:
    extra = {"only": list(point.only)} if point.only else {}
    return _table("[bus.meter]", id=point.id, unit=point.unit, profile=point.profile, every="1s", **extra)


def plant_toml(wiring: Wiring) -> str:
    """Return the processor's file of the demo plant."""
    tables = [
        "# Written by `driftwatt simulate`: the demo plant.",
        _table("plant", id=PLANT_ID, name=PLANT_NAME, timezone=ZONE, language="vi", data_dir="data"),
        _broker(wiring),
        _table("store", kind="sqlite"),
        _table("web", listen=wiring.web),
        _table("tariff", use="vn-2025-manufacturing-22-110kv", schedule="vn-963-2026", vat=0.08, currency="VND", contract_kw=CONTRACT_KW),
        _table("factors", use="vn-grid"),
        _table("calendar", use="calendars/two-shift.toml"),
        _table("alerts", floor_per_month=200_000),
        *(_table("[area]", id=area, name=name) for area, name in AREAS),
        *(_plant_meter(point) for point in POINTS),
    ]
    return "\n".join(tables)


def _plant_meter(point: Point) -> str:
    extra: dict[str, object] = {}
    if point.ratio != 1.0:
        extra["ct_ratio"] = point.ratio
    if point.kind == "incomer":
        extra["feeds"] = [other.id for other in POINTS if other.id != point.id]
    if _is_recorded(point):
        extra |= {"calendar": "calendars/furnace.toml", "source": "recorded", "source_note": RECORDED}
    else:
        extra |= {"source": "simulated", "source_note": f"{SIMULATED}. {point.note}" if point.note else SIMULATED}
    return _table("[meter]", id=point.id, edge=EDGE_ID, name=point.name, area=point.area, kind=point.kind, rated_kw=point.rated_kw, **extra)


def _is_recorded(point: Point) -> bool:
    return point.use is None and point.kind != "incomer"


def _two_shift_toml(times: Times) -> str:
    first, last = _span(times)
    lines = ["# Two shifts, six days. The days off are the demo plant's own choice.", _holidays(days_off(first, last)), ""]
    return "\n".join([*lines, "[week]", 'mon-sat = ["06:00-14:00 ca 1", "14:00-22:00 ca 2"]', ""])


def _furnace_toml(steel: SteelYear, times: Times) -> str:
    first, last = _span(times)
    lines = [
        "# The recorded plant's own days off (column `holiday` of the recording), moved with its load.",
        _holidays(steel.holidays_between(first, last)),
        "",
    ]
    return "\n".join([*lines, "[week]", 'mon-fri = ["08:00-22:00 ca ngày"]', 'sat = ["08:00-17:00 ca ngày"]', ""])


def _span(times: Times) -> tuple[date, date]:
    first, last = date_of(local_day(times.origin_ms)), date_of(local_day(times.now_ms))
    return first - timedelta(days=1), last + timedelta(days=60)


def _broker(wiring: Wiring) -> str:
    if wiring.user is None:
        return _table("broker", url=wiring.broker)
    return _table("broker", url=wiring.broker, username=wiring.user) + 'password = { file = "mqtt.password" }\n'


def _holidays(days: Iterable[date]) -> str:
    return f"holidays = {{ extra = [{', '.join(str(day) for day in days)}] }}"


def _table(header: str, /, **values: object) -> str:
    return "\n".join([f"[{header}]", *(f"{key} = {_value(value)}" for key, value in values.items())]) + "\n"


def _value(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)  # texts, numbers and lists of texts look alike in TOML and JSON


def _put(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
