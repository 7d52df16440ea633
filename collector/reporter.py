"""Writes the status file about every second, and keeps the daemon's own alarms with the moment each began."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from collector.poller import BusPoller
from collector.ports import OutboxReader
from collector.pure.roster import MeterState
from collector.stamps import Stamps
from collector.status import write_status
from driftwatt import __version__
from driftwatt.clock import SystemClock
from driftwatt.errors import Unavailable
from driftwatt.wire import EdgeAlarm

log = logging.getLogger(__name__)

EVERY_S, SELDOM_S = 1.0, 5.0
SHARE = 0.005
"""Of a core: a file of many meters is written more seldom than every second, so that it takes no more than this."""
_REFUSALS = ("acl_denied", "not_acknowledged")


class Connected(Protocol):
    """Anything that knows whether its line is up, and whether what is sent over it arrives."""

    @property
    def connected(self) -> bool:
        """True while the line is up."""

    @property
    def trouble(self) -> tuple[str, str] | None:
        """Return an alarm code and its text when nothing arrives."""


class Reporter:
    """Describes a running edge. Times are the machine's own, whatever clock the polls follow."""

    def __init__(self, edge_id: str, folder: Path, outbox: OutboxReader, stamps: Stamps, *, clock_kind: str) -> None:
        self._id, self._folder, self._outbox, self._stamps, self._clock_kind = edge_id, folder, outbox, stamps, clock_kind
        self._clock = SystemClock()
        self._started_s = self._clock.monotonic_s()
        self._pollers: Callable[[], Sequence[BusPoller]] = tuple
        self._file_says: dict[str, str] = {}
        self._broker: Connected | None = None
        self._broker_was = False
        self._broker_since_ms = self._clock.now_ms()
        self._since: dict[tuple[str, str], int] = {}
        self._failed = False
        self._complained = ""

    def watch(self, pollers: Callable[[], Sequence[BusPoller]], broker: Connected) -> None:
        """Say who is to be described: `pollers` returns those of the moment."""
        self._pollers, self._broker = pollers, broker

    def file_refused(self, why: str) -> None:
        """Tell from now on that the file was read again and is wrong, until it is read and right."""
        self._file_says = {**self._file_says, "config_invalid": f"nothing was changed: {why}"[:2000]}

    def file_followed(self, waiting: Sequence[str]) -> None:
        """Take back what was told of the file; `waiting` are the keys that changed and are in force after a restart only."""
        self._file_says = {"restart_needed": f"changed in the file, in force after a restart: {', '.join(waiting)}"} if waiting else {}

    async def run(self) -> None:
        """Write the status file until cancelled, every second or as seldom as it has to be. A disk that refuses is told once."""
        while True:
            began_s = self._clock.monotonic_s()
            try:
                write_status(self._folder, self.status())
                self._failed = False
            except Unavailable as error:
                log.log(logging.DEBUG if self._failed else logging.WARNING, "%s", error)
                self._failed = True
            await asyncio.sleep(min(SELDOM_S, max(EVERY_S, (self._clock.monotonic_s() - began_s) / SHARE)))

    def status(self) -> dict[str, Any]:
        """Return what `driftwatt status --json` shows."""
        now_ms = self._clock.now_ms()
        connected = self._broker is not None and self._broker.connected
        if connected != self._broker_was:
            self._broker_was, self._broker_since_ms = connected, now_ms
        outbox = self._outbox.status()
        alarms = [*outbox.alarms, *self.alarms()]
        if not connected:
            alarms.append(EdgeAlarm("broker_down", self._broker_since_ms, "the broker cannot be reached"))
        return {
            "role": "edge", "id": self._id, "version": __version__, "pid": os.getpid(), "written_ms": now_ms,
            "uptime_s": round(self._clock.monotonic_s() - self._started_s),
            "clock": {"kind": self._clock_kind, "state": self._stamps.state, "steps": self._stamps.steps},
            "broker": {"connected": connected, "since_ms": self._broker_since_ms},
            "buses": [_bus(poller, now_ms) for poller in self._pollers()],
            "outbox": {"rows": outbox.rows, "tail_rows": outbox.tail_rows, "bytes": outbox.bytes, "max_bytes": outbox.max_bytes,
                       "oldest_ms": outbox.oldest_ms, "hours_left": outbox.hours_left},
            "alarms": [{"code": alarm.code, "since_ms": alarm.since_ms, "text": alarm.text} for alarm in alarms],
        }  # fmt: skip

    def alarms(self) -> tuple[EdgeAlarm, ...]:
        """Return the daemon's own alarms, each with the moment it began."""
        now_ms = self._clock.now_ms()
        current = list(self._worries())
        self._tell_refusal({code: text for code, _, text in current if code in _REFUSALS})
        self._since = {(code, about): self._since.get((code, about), now_ms) for code, about, _ in current}
        return tuple(EdgeAlarm(code, self._since[code, about], text) for code, about, text in current)

    def _tell_refusal(self, refusals: dict[str, str]) -> None:
        """Warn once when what is sent does not arrive, and say when it does again."""
        code = next(iter(refusals), "")
        if code and code != self._complained:
            log.warning("%s: %s", code, refusals[code])
        elif self._complained and not code:
            log.info("what is sent is acknowledged again")
        self._complained = code

    def _worries(self) -> Iterator[tuple[str, str, str]]:
        if self._stamps.state == "unsynced":
            yield "clock_unsynced", "", "the kernel does not hold its clock for synchronised"
        if self._broker is not None and (trouble := self._broker.trouble):
            yield trouble[0], "", trouble[1]
        for code, text in self._file_says.items():
            yield code, "", text
        for poller in self._pollers():
            if poller.is_down:
                yield "bus_down", poller.id, f"bus {poller.id}: the line is down; nobody asks its {len(poller.meters())} meters"
                continue
            for meter in poller.silent():
                yield "meter_silent", meter.id, f"bus {poller.id}: {meter.id} (unit {meter.unit}) does not answer: {meter.reason}"


def _bus(poller: BusPoller, now_ms: int) -> dict[str, Any]:
    return {"id": poller.id, "connected": poller.connected, "meters": [_meter(meter, now_ms) for meter in poller.meters()]}


def _meter(meter: MeterState, now_ms: int) -> dict[str, Any]:
    age_s = None if meter.last_ok_ms is None else round((now_ms - meter.last_ok_ms) / 1000, 1)
    return {"id": meter.id, "unit": meter.unit, "state": meter.state, "last_ok_ms": meter.last_ok_ms, "age_s": age_s,
            "failures": meter.failures, "reason": meter.reason, "beside": meter.beside, "absent": list(meter.absent)}  # fmt: skip
