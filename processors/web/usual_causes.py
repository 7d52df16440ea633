"""What to check first: the usual causes of a kind of machine, those that fit the pattern, the likeliest first."""

from __future__ import annotations

from collections.abc import Mapping

from processors.web.text import Text

ALL = (1, 2, 3)
KINDS = ("compressor", "chiller", "moulding", "furnace", "lighting", "hvac", "pump", "incomer")
FITTING: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    "off_hours": {"chiller": (1, 3), "furnace": (3, 1, 2), "hvac": (1, 2), "incomer": (2, 1, 3), "pump": (2, 1, 3)},
    "base_load": {"compressor": (1, 3, 2), "furnace": (2, 3, 1), "lighting": (3, 1, 2), "pump": (3, 2, 1), "other": (3, 1, 2)},
    "running_hours": {
        "compressor": (1, 3), "chiller": (2, 3), "moulding": (2, 3), "furnace": (2, 1), "lighting": (3,), "hvac": (3, 2),
        "pump": (1, 3, 2), "incomer": (1, 3), "other": (3,),
    },
    "schedule": {
        "compressor": (2,), "chiller": (1,), "moulding": (1, 3), "furnace": (1, 3), "lighting": (2, 1), "hvac": (1,), "pump": (2,),
        "incomer": (2,), "other": (2, 1),
    },
}  # fmt: skip
"""Numbers of the catalogue's causes by pattern and kind: what runs too long is no cause of drawing more while running."""


def usual(text: Text, kind: str, pattern: str) -> list[tuple[str, str]]:
    """Return (cause, what to do); all three of the kind where nothing speaks against one."""
    kind = kind if kind in KINDS else "other"
    told = (text.words[f"cause.{kind}.{number}"].partition(". ") for number in FITTING.get(pattern, {}).get(kind, ALL))
    return [(head + ".", rest) for head, _, rest in told]
