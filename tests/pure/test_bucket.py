"""A bucket lets so many pass at once and so many a second, and never more than full."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from processors.pure.bucket import Bucket


@given(st.lists(st.floats(0, 5), max_size=200), st.floats(0.5, 50), st.integers(1, 50))
def test_no_stretch_of_time_lets_more_pass_than_its_length_allows(pauses: list[float], per_s: float, size: int) -> None:
    bucket, now_s, passed = Bucket(per_s, size), 1000.0, list[float]()
    for pause_s in pauses:
        now_s += pause_s
        if bucket.take(now_s):
            passed.append(now_s)
    for first, began_s in enumerate(passed):
        for last in range(first, len(passed)):
            assert last - first + 1 <= size + (passed[last] - began_s) * per_s + 1e-6


@given(st.integers(1, 50), st.floats(0.5, 50))
def test_whoever_keeps_to_the_rate_always_passes(size: int, per_s: float) -> None:
    bucket = Bucket(per_s, size)
    assert all(bucket.take(100.0) for _ in range(size))
    assert bucket.refused_s < 0
    assert not bucket.take(100.0)
    assert bucket.refused_s == 100.0
    assert all(bucket.take(100.0 + (turn + 1) * 1.001 / per_s) for turn in range(100))
