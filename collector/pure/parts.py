"""Long lists in messages of bounded size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

_T = TypeVar("_T")

PART_BYTES = 48 * 1024
"""What is larger than this is sent in parts."""


def in_parts(items: Sequence[_T], size: Callable[[_T], int]) -> Iterator[list[_T]]:
    """Yield the items in groups of at most PART_BYTES, by the bytes that `size` gives for each; none for no items."""
    group: list[_T] = []
    total = 0
    for item in items:
        if group and total + size(item) > PART_BYTES:
            yield group
            group, total = [], 0
        group.append(item)
        total += size(item) + 1
    if group:
        yield group
