"""One read per cycle of a register that never changes: proof that replies still belong to their requests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from collector.pure.frames import Request
from config.edge import Meter
from config.profiles import Profile


def sentinels(meters: Iterable[Meter], profiles: Mapping[str, Profile]) -> tuple[Request, ...]:
    """Return the constant register of each meter whose profile names one: its model or serial number."""
    requests = []
    for meter in meters:
        identify = profiles[meter.profile].identify
        if identify.address is not None and identify.kind is not None:
            wide = len(identify.expect) if isinstance(identify.expect, tuple) else 1
            step = profiles[meter.profile].limits.count_step
            requests.append(Request(meter.unit, identify.kind, identify.address, -(-wide // step) * step))
    return tuple(requests)


class Watch:
    """Takes turns over the units of a bus. What a unit answers first is what it must always answer."""

    def __init__(self, requests: Iterable[Request]) -> None:
        self._requests = list(requests)
        self._known: dict[int, tuple[int, ...]] = {}
        self._turn = 0

    def next(self, silent: frozenset[int] = frozenset()) -> Request | None:
        """Return the next sentinel of a unit that is not silent, None without one."""
        for _ in self._requests:
            self._turn = (self._turn + 1) % len(self._requests)
            if self._requests[self._turn].unit not in silent:
                return self._requests[self._turn]
        return None

    def judge(self, request: Request, registers: tuple[int, ...]) -> bool:
        """Tell whether the reply proves that all is in order. A unit that differs is learnt anew: it may have been exchanged."""
        if self._known.setdefault(request.unit, registers) == registers:
            return True
        del self._known[request.unit]
        return False

    def drop(self, request: Request) -> None:
        """Forget a sentinel that the device does not have."""
        if request in self._requests:
            self._requests.remove(request)
