"""Lines whose replies do not say which request they answer: RTU on a serial port or through a gateway, Modbus TCP without ids.

Half of the work here is to keep a late reply from being taken for another's; `collector.pure.doubt` decides, this waits.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from collector.adapters.modbus import Exchange
from collector.adapters.pipes import Pipe
from collector.pure.adu import MBAP_BYTES, read_body, rtu_frame, take_rtu, take_tcp, tcp_frame
from collector.pure.doubt import SHORTEST_REST_S, Doubt, Owed
from collector.pure.frames import FUNCTION_CODE, BusFault, Reply, Request
from collector.pure.plan import Line

log = logging.getLogger(__name__)

REST_LIMIT = 6.0
"""A line that is still not quiet after so many times its rest is opened anew."""
PATIENT_S = 0.1
BROKEN_OFF_S = 0.25
"""On a serial line a reply that pauses this long has broken off."""


class Rtu:
    """RTU framing: unit, PDU, CRC."""

    def frame(self, request: Request) -> bytes:
        """Return the bytes that ask."""
        return rtu_frame(request)

    def take(self, received: bytearray, request: Request | None) -> bytes | None:
        """Remove and return the next body, None when there is none yet."""
        if request is None:
            return take_rtu(received)
        expected = bytes((request.unit, FUNCTION_CODE[request.kind], 2 * request.count))
        return take_rtu(received, rtu_frame(request), expected)


class NoIds:
    """Modbus TCP framing of a gateway that answers every request with transaction 0."""

    def frame(self, request: Request) -> bytes:
        """Return the bytes that ask."""
        return tcp_frame(request, 0)

    def take(self, received: bytearray, request: Request | None) -> bytes | None:  # noqa: ARG002 – the length stands in the header
        """Remove and return the next body, None when there is none yet. Raises ValueError when this is no Modbus TCP."""
        frame = take_tcp(received)
        if frame is None:
            return None
        del received[: MBAP_BYTES + len(frame[1])]
        return frame[1] if len(frame[1]) > 1 else None


class ModbusLine(Exchange):
    """A MeterBus whose replies carry no transaction id. `line` is the serial line, None where a gateway hides it."""

    shared = True

    def __init__(
        self, pipe: Pipe, framing: Rtu | NoIds, *, timeout_s: float, line: Line | None = None, rest_s: float = SHORTEST_REST_S
    ) -> None:
        super().__init__(pipe, timeout_s=timeout_s)
        self._framing, self._line = framing, line
        self.wired = line is not None
        self._silence_s = line.silence_s if line else 0.0
        self._broken_off_s = BROKEN_OFF_S if line else timeout_s
        self._doubt = Doubt(timeout_s, shortest_rest_s=rest_s)
        self._owed: Owed | None = None
        self._strange = ""
        self._heard_s = float("-inf")

    async def open(self) -> None:
        """See MeterBus."""
        await super().open()
        self._doubt.opened(asyncio.get_running_loop().time())

    async def read(self, request: Request) -> Reply:
        """See MeterBus. Waits first until nothing old can be taken for the reply. Raises BusFault."""
        self._check_free()
        loop = asyncio.get_running_loop()
        sent = await self._ready(request, loop.time)
        self._received.clear()
        self._strange = ""
        owed = self._owed = self._doubt.sent(sent, loop.time())
        wire_s = (13 + 2 * sent.count) * self._line.character_s if self._line else 0.0
        try:
            reply = await self._exchange(sent, self._framing.frame(sent), self.patience.of(request.unit) + wire_s)
        except BusFault as fault:
            self._settle(request, owed, fault, loop.time())
            if sent.count != request.count and fault.reason == "timeout":
                self._doubt.longer(request, answered=False)
            if self._refused_longer(request, sent, fault):
                return await self.read(request)
            raise
        except asyncio.CancelledError:
            self._doubt.disturbed(loop.time())
            raise
        finally:
            self._owed = None
        self.patience.answered(request.unit, max(0.0, self._doubt.answered(owed, loop.time()) - wire_s))
        if sent.count != request.count:
            self._doubt.longer(request, answered=True)
        before = request.address - sent.address
        return Reply(reply.unit, reply.function, 2 * request.count, reply.registers[before : before + request.count], None, None)

    def _settle(self, request: Request, owed: Owed, fault: BusFault, now_s: float) -> None:
        if fault.reason.startswith("exception"):
            self._doubt.answered(owed, now_s)
            return
        if fault.reason == "timeout":
            self.patience.timed_out(request.unit)
        self._doubt.disturbed(now_s)

    def _refused_longer(self, request: Request, sent: Request, fault: BusFault) -> bool:
        """Tell whether the device only refuses what was to be read along; it is asked for no more than wanted from then on."""
        refused = fault.reason in ("exception_2", "exception_3") and sent.count != request.count
        if refused:
            self._doubt.refused_longer(request)
        return refused

    async def _ready(self, request: Request, now: Callable[[], float]) -> Request:
        """Wait for the silence between frames, for the end of a rest, and for a request whose reply cannot be mistaken."""
        patient_until_s = now() + REST_LIMIT * max(self._doubt.rest_s, SHORTEST_REST_S)
        while True:
            until_s = max(self._doubt.rest_until_s, self._heard_s + self._silence_s)
            if now() < until_s:
                await asyncio.sleep(until_s - now())
            elif (chosen := self._doubt.choose(request, now())) is not None:
                return chosen
            elif (until_s := self._doubt.wait_until_s(now())) - now() > self._doubt.rest_s + PATIENT_S:
                raise BusFault("timeout", "not asked: the reply to the last request may still come, and would look like this one's")
            else:
                await asyncio.sleep(until_s - now())
            if not self._open:
                raise BusFault("link", f"{self.name} is not connected", link_lost=True)
            if now() > patient_until_s:
                self._hang_up()
                raise BusFault("frame", f"{self.name} is never quiet: another master on the line, or noise", link_lost=True)

    def _take(self, data: bytes) -> None:
        now_s = self._heard_s = asyncio.get_running_loop().time()
        self._received += data
        asked = self._asked if self._answer is not None and not self._answer.done() else None
        try:
            while (body := self._framing.take(self._received, asked)) is not None:
                self._judge(body, asked, now_s)
                asked = self._asked if self._answer is not None and not self._answer.done() else None
        except ValueError:
            self._fail(BusFault("frame", f"{self.name} sends bytes that are no Modbus TCP", link_lost=True))
            return
        if asked is None:
            if self._answer is None:
                self._doubt.disturbed(now_s)
        elif self._received:
            self._wait_until(asyncio.get_running_loop(), min(self._latest_s, now_s + self._broken_off_s))

    def _judge(self, body: bytes, asked: Request | None, now_s: float) -> None:
        unit, function = body[0], body[1] & 0x7F
        count = None if body[1] & 0x80 else (len(body) - 3) // 2
        if asked is not None and count == asked.count and (unit, body[1]) == (asked.unit, FUNCTION_CODE[asked.kind]):
            reply = read_body(asked, body)
            if reply.byte_count == 2 * asked.count:
                self._succeed(reply)
                return
        late_s = self._doubt.late(unit, function, count, now_s, asked=self._owed)
        if late_s is not None:
            self.patience.late(unit, late_s)
            self._strange = f"the reply of unit {unit} to an earlier request came after {late_s:.2f} s"
        elif asked is not None and count is None and unit == asked.unit:
            try:
                read_body(asked, body)
            except BusFault as fault:
                if fault.reason != "mismatch":
                    self._fail(fault)
                    return
            self._strange = f"an exception to another request: function {function}"
        elif asked is not None:
            self._strange = _difference(asked, unit, body[1], count)

    def _silence(self) -> BusFault:
        if self._strange:
            return BusFault("mismatch", self._strange)
        if self._received:
            return BusFault("frame", f"{len(self._received)} bytes that are no whole frame")
        return self._timeout()


def _difference(asked: Request, unit: int, function: int, count: int | None) -> str:
    if unit != asked.unit:
        return f"unit {unit} answered for unit {asked.unit}"
    if function != FUNCTION_CODE[asked.kind]:
        return f"function {function} answered function {FUNCTION_CODE[asked.kind]}"
    return f"{count} registers answered {asked.count} registers"
