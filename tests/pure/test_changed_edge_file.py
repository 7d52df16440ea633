"""What a changed edge file means for an edge that runs."""

from __future__ import annotations

from typing import Any

from collector.pure.changes import Changes, Setup, changes, in_force
from config.edge import EdgeFile
from config.loader import load_profile

PROFILE = load_profile("eastron-sdm630")


def bus(name: str, *units: int, **more: Any) -> dict[str, Any]:
    meters = [{"id": f"{name}-{unit}", "unit": unit, "profile": "eastron-sdm630"} for unit in units]
    return {"id": name, "url": "tcp://10.0.0.1:502", "meter": meters, **more}


def file(*buses: dict[str, Any], **more: Any) -> EdgeFile:
    return EdgeFile.model_validate({"edge": {"id": "hall-a"}, "broker": {"url": "mqtt://127.0.0.1:1883"}, "bus": list(buses), **more})


def setup(edge: EdgeFile, profile_hash: str = "h1") -> Setup:
    return Setup(edge, {"eastron-sdm630": PROFILE}, {"eastron-sdm630": profile_hash})


def test_a_bus_that_did_not_change_is_neither_ended_nor_begun_wherever_it_stands() -> None:
    before, after = setup(file(bus("a", 1), bus("b", 1), bus("c", 1))), setup(file(bus("c", 1), bus("a", 1, 2), bus("d", 1)))
    assert changes(before, after) == Changes(end=("a", "b"), begin=("a", "d"))


def test_a_profile_that_changed_begins_the_buses_that_use_it_again() -> None:
    edge = file(bus("a", 1))
    assert changes(setup(edge), setup(edge, "h2")) == Changes(end=("a",), begin=("a",))
    assert changes(setup(edge), setup(edge)) == Changes(end=(), begin=())


def test_what_is_bound_at_the_start_stays_as_it_runs_and_is_named() -> None:
    running = file(bus("a", 1))
    fresh = file(
        bus("b", 1), edge={"id": "hall-b", "clock": "trust", "profile_dirs": ["mine"]}, broker={"url": "mqtts://plant:8883"},
        outbox={"tail": "1h", "keep": "1h"},
    )  # fmt: skip
    edge, waiting = in_force(fresh, running)
    assert waiting == ("edge.id", "edge.clock", "broker", "outbox.tail")
    assert (edge.edge.id, edge.edge.clock, edge.broker, edge.outbox.tail) == ("hall-a", "ntp", running.broker, running.outbox.tail)
    assert [each.id for each in edge.bus] == ["b"]
    assert edge.outbox.keep == 3600
    assert [str(folder) for folder in edge.edge.profile_dirs] == ["mine"]


def test_an_unchanged_file_holds_nothing_back() -> None:
    running = file(bus("a", 1))
    assert in_force(running, running) == (running, ())
