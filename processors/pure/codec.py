"""State as bytes: versioned, little-endian, checksummed, and the same bytes for the same state.

Layout: magic `DWDS`, version (u16), length of the body (u32), body, CRC-32 of the body (u32). The body holds
tagged trees of None, bool, int, float, str, bytes, tuples, lists, and the classes handed in, whose fields
follow in their order. Tuples and lists of floats are packed. A change of a class's fields needs a new version.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from driftwatt.errors import UnknownMajor, WireError

_MAGIC = b"DWDS"
_HEAD = struct.Struct("<4sHI")
_CRC = struct.Struct("<I")
_U32 = struct.Struct("<I")
_I64 = struct.Struct("<q")
_F64 = struct.Struct("<d")
_CONSTANTS: dict[bytes, object] = {b"N": None, b"T": True, b"U": False}
_NUMBERS = {b"F": _F64, b"I": _I64}


class Codec:
    """Encodes and decodes trees of the dataclasses given; their order is part of the format.

    `skip` names one field per class that is not written and keeps its default. `cached` names a field per class,
    a list, that keeps the bytes of an object once they are made: such objects must never change.
    """

    def __init__(self, version: int, classes: Sequence[type], *, skip: Mapping[type, str], cached: Mapping[type, str]) -> None:
        self._version = version
        self._classes = list(classes)
        self._numbers = {cls: number for number, cls in enumerate(classes)}
        self._cached = dict(cached)
        hidden = {**skip, **cached}
        self._fields: dict[type, list[str]] = {
            cls: [f.name for f in fields(cls) if f.name != hidden.get(cls)] for cls in classes if is_dataclass(cls)
        }

    def tree(self, value: object) -> bytes:
        """Return a value without envelope."""
        out = bytearray()
        self._put(out, value)
        return bytes(out)

    def seal(self, body: bytes) -> bytes:
        """Return the body in its envelope."""
        return _HEAD.pack(_MAGIC, self._version, len(body)) + body + _CRC.pack(zlib.crc32(body))

    def open(self, data: bytes, count: int) -> list[object]:
        """Return the `count` values in an envelope. Raises WireError for damage and UnknownMajor for another version."""
        if len(data) < _HEAD.size + _CRC.size or data[:4] != _MAGIC:
            raise WireError("snapshot", "not a detector snapshot")
        _, version, length = _HEAD.unpack_from(data)
        if version != self._version:
            raise UnknownMajor("snapshot", f"version {version}, this program reads {self._version}")
        body = data[_HEAD.size : _HEAD.size + length]
        if len(data) != _HEAD.size + length + _CRC.size or _CRC.unpack(data[-_CRC.size :])[0] != zlib.crc32(body):
            raise WireError("snapshot", "checksum does not match")
        values, at = [], 0
        for _ in range(count):
            value, at = self._get(body, at)
            values.append(value)
        if at != len(body):
            raise WireError("snapshot", "trailing bytes")
        return values

    def _put(self, out: bytearray, value: object) -> None:
        if type(value) is float:
            out += b"F" + _F64.pack(value)
        elif value is None:
            out += b"N"
        elif isinstance(value, bool):
            out += b"T" if value else b"U"
        elif isinstance(value, int):
            out += b"I" + _I64.pack(value)
        elif isinstance(value, str):
            text = value.encode()
            out += b"S" + _U32.pack(len(text)) + text
        elif isinstance(value, bytes):
            out += b"B" + _U32.pack(len(value)) + value
        elif isinstance(value, tuple | list):
            self._put_sequence(out, value)
        else:
            self._put_class(out, value)

    def _put_class(self, out: bytearray, value: object) -> None:
        kind = type(value)
        cache: list[bytes] | None = getattr(value, self._cached[kind]) if kind in self._cached else None
        if cache:
            out += cache[0]
            return
        start = len(out)
        out += b"C" + bytes([self._numbers[kind]])
        for name in self._fields[kind]:
            self._put(out, getattr(value, name))
        if cache is not None:
            cache.append(bytes(out[start:]))

    def _put_sequence(self, out: bytearray, value: tuple[object, ...] | list[object]) -> None:
        is_list = isinstance(value, list)
        if value and set(map(type, value)) == {float}:
            out += (b"d" if is_list else b"D") + _U32.pack(len(value)) + struct.pack(f"<{len(value)}d", *value)
            return
        out += (b"l" if is_list else b"L") + _U32.pack(len(value))
        for item in value:
            self._put(out, item)

    def _get(self, body: bytes, at: int) -> tuple[Any, int]:
        tag = body[at : at + 1]
        at += 1
        if tag in _CONSTANTS:
            return _CONSTANTS[tag], at
        if tag in _NUMBERS:
            return _NUMBERS[tag].unpack_from(body, at)[0], at + 8
        if tag == b"C":
            return self._get_class(body, at)
        (length,) = _U32.unpack_from(body, at)
        return self._get_sequence(tag, body, at + 4, length)

    def _get_sequence(self, tag: bytes, body: bytes, at: int, length: int) -> tuple[Any, int]:
        if tag in b"SB":
            raw = body[at : at + length]
            return (raw.decode() if tag == b"S" else raw), at + length
        make: Callable[[Any], Any] = list if tag in b"dl" else tuple
        if tag in b"Dd":
            return make(struct.unpack_from(f"<{length}d", body, at)), at + 8 * length
        items = []
        for _ in range(length):
            item, at = self._get(body, at)
            items.append(item)
        return make(items), at

    def _get_class(self, body: bytes, at: int) -> tuple[Any, int]:
        cls = self._classes[body[at]]
        at += 1
        values: dict[str, Any] = {}
        for name in self._fields[cls]:
            values[name], at = self._get(body, at)
        return cls(**values), at
