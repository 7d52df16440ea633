"""Sick meters behind a gateway, read by the collector's own adapter: no foreign value is ever taken."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from collector.adapters.links import open_bus
from collector.ports import BusFault, MeterBus, Request
from collector.pure.decode import compile_block
from collector.pure.plan import plan
from collector.pure.validate import check
from collector.simulator.faults import Mischief, fault
from collector.simulator.journal import Journal, served, served_values
from collector.simulator.load import SLOT_MS, Curve
from collector.simulator.meter import Electric, SimulatedMeter
from collector.simulator.server import Gateway, Simulator
from collector.simulator.wire import listen
from config.loader import load_profile
from driftwatt.errors import ConfigError

T_MS = 1_795_000_000_000 // SLOT_MS * SLOT_MS
PROFILE = load_profile("eastron-sdm630")
BLOCKS = plan([each for each in PROFILE.registers if each.standard], PROFILE.limits, 1)
TIMEOUT_S = 0.06


def _meters(count: int) -> dict[int, SimulatedMeter]:
    return {unit: SimulatedMeter(f"meter-{unit}", PROFILE, _load(unit), Electric(0.9, seed=unit)) for unit in range(1, count + 1)}


def _load(unit: int) -> Curve:
    return Curve(lambda _slot: 900.0 * unit, origin_ms=T_MS, start_wh=1e6 * unit)


async def _poll(bus: MeterBus, unit: int, taken: list[tuple[str, str, float]]) -> str:
    """Ask one block of one unit as the poller would; keep what was believed; return how it went."""
    planned = BLOCKS[unit % len(BLOCKS)]
    request = Request(unit, planned.request.kind, planned.request.address, planned.request.count)
    try:
        reply = await bus.read(request)
        check(request, reply)
    except BusFault as error:
        if error.link_lost:
            await bus.open()
        return error.reason
    values, _ = compile_block(planned).decode(reply.registers)
    taken.extend((f"meter-{unit}", quantity, value) for quantity, value in values.items())
    return "good"


def sick(words: list[str], tmp_path: Path, *, polls: int, scheme: str = "tcp") -> tuple[Counter[str], Counter[str]]:
    """Poll three units in turn; every value that was believed must have been served. Returns outcomes and faults."""
    instant = iter(range(T_MS, T_MS + 10_000_000, 977))
    mischief = Mischief([fault(word) for word in words], seed=5)
    outcomes: Counter[str] = Counter()
    taken: list[tuple[str, str, float]] = []

    async def main() -> None:
        simulator = Simulator(lambda: next(instant), Journal(tmp_path / "served.log"), mischief)
        at = listen(f"{scheme}://127.0.0.1:0")
        port = await simulator.listen(Gateway("sick", at.host, at.port, _meters(3), at.wire))
        bus = open_bus(at.url(port), timeout_s=TIMEOUT_S)
        await bus.open()
        for number in range(polls):
            outcomes[await _poll(bus, number % 3 + 1, taken)] += 1
        await bus.close()
        await simulator.stop()

    asyncio.run(main())
    book = served_values(tmp_path / "served.log", {f"meter-{unit}": PROFILE for unit in (1, 2, 3)})
    foreign = [(meter, quantity, value) for meter, quantity, value in taken if value not in book.get((meter, quantity), {})]
    assert not foreign
    assert outcomes.total() == polls
    return outcomes, mischief.counts


@pytest.mark.parametrize("word", ["wrong-unit", "wrong-function", "short", "long", "tid0"])
def test_a_reply_that_is_not_to_this_request_is_no_value(word: str, tmp_path: Path) -> None:
    outcomes, counts = sick([f"{word}:30%"], tmp_path, polls=200)
    assert outcomes["good"] == 200 - counts[word]
    assert counts[word] > 30
    assert outcomes["mismatch"] == counts[word]


@pytest.mark.parametrize(("word", "reason"), [("busy", "exception_6"), ("illegal=0-1", "exception_2")])
def test_a_refusal_is_counted_by_its_code(word: str, reason: str, tmp_path: Path) -> None:
    outcomes, counts = sick([f"{word}:30%"], tmp_path, polls=120)
    assert outcomes == {"good": 120 - counts.total(), reason: counts.total()}


@pytest.mark.parametrize("word", ["drop:10%", f"delay={2 * TIMEOUT_S}:10%", "half:10%"])
def test_no_reply_in_time_fails_one_poll_and_no_other(word: str, tmp_path: Path) -> None:
    outcomes, counts = sick([word], tmp_path, polls=120)
    assert counts.total() > 4
    assert outcomes["good"] == 120 - counts.total()


@pytest.mark.parametrize("share", ["1%", "30%", "100%"])
def test_late_replies_are_never_taken_for_others(share: str, tmp_path: Path) -> None:
    outcomes, _ = sick([f"late={TIMEOUT_S}:{share}"], tmp_path, polls=100)
    assert set(outcomes) <= {"good", "timeout"}


def test_doubled_replies_are_taken_once(tmp_path: Path) -> None:
    outcomes, counts = sick(["duplicate:100%"], tmp_path, polls=200)
    assert (outcomes["good"], counts["duplicate"]) == (200, 200)


@pytest.mark.parametrize("word", ["noise:20%", "echo:20%"])
def test_what_is_no_reply_costs_no_wrong_value(word: str, tmp_path: Path) -> None:
    outcomes, counts = sick([word], tmp_path, polls=100)
    assert counts.total() > 5
    assert outcomes["good"] >= 40


def test_everything_at_once_brings_no_foreign_value(tmp_path: Path) -> None:
    # Without `half`: a gateway that breaks off a frame and goes on with another one cannot be told from one that answers.
    kinds = ("drop", "duplicate", "wrong-unit", "wrong-function", "short", "long", "tid0", "busy", "noise")
    outcomes, counts = sick([*(f"{kind}:6%" for kind in kinds), f"late={TIMEOUT_S}:6%"], tmp_path, polls=300)
    assert len(counts) == 10
    assert outcomes["good"] > 80


def test_a_lie_is_in_the_book_as_a_lie(tmp_path: Path) -> None:
    sick(["wrong-unit:40%", "delay=0.001:40%"], tmp_path, polls=60)
    faults = Counter(entry.faults for entry in served(tmp_path / "served.log"))
    assert set(faults) == {"", "delay", "wrong-unit", "wrong-unit+delay"}
    assert not any(entry.true for entry in served(tmp_path / "served.log") if "wrong-unit" in entry.faults)


def test_a_dead_unit_is_silent_for_its_time_and_then_answers() -> None:
    now = [0.0]

    async def main() -> list[str]:
        mischief = Mischief([fault("dead=2@0-60")], now_s=lambda: now[0])
        simulator = Simulator(lambda: T_MS, Journal(None), mischief)
        port = await simulator.listen(Gateway("sick", "127.0.0.1", 0, _meters(3)))
        bus = open_bus(f"tcp://127.0.0.1:{port}", timeout_s=TIMEOUT_S)
        await bus.open()
        went = [await _poll(bus, unit, []) for unit in (1, 2, 3)]
        now[0] = 60.0
        went += [await _poll(bus, unit, []) for unit in (1, 2, 3)]
        await bus.close()
        await simulator.stop()
        return went

    assert asyncio.run(main()) == ["good", "timeout", "good", "good", "good", "good"]


@pytest.mark.parametrize(("word", "url"), [("crc", "tcp://127.0.0.1:0"), ("tid0", "rtu-tcp://127.0.0.1:0")])
def test_a_fault_that_such_a_line_cannot_have_is_refused(word: str, url: str) -> None:
    async def main() -> None:
        at = listen(url)
        with pytest.raises(ConfigError, match=f"{word} cannot happen here"):
            await Simulator(lambda: T_MS, Journal(None), Mischief([fault(word)])).listen(Gateway("x", at.host, 0, {}, at.wire))

    asyncio.run(main())
