"""Faults of whole boxes: disks that were put back from a backup, or cloned."""

from __future__ import annotations

import shutil
import time

from tests.chaos.case import see, waiting
from tests.chaos.herd import Herd


def restored_edge(herd: Herd) -> int:
    """The edge's disk of ten seconds ago is put back: new rows are not taken for those that the plant has."""
    herd.end("collect")
    shutil.copytree(
        herd.folder / "data", herd.folder / "saved", ignore=lambda _, names: [name for name in names if name.startswith("plant")]
    )
    committed = herd.total("edge.toml")["committed"]
    herd.begin("collect")
    time.sleep(10)
    herd.wait("everything so far is stored", lambda: waiting(herd) < 60, within_s=30)
    herd.take_down("collect")
    time.sleep(1)
    gone = herd.total("edge.toml")["committed"] - committed
    edge = next((herd.folder / "data").glob("edge-*"))
    shutil.rmtree(edge)
    shutil.copytree(herd.folder / "saved" / edge.name, edge)
    see("committed readings that only the other disk knew", gone)
    herd.begin("collect")
    time.sleep(5)
    return int(gone)


def cloned_edge(herd: Herd) -> int:
    """A copy of the edge's disk runs in a second box under the same name: an alarm within a minute."""
    twin = herd.folder / "twin"
    herd.take_down("collect")
    shutil.copytree(herd.folder / "data", twin / "data", ignore=shutil.ignore_patterns("plant-*", "*.sock"))
    shutil.copytree(herd.folder / "profiles", twin / "profiles")
    shutil.copy(herd.folder / "edge.toml", twin / "edge.toml")
    herd.begin("collect")
    herd.spawn("twin", herd.words("collect", twin / "edge.toml"), out="twin.log")
    began = time.monotonic()
    herd.wait("two boxes are seen", lambda: "identity_used_twice" in herd.alarms("plant.toml"), within_s=60)
    see("seen after seconds", round(time.monotonic() - began, 1))
    time.sleep(5)
    herd.end("twin")
    see("readings of a box that wait instead of being mixed up", waiting(herd))
    return int(herd.total("twin/edge.toml")["committed"])


def restored_plant(herd: Herd) -> None:
    """The plant's files of ten seconds ago are put back: the edge sends what they lack from its tail."""
    herd.end("process")
    plant = next((herd.folder / "data").glob("plant-*"))
    shutil.copytree(plant, herd.folder / "saved")
    before = herd.stored()
    herd.begin("process")
    herd.wait("more is stored", lambda: herd.stored() > before + 200, within_s=60)
    see("readings that the backup lacks", herd.stored() - before)
    herd.end("process")
    shutil.rmtree(plant)
    shutil.copytree(herd.folder / "saved", plant)
    herd.begin("process")
    time.sleep(5)
