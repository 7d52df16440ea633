"""A fleet of equal meters for load tests and first tries: N units of one model behind one gateway."""

from __future__ import annotations

from collections.abc import Callable

from collector.simulator.load import SLOT_MS, Curve, Ripple
from collector.simulator.meter import Electric, SimulatedMeter
from collector.simulator.plant import Use
from collector.simulator.server import Gateway
from collector.simulator.wire import Listen
from config.loader import load_profile
from driftwatt.clock import SystemClock
from driftwatt.errors import ConfigError

MAX_METERS = 247


def gateway(count: int, profile_name: str, *, seed: int, at: Listen) -> Gateway:
    """Return a gateway with units 1 … `count`, called `meter-001` and so on. Raises ConfigError."""
    if not 1 <= count <= MAX_METERS:
        raise ConfigError("--meters is out of range", found=str(count), allowed=f"1 … {MAX_METERS}, the unit ids of one bus")
    profile = load_profile(profile_name)
    now_ms = SystemClock().now_ms()
    origin_ms = now_ms - now_ms % SLOT_MS - SLOT_MS
    meters = {}
    for unit in range(1, count + 1):
        use = Use(1.0 + unit % 7, 10.0 + 3 * (unit % 23))
        mean_w = _mean_w(use, seed * 1000 + unit)
        load = Curve(mean_w, origin_ms=origin_ms, start_wh=1e6 * unit, ripple=Ripple(0.05, 6), seed=seed * 1000 + unit)
        meters[unit] = SimulatedMeter(f"meter-{unit:03}", profile, load, Electric(0.9, seed=unit))
    return Gateway("fleet", at.host, at.port, meters, at.wire)


def _mean_w(use: Use, seed: int) -> Callable[[int], float]:
    return lambda slot: 1000.0 * use.mean_kw(seed, slot, lambda _slot, _share: 0.0)
