"""The engine states of all meters, of which those that count plainly are changed in place until somebody looks.

Looking at a state makes it from its run; setting it ends the run. Whoever changes a meter's policy ends its run first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping

from driftwatt.readings import Reading
from processors.pure import plain
from processors.pure.engine import State
from processors.pure.plain import Run
from processors.pure.policy import MeterPolicy


class States(MutableMapping[str, State]):
    """Engine states by meter."""

    __slots__ = ("_known", "_runs")

    def __init__(self) -> None:
        self._known: dict[str, State] = {}
        self._runs: dict[str, Run] = {}

    def take(self, readings: Iterable[Reading]) -> Iterator[Reading]:
        """Take the readings that are plain and yield the others, each before any later reading is taken."""
        runs = self._runs
        for reading in readings:
            run = runs.get(reading.meter)
            if run is None or not run.take(reading):
                yield reading

    def begin_run(self, reading: Reading, policy: MeterPolicy) -> bool:
        """Let a run begin with a reading. Returns False, with nothing changed, when the reading needs care."""
        run = plain.begin(self[reading.meter].energy, policy, reading)
        if run is None or not run.take(reading):
            return False
        self._runs[reading.meter] = run
        return True

    def end_run(self, meter: str) -> None:
        """Let a meter's next reading be met with whatever policy is in force then."""
        if meter in self._runs:
            self[meter] = self[meter]

    def seen_ms(self, meter: str) -> int:
        """Return the time of the newest reading of a meter that was taken, -1 before the first."""
        run, state = self._runs.get(meter), self._known.get(meter)
        return run.seen_ms if run else state.energy.seen_ms if state else -1

    def __getitem__(self, meter: str) -> State:
        state, run = self._known[meter], self._runs.get(meter)
        if run is not None and run.seen_ms != state.energy.seen_ms:
            state = self._known[meter] = State(meter, run.energy(), state.detector)
        return state

    def __setitem__(self, meter: str, state: State) -> None:
        self._runs.pop(meter, None)
        self._known[meter] = state

    def __delitem__(self, meter: str) -> None:
        self._runs.pop(meter, None)
        del self._known[meter]

    def __contains__(self, meter: object) -> bool:
        return meter in self._known

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)
