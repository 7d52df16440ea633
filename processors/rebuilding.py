"""The state of a meter made again from what is stored: after late readings and gaps by itself, and when somebody asks.

Most of the way is gone beside the pipeline; the last readings are taken between two of its cycles, where nothing
changes. Intervals that come out different are written as the next revision, then one transaction replaces the state and its
snapshots. A kill in between costs a repetition: what is written then is already what comes out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from driftwatt.errors import Refused, Unavailable, WireError
from processors.pipeline import Pipeline
from processors.pure import engine
from processors.pure.commit import Commit
from processors.pure.outputs import IntervalEnergy
from processors.pure.past import DAY_MS, NEWEST, Move, Snapshot
from processors.pure.retake import Retake, is_readable, readable, revised

log = logging.getLogger(__name__)

PAGE_ROWS = 2000
BREATH_ROWS = 500
"""So many readings are taken before the page gets its turn."""
QUIET_S = 2.0
LONGEST_S = 60.0
"""Late readings are waited for this long after the last one, and no longer than that after the first."""
_T = TypeVar("_T")


class Between(Protocol):
    """Has work done where nothing else changes the plant (`Pipeline.between`, or `at_once` where no loop runs)."""

    def __call__(self, work: Callable[[], Awaitable[_T]], /) -> Awaitable[_T]:
        """Return or raise what the work does."""


async def at_once(work: Callable[[], Awaitable[_T]]) -> _T:
    """Do the work now; for a plant whose pipeline does not run."""
    return await work()


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What came of one meter. `equal` tells whether the state was the same, byte for byte, and `revised` how many intervals differ."""

    meter: str
    from_ms: int
    readings: int
    equal: bool
    revised: int
    note: str = ""

    def told(self) -> dict[str, Any]:
        """Return it for a script."""
        return {
            "meter": self.meter,
            "from_ms": self.from_ms,
            "readings": self.readings,
            "equal": self.equal,
            "revised": self.revised,
            "note": self.note,
        }


async def rebuild(pipeline: Pipeline, meter: str, *, from_ms: int | None, between: Between, compare: bool = False) -> Rebuilt:
    """Make the state of a meter again from the last snapshot before `from_ms` (None: the last one there is).

    With `compare` nothing is changed. Snapshots that are damaged or of an earlier version are passed over. Raises Unavailable,
    Refused for a meter that nobody knows, UnknownMajor for a snapshot of a newer version.
    """
    if meter not in pipeline.judge.policies:
        raise Refused(f"no meter {meter} is listed")
    start = await _start(pipeline, meter, from_ms)
    if start is None:
        return Rebuilt(meter, from_ms or 0, 0, equal=True, revised=0, note="older than what can be made again")
    marks = pipeline.judge.redo.marks[meter]
    retake = _begin(pipeline, start)
    count = await _feed(pipeline, retake, start.t_ms + 1, await _moves(pipeline, start))
    return await between(lambda: _last(pipeline, retake, start, count, marks=marks, compare=compare))


def _begin(pipeline: Pipeline, start: Snapshot) -> Retake:
    return Retake.begin(start, pipeline.judge.policies[start.meter], pipeline.judge.record.plans[start.meter])


async def _start(pipeline: Pipeline, meter: str, from_ms: int | None) -> Snapshot | None:
    """Return where to begin; None when the readings of that time need no longer be kept."""
    again = meter in pipeline.judge.redo.again
    before_ms = NEWEST if from_ms is None or again else from_ms
    while (found := await pipeline.keeping.until_done(pipeline.state.snapshot, meter, before_ms)) and not is_readable(found):
        before_ms = found.t_ms
    if found is not None and not again:
        return found
    oldest = await pipeline.keeping.until_done(pipeline.state.first_snapshot, meter)
    plan, facts = pipeline.judge.record.plans[meter], pipeline.judge.record.facts.get(meter, "")
    if oldest is None:
        return Snapshot(meter, -1, 0, plan, facts)
    if again or from_ms in (None, NEWEST):
        return await _whole(pipeline, meter, found, oldest)
    if oldest.blank:  # older than the first that was ever taken
        return Snapshot(meter, min(from_ms, oldest.t_ms + 1) - 1, oldest.number, plan, oldest.facts)
    return None


async def _whole(pipeline: Pipeline, meter: str, found: Snapshot | None, oldest: Snapshot) -> Snapshot:
    """Return where a state of which little is left begins again: `found`, or the oldest whose readings since are all still there.

    What is left of one that is not readable is its energy; then intervals come out as they were, and are not revised.
    """
    first = await pipeline.storing.until_done(pipeline.store.whole_readings, meter, 0, NEWEST, 1)
    since_ms = first[0].t_ms - 1 if first else NEWEST
    if found is not None and found.t_ms >= since_ms:
        return found
    start = await pipeline.keeping.until_done(pipeline.state.first_snapshot, meter, since_ms)
    return readable(start or found or oldest, pipeline.judge.policies[meter])


async def _moves(pipeline: Pipeline, start: Snapshot) -> list[Move]:
    return await pipeline.keeping.until_done(pipeline.state.moves, start.meter, start.number)


