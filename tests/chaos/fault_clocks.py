"""Faults of the time of day: it steps under a running daemon, or is set only after the start. Every wrong date has to be marked."""

from __future__ import annotations

import time

from tests.chaos.case import Missing, see, waiting
from tests.chaos.found import dates
from tests.chaos.herd import Herd

HOUR_S, DAY_S = 3600.0, 86_400.0
ADOPTED_S = 150.0
"""A clock that went back is followed after two minutes of standing where it is."""


def _clock(herd: Herd) -> dict[str, object]:
    said: dict[str, object] = herd.status("edge.toml")["clock"]
    return said


def _set_aside(herd: Herd) -> int:
    return int(herd.status("plant.toml")["quarantine"]["n"])


def a_day_ahead(herd: Herd) -> None:
    """The edge's clock goes a day ahead and back: dates in the future are set aside by name, what follows the step back is marked."""
    machine = herd.unwell["collect"]
    machine.clock(DAY_S)
    herd.wait("readings of tomorrow are set aside", lambda: _set_aside(herd) > 100, within_s=30)
    see("alarm quarantine_growing", "quarantine_growing" in herd.alarms("plant.toml"))
    machine.clock(0)
    herd.wait("the edge sees the step back", lambda: _clock(herd)["state"] == "uncertain", within_s=20)
    aside, stored = _set_aside(herd), herd.stored()
    herd.wait("the right time is followed again", lambda: herd.stored() > stored + 100, within_s=ADOPTED_S)
    see("readings set aside until it was", _set_aside(herd) - aside)
    see("steps counted", _clock(herd)["steps"])
    see("wrong times told", machine.struck()["wrong times told"])


def an_hour_back(herd: Herd) -> None:
    """The edge's clock goes an hour back: the old time goes on, then the new one is followed, both marked; no reading replaces another."""
    machine = herd.unwell["collect"]
    machine.clock(-HOUR_S)
    herd.wait("the edge sees the step back", lambda: _clock(herd)["state"] == "uncertain", within_s=20)
    began_ms = time.time_ns() // 1_000_000
    herd.wait("the wrong time is followed", lambda: dates(herd, until_ms=began_ms - 1_800_000) > 0, within_s=ADOPTED_S)
    time.sleep(5)
    machine.clock(0)
    time.sleep(5)
    see("readings dated an hour back", dates(herd, until_ms=began_ms - 1_800_000))
    see("steps counted", _clock(herd)["steps"])
    see("wrong times told", machine.struck()["wrong times told"])


def set_after_boot(herd: Herd) -> None:
    """The edge starts ten years back, unsynchronised, without and with a broker: what was not sent gets its time, the rest is marked."""
    machine = herd.unwell["collect"]
    herd.take_down("broker")
    _start_unsynced(herd)
    herd.wait("readings wait under a wrong date", lambda: waiting(herd) > 100, within_s=30)
    see("alarm clock_unsynced", "clock_unsynced" in herd.alarms("edge.toml"))
    machine.clock(0)
    log = herd.folder / "collect.log"
    herd.wait("they get their true time", lambda: "got their true time" in log.read_text(encoding="utf-8"), within_s=30)
    herd.begin("broker")
    herd.wait("they are stored", lambda: waiting(herd) < 60, within_s=40)
    began_ms = time.time_ns() // 1_000_000
    if dates(herd, until_ms=began_ms - round(DAY_S * 1000)):
        raise Missing("no reading of ten years back")
    _start_unsynced(herd)
    herd.wait("readings are stored under a wrong date", lambda: dates(herd, until_ms=began_ms - round(DAY_S * 1000)) > 0, within_s=40)
    machine.clock(0)
    herd.wait("the clock is right", lambda: _clock(herd)["state"] == "ok", within_s=20)
    stored = herd.stored()
    herd.wait("readings of today are stored", lambda: herd.stored() > stored + 100, within_s=40)
    see("wrong times told", machine.struck()["wrong times told"])


def _start_unsynced(herd: Herd) -> None:
    herd.end("collect")
    herd.unwell["collect"].clock(-3650 * DAY_S, synced=False)
    herd.begin("collect")


def of_the_plant(herd: Herd) -> None:
    """The plant's clock goes a day ahead, then an hour back: what looks like the future is set aside and let in again."""
    machine = herd.unwell["process"]
    stored = herd.stored()
    machine.clock(DAY_S)
    herd.wait("readings of yesterday are stored", lambda: herd.stored() > stored + 300, within_s=30)
    machine.clock(-HOUR_S)
    herd.wait("readings of the future are set aside", lambda: _set_aside(herd) > 100, within_s=30)
    machine.clock(0)
    time.sleep(3)
    stored = herd.stored()
    herd.wait("readings are stored again", lambda: herd.stored() > stored + 100, within_s=30)
    said = herd.driftwatt("quarantine", "plant.toml", "release", "--reason", "future", "--json").stdout
    see("what the future let in again", said.strip())
    see("nothing stays set aside", not _set_aside(herd))
    see("wrong times told", machine.struck()["wrong times told"])
