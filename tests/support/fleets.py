"""Whole edges for measurements: their files, a plant that only acknowledges, what a process costs, figures as a table."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from queue import SimpleQueue

from driftwatt.adapters.mqtt import BrokerAddress, MqttLink
from driftwatt.errors import WireError
from driftwatt.readings import Reading
from driftwatt.topics import topic
from driftwatt.wire import Ack, read_header, read_message, to_bytes

_TICKS = os.sysconf("SC_CLK_TCK")


def edge_toml(buses: Iterable[str], *, broker: str, commit_every: str = "1s") -> str:
    """Return an edge file with these `[[bus]]` tables."""
    head = (
        f'[edge]\nid = "bench"\ndata_dir = "data"\nclock = "trust"\n[broker]\nurl = "{broker}"\n[outbox]\ncommit_every = "{commit_every}"\n'
    )
    return head + "".join(buses)


def bus(
    name: str, url: str, meters: Iterable[tuple[str, int]], *, profile: str, every: str, only: Sequence[str], timeout: str = "1s"
) -> str:
    """Return one bus with its meters (id, unit)."""
    out = f'[[bus]]\nid = "{name}"\nurl = "{url}"\ntimeout = "{timeout}"\n'
    for meter, unit in meters:
        wanted = json.dumps(list(only))
        out += f'[[bus.meter]]\nid = "{meter}"\nunit = {unit}\nprofile = "{profile}"\nevery = "{every}"\nonly = {wanted}\n'
    return out


class Acknowledger:
    """A plant that stores nothing and acknowledges everything, so that an edge works as on any good day."""

    def __init__(self, broker: str) -> None:
        self._messages: SimpleQueue[bytes] = SimpleQueue()
        up = threading.Event()
        self._link = MqttLink(
            BrokerAddress.parse(broker),
            client_id="plant",
            subscriptions=(("dw/1/+/d", 1),),
            on_message=self._came,
            on_change=lambda connected: up.set() if connected else None,
        )
        self._link.start()
        assert up.wait(20)

    def _came(self, _topic: str, payload: bytes) -> None:
        try:
            header = read_header(payload)
        except WireError:
            return
        self._messages.put(payload)
        self._link.publish(topic(header.edge, "ack"), to_bytes(Ack(header.edge, header.epoch, header.seq + header.n - 1, "bench")))

    def readings(self) -> list[Reading]:
        """Return every reading that has come so far, once each, in order."""
        seen: dict[tuple[str, int], Reading] = {}
        while not self._messages.empty():
            batch = read_message(self._messages.get())
            seen.update({(batch.epoch, seq): row for seq, row in batch.rows if isinstance(row, Reading)})
        return list(seen.values())

    def close(self) -> None:
        """Leave the broker."""
        self._link.stop()


def cpu_s(pid: int) -> float:
    """Return the CPU seconds, user and system, that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def process_s(pid: int) -> float:
    """Return the same to the nanosecond, from the clock that the kernel keeps of each process."""
    return time.clock_gettime(~pid << 3 | 2)  # clock_getcpuclockid(3)


def rss_mb(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"process {pid} is gone")


def table(title: str, rows: Sequence[tuple[str, str, str]]) -> None:
    """Print figures: what, measured, allowed."""
    wide = [max(len(row[at]) for row in (*rows, ("", "measured", "allowed"))) for at in range(3)]
    print(f"\n\n{title}")
    for what, measured, allowed in (("", "measured", "allowed"), *rows):
        print(f"  {what:<{wide[0]}}  {measured:>{wide[1]}}  {allowed:>{wide[2]}}")
