"""The book of every reply that a simulator sent to its end, so that what is stored can be traced to what was served.

One line per reply: `t_ms unit meter kind address registers [faults]`, registers as hexadecimal words without spaces,
faults joined by `+`. A reply with a fault of LIES was sent to be refused: its values are foreign wherever they turn up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from struct import pack
from typing import TextIO, cast

from collector.ports import Request
from collector.pure.decode import compile_block
from collector.pure.plan import PlannedRequest, words
from collector.simulator.faults import LIES
from config.profiles import Kind, Profile

_FLUSH_BYTES = 16_384


@dataclass(frozen=True, slots=True)
class Entry:
    """One reply: when (the instant its values belong to), whose, the registers as sent, and the faults that struck it."""

    t_ms: int
    unit: int
    meter: str
    kind: Kind
    address: int
    registers: tuple[int, ...]
    faults: str = ""

    @property
    def true(self) -> bool:
        """Whether a reader may believe it."""
        return not LIES & set(self.faults.split("+"))

    def values(self, profile: Profile) -> dict[str, float]:
        """Return the quantities of the profile that lie whole in this reply, decoded, in canonical units."""
        end = self.address + len(self.registers)
        inside = tuple(
            register
            for register in profile.registers
            if register.kind == self.kind and self.address <= register.address and register.address + words(register) <= end
        )
        planned = PlannedRequest(Request(self.unit, self.kind, self.address, len(self.registers)), inside)
        return compile_block(planned).decode(self.registers)[0]


class Journal:
    """Writes the book. Lines are gathered and reach the file at the latest when `flush` is called."""

    def __init__(self, path: Path | None) -> None:
        self._file: TextIO | None = path.open("a", encoding="ascii") if path else None
        self._lines: list[str] = []
        self._size = 0

    def note(self, entry: Entry) -> None:
        """Write down one reply that was sent."""
        if self._file is None:
            return
        words_text = pack(f">{len(entry.registers)}H", *entry.registers).hex() or "-"
        faults = f" {entry.faults}" if entry.faults else ""
        line = f"{entry.t_ms} {entry.unit} {entry.meter} {entry.kind} {entry.address} {words_text}{faults}\n"
        self._lines.append(line)
        self._size += len(line)
        if self._size >= _FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand all lines to the operating system."""
        if self._file is not None and self._lines:
            self._file.write("".join(self._lines))
            self._file.flush()
            self._lines.clear()
            self._size = 0

    def close(self) -> None:
        """Flush and close."""
        self.flush()
        if self._file is not None:
            self._file.close()


def served(path: Path) -> Iterator[Entry]:
    """Yield the replies in a book in the order of sending. A last line that was cut off is left out."""
    with path.open(encoding="ascii") as lines:
        for line in lines:
            if not line.endswith("\n"):
                return
            t_ms, unit, meter, kind, address, words_text, *faults = line.split()
            words_text = words_text.strip("-")
            registers = tuple(int(words_text[at : at + 4], 16) for at in range(0, len(words_text), 4))
            yield Entry(int(t_ms), int(unit), meter, cast("Kind", kind), int(address), registers, *faults)


def served_values(path: Path, profiles: Mapping[str, Profile]) -> dict[tuple[str, str], dict[float, list[int]]]:
    """Return, by (meter, quantity), each value that was ever truly served with the instants at which it was.

    `profiles` maps meter ids to the profiles they are read with.
    """
    out: dict[tuple[str, str], dict[float, list[int]]] = {}
    for each in filter(lambda entry: entry.true, served(path)):
        for quantity, value in each.values(profiles[each.meter]).items():
            out.setdefault((each.meter, quantity), {}).setdefault(value, []).append(each.t_ms)
    return out
