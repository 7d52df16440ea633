"""The orders to the simulator, its own RTU frames, and its luck."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.simulator import rtu
from collector.simulator.faults import KINDS, Fault, Mischief, fault
from collector.simulator.wire import listen
from driftwatt.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("delay=0.2:1%", Fault("delay", (0.2,), 0.01)),
        ("late=1.5", Fault("late", (1.5,))),
        ("crc:12.5%", Fault("crc", (), 0.125)),
        ("wrong-unit:50%@10-", Fault("wrong-unit", (), 0.5, 10.0)),
        ("illegal=0x10-0x13", Fault("illegal", (16, 19))),
        ("dead=3,4,5@0-120", Fault("dead", (3, 4, 5), 1.0, 0.0, 120.0)),
    ],
)
def test_a_fault_is_ordered_in_one_word(text: str, meant: Fault) -> None:
    assert fault(text) == meant


@pytest.mark.parametrize(
    "text", ["", "crack", "delay", "delay=soon", "crc=3", "crc:0%", "crc:101%", "crc:1", "dead", "dead=a", "illegal=5", "drop@9-3"]
)
def test_an_order_that_means_nothing_names_every_kind(text: str) -> None:
    with pytest.raises(ConfigError, match="--fault is not understood") as caught:
        fault(text)
    assert all(kind in str(caught.value) for kind in KINDS)


@given(st.text(max_size=30))
def test_no_order_makes_it_stumble(text: str) -> None:
    with contextlib.suppress(ConfigError):
        assert fault(text).kind in KINDS


def test_faults_strike_by_their_share_within_their_time_and_the_same_way_again() -> None:
    now = [0.0]

    def strikes(seed: int) -> list[bool]:
        mischief = Mischief([fault("crc:10%@5-15"), fault("dead=3")], seed=seed, now_s=lambda: now[0])
        now[0] = 4.9
        assert not mischief.strike(1, 0, 2)
        now[0] = 5.0
        out = ["crc" in mischief.strike(1, 0, 2) for _ in range(2000)]
        assert mischief.counts["crc"] == sum(out)
        now[0] = 15.0
        assert not mischief.strike(1, 0, 2)
        assert "dead" in mischief.strike(3, 0, 2)
        now[0] = 0.0
        return out

    first = strikes(7)
    assert first == strikes(7) != strikes(8)
    assert abs(sum(first) - 200) < 3 * (2000 * 0.1 * 0.9) ** 0.5


def test_only_requests_that_touch_an_illegal_range_are_refused() -> None:
    mischief = Mischief([fault("illegal=0x10-0x13")])
    assert [bool(mischief.strike(1, address, 2)) for address in (0x0E, 0x0F, 0x13, 0x14)] == [False, True, True, False]


def test_the_checksum_is_that_of_the_standard() -> None:
    assert rtu.frame(1, bytes.fromhex("030000000a")) == bytes.fromhex("01030000000ac5cd")
    assert rtu.frame(0x11, bytes.fromhex("03006b0003")) == bytes.fromhex("1103006b00037687")


@given(st.lists(st.binary(min_size=5, max_size=5), min_size=1, max_size=5), st.integers(1, 12))
def test_requests_are_found_however_they_are_cut(bodies: list[bytes], step: int) -> None:
    sent = [rtu.frame(7, b"\x04" + body[1:]) for body in bodies]
    stream, requests = b"".join(sent), rtu.Requests()
    assert [each for at in range(0, len(stream), step) for each in requests.take(stream[at : at + step])] == sent


def test_a_request_with_a_wrong_bit_is_none() -> None:
    good = rtu.frame(7, bytes.fromhex("0400000002"))
    for bit in range(8 * len(good)):
        wrong = bytes(byte ^ (1 << bit % 8 if at == bit // 8 else 0) for at, byte in enumerate(good))
        assert not list(rtu.Requests().take(wrong))


def test_the_speed_of_a_line_counts_start_parity_and_stop_bits() -> None:
    at_9600 = listen("pty:/tmp/line").wire
    assert (at_9600.baud, at_9600.turnaround_s) == (9600, 0.02)
    assert at_9600.character_s == pytest.approx(10 / 9600)
    assert listen("pty:line?baud=19200&format=8E1").wire.character_s == pytest.approx(11 / 19200)
    assert listen("pty:line?baud=19200&format=8N2").wire.silence_s == pytest.approx(3.5 * 11 / 19200)
    assert listen("pty:line?baud=115200").wire.silence_s == 0.00175
    assert listen("rtu-tcp://127.0.0.1:0").wire.character_s == 0
    assert listen("rtu-tcp://127.0.0.1:5020").url(5020) == "rtu-tcp://127.0.0.1:5020"
    assert listen("pty:/tmp/line?baud=19200&format=8e1").url(0) == "rtu:///tmp/line?baud=19200&format=8E1"


@pytest.mark.parametrize(
    "url",
    ["udp", "tcp://127.0.0.1", "tcp://127.0.0.1:99999", "pty:", "pty:line?baud=fast", "pty:line?baud=9600&format=7E1", "pty:l?bits=8"],
)
def test_a_place_to_listen_that_means_nothing_is_told_with_examples(url: str) -> None:
    with pytest.raises(ConfigError, match="rtu-tcp://"):
        listen(url)
