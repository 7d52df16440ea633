"""Identifiers: edges, sites, meters, buses, areas. Display text is separate and never part of one."""

from __future__ import annotations

import re

ID_PATTERN = r"[a-z0-9][a-z0-9_.-]{0,62}"
"""What an id may look like; safe in topics, tags, paths and HTML without escaping."""

_ID = re.compile(ID_PATTERN)


def is_id(text: str) -> bool:
    """Tell whether `text` is a valid id."""
    return _ID.fullmatch(text) is not None
