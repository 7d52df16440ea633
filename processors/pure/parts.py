"""What of the meters' states is kept already, so that a commit writes only what changed.

A state is kept in three parts. `energy` changes with every reading, `detector` with every quarter-hour. `memory`, by far
the largest, changes once a day: `detector` names its checksum. States of earlier versions have theirs inside `detector`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from processors.pure import detector_bytes
from processors.pure.codec import checksum
from processors.pure.detector import DetectorState
from processors.pure.engine import State, energy_part


class _Known(NamedTuple):
    """The detector's state that is kept, and the checksum of its memory; None where that is not kept as a part of its own."""

    detector: DetectorState
    seal: int | None


class Parts:
    """The parts that are kept, by meter. A part is the same for as long as what it is made of is the same object."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def __contains__(self, meter: object) -> bool:
        return meter in self._known

    def found(self, state: State, stored: Mapping[str, bytes]) -> None:
        """Note that a state came from stored parts; one of which only the energy was left came from none."""
        self._known[state.meter] = _Known(state.detector, checksum(stored["memory"]) if "memory" in stored else None)

    def forget(self, meter: str) -> None:
        """Have everything of a meter written again."""
        self._known.pop(meter, None)

    def changed(self, state: State, *, detector: bool = True) -> dict[str, bytes]:
        """Return the parts to be kept now, by name; those of the detector only if it is asked for and is another one."""
        out = {"energy": energy_part(state)}
        last, now = self._known.get(state.meter), state.detector
        if not detector or (last is not None and last.detector is now):
            return out
        seal = last.seal if last is not None and last.detector.memory is now.memory else None
        if seal is None:
            out["memory"] = detector_bytes.dump_memory(now.memory)
            seal = checksum(out["memory"])
        out["detector"] = detector_bytes.dump_open(now, seal)
        self._known[state.meter] = _Known(now, seal)
        return out
