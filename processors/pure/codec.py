"""State as bytes: versioned, little-endian, checksummed, and the same bytes for the same state.

Layout: magic `DWDS`, version (u16), length of the body (u32), body, CRC-32 of the body as it stands there (u32).
A body of 4 KiB or more is deflated; what is written with every quarter-hour is smaller and is not. The body holds
tagged trees of None, bool, int, float, str, bytes, tuples, lists, arrays and the classes handed in. Whole numbers
and lengths take as many bytes as they need (7 bits each, lowest first; signs folded in). An array that was already
written is written as its number. A class writes its fields in their order, or what its `Packing` makes of it; a
change of either needs a new version.
"""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

from driftwatt.errors import Outdated, UnknownMajor, WireError

_MAGIC = b"DWDS"
_HEAD = struct.Struct("<4sHI")
_CRC = struct.Struct("<I")
_DEFLATED_FROM = 4096
_F64 = struct.Struct("<d")
_CONSTANTS: dict[int, object] = {ord("N"): None, ord("T"): True, ord("U"): False}
_ARRAYS = {"f": 4, "h": 2, "d": 8}
_SWAP = sys.byteorder == "big"


class Packing(NamedTuple):
    """How a class is written when its fields are not written as they are: `pack` gives the values, `unpack` takes them."""

    pack: Callable[[Any], tuple[Any, ...]]
    unpack: Callable[..., Any]


class Codec:
    """Encodes and decodes trees of the classes given; their order is part of the format. `oldest` is the first version that is read."""

    def __init__(
        self, version: int, classes: Sequence[type], packings: Mapping[type, Packing] | None = None, *, oldest: int | None = None
    ) -> None:
        self._version, self._oldest = version, version if oldest is None else oldest
        self._classes = list(classes)
        self._numbers = {cls: bytes([ord("C"), number]) for number, cls in enumerate(classes)}
        self._packings = dict(packings or {})
        self._names = {cls: [field.name for field in fields(cls)] for cls in classes if is_dataclass(cls)}

    def seal(self, *values: object) -> bytes:
        """Return values in their envelope."""
        writer = _Writer(self._numbers, self._packings, self._names)
        for value in values:
            writer.put(value)
        body = bytes(writer.out)
        stored = zlib.compress(body, 1) if len(body) >= _DEFLATED_FROM else body
        return _HEAD.pack(_MAGIC, self._version, len(body)) + stored + _CRC.pack(zlib.crc32(stored))

    def open(self, data: bytes, count: int) -> list[Any]:
        """Return the `count` values in an envelope. Raises WireError for damage, Outdated or UnknownMajor for another version."""
        if len(data) < _HEAD.size + _CRC.size or data[:4] != _MAGIC:
            raise WireError("snapshot", "not a detector snapshot")
        _, version, length = _HEAD.unpack_from(data)
        if not self._oldest <= version <= self._version:
            foreign = Outdated if version < self._oldest else UnknownMajor
            raise foreign("snapshot", f"version {version}, this program reads {self._version}")
        stored = data[_HEAD.size : -_CRC.size]
        if checksum(data) != zlib.crc32(stored):
            raise WireError("snapshot", "checksum does not match")
        body = stored if len(stored) == length else _inflated(stored, length)
        reader = _Reader(body, self._classes, self._packings)
        values = [reader.get() for _ in range(count)]
        if reader.at != len(body):
            raise WireError("snapshot", "trailing bytes")
        return values


def checksum(data: bytes) -> int:
    """Return the checksum that an envelope says it has."""
    number: int = _CRC.unpack(data[-_CRC.size :])[0]
    return number


def _inflated(stored: bytes, length: int) -> bytes:
    """Return a body that was deflated; never more than it says to be. Raises WireError."""
    stream = zlib.decompressobj()
    try:
        body = stream.decompress(stored, length + 1)
    except zlib.error as error:
        raise WireError("snapshot", f"cannot be inflated: {error}") from error
    if len(body) != length or not stream.eof or stream.unused_data:
        raise WireError("snapshot", "another length than it says")
    return body


