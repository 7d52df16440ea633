"""The InfluxDB store against strict stand-ins of three servers: what every answer means for the points sent."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from driftwatt.errors import PartialWrite, Refused, Unavailable
from driftwatt.readings import Reading
from processors.adapters.influx import InfluxStore, Server
from tests.support.fake_influx import VERSIONS, FakeInflux, Scripted, serving

PROFILES = ["1.8", "2.7", "3-core"]
T = 1_900_000_000_000


@contextmanager
def store_on(fake: FakeInflux, *, token: str = "") -> Iterator[InfluxStore]:
    with serving(fake):
        store = InfluxStore(Server(fake.url, "plant", token=token), "plant-1")
        try:
            yield store
        finally:
            store.close()


def rows(count: int) -> list[Reading]:
    return [Reading("m1", T + at, {"active_power": float(at)}) for at in range(count)]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("bad", [0, 1, 5, 9])
def test_one_line_of_a_conflicting_type_is_found_and_all_others_are_stored(profile: str, bad: int) -> None:
    fake = FakeInflux(profile)
    fake.types["readings", "frequency"] = str
    points = rows(10)
    points[bad] = Reading("m1", T + bad, {"active_power": 1.0, "frequency": 50.0})
    with store_on(fake) as store, pytest.raises(PartialWrite) as caught:
        store.write_readings(points)
    assert list(caught.value.rejected) == [bad]
    assert caught.value.rejected[bad]
    assert sorted(key[2] - T for key in fake.points) == [at for at in range(10) if at != bad]


@pytest.mark.parametrize("profile", PROFILES)
def test_a_request_that_is_too_large_is_halved_until_it_fits(profile: str) -> None:
    fake = FakeInflux(profile, max_bytes=200)
    with store_on(fake) as store:
        store.write_readings(rows(16))
    assert len(fake.points) == 16


def test_a_single_line_that_is_too_large_is_refused_for_ever() -> None:
    fake = FakeInflux("2.7", max_bytes=20)
    with store_on(fake) as store, pytest.raises(PartialWrite) as caught:
        store.write_readings(rows(2))
    assert list(caught.value.rejected) == [0, 1]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_trouble_of_the_server_means_later_and_is_tried_once(profile: str, status: int) -> None:
    fake = FakeInflux(profile, script=[Scripted(status, {"Retry-After": "7"})])
    with store_on(fake) as store, pytest.raises(Unavailable) as caught:
        store.write_readings(rows(3))
    assert caught.value.wait_s == 7
    assert len(fake.requests) == 1


def test_a_wait_that_the_server_asks_for_is_capped_and_nonsense_is_ignored() -> None:
    fake = FakeInflux("2.7", script=[Scripted(429, {"Retry-After": "86400"}), Scripted(503, {"Retry-After": "soon"})])
    with store_on(fake) as store:
        with pytest.raises(Unavailable) as caught:
            store.write_readings(rows(1))
        assert caught.value.wait_s == 60
        with pytest.raises(Unavailable) as caught:
            store.write_readings(rows(1))
        assert caught.value.wait_s is None


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_wrong_token_or_missing_bucket_holds_everything(status: int) -> None:
    fake = FakeInflux("2.7", script=[Scripted(status)])
    with store_on(fake) as store, pytest.raises(Refused):
        store.write_readings(rows(3))
    assert fake.points == {}


def test_a_real_token_check_refuses_a_stranger() -> None:
    fake = FakeInflux("1.8", token="minh:right")
    with store_on(fake, token="minh:wrong") as store:
        with pytest.raises(Refused):
            store.write_readings(rows(1))
        with pytest.raises(Unavailable):
            store.readings("m1", "active_power", T, T + 1)


@pytest.mark.parametrize("profile", ["1.8", "2.7"])
def test_a_bucket_that_is_not_there_holds_everything_and_answers_no_question(profile: str) -> None:
    with serving(FakeInflux(profile, bucket="another")) as fake:
        store = InfluxStore(Server(fake.url, "plant"), "plant-1")
        with pytest.raises(Refused, match="404"):
            store.write_readings(rows(3))
        with pytest.raises(Unavailable, match="not found"):
            store.readings("m1", "active_power", T, T + 1)
        store.close()


def test_version_3_tells_what_it_is_only_to_those_it_knows() -> None:
    with store_on(FakeInflux("3-core", token="secret"), token="secret") as store:
        assert store.generation() == "3"
    with store_on(FakeInflux("3-core", token="secret"), token="wrong") as store:
        assert store.generation() == ""


def test_a_schema_limit_of_version_3_holds_instead_of_hunting_bad_lines() -> None:
    fake = FakeInflux("3-core", script=[Scripted(422)])
    with store_on(fake) as store, pytest.raises(Refused):
        store.write_readings(rows(8))
    assert len(fake.requests) == 1


def test_an_answer_that_never_arrives_leaves_the_points_once() -> None:
    fake = FakeInflux("2.7", script=[Scripted(204, store_first=True, cut=True)])
    with store_on(fake) as store:
        with pytest.raises(Unavailable):
            store.write_readings(rows(3))
        store.write_readings(rows(3))
        assert len(store.readings("m1", "active_power", T, T + 10)) == 3


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = InfluxStore(Server(f"http://127.0.0.1:{port}", "plant"), "plant-1")
    with pytest.raises(Unavailable):
        store.write_readings(rows(1))
    with pytest.raises(Unavailable):
        store.readings("m1", "active_power", T, T + 1)
    store.close()


def test_many_points_go_in_requests_of_bounded_size() -> None:
    fake = FakeInflux("2.7")
    with store_on(fake) as store:
        store.write_readings(rows(12_000))
    assert fake.requests == [2000] * 6
    assert len(fake.points) == 12_000


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("bad", [0, 7, 99])
def test_a_line_that_breaks_the_server_again_and_again_is_found_and_the_others_pass(profile: str, bad: int) -> None:
    fake = FakeInflux(profile, breaks_on=f" {T + bad}")
    with store_on(fake) as store:
        for _ in range(2):
            with pytest.raises(Unavailable, match="500"):
                store.write_readings(rows(100))
            assert fake.points == {}, "the first times it may be the server"
        with pytest.raises(PartialWrite) as caught:
            store.write_readings(rows(100))
    assert list(caught.value.rejected) == [bad]
    assert "breaks on it" in caught.value.rejected[bad]
    assert sorted(key[2] - T for key in fake.points) == [at for at in range(100) if at != bad]


@pytest.mark.parametrize("profile", PROFILES)
def test_a_server_that_breaks_on_everything_sets_nothing_aside(profile: str) -> None:
    fake = FakeInflux(profile, breaks_on="readings")
    with store_on(fake) as store:
        for _ in range(6):
            with pytest.raises(Unavailable, match="500"):
                store.write_readings(rows(100))
        assert len(fake.requests) < 80, "and is not hammered"
        with pytest.raises(Unavailable):
            store.write_readings(rows(1))
        fake.breaks_on = ""
        store.write_readings(rows(100))
    assert len(fake.points) == 100


@pytest.mark.parametrize(("profile", "generation"), [("1.8", "1"), ("2.7", "2"), ("3-core", "3")])
def test_auto_finds_out_which_server_it_is(profile: str, generation: str) -> None:
    with store_on(FakeInflux(profile)) as store:
        assert store.generation() == generation


def test_a_home_made_server_that_calls_its_version_unknown_is_not_taken_for_one_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VERSIONS, "2.7", "unknown")
    with store_on(FakeInflux("2.7")) as store:
        assert store.generation() == ""


def test_a_server_that_does_not_say_what_it_is_gets_time_before_a_422_is_read() -> None:
    fake = FakeInflux("2.7", script=[Scripted(422), Scripted(422)], silent=True)
    with store_on(fake) as store:
        with pytest.raises(Unavailable):
            store.write_readings(rows(4))
        fake.silent = False
        store.write_readings(rows(4))
    assert len(fake.points) == 4
