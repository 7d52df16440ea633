"""A serial port as a pipe: raw file descriptor, set by termios, locked against a second program, found again by its adapter."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import grp
import os
import termios
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from collector.pure.adu import FUNCTION_AT_RTU, refuse_writes
from driftwatt.errors import Unavailable

BY_ID = Path("/dev/serial/by-id")
"""Where udev names each USB adapter by maker, model and serial number."""
_CHUNK = 4096


@dataclass(frozen=True, slots=True)
class Settings:
    """How a line talks: `baud`, and `form` as 8N1, 8N2, 8E1 or 8O1."""

    baud: int
    form: str


class SerialPipe:
    """A serial port. `by_id` is where adapters are found by name."""

    def __init__(self, name: str, path: Path, settings: Settings, *, by_id: Path = BY_ID) -> None:
        self.name = name
        self._path, self._settings, self._by_id = path, settings, by_id
        self._adapter: Path | None = None
        self._fd: int | None = None
        self._received: Callable[[bytes], None] = _ignore
        self._gone: Callable[[str], None] = _ignore

    async def open(self, received: Callable[[bytes], None], lost: Callable[[str], None]) -> None:
        """See Pipe."""
        self.close()
        path = self._find()
        try:
            fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise Unavailable(f"{path}: {_what_to_do(error, path)}") from error
        try:
            self._seize(fd, path)
        except BaseException:
            os.close(fd)
            raise
        self._fd, self._received, self._gone = fd, received, lost
        self._adapter = self._adapter or adapter_of(path, self._by_id)
        asyncio.get_running_loop().add_reader(fd, self._read, fd)

    def send(self, frame: bytes) -> None:
        """See Pipe."""
        refuse_writes(frame, FUNCTION_AT_RTU)
        if self._fd is None:
            raise ConnectionError("not open")
        if os.write(self._fd, frame) != len(frame):
            raise ConnectionError("the port takes no bytes")

    def close(self) -> None:
        """See Pipe."""
        fd, self._fd, self._received, self._gone = self._fd, None, _ignore, _ignore
        if fd is None:
            return
        with contextlib.suppress(RuntimeError):
            asyncio.get_running_loop().remove_reader(fd)
        with contextlib.suppress(OSError):
            fcntl.ioctl(fd, termios.TIOCNXCL)
        os.close(fd)

    def _find(self) -> Path:
        """Return where the adapter is now; it may have come back under another name. Raises Unavailable."""
        if self._adapter is not None and self._adapter.parent == self._by_id:
            if not self._adapter.exists():
                raise Unavailable(f"{self._path}: the adapter {self._adapter.name} is unplugged; plug it in again, any socket will do")
            return self._adapter.resolve()
        if not self._path.exists():
            raise Unavailable(f"{self._path}: there is no such port; {_ports(self._by_id)}")
        return self._path.resolve()

    def _seize(self, fd: int, path: Path) -> None:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.ioctl(fd, termios.TIOCEXCL)
            _configure(fd, self._settings)
        except termios.error as error:
            raise Unavailable(f"{path}: does not take {self._settings.baud} baud {self._settings.form}: {error.args[-1]}") from error
        except OSError as error:
            raise Unavailable(f"{path}: {_what_to_do(error, path)}") from error

    def _read(self, fd: int) -> None:
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            self._vanished(os.strerror(error.errno).lower() if error.errno else str(error))
            return
        if data:
            self._received(data)
        else:
            self._vanished("the port is gone")

    def _vanished(self, why: str) -> None:
        lost = self._gone
        self.close()
        lost(why)


def adapter_of(path: Path, by_id: Path = BY_ID) -> Path | None:
    """Return the name by serial number of the USB adapter that `path` is, None when it has none."""
    with contextlib.suppress(OSError):
        for link in sorted(by_id.iterdir()):
            if link.resolve() == path.resolve():
                return link
    return None


def _configure(fd: int, settings: Settings) -> None:
    """Set speed and format, everything else raw, and forget what was received before."""
    parity = {"N": 0, "E": termios.PARENB, "O": termios.PARENB | termios.PARODD}[settings.form[1]]
    stop = termios.CSTOPB if settings.form[2] == "2" else 0
    speed = getattr(termios, f"B{settings.baud}")
    controls = termios.tcgetattr(fd)[6]
    controls[termios.VMIN], controls[termios.VTIME] = 1, 0
    flags = termios.CS8 | termios.CREAD | termios.CLOCAL | parity | stop
    # With input parity checking on, a byte of wrong parity becomes 0 and the CRC finds it.
    termios.tcsetattr(fd, termios.TCSANOW, [termios.INPCK if parity else 0, 0, flags, 0, speed, speed, controls])
    termios.tcflush(fd, termios.TCIOFLUSH)


def _what_to_do(error: OSError, path: Path) -> str:
    if error.errno == errno.EACCES:
        return f"no right to open it; add this user to the group {_group(path)} (sudo usermod -aG {_group(path)} USER) and log in again"
    if error.errno in (errno.EBUSY, errno.EWOULDBLOCK):
        return f"busy: another program has it, and a line has one master; `fuser {path}` names the program"
    if error.errno in (errno.ENOTTY, errno.EINVAL):
        return "is no serial port"
    return os.strerror(error.errno).lower() if error.errno else str(error)


def _group(path: Path) -> str:
    try:
        return grp.getgrgid(path.stat().st_gid).gr_name
    except (OSError, KeyError):
        return "dialout"


def _ports(by_id: Path) -> str:
    try:
        names = [str(link) for link in sorted(by_id.iterdir())]
    except OSError:
        names = []
    return f"there is {', '.join(names)}" if names else "no USB adapter is plugged in"


def _ignore(_what: object) -> None:
    """Take what a port still says after it was closed."""