class _Writer:
    def __init__(self, numbers: Mapping[type, bytes], packings: Mapping[type, Packing], names: Mapping[type, list[str]]) -> None:
        self.out = bytearray()
        self._numbers, self._packings, self._names = numbers, packings, names
        self._arrays: dict[bytes, int] = {}

    def put(self, value: Any) -> None:
        kind, out = type(value), self.out
        if kind is float:
            out += b"F" + _F64.pack(value)
        elif kind is int:
            self._whole(b"I", value * 2 if value >= 0 else -value * 2 - 1)
        elif value is None or kind is bool:
            out += b"N" if value is None else b"T" if value else b"U"
        elif kind in self._numbers:
            out += self._numbers[kind]
            self._class(kind, value)
        elif kind is bytes or kind is str:
            raw = value.encode() if kind is str else value
            self._whole(b"S" if kind is str else b"B", len(raw))
            out += raw
        elif kind is array:
            self._array(value)
        else:
            self._sequence(value)

    def _whole(self, tag: bytes, number: int) -> None:
        out = self.out
        out += tag
        while number > 127:
            out.append(number & 127 | 128)
            number >>= 7
        out.append(number)

    def _class(self, kind: type, value: Any) -> None:
        values: Sequence[Any] = value
        if kind in self._packings:
            values = self._packings[kind].pack(value)
        elif kind in self._names:
            values = [getattr(value, name) for name in self._names[kind]]
        self._whole(b"", len(values))
        for each in values:
            self.put(each)

    def _array(self, value: array[Any]) -> None:
        raw = value.typecode.encode() + _little(value).tobytes()
        if raw in self._arrays:
            self._whole(b"R", self._arrays[raw])
            return
        self._arrays[raw] = len(self._arrays)
        self._whole(b"A" + raw[:1], len(value))
        self.out += raw[1:]

    def _sequence(self, value: Sequence[Any]) -> None:
        is_list = isinstance(value, list)
        if value and set(map(type, value)) == {float}:
            self._whole(b"d" if is_list else b"D", len(value))
            self.out += struct.pack(f"<{len(value)}d", *value)
            return
        self._whole(b"l" if is_list else b"L", len(value))
        for item in value:
            self.put(item)


class _Reader:
    def __init__(self, body: bytes, classes: Sequence[type], packings: Mapping[type, Packing]) -> None:
        self._body, self.at = body, 0
        self._classes, self._packings = classes, packings
        self._arrays: list[array[Any]] = []

    def get(self) -> Any:
        tag = self._body[self.at]
        self.at += 1
        if tag in _CONSTANTS:
            return _CONSTANTS[tag]
        if tag == ord("F"):
            self.at += 8
            return _F64.unpack_from(self._body, self.at - 8)[0]
        if tag == ord("C"):
            return self._class()
        if tag == ord("A"):
            return self._array()
        number = self._whole()
        if tag == ord("I"):
            return -(number + 1) // 2 if number & 1 else number // 2
        return self._arrays[number] if tag == ord("R") else self._sequence(chr(tag), number)

    def _whole(self) -> int:
        number, shift = 0, 0
        while True:
            byte = self._body[self.at]
            self.at += 1
            number |= (byte & 127) << shift
            if byte < 128:
                return number
            shift += 7

    def _class(self) -> Any:
        cls = self._classes[self._body[self.at]]
        self.at += 1
        values = [self.get() for _ in range(self._whole())]
        return self._packings[cls].unpack(*values) if cls in self._packings else cls(*values)

    def _array(self) -> array[Any]:
        kind = chr(self._body[self.at])
        self.at += 1
        size = self._whole() * _ARRAYS[kind]
        found = _little(array(kind, self._take(size)))
        self._arrays.append(found)
        return found

    def _sequence(self, tag: str, length: int) -> Any:
        if tag in "SB":
            raw = self._take(length)
            return raw.decode() if tag == "S" else raw
        make: Callable[[Any], Any] = list if tag in "dl" else tuple
        if tag in "Dd":
            return make(struct.unpack(f"<{length}d", self._take(8 * length)))
        return make([self.get() for _ in range(length)])

    def _take(self, size: int) -> bytes:
        self.at += size
        return self._body[self.at - size : self.at]


def _little(value: array[Any]) -> array[Any]:
    if _SWAP:
        value = value[:]
        value.byteswap()
    return value
