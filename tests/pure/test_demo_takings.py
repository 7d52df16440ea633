"""What the end of a demo tells: books side by side, alerts beside the waste that was hidden."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from driftwatt.demo import seconds
from driftwatt.errors import ConfigError
from driftwatt.takings import Books, Summary, books

LABEL = {"meter": "compressor-3", "pattern": "off_hours", "extra_kw": 7.1, "since": "2026-11-10T15:00:00.000Z"}


def _alert(**other: Any) -> dict[str, Any]:
    alert = {"id": "a", "meter": "compressor-3", "kind": "waste", "state": "unacked", "pattern": "off_hours", "expected_kw": 4.1}
    return {**alert, "actual_kw": 11.2, "excess_kwh": 460.0, "cost": 710_000.0, "currency": "VND", **other}


def _books(*, balanced: bool = True, **lines: dict[str, Any]) -> Books:
    return Books({(meter, "2026-11-19"): line for meter, line in lines.items()}, balanced)


def _summary(**other: Any) -> Summary:
    edge = _books(pump={"committed": 10, "stored": 10}, fan={"committed": 7, "stored": 5, "waiting": 2})
    plant = _books(pump={"stored": 10, "imported": 96}, fan={"stored": 6})
    return Summary(**{"edge": edge, "plant": plant, "alerts": [_alert()], "labels": [LABEL], **other})


def test_balanced_books_no_loss_and_a_priced_alert_are_good() -> None:
    summary = _summary()
    assert (summary.lost, summary.good) == (0, True)
    assert "all is well" in summary.as_text()
    assert "compressor-3: off_hours, +7.1 kW since 2026-11-10T15:00Z → off_hours, +7.1 kW, 460 kWh, 710,000 VND so far" in summary.as_text()
    assert json.loads(json.dumps(summary.as_object()))["committed"] == 17


def test_a_reading_that_the_collector_let_go_of_and_the_plant_lacks_is_lost() -> None:
    plant = _books(pump={"stored": 9}, fan={"stored": 8})
    summary = _summary(plant=plant)
    assert summary.lost == 1  # the surplus of one meter hides nothing of another
    assert not summary.good
    assert "something is wrong" in summary.as_text()


def test_what_was_dropped_is_lost_and_what_was_set_aside_is_not() -> None:
    edge = _books(pump={"committed": 10, "stored": 8, "dropped": {"full": 2}})
    assert _summary(edge=edge, plant=_books(pump={"stored": 7, "quarantined": {"unknown_meter": 1}})).lost == 2


def test_books_that_could_not_be_read_are_no_loss_but_told_with_the_reason(tmp_path: Path) -> None:
    unread = books(tmp_path / "edge.toml", lambda *_: "driftwatt: database is locked")
    told = _summary(edge=unread).as_text()
    assert told.strip() == "the books of the collector could not be read: driftwatt: database is locked"
    assert _summary(edge=unread).as_object()["unread"] == {"collector": "driftwatt: database is locked"}
    assert not _summary(edge=unread).good


def test_books_that_do_not_balance_are_not_good() -> None:
    edge = _books(balanced=False, pump={"committed": 10, "stored": 10})
    assert not _summary(edge=edge).good


@pytest.mark.parametrize("alert", [_alert(kind="data"), _alert(cost=None), _alert(state="suppressed")])
def test_only_a_waste_alert_with_a_cost_counts(alert: dict[str, Any]) -> None:
    summary = _summary(alerts=[alert])
    assert not summary.good
    assert summary.whole
    assert "not found" in summary.as_text()
    assert "no waste was found yet" in summary.as_text()


def test_a_waste_that_somebody_closed_on_the_page_was_found() -> None:
    summary = _summary(alerts=[_alert(state="closed")])
    assert summary.good
    assert "since 2026-11-10T15:00Z → found, and closed on the page" in summary.as_text()


def test_an_alert_on_another_meter_is_told_beside() -> None:
    text = _summary(alerts=[_alert(), _alert(id="b", meter="office", pattern="base_load")]).as_text()
    assert "office: base_load was found beside them" in text


def test_books_are_read_from_what_the_ledger_prints() -> None:
    printed = [
        "2026-11-19 22:47:00 INFO a line of the log",
        json.dumps({"meter": "pump", "day": "2026-11-19", "committed": 3, "failed": {"timeout": 1}, "balanced": True}),
        json.dumps({"total": {"committed": 3}, "balanced": True}),
    ]
    read = books(Path("edge.toml"), lambda *_words: "\n".join(printed))
    assert read.balanced
    assert (read.total("committed"), read.total("failed")) == (3, 1)


@pytest.mark.parametrize(("text", "value"), [("120s", 120), ("10m", 600), ("2h", 7200)])
def test_a_duration_is_understood(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "120", "1.5m", "s", "-3s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--for is not understood"):
        seconds(text)
