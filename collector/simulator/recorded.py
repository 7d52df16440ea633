"""A meter that answers what `driftwatt dump` recorded of a real one, register for register, for ever the same."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from collector.simulator.codec import ILLEGAL_ADDRESS, Refusal
from collector.simulator.server import Gateway
from collector.simulator.wire import Listen
from collector.site import recording
from config.profiles import Kind


def gateway(path: Path, at: Listen) -> Gateway:
    """Return a gateway with the one unit of a recording. Raises ConfigError."""
    recorded = recording.load(path)
    return Gateway(path.stem, at.host, at.port, {recorded["unit"]: RecordedMeter(path.stem, recorded)}, at.wire)


class RecordedMeter:
    """Answers reads of registers that were recorded, and refuses the others. A request asked in just that way is answered just so."""

    def __init__(self, name: str, recorded: Mapping[str, Any]) -> None:
        self.name = name
        self._asked: dict[tuple[Kind, int, int], tuple[int, ...]] = {}
        self._words: dict[tuple[Kind, int], int] = {}
        for frame in recorded["frames"]:
            request, words = frame["request"], tuple(int(word, 16) for word in frame["registers"])
            self._asked[request["kind"], request["address"], len(words)] = words
            if len(words) > 1 or (request["kind"], request["address"]) not in self._words:  # a code read alone hides no value
                self._words |= {(request["kind"], at): word for at, word in enumerate(words, start=request["address"])}

    def read(self, kind: Kind, address: int, count: int, t_ms: int) -> tuple[int, ...]:
        """Return `count` registers from `address` on. Raises Refusal."""
        del t_ms
        asked = self._asked.get((kind, address, count))
        if asked is not None:
            return asked
        try:
            return tuple(self._words[kind, at] for at in range(address, address + count))
        except KeyError as error:
            raise Refusal(ILLEGAL_ADDRESS) from error
