"""The shared language: ids, topics, quantities, errors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftwatt.errors import ConfigError, ConfigErrors, MissingExtra, PartialWrite, Refused, Unavailable, UnknownMajor, WireError
from driftwatt.names import is_id
from driftwatt.quantities import QUANTITIES
from driftwatt.readings import Quality, Reading
from driftwatt.topics import KINDS, alert_topic, every_edge, parse, topic


@given(st.text(max_size=70))
def test_an_id_never_holds_what_a_topic_tag_or_path_could_trip_over(text: str) -> None:
    if is_id(text):
        assert not set(text) & set("+#/$\0 ,=\\\"'<>&")
        assert text not in ("", ".", "..")
        assert len(text) <= 63


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_topic_is_read_back_as_what_it_was_made_of(kind: str) -> None:
    assert parse(topic("hall-a", kind)) == ("hall-a", kind)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "dw/2/hall-a/d", "dw/1/hall-a/x", "dw/1/Hall/d", "dw/1/hall-a/d/e", "dw/1/+/d", "x" * 300])
def test_a_foreign_topic_is_refused_in_a_short_line(text: str) -> None:
    with pytest.raises(WireError) as caught:
        parse(text)
    assert len(str(caught.value)) <= 250


def test_subscriptions_and_alert_topics_follow_the_same_prefix() -> None:
    assert every_edge("hello") == "dw/1/+/hello"
    assert alert_topic("plant", "a1") == "dw/1/alerts/plant/a1"


def test_every_energy_is_a_counter_in_watt_hours_and_no_power_is() -> None:
    for name, quantity in QUANTITIES.items():
        assert is_id(name)
        assert quantity.counter == (name.split("_l")[0].endswith(("_energy", "_count")) or name == "volume")
    assert QUANTITIES["import_energy"].unit == "Wh"
    assert QUANTITIES["active_power_l2"].unit == "W"


def test_a_reading_tells_its_samples_and_all_its_doubt() -> None:
    reading = Reading("m", 1, {"active_power": 5.0, "frequency": 50.0}, {"frequency": 2, "import_energy": 256}, clock="unsynced")
    told = [(sample.quantity, sample.value, sample.quality) for sample in reading.samples()]
    assert told == [("active_power", 5.0, 0), ("frequency", 50.0, 2), ("import_energy", None, 256)]
    assert reading.quality == Quality.OUT_OF_RANGE | Quality.MISSING | Quality.CLOCK_UNCERTAIN
    assert Reading("m", 1, {}).quality == 0


def test_a_configuration_error_names_file_line_key_found_and_allowed() -> None:
    error = ConfigError("is unknown", file="edge.toml", key="bus[0].urll", line=7, found="'urll'", allowed="url, timeout")
    assert str(error) == "edge.toml:7: bus[0].urll: is unknown (found 'urll'; allowed: url, timeout)"
    assert str(ConfigError("is empty", file="edge.toml")) == "edge.toml: is empty"
    assert str(ConfigErrors([error, ConfigError("is empty")])).splitlines() == [str(error), "is empty"]


def test_every_error_has_one_readable_line() -> None:
    errors = [
        (WireError("row"), "row"),
        (UnknownMajor("major", "version 2"), "major: version 2"),
        (Unavailable("store does not answer", 3.0), "store does not answer"),
        (Refused("no right to write"), "no right to write"),
        (PartialWrite({3: "bad"}), "1 points refused"),
        (MissingExtra("processor", "numpy"), "numpy is not installed; install it with: pip install 'driftwatt[processor]'"),
    ]
    for error, line in errors:
        assert str(error) == line
