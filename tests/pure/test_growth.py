"""Whether memory grows is told from the least of every block, with how certain that is."""

from __future__ import annotations

import random

from tests.chaos.gauges import growth

AT_MS = [at * 500 for at in range(7200)]


def test_a_leak_shows_under_the_noise_of_cycles_and_a_flat_course_stays_flat() -> None:
    dice = random.Random(1)
    noise = [100 + dice.expovariate(0.5) for _ in AT_MS]
    flat = growth(AT_MS, noise)
    leak = growth(AT_MS, [size + at / 3.6e6 * 5 for at, size in zip(AT_MS, noise, strict=True)])
    assert abs(flat.per_h) < 0.2
    assert 4.5 < leak.per_h < 5.5
    assert leak.per_h - 2 * leak.error > 1
    assert flat.error < 0.2


def test_of_a_minute_nothing_is_certain() -> None:
    assert growth(AT_MS[:70], [100.0] * 70).error > 1e6
