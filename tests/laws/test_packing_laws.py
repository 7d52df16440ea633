"""Packing loses nothing: every float comes back with the same bits, and bytes that were changed are not believed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.pure.columns import Block, DamagedError, packed, unpacked
from processors.pure.runs import Run, between, block_of, by_span, log_row, logged, merged, pieces, point

calm = settings(deadline=None, max_examples=150)
any_float = st.floats(allow_nan=False, allow_infinity=False, width=64)
decimals = st.builds(lambda whole, power: whole / 10.0**power, st.integers(-(10**9), 10**9), st.integers(0, 6))
singles = st.floats(allow_nan=False, allow_infinity=False, width=32)
gaps = st.just(math.nan)
column = st.one_of(
    st.lists(any_float, max_size=60),
    st.lists(decimals, max_size=60),
    st.lists(singles | gaps, max_size=60),
    st.lists(st.sampled_from([0.0, -0.0, 1e-320, 5e-324, 1.7e308, -1.7e308, 0.1, 2.0**53, 1e15 + 0.5]) | gaps, max_size=60),
)
times = st.lists(st.integers(-(1 << 50), 1 << 50), unique=True, max_size=60).map(sorted)


def bits(values: object) -> list[int]:
    return [int(word) for word in np.asarray(values, np.float64).view(np.uint64)]


def block_of_lists(stamps: list[int], *columns: list[float]) -> Block:
    count = min([len(stamps), *map(len, columns)])
    return np.array(stamps[:count], np.int64), {at + 1: np.array(each[:count], np.float64) for at, each in enumerate(columns)}


@calm
@given(times, column, column)
def test_a_block_comes_back_bit_for_bit(stamps: list[int], first: list[float], second: list[float]) -> None:
    block = block_of_lists(stamps, first, second)
    again = unpacked(packed(block))
    assert again[0].tolist() == block[0].tolist()
    for field, values in block[1].items():
        assert [one for one in bits(again[1][field]) if not math.isnan(_float(one))] == [
            one for one in bits(values) if not math.isnan(_float(one))
        ]
        assert np.isnan(again[1][field]).tolist() == np.isnan(values).tolist()


def _float(word: int) -> float:
    return float(np.uint64(word).view(np.float64))


@calm
@given(st.data())
def test_a_changed_byte_is_never_believed(data: st.DataObject) -> None:
    body = bytearray(packed(block_of_lists(list(range(30)), [at * 0.25 for at in range(30)])))
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DamagedError):
        unpacked(bytes(body))
    with pytest.raises(DamagedError):
        unpacked(bytes(body[: data.draw(st.integers(0, len(body) - 1))]))


def test_only_the_fields_that_are_asked_for_are_unpacked() -> None:
    body = packed(block_of_lists([1, 2], [1.0, 2.0], [3.0, 4.0]))
    assert list(unpacked(body, {2})[1]) == [2]
    assert list(unpacked(body, ())[1]) == []
    assert unpacked(body, ())[0].tolist() == [1, 2]


@calm
@given(times, times, st.integers(1, 1 << 40))
def test_merging_and_cutting_keep_each_instant_once_and_in_order(one: list[int], other: list[int], span: int) -> None:
    first, second = block_of_lists(one, [1.0] * len(one)), block_of_lists(other, [2.0] * len(other))
    whole = merged([first, second])
    assert whole[0].tolist() == sorted({*one, *other})
    if len(whole[0]):
        assert {int(t): v for t, v in zip(whole[0], whole[1][1], strict=True)} == {**dict.fromkeys(other, 2.0), **dict.fromkeys(one, 1.0)}
    parts = by_span(whole, span)
    assert [t for part in parts for t in part[0].tolist()] == whole[0].tolist()
    assert all(len({t // span for t in part[0].tolist()}) == 1 for part in parts)
    cut = pieces(whole, 7)
    assert all(len(part[0]) <= 7 for part in cut)
    assert [t for part in cut for t in part[0].tolist()] == whole[0].tolist()
    for t_ms in one[:3]:
        assert point(whole, t_ms) == {1: 1.0}
        assert between(whole, t_ms, t_ms + 1)[0].tolist() == [t_ms]


@calm
@given(st.lists(st.tuples(st.integers(1, 9), times.filter(bool)), max_size=5))
def test_a_row_of_the_log_comes_back(runs: list[tuple[int, list[int]]]) -> None:
    said = []
    for series, stamps in runs:
        run = Run((series, 7))
        for t_ms in stamps:
            run.times.append(t_ms)
            run.data.extend((t_ms / 3, -0.0))
        said.append((series, run))
    again = list(logged(log_row(said)))
    for only in {series for series, _ in said}:
        assert list(logged(log_row(said), only)) == [each for each in again if each[0] == only]
    assert [(series, run.fields, run.times, run.data) for series, run in again] == [
        (series, run.fields, run.times, run.data) for series, run in said
    ]
    for _, run in again:
        assert run.said(run.times[0]) == {run.fields[0]: run.times[0] / 3, 7: -0.0} or run.fields == (7, 7)
        assert block_of([run])[0].tolist() == run.times.tolist()
