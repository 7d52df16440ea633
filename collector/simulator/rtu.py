"""The meter's half of Modbus RTU: frames on a serial line. Written apart from the collector's own framing.

A frame is unit, PDU and CRC-16 (low byte first). Source: Modbus over Serial Line V1.02.
"""

from __future__ import annotations

from collections.abc import Iterator

_POLYNOMIAL = 0xA001
_REQUEST = 8  # bytes of a read request with its unit and CRC
_LONGEST = 256


def crc(data: bytes | bytearray) -> int:
    """Return the CRC-16 of Modbus. Over a whole frame with its own CRC it is 0."""
    register = 0xFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (_POLYNOMIAL if register & 1 else 0)
    return register


def frame(unit: int, pdu: bytes) -> bytes:
    """Return a PDU as it goes out on the line."""
    body = bytes([unit]) + pdu
    return body + crc(body).to_bytes(2, "little")


class Requests:
    """Finds requests in what a line brings. What is none is thrown away by `forget`, which silence on the line calls for."""

    def __init__(self) -> None:
        self._heard = bytearray()

    def forget(self) -> None:
        """Begin anew: the line was silent."""
        self._heard.clear()

    def take(self, data: bytes) -> Iterator[bytes]:
        """Yield whole frames with a good CRC, in order."""
        self._heard += data
        while len(self._heard) >= _REQUEST and not crc(self._heard[:_REQUEST]):
            yield bytes(self._heard[:_REQUEST])
            del self._heard[:_REQUEST]
        if len(self._heard) >= 4 and not crc(self._heard):
            yield bytes(self._heard)
            self._heard.clear()
        del self._heard[:-_LONGEST]
