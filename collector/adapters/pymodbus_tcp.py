"""Modbus TCP through pymodbus: `tcp://host:502?client=pymodbus`. The only importer of pymodbus.

A second, independent client behind the same port, for a device that our own does not get on with. What leaves
is checked as bytes: no packet with a function code outside the read-only four passes. What comes back is taken
apart by `_Decoder`, which believes nothing and never raises, so that the validator can judge.
"""

from __future__ import annotations

import logging
import struct

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.pdu import DecodePDU, ModbusPDU

from collector.ports import FUNCTION_CODE, BusFault, Reply, Request
from collector.pure.adu import refuse_writes
from driftwatt.errors import Unavailable

logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)  # it shouts at every timeout; the poller tells it once

_NEVER = 2**31
_HEADER = 7  # bytes before the function code: transaction, protocol, length, unit


class _Answer(ModbusPDU):
    """Any reply, taken apart but not judged."""

    byte_count = -1


class _Decoder(DecodePDU):
    """Takes any reply for what it says. pymodbus' own loses the connection over a frame that it does not know."""

    def decode(self, frame: bytes) -> ModbusPDU:
        """Return function code, exception code or registers as they stand in the frame; never raises."""
        answer = _Answer()
        answer.function_code = frame[0] if frame else 0
        if answer.function_code & 0x80:
            answer.exception_code = frame[1] if len(frame) > 1 else 0
        elif len(frame) > 1:
            answer.byte_count = frame[1]
            answer.registers = struct.unpack_from(f">{(len(frame) - 2) // 2}H", frame, 2)
        return answer


class PymodbusTcp:
    """A MeterBus over Modbus TCP: one connection, one request at a time, no retries of its own."""

    shared = False
    wired = False

    def __init__(self, host: str, port: int, *, timeout_s: float) -> None:
        self.name = f"tcp://{host}:{port}"
        self._host, self._port, self._timeout_s = host, port, timeout_s
        self._client: AsyncModbusTcpClient | None = None
        self._asked = self._unit = 0
        self._strange = ""

    async def open(self) -> None:
        """See MeterBus."""
        await self.close()
        client = AsyncModbusTcpClient(
            self._host, port=self._port, timeout=self._timeout_s, retries=0, reconnect_delay=0, trace_packet=self._trace
        )
        client.ctx.framer.decoder = _Decoder(is_server=False)
        client.set_max_no_responses(_NEVER)  # whether the link is dead is the poller's decision
        if not await client.connect():
            client.close()
            raise Unavailable(f"cannot connect to {self.name}")
        self._client = client

    async def read(self, request: Request) -> Reply:
        """See MeterBus."""
        client = self._client
        if client is None or not client.connected:
            raise BusFault("link", f"{self.name} is not connected", link_lost=True)
        self._strange, self._unit = "", request.unit
        ask = client.read_holding_registers if request.kind == "holding" else client.read_input_registers
        try:
            answer = await ask(request.address, count=request.count, device_id=request.unit)
        except ConnectionException as error:
            raise BusFault("link", f"{self.name}: connection lost", link_lost=True) from error
        except ModbusException as error:
            raise self._silence(client) from error
        return self._reply(request, answer)

    async def close(self) -> None:
        """See MeterBus."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _reply(self, request: Request, answer: ModbusPDU) -> Reply:
        function = answer.function_code
        if function & 0x80:
            if function & 0x7F != FUNCTION_CODE[request.kind] or answer.transaction_id != self._asked:
                raise BusFault("mismatch", f"an exception to another request: function {function & 0x7F}")
            raise BusFault(f"exception_{answer.exception_code}")
        byte_count = answer.byte_count if isinstance(answer, _Answer) else -1
        return Reply(answer.dev_id, function, byte_count, tuple(answer.registers), answer.transaction_id, self._asked)

    def _silence(self, client: AsyncModbusTcpClient) -> BusFault:
        """Return why there was no reply in time, as far as the bytes that did come tell."""
        if not client.connected:
            return BusFault("timeout", f"{self.name}: connection lost before the reply", link_lost=True)
        if client.ctx.recv_buffer:
            # The rest may still come and would be taken for the start of the next reply: only a new connection is clean.
            return BusFault("frame", f"{len(client.ctx.recv_buffer)} bytes that are no whole frame", link_lost=True)
        if self._strange:
            return BusFault("mismatch", self._strange)
        return BusFault("timeout", f"no reply within {self._timeout_s:g} s")

    def _trace(self, sending: bool, data: bytes) -> bytes:  # noqa: FBT001 – pymodbus calls it by position
        if sending:
            refuse_writes(data)
            self._asked = int.from_bytes(data[:2], "big")
        elif len(data) >= _HEADER:
            self._note_strange(int.from_bytes(data[:2], "big"), data[6])
        return data

    def _note_strange(self, transaction: int, unit: int) -> None:
        """Remember what pymodbus is about to skip. An older transaction is a reply that came late, which is no mismatch."""
        if transaction > self._asked:
            self._strange = f"transaction {transaction} answered transaction {self._asked}"
        elif transaction == self._asked and unit != self._unit:
            self._strange = f"unit {unit} answered for unit {self._unit}"
