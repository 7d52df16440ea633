"""Faults of what keeps data: databases and full disks."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from pathlib import Path

from tests.chaos.case import Missing, see, waiting
from tests.chaos.herd import Herd


def hanging_database(herd: Herd) -> None:
    """InfluxDB stands still for twenty seconds; memory does not grow with it."""
    before = herd.resident_mb("process")
    herd.freeze("influx")
    time.sleep(20)
    see("readings that wait", waiting(herd))
    grown = herd.resident_mb("process") - before
    see("processor grew by MB", f"{grown:.1f}")
    if grown > 30:
        raise Missing("memory that does not grow with the outage")
    herd.thaw("influx")


def refused_database(herd: Herd) -> None:
    """InfluxDB wants a password that the plant does not have; everything waits, an alarm says so, then it is let in."""
    user = "CREATE USER boss WITH PASSWORD 'boss' WITH ALL PRIVILEGES"
    if herd.influx(user, post=True) is None:
        raise Missing("a user in InfluxDB")
    herd.influx_settings("auth-enabled = true")
    herd.kill("influx")
    herd.wait("the plant says that it is refused", lambda: "store_refuses" in herd.alarms("plant.toml"), within_s=60)
    before = waiting(herd)
    time.sleep(6)
    see("readings that wait more", waiting(herd) - before)
    herd.influx_settings("")
    herd.kill("influx")


def full_outbox(herd: Herd) -> None:
    """The plant is away until an outbox of one megabyte has given rows up by its policy."""
    herd.take_down("process")
    herd.wait("rows are given up", lambda: bool(sum(herd.total("edge.toml")["dropped"].values())), within_s=120)
    see("alarms", sorted(herd.alarms("edge.toml") & {"outbox_full", "outbox_filling"}))


def full_disk(herd: Herd) -> None:
    """Somebody else fills the disk of the plant for fifteen seconds: nothing is acknowledged that is not kept, and it heals."""
    if os.geteuid() != 0:
        raise Missing("a small disk: only root may mount one")
    herd.end("process")
    plant = next((herd.folder / "data").glob("plant-*"))
    shutil.copytree(plant, herd.folder / "saved", ignore=shutil.ignore_patterns("*.sock"))
    herd.mount(plant, "24m")
    shutil.copytree(herd.folder / "saved", plant, dirs_exist_ok=True)
    herd.begin("process")
    before = herd.stored()
    herd.wait("it stores on the small disk", lambda: herd.stored() > before, within_s=60)
    fill(plant / "somebody-elses-log")
    log = herd.folder / "process.log"  # the status file is on that very disk
    herd.wait("the plant says that it cannot write", lambda: "disk is full" in log.read_text(encoding="utf-8"), within_s=60)
    stored = herd.stored()
    time.sleep(15)
    see("readings that wait", waiting(herd))
    see("nothing was stored meanwhile", herd.stored() <= stored + 60)
    see("the processor runs", herd.running("process"))
    (plant / "somebody-elses-log").unlink()


def fill(file: Path) -> None:
    """Take every byte that is left."""
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as out:
        while True:
            out.write(b"x" * 4096)
