"""The data-quality gate, before everything else: hours that are not to be believed teach and judge nothing.

* jump: x < −0.02·x_max or x > 3·x_max; x_max is the 99.5 % quantile of the learning period, ratchets up by at
  most 5 % per reading and decays by 1e-5 (missed rollover, reset, scaling). A jump that lasts is a new level: 24 hours
  or more that span four days within a week, upwards, no two of them alike, none ten times their median. x_max is learned from them
  then, the alert closes as `new_level`, and ct rests (its limit is that of the life before).
* stuck: the same value for max(6 h, 2 × the longest repeat of the learning period); so a coarse or often idle
  meter switches this test off by itself. Below 5 % of x_max it takes 24 h: the register of an idle machine counts
  in so few steps that equal hours are ordinary.
* ct: for 12 h the ratio to the bin profile has a mean in 0.15…0.55 and a coefficient of variation < 0.12, and
  the 12-h mean is below 0.75 × the 2 % quantile (one of three CTs reversed reads about one third). When that goes away by
  itself the quantile is halved: nights that really fell are told once or twice, not on every Sunday.

The profile learns once a day, when the day is over: a bin is visited once a day. Source: docs/detection.md,
"Quality gate". Gaps are the collector's and the engine's to report.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import NamedTuple

import numpy as np

from processors.pure.hours import BINS, HOUR_MS
from processors.pure.outputs import DataFinding
from processors.pure.robust import quantile

LEARNING_DAYS = 28
EPISODE_MS = 24 * HOUR_MS
STUCK_HOURS, IDLE_HOURS = 6, 24
IDLE = 0.05
CT_HOURS, CT_AGAIN = 12, 0.5
CT_LOW = 0.75
NEW_MOST = 100
NEW_HOURS, NEW_MS, NEW_WITHIN_MS, NEW_SPREAD = 24, 96 * HOUR_MS, 168 * HOUR_MS, 10
"""A jump is a new level with so many hours, over so long a time, within such a time, and none so many times their median."""
VISITED, SETTLED = 3, 10
_SAME = 1e-9
DECAY = 1 - 1e-5
_EVEN_DAY = 24
_SETTLED_DAY = bytes([SETTLED]) * _EVEN_DAY
_TENTH = np.full(_EVEN_DAY, 0.1, np.float32)
_new = tuple.__new__


class Profile(NamedTuple):
    """The week as it was believed: mean kW per bin (float32) and visits, counted up to 10. Never changed in place."""

    kw: array[float] = array("f", bytes(4 * BINS))
    visits: bytes = bytes(BINS)

    def learned(self, bins: bytes, kw: array[float]) -> Profile:
        """Return the profile with the good hours of one day more: weight max(0.1, 1/visits)."""
        mean, before, first = self.kw[:], self.visits, bins[0]
        if len(bins) == _EVEN_DAY == bins[-1] - first + 1 and before[first : first + _EVEN_DAY] == _SETTLED_DAY:
            row = np.frombuffer(mean, np.float32)[first : first + _EVEN_DAY]
            row += _TENTH * (np.frombuffer(kw, np.float32) - row)
            return _new(Profile, (mean, before))
        visits = bytearray(before)
        for b, x in zip(bins, kw, strict=True):
            if visits[b] < SETTLED:
                visits[b] += 1
                mean[b] += (x - mean[b]) / visits[b]
            else:
                mean[b] += 0.1 * (x - mean[b])
        return Profile(mean, bytes(visits))


class Gate(NamedTuple):
    """What the gate carries from hour to hour.

    `highest` x_max is None and `lowest` (2 % quantile) 0 while learning. `repeats` counts equal hours in a row;
    `powers` and `bins` are those of the last 12 hours; `episodes` are open ones: reason, since, last seen. `jumps` are
    the hours (start ms, kW) of a week that jumped, up to the last one that did.
    """

    highest: float | None = None
    lowest: float = 0.0
    last: float | None = None
    repeats: int = 0
    longest: int = 0
    powers: tuple[float, ...] = ()
    bins: bytes = b""
    episodes: tuple[tuple[str, int, int], ...] = ()
    jumps: tuple[tuple[int, float], ...] = ()


def learned(gate: Gate, powers: Sequence[float]) -> Gate:
    """Return the gate with its limits set from the hours of the learning period."""
    ascending = sorted(powers)
    return gate._replace(highest=quantile(ascending, 0.995), lowest=quantile(ascending, 0.02))


def caught_up(gate: Gate, kw: tuple[float, ...], bins: bytes) -> Gate:
    """Return the gate after plain hours, which it was not asked about: nothing repeats, x_max only decays."""
    highest, lowest, _, _, longest, powers, seen, episodes, jumps = gate
    if highest is None:
        return Gate(None, lowest, kw[-1], 1, max(longest, 1), powers, seen, episodes, jumps)
    powers, seen = (powers + kw)[-CT_HOURS:], (seen + bins)[-CT_HOURS:]
    return _new(Gate, (highest * DECAY ** len(kw), lowest, kw[-1], 1, longest, powers, seen, episodes, jumps))


def plain_between(gate: Gate) -> tuple[float, float]:
    """Return the powers between which an hour is plain for a whole day, unless it repeats the one before or an episode is open.

    Twelve hours that are not below three quarters of the lowest have no such mean: `ct` looks at none of them.
    """
    if gate.highest is None:
        return -inf, inf
    low = CT_LOW * gate.lowest
    return max(0.0, gate.lowest if any(kw < low for kw in gate.powers) else low), gate.highest * DECAY**25


def step(  # noqa: PLR0917 – called for every hour of a history: places cost less than names
    gate: Gate, profile: Profile, kw: float, b: int, meter: str, start_ms: int, at_ms: int
) -> tuple[Gate, str, tuple[DataFinding, ...]]:
    """Judge one hour: (new gate, reason or "", findings). An hour with a reason is to be withheld."""
    highest, lowest, last, repeats, longest, powers, seen, episodes, jumps = gate
    repeats = repeats + 1 if kw == last or (last is not None and abs(kw - last) <= _SAME * abs(last)) else 1
    if highest is None:
        longest = max(repeats, longest)
        return _new(Gate, (None, lowest, kw, repeats, longest, powers, seen, episodes, jumps)), "", ()
    powers, seen = (*powers[1 - CT_HOURS :], kw), seen[1 - CT_HOURS :] + bytes([b])
    reason = ""
    if kw < -0.02 * highest or kw > 3 * highest:
        reason, jumps = "jump", _jumped(jumps, start_ms, kw)
        if _lasts(jumps):
            return _new_level(gate, jumps, DataFinding(meter, "closed", "jump", at_ms, start_ms), repeats)
    elif repeats >= STUCK_HOURS and repeats >= max(STUCK_HOURS if kw > IDLE * highest else IDLE_HOURS, 2 * longest):
        reason = "stuck"
    elif sum(powers) < CT_LOW * CT_HOURS * lowest and _ct(profile, powers, seen):
        reason = "ct"
    if not reason:
        if kw > highest:
            highest = min(highest * 1.05, kw)
        highest *= DECAY
        if not episodes:
            return _new(Gate, (highest, lowest, kw, repeats, longest, powers, seen, episodes, jumps)), "", ()
    episodes, findings = _episodes(episodes, DataFinding(meter, "opened", reason, at_ms, start_ms, {"kw": kw}))
    if any(each.state == "closed" and each.reason == "ct" for each in findings):
        lowest *= CT_AGAIN
    return Gate(highest, lowest, kw, repeats, longest, powers, seen, episodes, jumps), reason, findings


def _jumped(jumps: tuple[tuple[int, float], ...], start_ms: int, kw: float) -> tuple[tuple[int, float], ...]:
    return (*(each for each in jumps[-NEW_MOST:] if start_ms - each[0] <= NEW_WITHIN_MS), (start_ms, kw))


def _lasts(jumps: tuple[tuple[int, float], ...]) -> bool:
    """Tell whether a jump is a level at which a load runs: for days, upwards, with values that vary but belong together."""
    if len(jumps) < NEW_HOURS or jumps[-1][0] - jumps[0][0] < NEW_MS:
        return False
    powers = sorted(kw for _, kw in jumps)
    varied = len(set(powers)) > len(powers) // 2
    return varied and powers[0] > 0 and powers[-1] <= NEW_SPREAD * powers[len(powers) // 2]


def _new_level(
    gate: Gate, jumps: tuple[tuple[int, float], ...], closing: DataFinding, repeats: int
) -> tuple[Gate, str, tuple[DataFinding, ...]]:
    """Return the gate with the hours that jumped as its limits, and its open jump closed: this hour is believed."""
    highest = quantile(sorted(kw for _, kw in jumps), 0.995)
    told = tuple(
        replace(closing, since_ms=since_ms, detail={"reason": "new_level", "kw": highest})
        for reason, since_ms, _ in gate.episodes
        if reason == "jump"
    )
    others = tuple(each for each in gate.episodes if each[0] != "jump")
    return gate._replace(highest=highest, lowest=0.0, last=jumps[-1][1], repeats=repeats, episodes=others, jumps=()), "", told


def _ct(profile: Profile, powers: Sequence[float], bins: bytes) -> bool:
    """Tell whether the last hours keep to about a third of what they usually draw."""
    if len(powers) < CT_HOURS or any(profile.visits[b] < VISITED or profile.kw[b] <= 0 for b in bins):
        return False
    ratios = [kw / profile.kw[b] for kw, b in zip(powers, bins, strict=True)]
    mean = sum(ratios) / CT_HOURS
    if not 0.15 <= mean <= 0.55:
        return False
    variance = sum((ratio - mean) ** 2 for ratio in ratios) / CT_HOURS
    return variance < (0.12 * mean) ** 2


def _episodes(
    known: tuple[tuple[str, int, int], ...], now: DataFinding
) -> tuple[tuple[tuple[str, int, int], ...], tuple[DataFinding, ...]]:
    """Open one episode per reason; close it when the reason has been away for 24 h. `now.reason` may be empty."""
    kept: list[tuple[str, int, int]] = []
    findings: list[DataFinding] = []
    for reason, since_ms, last_ms in known:
        if reason == now.reason:
            kept.append((reason, since_ms, now.since_ms))
        elif now.since_ms - last_ms >= EPISODE_MS:
            findings.append(DataFinding(now.meter, "closed", reason, now.at_ms, since_ms))
        else:
            kept.append((reason, since_ms, last_ms))
    if now.reason and all(reason != now.reason for reason, _, _ in known):
        kept.append((now.reason, now.since_ms, now.since_ms))
        findings.append(now)
    return tuple(kept), tuple(findings)
