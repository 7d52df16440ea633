"""The wire: what is sent comes back the same; what is hostile comes back as one typed error, never as a number."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftwatt.errors import UnknownMajor, WireError
from driftwatt.quantities import QUANTITIES
from driftwatt.readings import Batch, FailedPoll, Reading, Removed, Row
from driftwatt.wire import (
    MAX_PAYLOAD_BYTES,
    MAX_ROWS,
    MAX_SEQS,
    MESSAGE_OVERHEAD_BYTES,
    Ack,
    CounterFacts,
    EdgeAlarm,
    EdgeLedger,
    EdgeState,
    EpochSpan,
    Hello,
    HelloMeter,
    LedgerLine,
    from_bytes,
    live_bytes,
    message_bytes,
    read_header,
    read_live,
    read_message,
    read_row,
    row_bytes,
    to_bytes,
)

EPOCH = "0123456789abcdef"
T = 1_790_000_000_000

ids = st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,62}", fullmatch=True)
millis = st.integers(0, 4_102_444_800_000)
clocks = st.sampled_from(("ok", "unsynced", "uncertain"))
numbers = st.floats(allow_nan=False, allow_infinity=False)
quantities = st.sampled_from(sorted(QUANTITIES))
reasons = st.from_regex(r"[a-z][a-z0-9_]{0,39}", fullmatch=True)
readings = st.builds(
    Reading,
    ids,
    millis,
    st.dictionaries(quantities, numbers, max_size=8),
    st.dictionaries(quantities, st.integers(0, 1023), max_size=4),
    st.integers(0, 3_600_000),
    clocks,
)
failures = st.builds(FailedPoll, ids, millis, reasons, st.integers(0, 3_600_000), clocks)
removals = st.builds(Removed, st.sampled_from(("thinned", "corrupt")), st.integers(1, 1000))
rows = st.one_of(readings, failures, removals)


def count(row: Row) -> int:
    return row.count if isinstance(row, Removed) else 1


def message(*bodies: bytes, n: int | None = None, **header: Any) -> bytes:
    """A data message whose rows are any bytes, with a checksum that fits them."""
    body = b"[" + b",".join(bodies) + b"]"
    head = {"v": 1, "edge": "hall-a", "epoch": EPOCH, "base": 1, "seq": 1, "n": n or len(bodies), "crc": zlib.crc32(body), **header}
    return json.dumps(head)[:-1].encode() + b',"readings":' + body + b"}"


READERS: tuple[Callable[[bytes], object], ...] = (
    read_message,
    read_header,
    read_live,
    read_row,
    partial(from_bytes, Ack),
    partial(from_bytes, Hello),
    partial(from_bytes, EdgeState),
    partial(from_bytes, EdgeLedger),
)


def refused(read: Callable[[bytes], object], payload: bytes) -> str:
    """Return the reason of the typed error, or nothing when it was read; anything else fails the test."""
    try:
        read(payload)
    except WireError as error:
        assert len(str(error)) < 400, "a line for people"  # noqa: PT017
        return error.reason
    return ""


def good(meter: str = "m1") -> bytes:
    return row_bytes(Reading(meter, T, {"active_power": 1.5}))


@given(rows)
def test_a_row_is_read_back_as_it_was_written(row: Row) -> None:
    assert read_row(row_bytes(row)) == row


@settings(max_examples=60)
@given(ids, st.lists(rows, min_size=1, max_size=20), st.integers(1, 2**40), st.booleans())
def test_a_message_is_read_back_row_by_row_with_its_seqs(edge: str, sent: list[Row], seq: int, replay: bool) -> None:  # noqa: FBT001
    n = sum(count(row) for row in sent)
    batch = read_message(message_bytes(edge, EPOCH, 1, seq, [row_bytes(row) for row in sent], n=n, replay=replay))
    at, expected = seq, []
    for row in sent:
        expected.append((at, row))
        at += count(row)
    assert batch == Batch(edge, EPOCH, 1, seq, n, tuple(expected), (), replay)


@given(st.integers(0), st.integers(0, 7), st.lists(rows, min_size=1, max_size=4))
def test_a_flipped_bit_is_never_read_as_another_number(at: int, bit: int, sent: list[Row]) -> None:
    whole = message_bytes("hall-a", EPOCH, 1, 1, [row_bytes(row) for row in sent], n=sum(count(row) for row in sent))
    at %= len(whole)
    flipped = whole[:at] + bytes((whole[at] ^ 1 << bit,)) + whole[at + 1 :]
    try:
        batch = read_message(flipped)
    except WireError:
        return
    assert [row for _, row in batch.rows] == [row for _, row in read_message(whole).rows]


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(("m", "t", "s", "q", "f", "x", "k", "c", "d", "v")), inner),
    max_leaves=12,
)


@settings(max_examples=200)
@given(st.lists(json_values, min_size=1, max_size=5))
def test_rows_of_any_json_are_good_or_set_aside_and_the_good_ones_hold_only_finite_numbers(hostile: list[Any]) -> None:
    sent = [good(), *(json.dumps(value).encode() for value in hostile)]
    try:
        batch = read_message(message(*sent))
    except WireError:
        return
    assert batch.rows[0] == (1, Reading("m1", T, {"active_power": 1.5}))
    assert sum(count(row) for _, row in batch.rows) + len(batch.bad) == batch.n
    for _, row in batch.rows:
        assert all(math.isfinite(value) for value in getattr(row, "values", {}).values())
        row_bytes(row)


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_any_bytes_end_as_a_typed_error_or_a_message(payload: bytes) -> None:
    for read in READERS:
        refused(read, payload)


@pytest.mark.parametrize(
    "bad",
    [
        b'{"m":"m1","t":1,"s":{"active_power":NaN}}',
        b'{"m":"m1","t":1,"s":{"active_power":Infinity}}',
        b'{"m":"m1","t":1,"s":{"active_power":1e999}}',
        b'{"m":"m1","t":1,"s":{"active_power":-1e999}}',
        b'{"m":"m1","t":1,"s":{"active_power":true}}',
        b'{"m":"m1","t":1,"s":{"active_power":"5"}}',
        b'{"m":"m1","t":1,"s":{"active_power":null}}',
        b'{"m":"m1","t":1,"s":{"active_power":' + b"9" * 400 + b"}}",
        b'{"m":"m1","t":1,"s":{"phlogiston":5.0}}',
        b'{"m":"m1","t":1,"s":{"active_power":5.0},"q":{"phlogiston":2}}',
        b'{"m":"m1","t":1,"s":{"active_power":5.0},"q":{"active_power":1024}}',
        b'{"m":"m1","t":1,"s":{"active_power":5.0},"q":{"active_power":true}}',
        b'{"m":"M1","t":1,"s":{"active_power":5.0}}',
        b'{"m":"m1#","t":1,"s":{"active_power":5.0}}',
        b'{"m":"' + b"m" * 64 + b'","t":1,"s":{"active_power":5.0}}',
        b'{"m":"m1","t":-1,"s":{"active_power":5.0}}',
        b'{"m":"m1","t":1.5,"s":{"active_power":5.0}}',
        b'{"m":"m1","t":99999999999999,"s":{"active_power":5.0}}',
        b'{"m":"m1","t":1,"c":"fine","s":{"active_power":5.0}}',
        b'{"m":"m1","t":1}',
        b'{"m":"m1","t":1,"s":{"active_power":5.0},"f":"timeout"}',
        b'{"m":"m1","t":1,"f":"' + b"x" * 41 + b'"}',
        b'{"m":"m1","t":1,"f":"\\ud800"}',
        b'{"m":"m1","t":1,"f":"any text <b>"}',
        b'{"x":"stolen","k":1}',
        b'{"x":"thinned","k":0}',
        b'{"x":"thinned","k":1000000000000000000000}',
        b"[]",
        b"null",
        b"7",
        b'{"m":"m1","t":1,"s":' + b'{"active_power":' * 80 + b"1" + b"}" * 81,
    ],
)
def test_a_bad_row_is_set_aside_and_its_neighbours_are_kept(bad: bytes) -> None:
    assert refused(read_row, bad) == "row"
    sent = message(good("m1"), bad, good("m2"))
    if refused(read_message, sent):
        assert b"NaN" in bad or b"Infinity" in bad, "only where not even the list can be read all of it is set aside"
        return
    batch = read_message(sent)
    assert [(seq, row.meter) for seq, row in batch.rows if not isinstance(row, Removed)] == [(1, "m1"), (3, "m2")]
    assert [seq for seq, _, _ in batch.bad] == [2]


def test_of_a_key_given_twice_the_last_one_wins_and_unknown_keys_mean_nothing() -> None:
    raw = b'{"m":"m0","m":"m1","t":1,"later":{"a":1},"s":{"active_power":1.0,"active_power":2.0}}'
    assert read_row(raw) == Reading("m1", 1, {"active_power": 2.0})
    assert read_message(message(good(), later=[1, 2])).n == 1


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "header"),
        (b"{}", "header"),
        (b'{"v":1}', "header"),
        (b"[" * 200_000, "oversize"),
        (b'{"a":' + b"[" * 60_000, "header"),
        (b"\xff\xfe" * 10, "header"),
        (message(good(), edge="Hall A"), "header"),
        (message(good(), edge="+"), "header"),
        (message(good(), epoch="0"), "header"),
        (message(good(), seq=-1), "header"),
        (message(good(), seq=2**62), "header"),
        (message(good(), seq=1.0), "header"),
        (message(good(), seq=True), "header"),
        (message(good(), n=2), "header"),
        (message(good(), n=MAX_SEQS + 1), "header"),
        (message(good(), v=True), "header"),
        (message(good(), v="1"), "header"),
        (message(good(), v=0), "header"),
        (message(good(), crc=1), "damaged"),
        (message(*[b'{"x":"corrupt"}'] * (MAX_ROWS + 1)), "header"),
        (message(b'{"m":"m1","t":1,"s":' + b"[" * 50_000 + b"]" * 10 + b"}"), "header"),
        (message(good())[:-1], "header"),
        (b'{"v":1,"edge":"hall-a","a":{"b":1,"readings":[]}}', "header"),
    ],
)
def test_a_hostile_message_is_one_typed_error(payload: bytes, reason: str) -> None:
    assert refused(read_message, payload) == reason


@pytest.mark.parametrize("version", [2, 3, 10**30])
def test_a_newer_major_version_is_held_and_never_mistaken_for_rubbish(version: int) -> None:
    with pytest.raises(UnknownMajor):
        read_message(message(good(), v=version))
    with pytest.raises(UnknownMajor):
        read_message(json.dumps({"v": version, "rows": "laid out in a way of the future"}).encode())
    with pytest.raises(UnknownMajor):
        from_bytes(Ack, json.dumps({"v": version}).encode())


def test_what_is_too_large_never_gets_out() -> None:
    with pytest.raises(WireError, match="oversize"):
        message_bytes("hall-a", EPOCH, 1, 1, [b'"' + b"x" * MAX_PAYLOAD_BYTES + b'"'])
    most = b'"' + b"x" * (MAX_PAYLOAD_BYTES - MESSAGE_OVERHEAD_BYTES - 2) + b'"'
    assert len(message_bytes("h" * 63, EPOCH, 2**61, 2**61, [most], n=MAX_SEQS, replay=True)) <= MAX_PAYLOAD_BYTES
    for value in (math.nan, math.inf):
        with pytest.raises(ValueError, match="not JSON compliant"):
            row_bytes(Reading("m1", T, {"active_power": value}))


def test_the_live_lane_gives_what_can_be_read() -> None:
    reading = Reading("m1", T, {"active_power": 1.5})
    payload = live_bytes(
        "hall-a", [row_bytes(reading), row_bytes(Removed("corrupt")), b'{"m":7}', row_bytes(FailedPoll("m2", T, "timeout"))]
    )
    assert read_live(payload) == (reading, FailedPoll("m2", T, "timeout"))
    for hostile in (
        b"",
        b"{}",
        payload[:-1],
        b'{"v":1,"readings":' + b"[" * 60_000,
        b'{"v":1' + b" " * MAX_PAYLOAD_BYTES + b',"readings":[]}',
    ):
        try:
            assert read_live(hostile) == ()
        except WireError:
            continue


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
counts = st.integers(0, 2**53 - 1)
messages = st.one_of(
    st.builds(Ack, ids, st.just(EPOCH), st.integers(0, 2**61), words),
    st.builds(
        Hello,
        ids,
        words,
        millis,
        words,
        words,
        st.lists(st.builds(EpochSpan, st.just(EPOCH), counts, counts), max_size=3).map(tuple),
        st.lists(
            st.builds(
                HelloMeter,
                ids,
                words,
                words,
                words,
                counts,
                words | st.none(),
                st.dictionaries(quantities, st.builds(CounterFacts, numbers | st.none(), numbers | st.none(), st.booleans()), max_size=2),
            ),
            max_size=3,
        ).map(tuple),
    ),
    st.builds(
        EdgeState, ids, st.booleans(), millis, numbers | st.none(), st.lists(st.builds(EdgeAlarm, reasons, millis, words)).map(tuple)
    ),
    st.builds(
        EdgeLedger,
        ids,
        st.lists(
            st.builds(
                LedgerLine,
                ids | st.just("-"),
                st.dates().map(str),
                counts,
                st.dictionaries(reasons, counts, max_size=2),
                counts,
                counts,
                counts,
                st.dictionaries(reasons, counts, max_size=2),
                counts,
            ),
            max_size=3,
        ).map(tuple),
    ),
)


@given(messages)
def test_every_other_message_is_read_back_as_it_was_written(sent: Ack | Hello | EdgeState | EdgeLedger) -> None:
    kind: type[Any] = type(sent)
    assert from_bytes(kind, to_bytes(sent)) == sent


@pytest.mark.parametrize(
    "payload",
    [
        b'{"v":1,"edge":"hall-a","epoch":"0123456789abcdef","upto":-1,"by":"x"}',
        b'{"v":1,"edge":"hall-a","epoch":"0123456789abcdef","upto":1e3,"by":"x"}',
        b'{"v":1,"edge":"hall-a","epoch":"0123456789abcdeg","upto":1,"by":"x"}',
        b'{"v":1,"edge":"hall-a","epoch":"0123456789abcdef","upto":1,"by":"' + b"x" * 65 + b'"}',
        b'{"v":1,"edge":"hall-a","epoch":"0123456789abcdef","by":"x"}',
        b'{"v":1,"edge":"hall-a","epoch":"0123456789abcdef","upto":NaN,"by":"x"}',
        b'["v",1]',
    ],
)
def test_a_forged_acknowledgement_is_refused(payload: bytes) -> None:
    with pytest.raises(WireError):
        from_bytes(Ack, payload)


def test_the_json_of_a_reading_is_made_once_and_anew_for_a_changed_one() -> None:
    first = Reading("m1", 1_790_000_000_000, {"active_power": 5.0})
    assert row_bytes(first) is row_bytes(first)
    changed = replace(first, values={"active_power": 6.0})
    assert read_row(row_bytes(changed)) == changed != first
