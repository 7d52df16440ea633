"""Asks the kernel whether its clock is synchronised."""

from __future__ import annotations

import ctypes
import sys

_TIMEX_BYTES = 208  # struct timex of Linux, 64 bit; smaller on 32 bit
_TIME_ERROR = 5


def clock_is_synchronised() -> bool:
    """Return whether the kernel holds its clock for synchronised (adjtimex); False where it cannot say."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return False
    return bool(0 <= state < _TIME_ERROR)
