"""The data-quality gate, before everything else: hours that are not to be believed teach and judge nothing.

* jump: x < −0.02·x_max or x > 3·x_max; x_max is the 99.5 % quantile of the learning period, ratchets up by at
  most 5 % per reading and decays by 1e-5 (missed rollover, reset, scaling).
* stuck: the same value for max(6 h, 2 × the longest repeat of the learning period); so a coarse or often idle
  meter switches this test off by itself. Below 5 % of x_max it takes 24 h: the register of an idle machine counts
  in so few steps that equal hours are ordinary.
* ct: for 12 h the ratio to the bin profile has a mean in 0.15…0.55 and a coefficient of variation < 0.12, and
  the 12-h mean is below 0.75 × the 2 % quantile (one of three CTs reversed reads about one third).

Source: docs/detection.md, "Quality gate". Gaps are the collector's and the engine's to report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from processors.pure.hours import BINS, HOUR_MS
from processors.pure.outputs import DataFinding
from processors.pure.robust import quantile

LEARNING_DAYS = 28
EPISODE_MS = 24 * HOUR_MS
STUCK_HOURS, IDLE_HOURS = 6, 24
IDLE = 0.05
CT_HOURS = 12
_SAME = 1e-9


@dataclass(frozen=True, slots=True)
class Gate:
    """`profile` and `visits` have one number per bin and are never changed in place.

    `highest` x_max is None and `lowest` (2 % quantile) 0 while learning. `repeats` counts equal hours in a row;
    `ratios` and `powers` are the last 12 good hours; `episodes` are open ones: reason, since, last seen.
    """

    profile: list[float]
    visits: list[float]
    highest: float | None = None
    lowest: float = 0.0
    last: float | None = None
    repeats: int = 0
    longest: int = 0
    ratios: tuple[float, ...] = ()
    powers: tuple[float, ...] = ()
    episodes: tuple[tuple[str, int, int], ...] = ()


def begin() -> Gate:
    """Return the gate of a meter nothing is known about."""
    return Gate([0.0] * BINS, [0.0] * BINS)


def learned(gate: Gate, powers: Sequence[float]) -> Gate:
    """Return the gate with its limits set from the hours of the learning period."""
    ascending = sorted(powers)
    return _with(gate, highest=quantile(ascending, 0.995), lowest=quantile(ascending, 0.02))


def step(gate: Gate, kw: float, b: int, *, meter: str, start_ms: int, at_ms: int) -> tuple[Gate, str, tuple[DataFinding, ...]]:
    """Judge one hour: (new gate, reason or "", findings). An hour with a reason is to be withheld."""
    same = gate.last is not None and abs(kw - gate.last) <= _SAME * abs(gate.last)
    repeats = gate.repeats + 1 if same else 1
    reason = ""
    ratios, powers = gate.ratios, gate.powers
    if gate.highest is not None:
        if gate.visits[b] >= 3 and gate.profile[b] > 0:
            ratios, powers = (*ratios, kw / gate.profile[b])[-CT_HOURS:], (*powers, kw)[-CT_HOURS:]
        if kw < -0.02 * gate.highest or kw > 3 * gate.highest:
            reason = "jump"
        elif repeats >= max(STUCK_HOURS if kw > IDLE * gate.highest else IDLE_HOURS, 2 * gate.longest):
            reason = "stuck"
        elif _ct(ratios, powers, gate.lowest):
            reason = "ct"
    profile, visits, highest = gate.profile, gate.visits, gate.highest
    if not reason:
        profile, visits = profile.copy(), visits.copy()
        visits[b] += 1
        profile[b] += max(0.1, 1 / visits[b]) * (kw - profile[b])
        if highest is not None:
            highest = min(max(highest, kw), highest * 1.05) * (1 - 1e-5)
    longest = max(gate.longest, repeats) if gate.highest is None else gate.longest
    opened = DataFinding(meter, "opened", reason, at_ms, start_ms, {"kw": kw})
    episodes, findings = _episodes(gate.episodes, opened)
    after = Gate(profile, visits, highest, gate.lowest, kw, repeats, longest, ratios, powers, episodes)
    return after, reason, findings


def _ct(ratios: Sequence[float], powers: Sequence[float], lowest: float) -> bool:
    """Tell whether the last hours look like one reversed CT."""
    if len(ratios) < CT_HOURS or not sum(powers) / CT_HOURS < 0.75 * lowest:
        return False
    mean = sum(ratios) / CT_HOURS
    if not 0.15 <= mean <= 0.55:
        return False
    variance = sum((ratio - mean) ** 2 for ratio in ratios) / CT_HOURS
    return variance < (0.12 * mean) ** 2


def _episodes(
    known: tuple[tuple[str, int, int], ...], now: DataFinding
) -> tuple[tuple[tuple[str, int, int], ...], tuple[DataFinding, ...]]:
    """Open one episode per reason; close it when the reason has been away for 24 h. `now.reason` may be empty."""
    if not now.reason and not known:
        return known, ()
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


def _with(gate: Gate, *, highest: float, lowest: float) -> Gate:
    return Gate(gate.profile, gate.visits, highest, lowest, gate.last, gate.repeats, gate.longest, gate.ratios, gate.powers, gate.episodes)
