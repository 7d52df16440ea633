"""Reply bytes of every kind: what is believed has the unit, function and count that were asked, and everything else is a typed refusal.

100,000 replies here; DRIFTWATT_FUZZ=1000000 in the environment makes more.
"""

from __future__ import annotations

import os
import random
import struct
from itertools import pairwise

import pytest

from collector.pure.adu import LONGEST_RTU, MBAP_BYTES, crc16, read_body, refuse_writes, rtu_frame, take_rtu, take_tcp, tcp_frame
from collector.pure.frames import FUNCTION_CODE, BusFault, Reply, Request
from collector.pure.validate import check
from tests.support.sick_slave import crc

TIMES = int(os.environ.get("DRIFTWATT_FUZZ", "100000")) // 2


def request_of(chance: random.Random) -> Request:
    return Request(chance.randint(1, 247), chance.choice(["input", "holding"]), chance.randint(0, 0xFF00), chance.randint(1, 125))


def body_of(chance: random.Random, request: Request) -> bytes:
    """Return a body that is right, or wrong in one or more fields."""
    count = request.count if chance.random() < 0.7 else chance.randint(0, 126)
    unit = request.unit if chance.random() < 0.8 else chance.randint(0, 255)
    function = FUNCTION_CODE[request.kind] if chance.random() < 0.8 else chance.randint(0, 255)
    if chance.random() < 0.1:
        return bytes((unit, function | 0x80, chance.randint(0, 255)))
    byte_count = 2 * count if chance.random() < 0.8 else chance.randint(0, 255)
    values = chance.randbytes(2 * count)
    return bytes((unit, function, byte_count & 0xFF)) + values[: len(values) - (chance.random() < 0.05)]


def mutated(chance: random.Random, raw: bytes) -> bytes:
    kind = chance.randrange(6)
    if kind == 0:
        return raw[: chance.randint(0, len(raw))]
    if kind == 1:
        return chance.randbytes(chance.randint(1, 9)) + raw
    if kind == 2:
        return raw + chance.randbytes(chance.randint(1, 9))
    if kind == 3:
        torn = bytearray(raw)
        torn[chance.randrange(len(torn))] ^= 1 << chance.randrange(8)
        return bytes(torn)
    return raw


def judged(request: Request, body: bytes, transaction: int | None = None, asked: int | None = None) -> Reply | None:
    """Return the reply that is believed, None when it is refused."""
    refused = ""
    try:
        reply = read_body(request, body, transaction, asked)
        check(request, reply)
    except BusFault as fault:
        refused = fault.reason
    if not refused:
        return reply
    assert refused == "mismatch" or refused.startswith("exception_")
    return None


def test_what_is_believed_over_rtu_has_the_shape_that_was_asked_and_a_right_checksum() -> None:
    chance, believed = random.Random(29), 0
    for _ in range(TIMES):
        request = request_of(chance)
        body = body_of(chance, request)
        raw = mutated(chance, body + crc16(body).to_bytes(2, "little"))
        received = bytearray(raw)
        expected = bytes((request.unit, FUNCTION_CODE[request.kind], 2 * request.count))
        taken = take_rtu(received, rtu_frame(request), expected)
        assert len(received) <= max(LONGEST_RTU, len(raw))
        reply = judged(request, taken) if taken is not None else None
        if reply is not None:
            believed += 1
            assert taken is not None
            assert taken + crc16(taken).to_bytes(2, "little") in raw
            assert taken[:3] == expected
            assert reply.registers == struct.unpack(f">{request.count}H", taken[3:])
    assert believed > TIMES / 20


def test_what_is_believed_over_tcp_has_the_shape_and_the_transaction_that_were_asked() -> None:
    chance, believed = random.Random(30), 0
    for _ in range(TIMES):
        request, asked = request_of(chance), chance.randint(1, 0xFFFF)
        body = body_of(chance, request)
        transaction = asked if chance.random() < 0.8 else chance.choice([0, asked - 1, chance.randint(0, 0xFFFF)])
        raw = mutated(chance, struct.pack(">HHH", transaction, 0, len(body)) + body)
        try:
            frame = take_tcp(raw)
        except ValueError:
            continue
        if frame is not None and (reply := judged(request, frame[1], frame[0], asked)) is not None:
            believed += 1
            assert frame[0] == asked == reply.asked_transaction
            assert raw[MBAP_BYTES : MBAP_BYTES + 3 + 2 * request.count] == frame[1]
            assert len(reply.registers) == request.count
    assert believed > TIMES / 20


def test_a_frame_cut_anywhere_is_the_same_frame_when_the_rest_comes() -> None:
    chance = random.Random(31)
    for _ in range(300):
        request = request_of(chance)
        body = bytes((request.unit, FUNCTION_CODE[request.kind], 2 * request.count)) + chance.randbytes(2 * request.count)
        raw = rtu_frame(request) + body + crc16(body).to_bytes(2, "little")  # with an echo before
        cuts = sorted({0, len(raw), *(chance.randrange(len(raw)) for _ in range(6))})
        received, taken = bytearray(), None
        for start, end in pairwise(cuts):
            assert taken is None
            received += raw[start:end]
            taken = take_rtu(received, rtu_frame(request), body[:3])
        assert taken == body


def test_the_checksum_is_the_one_of_the_standard() -> None:
    chance = random.Random(32)
    for _ in range(500):
        data = chance.randbytes(chance.randint(0, 60))
        assert crc16(data).to_bytes(2, "little") == crc(data)
    assert crc16(bytes.fromhex("010300000001")).to_bytes(2, "little").hex() == "840a"


def test_no_request_that_can_be_made_carries_another_function_than_the_readers() -> None:
    chance = random.Random(33)
    for _ in range(2000):
        request = request_of(chance)
        refuse_writes(rtu_frame(request), 1)
        refuse_writes(tcp_frame(request, chance.randint(0, 0xFFFF)), 7)
        assert rtu_frame(request)[1] in (3, 4)
    for function in set(range(256)) - {1, 2, 3, 4}:
        with pytest.raises(PermissionError, match="refused"):
            refuse_writes(bytes((7, function, 0, 1, 0, 2, 0, 0)), 1)
