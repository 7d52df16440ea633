"""Modbus frames as bytes: what goes out, and what may be believed of what comes in. TCP (MBAP) and RTU (CRC) side by side.

Both carry the same body, unit and PDU. Sources: Modbus Messaging on TCP/IP Implementation Guide V1.0b, Modbus over
Serial Line V1.02, Modbus Application Protocol V1.1b3.
"""

from __future__ import annotations

import struct
from functools import lru_cache

from collector.pure.frames import FUNCTION_CODE, READ_ONLY, BusFault, Reply, Request

MBAP_BYTES = 6
"""Transaction, protocol and length; the unit and the PDU follow."""
LONGEST_BODY = 254
LONGEST_RTU = 260
"""No more of a line's bytes are kept: the longest reply."""
FUNCTION_AT_TCP, FUNCTION_AT_RTU = 7, 1
_ASK = struct.Struct(">BBHH")
_ASK_TCP = struct.Struct(">HHHBBHH")
_MBAP = struct.Struct(">HHH")


def refuse_writes(packet: bytes, function_at: int = FUNCTION_AT_TCP) -> None:
    """Raise PermissionError unless `packet`, as it would go out, carries a read-only function code at that place."""
    if len(packet) < 8 or packet[function_at] not in READ_ONLY:
        raise PermissionError(f"refused to send to a meter: {packet[:16].hex(' ')}")


def tcp_frame(request: Request, transaction: int) -> bytes:
    """Return the 12 bytes that ask `request` over Modbus TCP."""
    return _ASK_TCP.pack(transaction, 0, 6, request.unit, FUNCTION_CODE[request.kind], request.address, request.count)


def rtu_frame(request: Request) -> bytes:
    """Return the 8 bytes that ask `request` over RTU."""
    body = _ASK.pack(request.unit, FUNCTION_CODE[request.kind], request.address, request.count)
    return body + crc16(body).to_bytes(2, "little")


def take_tcp(received: bytes | bytearray) -> tuple[int, bytes] | None:
    """Return transaction and body of the first frame in `received`, None while it is not whole. Raises ValueError when it is no Modbus TCP.

    The frame's length is `MBAP_BYTES + len(body)`.
    """
    if len(received) < MBAP_BYTES:
        return None
    transaction, protocol, length = _MBAP.unpack_from(received)
    if protocol != 0 or not 2 <= length <= LONGEST_BODY:
        raise ValueError("not a Modbus TCP header")
    if len(received) < MBAP_BYTES + length:
        return None
    return transaction, bytes(received[MBAP_BYTES : MBAP_BYTES + length])


def take_rtu(received: bytearray, asked: bytes = b"", expected: bytes = b"") -> bytes | None:
    """Return the body of the first frame in `received` whose CRC is right, and remove it and what stood before; None without one.

    `asked` is our own frame, which some RS-485 adapters echo: it is skipped. While a frame that begins with `expected`
    (unit, function, byte count) is under way, nothing is looked for inside it.
    """
    if asked and received[:8] == asked:
        del received[:8]
    at, end = 0, len(received) - 4
    while at < end:
        if expected and received[at] == expected[0] and received[at : at + 3] == expected and at + 5 + expected[2] > len(received):
            break
        size = _SIZES.get(received[at + 1], 0)
        size = size or (5 + received[at + 2] if received[at + 1] in READ_ONLY else 0)
        if size and at + size <= len(received):
            body = bytes(received[at : at + size - 2])
            if crc16(body) == received[at + size - 2] | received[at + size - 1] << 8:
                del received[: at + size]
                return body
        at += 1
    del received[:-LONGEST_RTU]
    return None


_WRITES = (5, 6, 15, 16)
_SIZES = dict.fromkeys((function | 0x80 for function in (*READ_ONLY, *_WRITES)), 5) | dict.fromkeys(_WRITES, 8)
"""How long a frame with such a function is; that of a reader's reply says so itself."""


def read_body(request: Request, body: bytes, transaction: int | None = None, asked_transaction: int | None = None) -> Reply:
    """Return what a body (unit and PDU) says, not yet believed. Raises BusFault for an exception answer.

    An exception of another unit, another function or another transaction is a `mismatch`.
    """
    unit, function = body[0], body[1]
    if function & 0x80:
        if function & 0x7F != FUNCTION_CODE[request.kind] or unit != request.unit or transaction != asked_transaction or len(body) != 3:
            raise BusFault("mismatch", f"an exception to another request: unit {unit}, function {function & 0x7F}")
        raise BusFault(f"exception_{body[2]}")
    byte_count = body[2] if len(body) > 2 else -1
    registers = _words((len(body) - 3) // 2).unpack_from(body, 3) if len(body) > 3 else ()
    return Reply(unit, function, byte_count if byte_count == len(body) - 3 else -1, registers, transaction, asked_transaction)


@lru_cache(maxsize=128)
def _words(count: int) -> struct.Struct:
    return struct.Struct(f">{count}H")


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
        table.append(crc)
    return tuple(table)


_TABLE = _crc_table()


def crc16(data: bytes | bytearray | memoryview) -> int:
    """Return the Modbus CRC-16 of `data` (polynomial 0xA001, start 0xFFFF); it goes out low byte first."""
    crc, table = 0xFFFF, _TABLE
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc
