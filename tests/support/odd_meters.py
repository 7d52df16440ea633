"""A gateway of meters that are wired or set up wrongly, on a real socket, for the tools of the site."""

from __future__ import annotations

import asyncio
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from collector.pure.orders import other_orders
from collector.simulator.codec import Refusal
from collector.simulator.meter import Electric, SimulatedMeter, quantities
from config.loader import load_profile
from config.profiles import Kind, Profile

Twist = Callable[[dict[str, float], int], None]
Meters = Mapping[int, SimulatedMeter]


@dataclass(frozen=True)
class Steady:
    """A load that never changes; its counter is the integral."""

    watts: float = 60_000.0

    def power_w(self, t_ms: int) -> float:
        del t_ms
        return self.watts

    def energy_wh(self, t_ms: int) -> float:
        return 100_000.0 + self.watts * (t_ms % 86_400_000) / 3_600_000


class OddMeter(SimulatedMeter):
    """A simulated meter whose quantities are changed by `twist(values, t_ms)` before its registers say them."""

    def __init__(self, profile: Profile, twist: Twist, *, watts: float = 60_000.0, phases: int = 3) -> None:
        self._what = Steady(watts), Electric(0.9, phases)
        super().__init__("odd", profile, *self._what)
        self._twist = twist

    def _registers(self, kind: Kind, address: int, count: int, t_ms: int) -> tuple[int, ...]:
        if t_ms != self._now_ms:
            self._now, self._now_ms = quantities(*self._what, t_ms), t_ms
            self._twist(self._now, t_ms)
        return super()._registers(kind, address, count, t_ms)


def right(values: dict[str, float], t_ms: int) -> None:
    """Change nothing."""
    del values, t_ms


def reversed_ct(*phases: int) -> Twist:
    """Return the twist of current transformers that point the wrong way."""

    def twist(values: dict[str, float], t_ms: int) -> None:
        del t_ms
        for phase in phases:
            for name in ("active_power", "reactive_power"):
                values[f"{name}_l{phase}"] *= -1
        for name in ("active_power", "reactive_power"):
            values[name] = sum(values[f"{name}_l{each}"] for each in (1, 2, 3))
        values["import_energy"] *= values["active_power"] / 60_000  # the counter follows what the meter believes

    return twist


def times(quantity: str, factor: float) -> Twist:
    """Return the twist of one quantity with a wrong scale."""

    def twist(values: dict[str, float], t_ms: int) -> None:
        del t_ms
        values[quantity] *= factor

    return twist


def two_meters(values: dict[str, float], t_ms: int) -> None:
    """Answer now as one meter and now as another, as two with one unit id do."""
    if t_ms // 400 % 2:
        values["import_energy"] *= 0.4


def meter(name: str = "eastron-sdm630", twist: Twist = right, *, swapped: str = "", **rest: float) -> OddMeter:
    """Return a meter of a shipped model; `swapped` is what an installer has turned round (`words`, `bytes`)."""
    profile = load_profile(name)
    shown = dict(other_orders(profile))[swapped] if swapped else profile
    return OddMeter(shown, twist, watts=rest.get("watts", 60_000.0), phases=1 if name == "eastron-sdm120" else 3)


@contextmanager
def gateway(meters: Meters, *, spoil: Callable[[int, bytes], bytes] | None = None) -> Iterator[int]:
    """Serve meters by unit id on loopback until the block ends and give the port. `spoil(n, frame)` may change the n-th reply."""
    ready: list[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = []
    started = threading.Event()

    async def serve() -> None:
        ended = asyncio.Event()
        answered = iter(range(10**9))
        tasks: set[asyncio.Task[None] | None] = set()

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.add(asyncio.current_task())
            try:
                while True:
                    head = await reader.readexactly(7)
                    frame = _answer(meters, head, await reader.readexactly(struct.unpack(">HHHB", head)[2] - 1))
                    writer.write(frame if spoil is None else spoil(next(answered), frame))
            except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        ready.append((server.sockets[0].getsockname()[1], asyncio.get_running_loop(), ended))
        started.set()
        await ended.wait()
        server.close()
        for task in tasks:
            if task is not None:
                task.cancel()
        await asyncio.sleep(0)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert started.wait(10)
    port, loop, ended = ready[0]
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(10)


def _answer(meters: Meters, head: bytes, pdu: bytes) -> bytes:
    transaction, _, _, unit = struct.unpack(">HHHB", head)
    function, address, count = struct.unpack(">BHH", pdu)
    try:
        if unit not in meters:
            raise Refusal(11)
        raw = meters[unit].read("holding" if function == 3 else "input", address, count, time.time_ns() // 1_000_000)
        body = struct.pack(f">BB{len(raw)}H", function, 2 * len(raw), *raw)
    except Refusal as refusal:
        body = bytes([function | 0x80, refusal.code])
    return struct.pack(">HHHB", transaction, 0, len(body) + 1, unit) + body
