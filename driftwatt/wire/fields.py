"""What every message of the wire is made of: limits, checked types, and JSON that holds only finite numbers."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import Field

from driftwatt.errors import UnknownMajor, WireError
from driftwatt.names import ID_PATTERN

MAJOR = 1
MAX_PAYLOAD_BYTES = 64 * 1024
MAX_ROWS = 1000
MAX_SEQS = 1_000_000
"""No message stands for more rows than this, removed ones included."""
MAX_MS = 4_102_444_800_000  # 2100-01-01; a later timestamp is a broken clock, not a reading
READINGS_KEY = b',"readings":'
"""The last key of a message with rows; its value is what the checksum covers."""

Id = Annotated[str, Field(pattern=f"^{ID_PATTERN}$")]
Epoch = Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
Millis = Annotated[int, Field(ge=0, le=MAX_MS, strict=True)]
Duration = Annotated[int, Field(ge=0, le=3_600_000, strict=True)]
Seq = Annotated[int, Field(ge=0, lt=2**62, strict=True)]
Count = Annotated[int, Field(ge=0, lt=2**53, strict=True)]
Reason = Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,39}$")]
Part = Annotated[int, Field(ge=1, le=1000, strict=True)]
Words = Annotated[str, Field(max_length=500)]
Number = Annotated[float, Field(allow_inf_nan=False, strict=True)]
Bits = Annotated[int, Field(ge=0, lt=1024, strict=True)]


def fields_of(message: Any) -> dict[str, Any]:
    """Return the fields of a message, not their copies: `asdict` of a book of 500 meters takes longer than its JSON."""
    return {name: getattr(message, name) for name in message.__dataclass_fields__}


_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=fields_of).encode


def dump(value: object) -> bytes:
    """Return a value as compact JSON. Raises ValueError for a number that is not finite."""
    return _ENCODE(value).encode()


def check_major(found: object) -> None:
    """Raise UnknownMajor for a newer version of the wire, WireError for what is no version."""
    number = found if isinstance(found, int) and not isinstance(found, bool) else 0
    if number > MAJOR:
        raise UnknownMajor("major", f"version {str(number)[:40]}, this is {MAJOR}")
    if number != MAJOR:
        raise WireError("header", f"version {str(found)[:40]!r}")


def refuse_constant(text: str) -> float:
    """Refuse NaN and infinities, which JSON does not have."""
    raise ValueError(f"{text} is not a number")


def first_line(error: BaseException) -> str:
    """Return what an error says, short and on one line."""
    return " ".join(str(error).split())[:200]
