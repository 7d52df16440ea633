"""A plant of 12 meters on one evening, made of arithmetic: what the page tests look at.

Thursday 19 November 2026, 22:47:16 in Ho Chi Minh City; compressor 3 has run at night since the 13th.
"""

from __future__ import annotations

import asyncio
import functools
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Literal
from zoneinfo import ZoneInfo

from config.plant import PlantFile
from driftwatt.alerts import Alert, Cause, HistoryLine, Range, Saving, Verdict
from driftwatt.errors import Refused
from driftwatt.readings import Quality, Reading
from processors.pure.board import Answer, EdgeNow, MeterNow, Progress, Snapshot
from processors.pure.calendar import DayCalendar, Shift
from processors.pure.detector import Settings
from processors.pure.interval_columns import EnergyColumns, energy_columns
from processors.pure.maintenance import Maintenance, NotPlannedError, ended, planned
from processors.pure.outputs import DriverHour, ExpectedPower, IntervalEnergy, Readiness
from processors.pure.policy import MeterPolicy
from processors.pure.price import FactorBook, FactorVersion, PriceVersion, ScheduleVersion, TariffBook, Window

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
Q_MS = 900_000


def at(text: str) -> int:
    """Return UTC milliseconds of a local time `YYYY-MM-DD HH:MM[:SS]`."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp() * 1000)


NOW_MS = at("2026-11-19 22:47:16")
WASTE_SINCE_MS = at("2026-11-13 22:00")

METERS: dict[str, tuple[str, str, str, float, float, float]] = {
    # id: name, area, kind, kW off shift, kW on shift, rated kW
    "incomer": ("Lộ tổng", "", "incomer", 0, 0, 1000),
    "compressor-1": ("Máy nén khí 1", "air", "compressor", 0.2, 62, 75),
    "compressor-2": ("Máy nén khí 2", "air", "compressor", 0.1, 40, 75),
    "compressor-3": ("Máy nén khí 3", "air", "compressor", 4.1, 24, 37),
    "moulding-1": ("Máy ép nhựa 1", "hall-a", "moulding", 5.7, 72, 110),
    "moulding-2": ("Máy ép nhựa 2", "hall-a", "moulding", 5.6, 67, 110),
    "moulding-3": ("Máy ép nhựa 3", "hall-a", "moulding", 6.2, 74, 110),
    "chiller-1": ("Chiller 1", "chill", "chiller", 12.3, 84, 132),
    "chiller-2": ("Chiller 2", "chill", "chiller", 3.1, 50, 90),
    "furnace-1": ("Lò nung 1", "hall-b", "furnace", 37.5, 122, 200),
    "lighting": ("Chiếu sáng xưởng", "building", "lighting", 6.3, 24, 30),
    "office": ("Văn phòng", "building", "other", 4.6, 18, 40),
}
AREAS = {
    "air": "Trạm khí nén",
    "hall-a": "Xưởng A · Ép nhựa",
    "chill": "Trạm lạnh",
    "hall-b": "Xưởng B · Lò nung",
    "building": "Chiếu sáng, văn phòng",
}
FEEDERS = tuple(meter for meter in METERS if meter != "incomer")


def plant_file(**web: object) -> PlantFile:
    """Return the plant's file."""
    meters = [
        {
            "id": id_,
            "name": name,
            "kind": kind,
            "rated_kw": rated,
            "source": "recorded" if id_ == "furnace-1" else "simulated",
            **({"area": area} if area else {}),
            **({"feeds": FEEDERS} if id_ == "incomer" else {}),
        }
        for id_, (name, area, kind, _, _, rated) in METERS.items()
    ]
    return PlantFile.model_validate(
        {
            "plant": {"id": "binh-duong-1", "name": "Nhà máy Bình Dương", "timezone": "Asia/Ho_Chi_Minh", "language": "vi"},
            "broker": {"url": "embedded"},
            "tariff": {
                "use": "vn-2025-manufacturing-22-110kv",
                "schedule": "vn-963-2026",
                "vat": 0.08,
                "currency": "VND",
                "contract_kw": 750,
            },
            "factors": {"use": "vn-grid"},
            "calendar": {"use": "two-shift"},
            "area": [{"id": id_, "name": name} for id_, name in AREAS.items()],
            "meter": meters,
            "web": web,
        }
    )