async def _feed(pipeline: Pipeline, retake: Retake, from_ms: int, moves: Sequence[Move]) -> int:
    """Take what is stored from an instant on, up to the newest judged, or all where none was; returns how many readings that were."""
    count = 0
    upto_ms = pipeline.judge.seen_ms(retake.meter) if retake.meter in pipeline.judge.states else NEWEST
    while from_ms <= upto_ms:
        page = await pipeline.storing.until_done(pipeline.store.whole_readings, retake.meter, from_ms, upto_ms + 1, PAGE_ROWS)
        for at in range(0, len(page), BREATH_ROWS):
            retake.take(page[at : at + BREATH_ROWS], moves)
            await asyncio.sleep(0)
        count += len(page)
        if len(page) < PAGE_ROWS:
            break
        from_ms = page[-1].t_ms + 1
    return count


async def _last(pipeline: Pipeline, retake: Retake, start: Snapshot, count: int, *, marks: int, compare: bool) -> Rebuilt:
    if pipeline.judge.redo.marks[retake.meter] != marks:  # more came late on the way, perhaps behind it
        retake, count = _begin(pipeline, start), 0
    moves = [*await _moves(pipeline, start), *(move for move in pipeline.judge.record.moves if move.meter == retake.meter)]
    count += await _feed(pipeline, retake, max(retake.seen_ms, start.t_ms) + 1, moves)
    retake.finish(moves)
    return await _settle(pipeline, retake, start, count, compare=compare)


async def _settle(pipeline: Pipeline, retake: Retake, start: Snapshot, count: int, *, compare: bool) -> Rebuilt:
    """Tell what came of it, write the intervals that differ, and let the state that was made take the place of the running one."""
    before = pipeline.judge.states.get(retake.meter)
    equal = not count if before is None else engine.parts(before) == engine.parts(retake.state)
    right_ms = pipeline.judge.right_until_ms(retake.meter)
    made = [interval for interval in retake.intervals if interval.end_ms > right_ms]
    changed = revised(made, await _stored(pipeline, retake.meter, made))
    told = Rebuilt(retake.meter, start.t_ms + 1, count, equal=equal, revised=len(changed))
    if compare:
        return told
    if not count:
        await _leave(pipeline, retake.meter)
        return told
    if changed:
        await pipeline.storing.until_done(pipeline.store.write_intervals, changed)
    state, snapshots = retake.state, [start, *retake.snapshots]
    if before is not None and right_ms == NEWEST and before.energy != state.energy:  # ratios changed on the way
        state = replace(state, energy=before.energy)
        snapshots.append(replace(retake.snapshot(), parts=engine.parts(state)))
    commit = Commit(cut={retake.meter: start.t_ms}, snapshots=snapshots, late={retake.meter: None})
    await pipeline.replace(retake.meter, state, retake.findings.values(), commit)
    return told


async def _leave(pipeline: Pipeline, meter: str) -> None:
    """Go on with the state as it is, where nothing is stored of which it could be made again."""
    state, commit = pipeline.judge.states.get(meter), Commit(late={meter: None})
    if state is not None:
        await pipeline.replace(meter, state, (), commit)
    else:
        pipeline.judge.redo.settled(meter)
        await pipeline.keeping.until_done(pipeline.state.commit, commit)


async def _stored(pipeline: Pipeline, meter: str, made: Sequence[IntervalEnergy]) -> dict[tuple[str, int], IntervalEnergy]:
    found: dict[tuple[str, int], IntervalEnergy] = {}
    for kind in {interval.kind for interval in made}:
        starts = [interval.start_ms for interval in made if interval.kind == kind]
        for from_ms in range(min(starts), max(starts) + 1, 31 * DAY_MS):
            to_ms = min(from_ms + 31 * DAY_MS, max(starts) + 1)
            stored = await pipeline.storing.until_done(pipeline.store.intervals, kind, meter, from_ms, to_ms)
            found |= {(kind, interval.start_ms): interval for interval in stored}
    return found


async def follow(pipeline: Pipeline) -> None:
    """Make states again for ever, each once its late readings have come to an end. Cancel it to stop."""
    seen: dict[str, tuple[int, float, float]] = {}
    while True:
        await asyncio.sleep(QUIET_S / 2)
        now_s = pipeline.clock.monotonic_s()
        late = [meter for meter in pipeline.judge.redo.late if meter in pipeline.judge.policies]
        seen = {meter: known for meter, known in seen.items() if meter in late}
        for meter in late:
            count = pipeline.judge.redo.marks[meter]
            first_s = seen[meter][1] if meter in seen else now_s
            if meter not in seen or seen[meter][0] != count:
                seen[meter] = count, first_s, now_s
            if now_s - seen[meter][2] >= QUIET_S or now_s - first_s >= LONGEST_S:
                seen.pop(meter)
                await catch_up(pipeline, meter, between=pipeline.between)


async def catch_up(pipeline: Pipeline, meter: str, *, between: Between) -> None:
    """Make the state of a meter again from its oldest late reading on."""
    from_ms = pipeline.judge.redo.late.get(meter)
    if from_ms is None:
        return
    try:
        done = await rebuild(pipeline, meter, from_ms=from_ms, between=between)
    except (Unavailable, WireError) as error:
        log.warning("%s: its late readings are not judged yet: %s", meter, error)
        return
    if done.note:
        log.warning("%s: readings of %d came too late to be judged: %s", meter, from_ms, done.note)
    log.info("%s: %d readings judged again, %d intervals revised", meter, done.readings, done.revised)
