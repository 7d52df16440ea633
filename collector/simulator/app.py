"""Puts a simulation together: the plant or fleet, its files, its gateways."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from collector.simulator import fleet, folder, history, recorded
from collector.simulator.faults import Fault, Mischief
from collector.simulator.journal import Journal
from collector.simulator.load import Load
from collector.simulator.meter import Electric, SimulatedMeter
from collector.simulator.plant import BUSES, POINTS, build
from collector.simulator.server import Gateway, Simulator
from collector.simulator.steel import load_year
from collector.simulator.waste import hidden
from collector.simulator.wire import Listen
from config.loader import load_profile
from config.profiles import Profile
from driftwatt.clock import SharedInstant, SystemClock
from driftwatt.errors import ConfigError

_FIRST_PORT = 5020


@dataclass(frozen=True, slots=True)
class Order:
    """What the command line asks for. Exactly one of `folder` (also a recording), `write`, `meters` is given."""

    folder: Path | None
    write: Path | None
    meters: int | None
    profile: str
    listen: tuple[Listen, ...]
    faults: tuple[Fault, ...]
    seed: int
    now_ms: int | None
    instant: Path | None
    log: Path | None
    broker: str
    broker_user: str | None
    web: str


async def run(order: Order) -> int:
    """Write and serve what was ordered, until SIGTERM or SIGINT. Returns the exit code."""
    now_ms = _Instant(order.instant)
    if order.meters is not None:
        gateways = [fleet.gateway(order.meters, order.profile, seed=order.seed, at=_places(order, 1)[0])]
        return await _serve(gateways, now_ms, order, lambda _ports: None)
    if order.folder is not None and order.folder.is_file():
        return await _serve([recorded.gateway(order.folder, _places(order, 1)[0])], now_ms, order, lambda _ports: None)
    if order.write is None:
        seed, times = folder.read(order.folder or Path())
    else:
        seed, times = order.seed, folder.Times.of(order.now_ms if order.now_ms is not None else SystemClock().now_ms())
    steel = load_year()
    plant = build(steel, origin_ms=times.origin_ms, seed=seed, wastes=hidden(times.now_ms))
    profiles = {name: load_profile(name) for name in {point.profile for point in POINTS}}

    def write(ports: Mapping[str, int]) -> None:
        if order.write is not None:
            wiring = folder.Wiring(ports, order.broker, order.broker_user, order.web)
            folder.write(order.write, plant=plant, steel=steel, times=times, wiring=wiring)
            rows = history.readings(plant.loads, profiles, from_ms=times.history_ms, to_ms=times.stride_ms)
            history.write(order.write / "history.jsonl", rows)

    if order.write is not None and not order.listen:
        write({bus: _FIRST_PORT + at for at, bus in enumerate(BUSES)})
        print(f"written to {order.write}", flush=True)
        return 0
    gateways = [
        Gateway(bus, at.host, at.port, _meters(bus, plant.loads, profiles), at.wire)
        for bus, at in zip(BUSES, _places(order, len(BUSES)), strict=True)
    ]
    return await _serve(gateways, now_ms, order, write)


async def _serve(gateways: list[Gateway], now_ms: Callable[[], int], order: Order, ready: Callable[[Mapping[str, int]], None]) -> int:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    mischief = Mischief(order.faults, seed=order.seed, now_s=SystemClock().monotonic_s)
    simulator = Simulator(now_ms, Journal(order.log), mischief)
    ports = {gateway.name: await simulator.listen(gateway) for gateway in gateways}
    ready(ports)
    for gateway in gateways:
        print(f"{gateway.name}: {len(gateway.meters)} meters on {_url(gateway, ports)}", flush=True)
    print("ready", flush=True)
    books = asyncio.create_task(simulator.keep_books())
    await ended.wait()
    books.cancel()
    await simulator.stop()
    if order.faults:
        print("faults: " + (", ".join(f"{kind} {count}" for kind, count in sorted(mischief.counts.items())) or "none struck"), flush=True)
    return 0


def _url(gateway: Gateway, ports: Mapping[str, int]) -> str:
    return Listen(gateway.host, gateway.port, gateway.wire).url(ports[gateway.name])


def _meters(bus: str, loads: Mapping[str, Load], profiles: Mapping[str, Profile]) -> dict[int, SimulatedMeter]:
    meters = {}
    for at, point in enumerate(POINTS):
        if point.bus == bus:
            phases = 1 if point.profile == "eastron-sdm120" else 3
            electric = Electric(point.power_factor, phases, point.ratio, seed=at)
            meters[point.unit] = SimulatedMeter(point.id, profiles[point.profile], loads[point.id], electric)
    return meters


def _places(order: Order, count: int) -> tuple[Listen, ...]:
    if not order.listen:
        return tuple(Listen("127.0.0.1", _FIRST_PORT + at) for at in range(count))
    if len(order.listen) != count:
        raise ConfigError("--listen is needed once per bus", found=str(len(order.listen)), allowed=str(count))
    if order.write is not None and any(at.wire.framing != "tcp" for at in order.listen):
        raise ConfigError("a plant is written with gateways", found="a serial line", allowed="tcp://HOST:PORT with --write")
    return order.listen


class _Instant:
    """The instant that registers show: another process's striding clock, looked for when first asked; else real time."""

    def __init__(self, shared: Path | None) -> None:
        self._shared = shared
        self._instant: SharedInstant | None = None if shared else SharedInstant(None)

    def __call__(self) -> int:
        if self._instant is None:
            self._instant = SharedInstant(self._shared)
        return self._instant.now_ms()
