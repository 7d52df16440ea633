"""Alerts and points as flat values, line protocol and JSON: the forms in which they leave the plant."""

from __future__ import annotations

import json

from driftwatt.alerts import Alert, HistoryLine, Range
from driftwatt.readings import Reading
from processors.pure.document import document, document_bytes
from processors.pure.flat import event_fields, event_times
from processors.pure.lines import event_lines, expected_lines, interval_lines, reading_lines
from processors.pure.outputs import ExpectedPower, IntervalEnergy

T = 1_900_000_000_000


def alert(name: str = "a1", *, t_ms: int = T, meter: str = "m1", **more: object) -> Alert:
    return Alert(name, "unacked", "waste", "high", meter, "hall-a", T, T, t_ms, "base_load", **more)  # type: ignore[arg-type]


def test_a_reading_is_one_line_of_floats_with_its_doubt() -> None:
    reading = Reading("m1", T, {"active_power": 5, "frequency": 49.98}, {"frequency": 4, "current_n": 256})
    assert [*reading_lines("plant", [reading])] == [
        f"readings,meter=m1,site=plant q=260i,active_power=5.0,frequency=49.98,frequency_q=4i,current_n_q=256i {T}"
    ]


def test_a_reading_without_numbers_still_has_a_line() -> None:
    assert [*reading_lines("plant", [Reading("m1", T, {}, clock="unsynced")])] == [f"readings,meter=m1,site=plant q=16i {T}"]


def test_a_revision_of_an_interval_stands_beside_the_first() -> None:
    line = interval_lines("plant", [IntervalEnergy("m1", "1h", T, T + 3_600_000, 5, cost=None, rev=2)])[0]
    assert line.startswith("energy_1h,meter=m1,site=plant ")
    assert line.endswith(f" {T + 2}")
    assert "import_wh=5.0," in line
    assert "rev=2i" in line
    assert "cost" not in line


def test_expected_power_is_one_line() -> None:
    assert expected_lines("plant", [ExpectedPower("m1", T, 2, 1, 3)]) == [f"expected_15m,meter=m1,site=plant w=2.0,lo=1.0,hi=3.0 {T}"]


def test_an_event_is_flat_typed_and_escaped() -> None:
    line = event_lines("plant", [alert(tariff='say "no"\\\nnow', cost=Range(3, 2, 4), days_learned=28, provisional=True, vat=0)])[0]
    assert line.startswith('events,meter=m1,site=plant alert="a1",')
    assert r'tariff="say \"no\"\\ now"' in line
    assert "cost=3.0,cost_low=2.0,cost_high=4.0" in line
    assert f"since_ms={T}i" in line
    assert "days_learned=28i" in line
    assert "provisional=true" in line
    assert "vat=0.0" in line


def test_events_of_one_meter_at_one_instant_get_instants_of_their_own() -> None:
    alerts = [alert("a"), alert("b"), alert("c", meter="m2"), alert("d", t_ms=T + 1)]
    assert [(t_ms - T, one.id) for t_ms, one in event_times(alerts)] == [(0, "a"), (1, "b"), (0, "c"), (2, "d")]


def test_what_has_no_value_is_left_out_of_an_event() -> None:
    assert "cleared_ms" not in event_fields(alert())
    assert "ack_note" not in event_fields(alert())
    assert "meter" not in event_fields(alert())


def test_the_document_has_times_for_people_and_nulls_where_there_is_nothing() -> None:
    said = document(alert(history=(HistoryLine(T, "opened"),), unconfirmed=("tariff",), evidence=({"k": 1.0},)))
    assert said["since"] == "2030-03-17T17:46:40.000Z"
    assert said["cleared"] is None
    assert said["cost"] is said["cost_low"] is None
    assert said["ack"] is None
    assert said["message"] == {"key": "waste.base_load", "args": {}}
    assert said["history"][0]["what"] == "opened"
    assert json.loads(document_bytes(alert()))["id"] == "a1"


def test_a_range_is_three_numbers_in_the_document() -> None:
    said = document(alert(cost=Range(3.0, 2.0, 4.0)))
    assert (said["cost"], said["cost_low"], said["cost_high"]) == (3.0, 2.0, 4.0)


def test_the_document_says_who_acknowledged() -> None:
    said = document(alert(ack_by="minh", ack_at_ms=T, ack_reason="checking", ack_note="on my way"))
    assert said["ack"] == {"by": "minh", "at": "2030-03-17T17:46:40.000Z", "reason": "checking", "note": "on my way"}