def shift(t_ms: int) -> float:
    """Return how far the shifts are on, 0…1, at an instant."""
    local = datetime.fromtimestamp(t_ms / 1000, ZONE)
    hour = local.hour + local.minute / 60
    if local.weekday() == 6 or not 6 <= hour < 22:
        return 0.0
    dip = max((1 - abs(hour - middle) / width for middle, width in ((11.9, 0.6), (14.1, 0.25), (18.3, 0.5))), default=0.0)
    return min(1.0, (hour - 5.9) / 0.45) * (1 - 0.17 * max(0.0, dip))


def noise(meter: str, t_ms: int) -> float:
    """Return a deterministic number in −1…1."""
    return zlib.crc32(f"{meter}{t_ms // Q_MS}".encode()) / 2**31 - 1


@functools.cache
def expected_kw(meter: str, t_ms: int) -> tuple[float, float, float]:
    """Return expected power and its band in kW."""
    if meter == "incomer":
        parts = [expected_kw(each, t_ms) for each in FEEDERS]
        w = sum(part[0] for part in parts) + 5.5
        half = 0.045 * w + 2
        return w, w - half, w + half
    _, _, _, off, on, _ = METERS[meter]
    w = off + (on - off) * shift(t_ms)
    half = 0.1 * w + 0.02
    return w, w - half, w + half


@functools.cache
def power_kw(meter: str, t_ms: int) -> float:
    """Return what a meter draws in kW, constant within a quarter-hour."""
    if meter == "incomer":
        return sum(power_kw(each, t_ms) for each in FEEDERS) + 5.1 + 0.4 * noise("rest", t_ms)
    w = expected_kw(meter, t_ms)[0] * (1 + 0.055 * noise(meter, t_ms))
    if meter == "compressor-3" and t_ms >= WASTE_SINCE_MS:
        w = max(w, 11.2 * (1 + 0.012 * noise(meter, t_ms)))
    return w


def tariff_book() -> TariffBook:
    """Return prices and hours as in the pictures."""
    return TariffBook(
        ZONE,
        name="vn-2025-manufacturing-22-110kv",
        currency="VND",
        prices=[PriceVersion(at("2025-05-10 00:00"), "2025-05-10", 1833, 1190, 3398, source="Decision 1279/QĐ-BCT")],
        schedules=[
            ScheduleVersion(
                at("2026-04-22 00:00"),
                "vn-963-2026",
                (Window(frozenset(range(6)), 1050, 1350, "peak"), Window(frozenset(range(7)), 0, 360, "off_peak")),
                source="Decision 963/QĐ-BCT",
                status="unconfirmed",
            )
        ],
        vat=0.08,
    )


TARIFF = tariff_book()


def policies() -> dict[str, MeterPolicy]:
    """Return the policy of every meter."""
    shifts = (Shift(360, 840, "ca 1"), Shift(840, 1320, "ca 2"))
    calendar = DayCalendar(ZONE, week=dict.fromkeys(range(6), shifts))
    factors = FactorBook("vn-grid", (FactorVersion(at("2024-01-01 00:00"), "2023", 0.6592, source="1726/BĐKH-PTCBT"),))
    return {meter: MeterPolicy(meter, "binh-duong-1", ZONE, calendar, Settings(meter, ZONE, calendar), TARIFF, factors) for meter in METERS}


@dataclass
class PaperClock:
    """A clock that stands where it is put; it can be let run."""

    t_ms: int = NOW_MS

    def now_ms(self) -> int:
        """See Clock."""
        return self.t_ms

    def monotonic_s(self) -> float:
        """See Clock."""
        return self.t_ms / 1000

    def period_s(self, wished_s: float) -> float:
        """See Clock."""
        return wished_s

    async def sleep_until(self, monotonic_s: float) -> None:
        """See Clock."""
        await asyncio.sleep(0.05)


