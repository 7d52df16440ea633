"""The past of the demo plant as rows of the wire: one per meter and quarter-hour, as its registers would have said."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from struct import Struct

from collector.ports import Request
from collector.pure.decode import compile_block
from collector.pure.digits import in_its_digits
from collector.pure.encode import encoder
from collector.pure.plan import PlannedRequest, words
from collector.simulator.load import SLOT_MS, Load
from collector.simulator.plant import POINTS
from config.profiles import Profile, Register
from driftwatt.readings import Reading

QUANTITIES = ("active_power", "import_energy")


def write(path: Path, rows: Iterator[Reading]) -> int:
    """Write readings as JSON Lines and return how many. All their values are good."""
    count = 0
    with path.open("w", encoding="ascii") as file:
        for row in rows:
            # The same bytes as wire.row_bytes, at a quarter of its price: a demo waits for 53,000 of them.
            said = ",".join(f'"{quantity}":{value!r}' for quantity, value in row.values.items())
            file.write(f'{{"m":"{row.meter}","t":{row.t_ms},"d":0,"c":"ok","s":{{{said}}}}}\n')
            count += 1
    return count


def readings(loads: Mapping[str, Load], profiles: Mapping[str, Profile], *, from_ms: int, to_ms: int) -> Iterator[Reading]:
    """Yield the readings of every meter at each quarter-hour in [from_ms, to_ms), in order of time.

    `profiles` is by profile name. Values carry the resolution of the model's registers, so that the counters go on
    without a step when the meter is read over its bus.
    """
    said = {point.id: [_as_said(profiles[point.profile], quantity) for quantity in QUANTITIES] for point in POINTS}
    for t_ms in range(from_ms, to_ms, SLOT_MS):
        for point in POINTS:
            load, (say_power, say_energy) = loads[point.id], said[point.id]
            power, energy = say_power(load.power_w(t_ms) / point.ratio), say_energy(load.energy_wh(t_ms) / point.ratio)
            yield Reading(point.id, t_ms, {"active_power": power, "import_energy": energy})


def _as_said(profile: Profile, quantity: str) -> Callable[[float], float]:
    """Return the function from a value to what is read back from the register that says it."""
    register = next(each for each in profile.registers if each.quantity == quantity)
    if register.type == "float32" and register.scale >= 1:
        return _through_float32(register)
    encode = encoder(register)
    decode = compile_block(PlannedRequest(Request(1, register.kind, register.address, words(register)), (register,))).decode
    return lambda value: decode(encode(value))[0][quantity]


def _through_float32(register: Register) -> Callable[[float], float]:
    single, scale = Struct(">f"), register.scale
    pack, unpack = single.pack, single.unpack
    told = in_its_digits("float32", scale, 1.0, counter=register.counter is not None)
    assert told is not None  # a float32 has a tail

    def say(value: float) -> float:
        return told(unpack(pack(value / scale))[0])

    return say
