"""How glibc is told to hold memory, so that a daemon that runs for months keeps what it needs and not the worst it ever needed.

By default every thread gets a heap of its own, and a block of up to 32 MB is kept once one of its size was freed; what a
burst leaves there never goes back. See docs/decisions/0037-memory-goes-back.md for what it came to.
"""

from __future__ import annotations

import ctypes
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # malloc.h
ARENAS = 1
LARGE_BYTES = 128 * 1024
"""From here on a block is the kernel's own and goes back when it is freed. Said at all, this no longer grows."""
TOP_BYTES = 512 * 1024


@cache
def _libc() -> ctypes.CDLL | None:
    """Return glibc, None where another C library runs."""
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "malloc_trim") and hasattr(libc, "mallopt") else None


def bound() -> None:
    """Bound what malloc keeps. Before threads start; does nothing without glibc."""
    if libc := _libc():
        for what, value in ((_ARENA_MAX, ARENAS), (_MMAP_THRESHOLD, LARGE_BYTES), (_TRIM_THRESHOLD, TOP_BYTES)):
            libc.mallopt(what, value)


def give_back() -> None:
    """Return free pages to the kernel; some milliseconds. Does nothing without glibc."""
    if libc := _libc():
        libc.malloc_trim(0)
