"""The demo plant: its meters, what they feed and how they use energy. Everything follows from a seed and the time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import sin, tau
from typing import Literal

from collector.simulator.load import STEADY, Curve, Load, Ripple, Total
from collector.simulator.noise import smooth, uniform
from collector.simulator.steel import SteelYear
from collector.simulator.waste import Waste
from collector.simulator.worktime import SLOTS_A_DAY, local_slot, office_share, shift_share

Hours = Literal["shift", "office"]
_CALM = Ripple(0.05, 6)
_MOULDING = Ripple(0.12, 30)  # a moulding cycle of half a minute


@dataclass(frozen=True, slots=True)
class Use:
    """How a machine uses energy, in kW: at rest and at work, with how much both wander (parts of themselves)."""

    rest_kw: float
    work_kw: float
    rest_wander: float = 0.05
    work_wander: float = 0.04
    hours: Hours = "shift"
    outdoor: float = 0.0
    ripple: Ripple = _CALM

    def mean_kw(self, seed: int, slot: int, extra: Callable[[int, float], float]) -> float:
        """Return the mean power of a quarter-hour, with what `extra(slot, share)` adds in kW."""
        local = local_slot(slot)
        day, at = divmod(local, SLOTS_A_DAY)
        share = (shift_share if self.hours == "shift" else office_share)(day, at)
        chance = 0.6 * uniform(seed, local) + 0.4 * smooth(seed + 1, local, 8)
        rest = self.rest_kw * (1.0 + self.rest_wander * chance)
        if not share:
            return rest + extra(slot, share)
        warmth = 1.0 + self.outdoor * (sin(tau * (at - 36) / SLOTS_A_DAY) + 0.3 * uniform(seed + 2, day))
        today = 1.0 + 0.01 * uniform(seed + 3, day)
        return rest + (self.work_kw * warmth * today * (1.0 + self.work_wander * chance) - self.rest_kw) * share + extra(slot, share)


@dataclass(frozen=True, slots=True)
class Point:
    """A metering point: the meter on its bus, and what stands in plant.toml about it.

    `use` None is the recorded steel year, or the incomer where `kind` says so. `ratio` is the CT ratio that the
    plant multiplies with: the registers say 1/ratio of the load. `start_kwh` is the counter at the origin.
    `only` is what is read of it, empty for all that its profile holds standard.
    """

    id: str
    name: str
    area: str
    kind: str
    rated_kw: float
    profile: str
    bus: str
    unit: int
    start_kwh: float
    power_factor: float
    use: Use | None = None
    ratio: float = 1.0
    note: str = ""
    only: tuple[str, ...] = ()


PLANT_NAME = "Nhà máy Bình Dương"
PLANT_ID = "binh-duong-1"
EDGE_ID = "hall-a"
CONTRACT_KW = 1100
BUSES = ("switchboard", "utilities")
AREAS = (
    ("incoming", "Trạm biến áp"),
    ("compressed-air", "Trạm khí nén"),
    ("hall-a", "Xưởng A · Ép nhựa"),
    ("cooling", "Trạm lạnh"),
    ("hall-b", "Xưởng B · Lò nung"),
    ("building", "Chiếu sáng, văn phòng"),
)

_SDM630, _SDM120, _EM340, _UMG604 = "eastron-sdm630", "eastron-sdm120", "carlogavazzi-em340", "janitza-umg604"
_SINGLE_PHASE = ("voltage_l1", "current_l1", "active_power", "power_factor", "frequency", "import_energy")

POINTS = (
    Point("incomer", "Lộ tổng", "incoming", "incomer", 1250, _UMG604, "switchboard", 1, 312_400, 0.93),
    Point("furnace-1", "Lò nung 1", "hall-b", "furnace", 650, _UMG604, "switchboard", 2, 88_150, 0.94),
    Point("moulding-1", "Máy ép nhựa 1", "hall-a", "moulding", 110, _UMG604, "switchboard", 3, 41_870, 0.81,
          Use(5.6, 71, 0.06, 0.04, ripple=_MOULDING)),
    Point("moulding-2", "Máy ép nhựa 2", "hall-a", "moulding", 110, _UMG604, "switchboard", 4, 39_210, 0.80,
          Use(5.6, 66, 0.06, 0.04, ripple=_MOULDING)),
    Point("moulding-3", "Máy ép nhựa 3", "hall-a", "moulding", 110, _UMG604, "switchboard", 5, 44_655, 0.82,
          Use(6.1, 73, 0.06, 0.04, ripple=_MOULDING)),
    Point("chiller-1", "Chiller 1", "cooling", "chiller", 132, _UMG604, "switchboard", 6, 51_020, 0.88,
          Use(12.2, 80, 0.08, 0.03, outdoor=0.05)),
    Point("chiller-2", "Chiller 2", "cooling", "chiller", 90, _SDM630, "switchboard", 7, 28_340, 0.87,
          Use(3.1, 49, 0.05, 0.03, outdoor=0.05)),
    Point("compressor-1", "Máy nén khí 1", "compressed-air", "compressor", 75, _SDM630, "utilities", 1, 36_912, 0.86,
          Use(0.2, 59, 0.05, 0.05)),
    Point("compressor-2", "Máy nén khí 2", "compressed-air", "compressor", 55, _SDM630, "utilities", 2, 24_077, 0.86,
          Use(0.15, 38.5, 0.05, 0.05)),
    Point("compressor-3", "Máy nén khí 3", "compressed-air", "compressor", 37, _SDM630, "utilities", 3, 18_203, 0.84,
          Use(4.1, 24.2, 0.06, 0.12)),
    Point(
        "lighting", "Chiếu sáng xưởng", "building", "lighting", 30, _SDM120, "utilities", 4, 2_930, 0.96,
        Use(6.2, 23, 0.03, 0.01, ripple=Ripple(0.004, 6)), ratio=3.0, note="Đo một pha, nhân ba", only=_SINGLE_PHASE,
    ),
    Point("office", "Văn phòng", "building", "other", 45, _EM340, "utilities", 5, 9_114, 0.93,
          Use(4.6, 31, 0.1, 0.06, "office", 0.03)),
)  # fmt: skip
"""The meters of the plant. The incomer comes first and feeds all others and a small rest that nobody meters."""

_REST = Use(4.9, 6.4, 0.2, 0.12)


@dataclass(frozen=True, slots=True)
class Plant:
    """The demo plant of one seed: where its counters begin, and the waste that is hidden in it."""

    origin_ms: int
    seed: int
    wastes: tuple[Waste, ...]
    loads: dict[str, Load] = field(repr=False)


def build(steel: SteelYear, *, origin_ms: int, seed: int, wastes: tuple[Waste, ...]) -> Plant:
    """Return the plant. Loads are by meter id, in W and Wh of the whole point (before dividing by `ratio`)."""
    loads: dict[str, Load] = {}
    for at, point in enumerate(POINTS[1:], start=1):
        mean_w = _mean_w(point, seed * 1000 + 10 * at, wastes) if point.use else _recorded_w(steel)
        ripple = point.use.ripple if point.use else STEADY
        loads[point.id] = Curve(mean_w, origin_ms=origin_ms, start_wh=point.start_kwh * 1000, ripple=ripple, seed=seed * 1000 + at)
    rest = Curve(
        lambda slot: 1000 * _REST.mean_kw(seed * 1000, slot, _no_extra), origin_ms=origin_ms, start_wh=0.0, ripple=_REST.ripple, seed=seed
    )
    incomer = POINTS[0]
    loads = {incomer.id: Total((*loads.values(), rest), start_wh=incomer.start_kwh * 1000, origin_ms=origin_ms), **loads}
    return Plant(origin_ms, seed, wastes, loads)


def _mean_w(point: Point, seed: int, wastes: tuple[Waste, ...]) -> Callable[[int], float]:
    mine = tuple(waste for waste in wastes if waste.meter == point.id)
    use = point.use
    assert use is not None

    def extra_kw(slot: int, share: float) -> float:
        return sum(waste.kw(slot, share) for waste in mine)

    return lambda slot: 1000.0 * use.mean_kw(seed, slot, extra_kw if mine else _no_extra)


def _recorded_w(steel: SteelYear) -> Callable[[int], float]:
    return lambda slot: steel.mean_w(local_slot(slot))


def _no_extra(_slot: int, _share: float) -> float:
    return 0.0