class PaperStore:
    """A store that knows everything because it works it out."""

    def __init__(
        self,
        clock: PaperClock,
        *,
        gaps: Mapping[str, tuple[int, int]] | None = None,
        estimated: Mapping[str, tuple[int, int]] | None = None,
    ) -> None:
        self.clock, self.gaps, self.estimated = clock, dict(gaps or {}), dict(estimated or {})

    def intervals(self, kind: str, meter: str, from_ms: int, to_ms: int) -> list[IntervalEnergy]:
        """See SeriesStore."""
        step = {"15m": Q_MS, "1h": 4 * Q_MS, "1d": 96 * Q_MS}[kind]
        word: Literal["15m", "1h", "1d"] = "15m" if kind == "15m" else "1h" if kind == "1h" else "1d"
        found = []
        for start in range(-(-from_ms // Q_MS) * Q_MS if kind != "1d" else from_ms, to_ms, step):
            if start + step + 120_000 > self.clock.t_ms or _within(self.gaps.get(meter), start):
                continue
            wh = sum(power_kw(meter, start + i * Q_MS) * 250 for i in range(step // Q_MS))
            doubt = int(Quality.ESTIMATED) if _within(self.estimated.get(meter), start) else 0
            price = TARIFF.cost_of_interval(start, start + step, wh / 1000)
            found.append(
                IntervalEnergy(
                    meter, word, start, start + step, wh, cost=price, co2e_g=wh * 0.6592, quality=doubt, peak_w=wh / step * 3_600_000
                )
            )
        return found

    def energy(self, kind: str, meters: Collection[str], from_ms: int, to_ms: int) -> Mapping[str, EnergyColumns]:
        """See SeriesStore."""
        found = {meter: self.intervals(kind, meter, from_ms, to_ms) for meter in meters}
        return {meter: energy_columns((each.start_ms, each.import_wh) for each in intervals) for meter, intervals in found.items()}

    def expected(self, meter: str, from_ms: int, to_ms: int) -> list[ExpectedPower]:
        """See SeriesStore."""
        points = []
        for start in range(-(-from_ms // Q_MS) * Q_MS, to_ms, Q_MS):
            w, lo, hi = (1000 * each for each in expected_kw(meter, start))
            points.append(ExpectedPower(meter, start, w, lo, hi))
        return points

    def readings(self, meter: str, quantity: str, from_ms: int, to_ms: int) -> list[tuple[int, float, int]]:
        """See SeriesStore."""
        minutes = range(-(-from_ms // 60_000) * 60_000, min(to_ms, self.clock.t_ms), 60_000)
        known = [(t_ms, reading(meter, t_ms).values.get(quantity)) for t_ms in minutes if not _within(self.gaps.get(meter), t_ms)]
        return [(t_ms, value, 0) for t_ms, value in known if value is not None]

    def write_readings(self, readings: Sequence[Reading]) -> None:
        """See SeriesStore."""

    def write_intervals(self, intervals: Sequence[IntervalEnergy]) -> None:
        """See SeriesStore."""

    def whole_readings(self, meter: str, from_ms: int, to_ms: int, limit: int) -> list[Reading]:
        del meter, from_ms, to_ms, limit
        return []

    def write_expected(self, points: Sequence[ExpectedPower]) -> None:
        """See SeriesStore."""

    def write_drivers(self, hours: Sequence[DriverHour]) -> None:
        """See SeriesStore."""

    def write_events(self, alerts: Sequence[Alert]) -> None:
        """See SeriesStore."""

    def close(self) -> None:
        """See SeriesStore."""


def _within(span: tuple[int, int] | None, t_ms: int) -> bool:
    return span is not None and span[0] <= t_ms < span[1]


def reading(meter: str, t_ms: int, *, kw: float | None = None) -> Reading:
    """Return what a meter says at an instant."""
    power = power_kw(meter, t_ms) if kw is None else kw
    day_ms = t_ms - (t_ms + 7 * 3_600_000) % 86_400_000
    wh = (
        sum(power_kw(meter, day_ms + i * Q_MS) * 250 for i in range((t_ms - day_ms) // Q_MS))
        + power * 1000 * ((t_ms - day_ms) % Q_MS) / 3_600_000
    )
    values = {"active_power": power * 1000, "import_energy": 5e8 + wh, "frequency": 50.02, "power_factor": 0.71}
    for phase, (volt, share) in enumerate(((229.8, 0.331), (231.2, 0.337), (230.1, 0.332)), 1):
        watts = power * 1000 * share
        values |= {
            f"voltage_l{phase}": volt,
            f"current_l{phase}": watts / volt / 0.71,
            f"active_power_l{phase}": watts,
            f"power_factor_l{phase}": 0.71,
            f"thd_voltage_l{phase}": 2.1,
            f"thd_current_l{phase}": 8.9 + 0.1 * phase,
        }
    return Reading(meter, t_ms, values)


class PaperBoard:
    """A live board that tests change by hand."""

    def __init__(self, clock: PaperClock) -> None:
        self.clock = clock
        self.meters = {
            meter: MeterNow(meter, reading(meter, clock.t_ms - 4000), 10_000, bus="line-1", profile="eastron-sdm630") for meter in METERS
        }
        self.edges = {
            "tram-dien": EdgeNow("tram-dien", online=True, since_ms=clock.t_ms - 86_400_000, last_ms=clock.t_ms - 2000, hours_left=71)
        }
        self.readiness: dict[str, Readiness] = {}
        self.progress: Progress | None = None
        self.queues: list[asyncio.Queue[str]] = []
        self.unlisted: tuple[Reading, ...] = ()

    def snapshot(self) -> Snapshot:
        """See LiveBoard."""
        return Snapshot(
            dict(self.meters),
            dict(self.edges),
            self.progress,
            dict(self.readiness),
            broker="mqtts://broker.plant:8883",
            unlisted=self.unlisted,
            started_ms=self.clock.t_ms - 3_600_000,
        )

    def subscribe(self) -> asyncio.Queue[str]:
        """See LiveBoard."""
        queue: asyncio.Queue[str] = asyncio.Queue(8)
        self.queues.append(queue)
        return queue

    def unsubscribe(self, queue: asyncio.Queue[str]) -> None:
        """See LiveBoard."""
        self.queues = [each for each in self.queues if each is not queue]

    def tell(self, word: str) -> None:
        """Tell every listener."""
        for queue in self.queues:
            if not queue.full():
                queue.put_nowait(word)

    def says(self, meter: str, kw: float) -> None:
        """Let a meter say something new."""
        self.meters[meter] = replace(self.meters[meter], reading=reading(meter, self.clock.t_ms - 1000, kw=kw))
        self.tell("meters")


class PaperBook:
    """A book of alerts with the simplest rules."""

    def __init__(self, board: PaperBoard, *alerts: Alert) -> None:
        self.board, self.by_id, self.answers = board, {alert.id: alert for alert in alerts}, list[Answer]()
        self.windows: dict[str, Maintenance] = {}

    def maintenance(self) -> Sequence[Maintenance]:
        """See AlertBook."""
        return tuple(self.windows.values())

    async def plan(self, window: Maintenance) -> Maintenance:
        """See AlertBook."""
        return self._kept(planned, window, self.maintenance())

    async def end_plan(self, window: str, *, by: str, at_ms: int) -> Maintenance:
        """See AlertBook."""
        return self._kept(partial(ended, by=by, at_ms=at_ms), self.windows[window])

    def _kept(self, change: Callable[..., Maintenance], *args: object) -> Maintenance:
        try:
            window = change(*args)
        except NotPlannedError as no:
            raise Refused(no.word) from no
        self.windows[window.id] = window
        self.board.tell("alerts")
        return window

    def alerts(self) -> Sequence[Alert]:
        """See AlertBook."""
        return tuple(self.by_id.values())

    async def answer(self, answer: Answer) -> Alert:
        """See AlertBook."""
        alert = self.by_id[answer.alert]
        if answer.what == "ack" and alert.state != "unacked":
            raise Refused(f"already {alert.state}")
        if not alert.since_ms <= (answer.repaired_ms or answer.at_ms) <= answer.at_ms:
            raise Refused("a repair lies between the beginning of the waste and now")
        line = HistoryLine(answer.at_ms, answer.what, answer.by, answer.reason, answer.note)
        state = {"ack": "acked", "undo": "unacked", "shelve": "shelved", "unshelve": "unacked", "dismiss": "closed", "fixed": "closed"}.get(
            answer.what, alert.state
        )
        acked = (
            {"ack_by": answer.by, "ack_at_ms": answer.at_ms, "ack_reason": answer.reason, "ack_note": answer.note}
            if answer.what == "ack"
            else {}
        )
        closed = {"closed_reason": answer.reason or answer.what} if state == "closed" else {}
        alert = replace(alert, state=state, shelved_until_ms=answer.until_ms, history=(*alert.history, line), **acked, **closed)  # type: ignore[arg-type]
        self.by_id[alert.id] = alert
        self.answers.append(answer)
        self.board.tell("alerts")
        return alert


def compressor_alert() -> Alert:
    """Return the alert of the pictures."""
    return Alert(
        id="0f0e0d0c0b0a0908",
        state="unacked",
        kind="waste",
        severity="high",
        meter="compressor-3",
        area="air",
        since_ms=WASTE_SINCE_MS,
        opened_ms=at("2026-11-16 06:05"),
        updated_ms=at("2026-11-19 06:05"),
        pattern="off_hours",
        expected_kw=4.1,
        actual_kw=11.2,
        excess_kwh=Range(460, 310, 610),
        cost=Range(711_822, 480_000, 944_000),
        priced=(("normal", 1833.0, 255.7104), ("off_peak", 1190.0, 204.2896)),
        co2e_kg=303,
        tariff="vn-2025-manufacturing-22-110kv",
        schedule="vn-963-2026",
        vat=0.08,
        per_day={"kwh": 57, "cost": 88_204, "hours": 8},
        per_month_cost=Range(2_680_000, 1_800_000, 3_570_000),
        days_learned=49,
        unconfirmed=("schedule vn-963-2026",),
        confidence="high",
        evidence=(
            {"what": "level", "expected_kw": 4.1, "actual_kw": 11.2, "days_learned": 28},
            {"what": "repeat", "days": 7, "of": 7},
            {"what": "score", "score": 9.4, "threshold": 6.0},
        ),
        message_args={"actual_kw": 11.2, "expected_kw": 4.1},
        history=(HistoryLine(at("2026-11-16 06:05"), "opened"),),
    )


def repaired_alert() -> Alert:
    """Return an alert that was mended three weeks ago: its saving was looked at once."""
    fixed_ms = at("2026-10-29 09:00")
    saving = Saving(
        fixed_ms, "off", all_day=False, theta=(0.1,), level=40.0, before=Range(38, 30, 46), before_days=14, cost=1435.0, co2e_kg=0.6592,
        days=21, kwh=21.0, ordinal=1, end_ms=fixed_ms, low=21,
        verdicts=(Verdict(fixed_ms + 15 * 86_400_000, 14, "verified", 14, 1.0, Range(37, 29, 45), Range(19e6, 15e6, 23e6), 8900.0),),
    )  # fmt: skip
    lines = (
        HistoryLine(at("2026-10-14 06:05"), "opened"),
        HistoryLine(fixed_ms, "fixed", "minh", "fixed", "lắp cảm biến"),
        HistoryLine(fixed_ms + 15 * 86_400_000, "saving_verified", reason="14"),
    )
    return replace(
        compressor_alert(), id="7" * 16, state="closed", meter="lighting", area="building", since_ms=at("2026-10-12 22:00"),
        opened_ms=at("2026-10-14 06:05"), cleared_ms=fixed_ms, closed_reason="fixed", expected_kw=6.3, actual_kw=11.0,
        excess_kwh=Range(640, 500, 780), cost=Range(918_000, 720_000, 1_120_000), per_day={"kwh": 38, "cost": 54_500, "hours": 8},
        saving=saving, history=lines,
    )  # fmt: skip


def more_alerts() -> tuple[Alert, ...]:
    """Return an event of the whole site with its members, and an alert of the incomer that a feeder explains."""
    base = compressor_alert()
    hidden = replace(base, area="hall-a", state="suppressed", parent="9" * 16, actual_kw=9.0, expected_kw=5.7)
    members = [replace(hidden, id=str(n) * 16, meter=f"moulding-{n - 3}") for n in (4, 5, 6)]
    causes = tuple(Cause(each.meter, 3.3, 1 / 3, "member", each.id) for each in members)
    site = replace(
        base, id="9" * 16, meter="incomer", area="", pattern="site", actual_kw=27.0, expected_kw=17.1, explained=causes, evidence=()
    )
    usual = (Cause("furnace-1", 85.0, 0.92, "usual"),)
    incomer = replace(base, id="8" * 16, meter="incomer", area="", state="suppressed", actual_kw=180.0, expected_kw=90.0, explained=usual)
    return site, *members, incomer


def other_alerts() -> tuple[Alert, ...]:
    """Return one shelved, one closed, one data alert."""
    base = compressor_alert()
    shelved = replace(
        base,
        id="1" * 16,
        state="shelved",
        severity="low",
        meter="chiller-2",
        area="chill",
        pattern="base_load",
        since_ms=at("2026-11-14 23:10"),
        expected_kw=3.1,
        actual_kw=5.0,
        excess_kwh=Range(76, 41, 110),
        cost=Range(110_000, 60_000, 160_000),
        per_day={"kwh": 15, "cost": 22_000, "hours": 24},
        per_month_cost=Range(660_000, 400_000, 900_000),
        shelved_until_ms=at("2026-11-23 06:00"),
        history=(
            HistoryLine(at("2026-11-16 06:05"), "opened"),
            HistoryLine(at("2026-11-17 08:00"), "shelved", "Lê Thị Hạnh", "planned", "chờ nhà thầu lạnh"),
        ),
    )
    closed = replace(
        base,
        id="2" * 16,
        state="closed",
        severity="medium",
        meter="moulding-2",
        area="hall-a",
        pattern="running_hours",
        since_ms=at("2026-11-10 06:00"),
        cleared_ms=at("2026-11-17 22:00"),
        expected_kw=61.0,
        actual_kw=67.2,
        excess_kwh=Range(790, 350, 1200),
        closed_reason="production",
        history=(
            HistoryLine(at("2026-11-12 06:05"), "opened"),
            HistoryLine(at("2026-11-17 09:00"), "dismissed", "Phạm Quốc Bảo", "production", "thử khuôn mới"),
        ),
    )
    data = Alert(
        id="3" * 16,
        state="unacked",
        kind="data",
        severity="low",
        meter="office",
        area="building",
        since_ms=at("2026-11-19 15:02"),
        opened_ms=at("2026-11-19 15:10"),
        updated_ms=at("2026-11-19 15:40"),
        pattern="gap",
        cleared_ms=at("2026-11-19 15:40"),
        history=(HistoryLine(at("2026-11-19 15:10"), "opened"),),
    )
    return shelved, closed, data


def lost(board: PaperBoard, *, minutes: int = 14) -> None:
    """Let the only edge fall silent, and one meter before it."""
    then = board.clock.t_ms - minutes * 60_000
    board.edges["tram-dien"] = EdgeNow("tram-dien", online=False, since_ms=then, last_ms=then, hours_left=71)
    for meter, now in board.meters.items():
        board.meters[meter] = replace(now, reading=reading(meter, then))


def days(count: float) -> int:
    """Return milliseconds of days."""
    return int(timedelta(days=count).total_seconds() * 1000)
