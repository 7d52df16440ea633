"""Modbus TCP: one connection, one request at a time, each reply recognised by its transaction id.

A request is never cancelled from outside: its deadline lies in here. Nothing is retried and nothing reconnected here;
both are the poller's decisions.
"""

from __future__ import annotations

import asyncio

from collector.adapters.pipes import Pipe
from collector.pure.adu import MBAP_BYTES, read_body, refuse_writes, take_tcp, tcp_frame
from collector.pure.frames import BusFault, Reply, Request
from collector.pure.waiting import Patience

__all__ = ["ModbusTcp", "refuse_writes"]

LAST_TRANSACTION = 0xFFFF
_HALF = 0x8000


class Exchange:
    """What every kind of bus shares: one request under way, and the deadline of its reply."""

    shared = wired = False

    def __init__(self, pipe: Pipe, *, timeout_s: float) -> None:
        self.name = pipe.name
        self.patience = Patience(timeout_s)
        self._pipe = pipe
        self._open = False
        self._asked: Request | None = None
        self._answer: asyncio.Future[Reply] | None = None
        self._deadline_s = self._latest_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._received = bytearray()

    async def open(self) -> None:
        """See MeterBus."""
        await self.close()
        await self._pipe.open(self._take, self._lost)
        self._received.clear()
        self._open = True

    async def close(self) -> None:
        """See MeterBus."""
        self._hang_up()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _exchange(self, request: Request, frame: bytes, patience_s: float) -> Reply:
        """Send `frame` and return what `_take` makes of the bytes that come. Raises BusFault."""
        loop = asyncio.get_running_loop()
        self._asked = request
        self._answer = loop.create_future()
        try:
            self._pipe.send(frame)
            self._latest_s = loop.time() + patience_s
            self._wait_until(loop, self._latest_s)
            return await self._answer
        except OSError as error:
            self._hang_up()
            raise BusFault("link", f"{self.name}: {error}", link_lost=True) from error
        finally:
            self._asked = self._answer = None

    def _check_free(self) -> None:
        if self._answer is not None:
            raise RuntimeError(f"{self.name}: a request is under way")
        if not self._open:
            raise BusFault("link", f"{self.name} is not connected", link_lost=True)

    def _wait_until(self, loop: asyncio.AbstractEventLoop, deadline_s: float) -> None:
        """Arm the one timer, unless it looks early enough anyway: most replies come and leave it running."""
        self._deadline_s = deadline_s
        if self._timer is not None and self._timer.when() > deadline_s:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = loop.call_at(deadline_s, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        if self._answer is None or self._answer.done():
            return
        if loop.time() < self._deadline_s:
            self._wait_until(loop, self._deadline_s)
        else:
            self._fail(self._silence())

    def _succeed(self, reply: Reply) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(reply)

    def _fail(self, fault: BusFault) -> None:
        if fault.link_lost:
            self._hang_up()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(fault)

    def _hang_up(self) -> None:
        self._open = False
        self._received.clear()
        self._pipe.close()

    def _lost(self, why: str) -> None:
        self._fail(BusFault("timeout", f"{self.name}: connection lost before the reply: {why}", link_lost=True))
        self._hang_up()

    def _timeout(self) -> BusFault:
        unit = self._asked.unit if self._asked else 0
        return BusFault("timeout", f"no reply within {self.patience.of(unit):.2g} s{self.patience.advice(unit)}")

    def _take(self, data: bytes) -> None:
        raise NotImplementedError

    def _silence(self) -> BusFault:
        """Return why there was no reply in time, as far as the bytes that did come tell."""
        raise NotImplementedError


class ModbusTcp(Exchange):
    """A MeterBus over Modbus TCP."""

    def __init__(self, pipe: Pipe, *, timeout_s: float) -> None:
        super().__init__(pipe, timeout_s=timeout_s)
        self._transaction = 0
        self._overdue = (-1, 0, 0.0)  # transaction, unit and instant of the last request that timed out

    async def read(self, request: Request) -> Reply:
        """See MeterBus."""
        self._check_free()
        self._transaction = self._transaction % LAST_TRANSACTION + 1  # never 0: that is what a gateway says that echoes none
        loop = asyncio.get_running_loop()
        sent_s = loop.time()
        try:
            reply = await self._exchange(request, tcp_frame(request, self._transaction), self.patience.of(request.unit))
        except BusFault as fault:
            if fault.reason == "timeout":
                self.patience.timed_out(request.unit)
                self._overdue = (self._transaction, request.unit, sent_s)
            raise
        self.patience.answered(request.unit, loop.time() - sent_s)
        return reply

    def _take(self, data: bytes) -> None:
        received = self._received
        try:
            if not received and (frame := take_tcp(data)) is not None and MBAP_BYTES + len(frame[1]) == len(data):
                self._judge(*frame)  # one whole frame, as nearly always
                return
            received += data
            while frame := take_tcp(received):
                del received[: MBAP_BYTES + len(frame[1])]
                self._judge(*frame)
        except ValueError:
            self._fail(BusFault("frame", f"{self.name} sends bytes that are no Modbus TCP", link_lost=True))

    def _judge(self, transaction: int, body: bytes) -> None:
        request = self._asked
        if request is None or (transaction and 0 < (self._transaction - transaction) % LAST_TRANSACTION < _HALF):
            overdue, unit, sent_s = self._overdue
            if transaction == overdue:
                self.patience.late(unit, asyncio.get_running_loop().time() - sent_s)
            return  # a reply that came after its time; its request has failed already
        try:
            reply = read_body(request, body, transaction, self._transaction)
        except BusFault as fault:
            self._fail(fault)
        else:
            self._succeed(reply)

    def _silence(self) -> BusFault:
        if self._received:
            # The rest may still come and would be taken for the start of the next reply: only a new connection is clean.
            return BusFault("frame", f"{len(self._received)} bytes that are no whole frame", link_lost=True)
        return self._timeout()
