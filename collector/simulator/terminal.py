"""A serial line without a cable: a pseudo-terminal behind a symbolic link, at the pace of the chosen speed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tty
from pathlib import Path

from collector.simulator.answers import Answers
from collector.simulator.journal import Entry, Journal
from collector.simulator.line import Line
from collector.simulator.wire import Wire
from driftwatt.errors import Unavailable


class Terminal:
    """Serves one pseudo-terminal until closed. What a reader that is gone does not take is lost, as on a cable."""

    def __init__(self, link: Path, wire: Wire, answers: Answers, journal: Journal) -> None:
        self._link, self._journal = link, journal
        self._master, self._slave = os.openpty()  # the slave stays open here: readers may come and go
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._line = Line(answers, wire, self._send)
        try:
            if link.is_symlink():
                link.unlink()
            link.symlink_to(os.ttyname(self._slave))
        except OSError as error:
            self._shut()
            raise Unavailable(f"cannot make the serial line {link}: {error.strerror}") from error
        asyncio.get_running_loop().add_reader(self._master, self._readable)

    @property
    def glued(self) -> int:
        """See Line."""
        return self._line.glued

    def close(self) -> None:
        """Take the line away."""
        asyncio.get_running_loop().remove_reader(self._master)
        self._line.hang_up()
        with contextlib.suppress(OSError):
            self._link.unlink()
        self._shut()

    def _shut(self) -> None:
        os.close(self._master)
        os.close(self._slave)

    def _readable(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._line.heard(os.read(self._master, 4096))

    def _send(self, data: bytes, entry: Entry | None) -> None:
        try:
            sent = os.write(self._master, data)
        except BlockingIOError:
            return
        if entry is not None and sent == len(data):
            self._journal.note(entry)
