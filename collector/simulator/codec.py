"""The server's half of Modbus TCP: request frames in, reply frames out. Written apart from the client's library.

A frame is MBAP header (transaction, protocol 0, length, unit) and PDU (function, data). Source: Modbus Messaging
on TCP/IP Implementation Guide V1.0b, Modbus Application Protocol V1.1b3.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from config.profiles import Kind

HEADER = struct.Struct(">HHHB")
_READ = struct.Struct(">BHH")
MAX_PDU = 253
MAX_COUNT = 125
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, NO_ANSWER_BEHIND_GATEWAY = 1, 2, 3, 11
KIND_OF_FUNCTION: dict[int, Kind] = {3: "holding", 4: "input"}


class Refusal(Exception):
    """The server answers with an exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Header:
    """The start of a frame. `length` counts the unit and the PDU."""

    transaction: int
    length: int
    unit: int


@dataclass(frozen=True, slots=True)
class Read:
    """A request for `count` registers from `address` on."""

    kind: Kind
    address: int
    count: int


def parse_header(raw: bytes) -> Header:
    """Return the header in 7 bytes. Raises ValueError when this is not Modbus TCP."""
    transaction, protocol, length, unit = HEADER.unpack(raw)
    if protocol != 0 or not 2 <= length <= MAX_PDU + 1:
        raise ValueError("not a Modbus TCP header")
    return Header(transaction, length, unit)


def parse_read(pdu: bytes) -> Read:
    """Return the read that a PDU asks for. Raises Refusal for any other function or shape."""
    if pdu[0] not in KIND_OF_FUNCTION:
        raise Refusal(ILLEGAL_FUNCTION)
    if len(pdu) != _READ.size:
        raise Refusal(ILLEGAL_VALUE)
    function, address, count = _READ.unpack(pdu)
    if not 1 <= count <= MAX_COUNT:
        raise Refusal(ILLEGAL_VALUE)
    if address + count > 0x10000:
        raise Refusal(ILLEGAL_ADDRESS)
    return Read(KIND_OF_FUNCTION[function], address, count)


def registers(function: int, words: Sequence[int]) -> bytes:
    """Return the PDU that answers a read."""
    return struct.pack(f">BB{len(words)}H", function, 2 * len(words), *words)


def refusal(function: int, code: int) -> bytes:
    """Return the PDU of an exception."""
    return bytes([function | 0x80, code])


def frame(header: Header, pdu: bytes) -> bytes:
    """Return a PDU as it goes out on Modbus TCP to the transaction and unit of `header`."""
    return HEADER.pack(header.transaction, 0, len(pdu) + 1, header.unit) + pdu
