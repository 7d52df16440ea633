"""Faults of a disk under a running daemon: syncs and writes that fail, no room, a file system that has become read-only."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator

from tests.chaos.case import Missing, see, waiting
from tests.chaos.herd import Herd

ILLS = {
    "syncs fail (EIO)": {"syncs": errno.EIO},
    "writes fail (EIO)": {"writes": errno.EIO},
    "no room (ENOSPC)": {"writes": errno.ENOSPC},
    "read-only (EROFS)": {"syncs": errno.EROFS, "writes": errno.EROFS, "openings": errno.EROFS},
}
ILL_S = 5.0
UNDER_WAY = 60
"""Readings that may be on their way through a daemon in the moment in which its disk falls ill."""


def _each(herd: Herd, daemon: str, words: str, done: Callable[[], int]) -> Iterator[str]:
    """Bring each ill about under a daemon until its log says `words`, yield, end it, and wait until `done()` grows again.

    Under the last one the daemon is killed.
    """
    machine, log = herd.unwell[daemon], herd.folder / f"{daemon}.log"
    for what, errors in ILLS.items():
        before, said = machine.struck(), log.read_text(encoding="utf-8").count(words)
        machine.disk(**errors)
        herd.wait(f"{daemon}: {what}", lambda said=said: log.read_text(encoding="utf-8").count(words) > said, within_s=40)  # type: ignore[misc]
        time.sleep(1)
        yield what
        see(f"{what}, struck", sum(machine.struck().values()) - sum(before.values()))
        if what == [*ILLS][-1]:
            herd.take_down(daemon)
        machine.disk()
        if not herd.running(daemon):
            herd.begin(daemon)
        known = done()
        herd.wait(f"{daemon} works again after: {what}", lambda known=known: done() > known + UNDER_WAY, within_s=60)  # type: ignore[misc]


def edge_disk_errors(herd: Herd) -> None:
    """The edge's disk refuses in four ways, and the collector is killed meanwhile: what cannot be kept is not called committed."""

    def committed() -> int:
        return int(herd.total("edge.toml")["committed"])

    for what in _each(herd, "collect", "cannot commit", committed):
        before = committed()
        time.sleep(ILL_S)
        if committed() > before:
            raise Missing(f"{what}: nothing is called committed meanwhile; {committed() - before} were")
    see("polls in the books as commit_failed", herd.total("edge.toml")["failed"].get("commit_failed"))


def plant_disk_errors(herd: Herd) -> None:
    """The plant's disk refuses in four ways, and the processor is killed meanwhile: nothing is acknowledged that is not kept."""
    for what in _each(herd, "process", "trying again", herd.stored):
        stored, waits = herd.stored(), waiting(herd)
        time.sleep(ILL_S)
        see(f"{what}, readings that wait more at the edge", waiting(herd) - waits)
        if herd.stored() > stored + UNDER_WAY:
            raise Missing(f"{what}: nothing is stored meanwhile; {herd.stored() - stored} were")
