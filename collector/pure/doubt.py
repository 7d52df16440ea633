"""What may still come on a line whose replies do not say which request they answer (RTU, gateways without transaction ids).

A reply that comes after its time looks like the answer to the next request. Three things keep it from being believed:
after any doubt the line rests until the slowest reply ever seen on it would have come; no request goes out whose reply
would look like one that is still owed; and replies of two requests in a row to one unit differ in length wherever the
profile knows registers that may be read along.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from collector.pure.frames import FUNCTION_CODE, Request

SHORTEST_REST_S = 0.5
OWED_TIMEOUTS = 4.0
"""An unanswered request is owed a reply for so many time-outs; a later one would need a slower device than any we know."""
MOST_OWED = 64
DOUBLE_S = 0.1
"""So long after a reply a second copy of it is reckoned with where no other length can be asked for."""
STRIKES = 2
"""A longer read that was never answered is given up after so many silences: some devices ignore what they do not have."""


@dataclass(frozen=True, slots=True)
class Owed:
    """A request that went out at `sent_s`."""

    request: Request
    sent_s: float

    def looks_like(self, unit: int, function: int, count: int) -> bool:
        """Tell whether a reply of this shape could be the one to this request."""
        return self.request.unit == unit and FUNCTION_CODE[self.request.kind] == function and self.request.count == count


class Doubt:
    """The memory of one line. Instants are monotonic seconds."""

    def __init__(self, timeout_s: float, *, shortest_rest_s: float = SHORTEST_REST_S) -> None:
        self.worst_s = 0.0
        self._shortest_rest_s = shortest_rest_s
        self._horizon_s = OWED_TIMEOUTS * timeout_s
        self._owed: list[Owed] = []
        self._answered: list[Owed] = []
        self._rest_until_s = float("-inf")
        self._short: set[Request] = set()
        self._strikes: dict[Request, int] = {}

    @property
    def rest_s(self) -> float:
        """How long the line rests after a doubt."""
        return max(self._shortest_rest_s, self.worst_s)

    @property
    def rest_until_s(self) -> float:
        """Until when the line rests."""
        return self._rest_until_s

    def opened(self, now_s: float) -> None:
        """Note that the line was opened: whoever used it until now, and was ended there, may still be owed a reply."""
        self._rest_until_s = max(self._rest_until_s, now_s + max(self.rest_s, self._horizon_s / OWED_TIMEOUTS))

    def disturbed(self, now_s: float) -> None:
        """Note a doubt: a timeout, a bad frame, a foreign reply, a cancellation, or bytes that nobody asked for."""
        self._rest_until_s = max(self._rest_until_s, now_s + self.rest_s)

    def choose(self, request: Request, now_s: float) -> Request | None:
        """Return the request to send in place of `request`, the same or a longer one; None when none can be told apart now.

        Of requests that were answered a second copy may come for a while. If nothing but the very same request stands in
        the way, it is sent again: a copy would be the value that it had a moment ago.
        """
        self._forget(now_s)
        free = [
            each
            for each in _variants(request, longer=request not in self._short)
            if not any(owed.looks_like(*_shape(each)) for owed in self._owed)
        ]
        for each in free:
            if not any(old.looks_like(*_shape(each)) for old in self._answered):
                return each
        young = [old for old in self._answered if now_s - old.sent_s < DOUBLE_S]
        for each in sorted(free, key=self._last_use):
            if all(old.request == each for old in young if old.looks_like(*_shape(each))):
                return each
        return None

    def wait_until_s(self, now_s: float) -> float:
        """Return when to ask `choose` again after it said None."""
        instants = [each.sent_s + self._horizon_s for each in self._owed] + [each.sent_s + DOUBLE_S for each in self._answered]
        return max(now_s + 0.01, min((each for each in instants if each > now_s), default=now_s))

    def _forget(self, now_s: float) -> None:
        self._owed = [each for each in self._owed if now_s - each.sent_s < self._horizon_s]
        last = self._answered[-1:]
        self._answered = [each for each in self._answered[:-1] if now_s - each.sent_s < self.rest_s] + last

    def _last_use(self, request: Request) -> float:
        return max((old.sent_s for old in self._answered if old.looks_like(*_shape(request))), default=float("-inf"))

    def sent(self, request: Request, now_s: float) -> Owed:
        """Note a request that goes out; until `answered` its reply is owed."""
        owed = Owed(request, now_s)
        self._owed.append(owed)
        del self._owed[:-MOST_OWED]
        return owed

    def answered(self, owed: Owed, now_s: float) -> float:
        """Note the reply to a request; return how long it took."""
        took_s = now_s - owed.sent_s
        self.worst_s = max(self.worst_s, took_s)
        self._owed = [each for each in self._owed if each is not owed]
        self._answered.append(Owed(owed.request, now_s))
        del self._answered[:-MOST_OWED]
        return took_s

    def late(self, unit: int, function: int, count: int | None, now_s: float, *, asked: Owed | None = None) -> float | None:
        """Return the age of the request, other than `asked`, that a reply of this shape (None: an exception) settles, if there is one."""
        for owed in self._owed:
            if owed is not asked and owed.looks_like(unit, function, owed.request.count if count is None else count):
                return self.answered(owed, now_s)
        return None

    def refused_longer(self, request: Request) -> None:
        """Note that the device does not let `request` be read longer than asked."""
        self._short.add(request)

    def longer(self, request: Request, *, answered: bool) -> None:
        """Note whether a longer read of `request` was answered at all. Once answered, silence is no longer held against it."""
        if answered:
            self._strikes[request] = -1
        elif self._strikes.get(request, 0) >= 0:
            self._strikes[request] = self._strikes.get(request, 0) + 1
            if self._strikes[request] >= STRIKES:
                self._short.add(request)


def _variants(request: Request, *, longer: bool) -> Iterator[Request]:
    yield request
    if longer:
        for before, after in request.along:
            yield Request(request.unit, request.kind, request.address - before, request.count + before + after)


def _shape(request: Request) -> tuple[int, int, int]:
    return request.unit, FUNCTION_CODE[request.kind], request.count
