"""An edge without meters: rows of 20 values go straight into the real outbox, the real forwarder sends them.

`python -m tests.chaos.feeder FOLDER --broker URL --meters N`, with `--edge` and `--first` where several feed
one plant. `FOLDER/rate` holds how many readings a second are wanted
(0: none; "end": leave). Four times a second one line goes to `FOLDER/feeder.txt`: instant in ms, committed, acknowledged,
waits for an acknowledgement in ms (comma between), all since the start.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import time
from collections import deque
from itertools import cycle
from pathlib import Path

from collector.adapters.outbox import Outbox
from collector.forwarder import Forwarder, mqtt
from driftwatt import daemon
from driftwatt.adapters.mqtt import BrokerAddress
from driftwatt.clock import SystemClock
from driftwatt.readings import Reading
from driftwatt.wire import Hello, HelloMeter

EVERY_S = 0.2
"""One commit so often, as a collector of a few hundred meters makes them."""
PHASES = ("l1", "l2", "l3")


def values(meter: int, t_ms: int) -> dict[str, float]:
    """Return 20 quantities that agree with each other, with the digits a float32 register brings."""
    power = 20_000.0 + 137.25 * (meter % 400) + (t_ms // 250 * 7919 + meter * 104729) % 1000 / 8
    out = {
        "active_power": power,
        "import_energy": 1e6 * meter + 20_000 * (t_ms - 1_780_000_000_000) // 3_600_000,
        "frequency": 50.0 + t_ms % 7 / 128,
    }
    for at, phase in enumerate(PHASES):
        volts = 230.0 + at / 4 + t_ms % 13 / 16
        out[f"voltage_{phase}"] = volts
        out[f"current_{phase}"] = round(power / 3 / volts, 3)
        out[f"active_power_{phase}"] = round(power / 3, 2)
        out[f"reactive_power_{phase}"] = round(power / 9, 2)
        out[f"power_factor_{phase}"] = 0.9375
    return out | {"reactive_power": round(power / 3, 2), "apparent_power": round(power * 1.0625, 2)}


class TimedOutbox(Outbox):
    """Notes how long rows wait for their acknowledgement."""

    def begin_timing(self) -> None:
        self.committed = self.acknowledged = 0
        self._at: deque[tuple[int, float]] = deque()
        self.waits_ms: list[int] = []

    def note(self, rows: int, at_s: float) -> None:
        """Note a commit that returned at `at_s`."""
        self.committed += rows
        self._at.append((self.committed, at_s))

    async def settle(self, epoch: str, upto: int, by: str) -> None:
        """See Outbox."""
        await super().settle(epoch, upto, by)
        if epoch == self.epoch:
            self.acknowledged, now_s = upto, time.monotonic()
            while self._at and self._at[0][0] <= upto:
                self.waits_ms.append(round((now_s - self._at.popleft()[1]) * 1000))


async def feed(outbox: TimedOutbox, forwarder: Forwarder, folder: Path, meters: range) -> None:
    """Commit at the wanted rate until told to end."""
    clock, turn, due_s, owed = SystemClock(), cycle(meters), time.monotonic(), 0.0
    while (wanted := (folder / "rate").read_text()) != "end":
        due_s += EVERY_S
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        owed += float(wanted or 0) * EVERY_S
        rows = []
        t_ms = clock.now_ms()
        for _ in range(int(owed)):
            meter = next(turn)
            rows.append(Reading(f"m{meter}", t_ms, values(meter, t_ms)))
        owed -= len(rows)
        if rows:
            await outbox.commit(rows)
            outbox.note(len(rows), time.monotonic())
            forwarder.live(rows)
            forwarder.wake()


async def tell(outbox: TimedOutbox, file: Path) -> None:
    """Write how it goes."""
    with file.open("w", encoding="ascii", buffering=1) as out:
        while True:
            waits, outbox.waits_ms = outbox.waits_ms, []
            out.write(f"{time.time_ns() // 1_000_000} {outbox.committed} {outbox.acknowledged} {','.join(map(str, waits)) or '-'}\n")
            await asyncio.sleep(0.25)


async def main(arguments: argparse.Namespace) -> int:
    """Run until `rate` says end and everything is acknowledged. Returns 0."""
    folder: Path = arguments.folder
    outbox = await TimedOutbox.open(folder / "outbox", max_bytes=2_000_000_000, tail_s=arguments.tail, when_full="thin")
    assert isinstance(outbox, TimedOutbox)
    outbox.begin_timing()
    clock, edge = SystemClock(), arguments.edge
    meters = range(arguments.first, arguments.first + arguments.meters)
    met = tuple(HelloMeter(f"m{n}", "bus", "load", "f00", 200) for n in meters)
    hello = Hello(edge, "1", clock.now_ms(), "c", "trust", (), met)
    forwarder = Forwarder(edge, outbox, mqtt(edge, BrokerAddress.parse(arguments.broker)), lambda: hello, clock)
    gc.freeze()
    daemons = [asyncio.ensure_future(forwarder.run()), asyncio.ensure_future(tell(outbox, folder / "feeder.txt"))]
    await feed(outbox, forwarder, folder, meters)
    await forwarder.drain(120)
    await asyncio.sleep(4)  # the books are said every three seconds
    for each in daemons:
        each.cancel()
    await asyncio.wait(daemons)
    await outbox.close()
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--broker", required=True)
    parser.add_argument("--meters", type=int, default=400)
    parser.add_argument("--edge", default="load")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--tail", type=float, default=60.0)
    sys.exit(daemon.run("feeder", main(parser.parse_args())))
