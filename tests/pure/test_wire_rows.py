"""The quick way of reading rows and the careful one say the same of the same bytes."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from driftwatt.quantities import QUANTITIES
from driftwatt.readings import Reading
from driftwatt.wire.decoding import _rows, _rows_one_by_one

KEYS = ("m", "t", "d", "c", "s", "q", "f", "x", "k", "encoded", "meter", "later")
ODD: list[Any] = [None, True, 0, -1, 1.5, 2**70, "", "ok", "m1", "thinned", "\x00", [], {}, {"active_power": 1}, {"phlogiston": 1.0}]
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers()
plain = st.fixed_dictionaries(
    {
        "m": st.sampled_from(["m1", "hall-a.m2"]),
        "t": st.integers(0, 2_000_000_000_000),
        "s": st.dictionaries(st.sampled_from(sorted(QUANTITIES)[:6]), NUMBERS, max_size=4),
    },
    optional={
        "d": st.integers(0, 4_000_000),
        "c": st.sampled_from(["ok", "unsynced"]),
        "q": st.dictionaries(st.just("frequency"), st.integers(0, 1024)),
    },
)
spoilt = st.builds(lambda row, key, value: {**row, key: value}, plain, st.sampled_from(KEYS), st.sampled_from(ODD))


@settings(max_examples=400)
@given(st.lists(plain | spoilt, min_size=1, max_size=4), st.integers(1, 2**40))
def test_both_ways_give_the_same_rows_the_same_bad_ones_and_the_same_seqs(rows: list[dict[str, Any]], seq: int) -> None:
    body = json.dumps(rows).encode()
    quick, careful = _rows(body, seq), _rows_one_by_one(body, seq)
    assert quick[0] == careful[0]
    assert quick[2] == careful[2]
    assert [(at, raw) for at, _, raw in quick[1]] == [(at, raw) for at, _, raw in careful[1]]
    for _, row in quick[0]:
        if isinstance(row, Reading):
            assert all(type(value) is float for value in row.values.values())
            assert row.encoded is None


def test_a_message_of_plain_readings_never_takes_the_careful_way() -> None:
    body = json.dumps([{"m": "m1", "t": 5, "d": 1, "c": "ok", "s": {"active_power": 1, "frequency": 50.0}, "q": {"frequency": 8}}]).encode()
    rows, bad, covered = _rows(body, 7)
    assert rows == ((7, Reading("m1", 5, {"active_power": 1.0, "frequency": 50.0}, {"frequency": 8}, 1)),)
    assert (bad, covered) == ((), 1)
