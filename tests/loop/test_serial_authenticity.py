"""Three sick meters on a serial line, polled by the bus task itself: each value it commits was served for that meter at that time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from collector.adapters.links import open_bus
from collector.poller import BusPoller
from collector.pure.absent import Found, Survey
from collector.pure.plan import Line
from collector.pure.sentinel import sentinels
from collector.simulator.faults import Mischief, fault
from collector.simulator.journal import Journal, served_values
from collector.simulator.load import SLOT_MS, Curve
from collector.simulator.meter import Electric, SimulatedMeter
from collector.simulator.server import Gateway, Simulator
from collector.simulator.wire import listen
from config.edge import Meter
from config.loader import load_profile
from driftwatt.clock import SystemClock
from driftwatt.readings import FailedPoll, Reading, Removed, Row

PROFILE = load_profile("eastron-sdm630")
METERS = [Meter.model_validate({"id": f"meter-{unit}", "unit": unit, "profile": "eastron-sdm630", "every": "200ms"}) for unit in (1, 2, 3)]
CLOCK = SystemClock()
TIMEOUT_S, RUN_S = 0.15, 6.0
SLACK_MS = 25


class Rows:
    """A RowSink that keeps everything."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    async def accept(self, rows: Sequence[Row]) -> None:
        self.rows.extend(rows)


def _poll(words: Sequence[str], place: str, tmp_path: Path) -> tuple[list[Row], Counter[str]]:
    origin_ms = CLOCK.now_ms() // SLOT_MS * SLOT_MS - SLOT_MS
    mischief = Mischief([fault(word) for word in words], seed=11)
    sink = Rows()

    def meter(unit: int) -> SimulatedMeter:
        load = Curve(lambda _slot: 900.0 * unit, origin_ms=origin_ms, start_wh=1e6 * unit)
        return SimulatedMeter(f"meter-{unit}", PROFILE, load, Electric(0.9, seed=unit))

    async def main() -> None:
        simulator = Simulator(CLOCK.now_ms, Journal(tmp_path / "served.log"), mischief)
        at = listen(place)
        port = await simulator.listen(Gateway("sick", at.host, at.port, {unit: meter(unit) for unit in (1, 2, 3)}, at.wire))
        link = open_bus(at.url(port), timeout_s=TIMEOUT_S)
        plans = [Survey(each, PROFILE, Line(115_200, 10), shared=True).plan(Found()) for each in METERS]
        poller = BusPoller(
            "sick",
            link,
            plans,
            clock=CLOCK,
            sink=sink,
            stamps=lambda: (CLOCK.now_ms(), "ok"),
            sentinels=sentinels(METERS, {"eastron-sdm630": PROFILE}),
        )
        task = asyncio.create_task(poller.run())
        await asyncio.sleep(RUN_S)
        poller.stop()
        await task
        await simulator.stop()

    asyncio.run(main())
    return sink.rows, mischief.counts


@pytest.mark.parametrize("scheme", ["pty", "rtu-tcp"])
@pytest.mark.parametrize(
    "words",
    [
        (f"late={TIMEOUT_S}:15%", "duplicate:10%"),
        ("crc:10%", "noise:10%", "half:5%", "echo:20%"),
        ("wrong-unit:8%", "wrong-function:8%", "short:8%", "long:8%", "drop:5%"),
    ],
    ids=["late and doubled", "broken on the way", "lies"],
)
def test_every_value_was_served_for_that_meter_at_that_time(words: Sequence[str], scheme: str, tmp_path: Path) -> None:
    place = f"pty:{tmp_path / 'line'}?baud=115200&turnaround=0.005" if scheme == "pty" else "rtu-tcp://127.0.0.1:0"
    rows, counts = _poll(words, place, tmp_path)
    book = served_values(tmp_path / "served.log", {each.id: PROFILE for each in METERS})
    readings = [row for row in rows if isinstance(row, Reading)]
    for reading in readings:
        until_ms = reading.t_ms + reading.duration_ms + SLACK_MS
        for quantity, value in reading.values.items():
            instants = book.get((reading.meter, quantity), {}).get(value, [])
            assert any(reading.t_ms - SLACK_MS <= t_ms <= until_ms for t_ms in instants), (
                reading.meter,
                quantity,
                value,
                reading.t_ms,
                instants,
            )
    assert counts.total() >= 5
    assert len(readings) >= 3
    assert {row.meter for row in rows if not isinstance(row, Removed)} == {each.id for each in METERS}
    assert all(row.reason in {"timeout", "frame", "mismatch"} for row in rows if isinstance(row, FailedPoll))
