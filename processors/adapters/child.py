"""The embedded broker as a child process on loopback: started, watched, started again, ended with us."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from driftwatt.errors import Unavailable

log = logging.getLogger(__name__)

START_S, STOP_S, AGAIN_S = 10.0, 3.0, 2.0
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(slots=True)
class BrokerChild:
    """`driftwatt broker` at `listen`, with the user in `password_file`."""

    listen: str
    password_file: Path
    process: asyncio.subprocess.Process | None = None
    _ended: bool = False

    async def start(self) -> str:
        """Start it and return its address. Raises Unavailable when it does not come up."""
        if self._ended:
            raise Unavailable("the embedded broker was ended")
        command = [sys.executable, "-m", "driftwatt", "broker", "--listen", self.listen, "--password-file", str(self.password_file)]
        self.process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, preexec_fn=_die_with_parent)
        assert self.process.stdout is not None
        try:
            line = (await asyncio.wait_for(self.process.stdout.readline(), START_S)).decode().strip()
        except TimeoutError:
            line = ""
        address = line.rpartition(" ")[2]
        if not address.startswith("mqtt://"):
            await self._kill()
            raise Unavailable(f"the embedded broker does not start on {self.listen}")
        return address

    async def watch(self) -> None:
        """Start it again whenever it ends, until it runs. Returns after `stop`."""
        while not self._ended:
            if self.process is not None:
                code = await self.process.wait()
                if self._ended:
                    return
                log.warning("the embedded broker ended with code %s; starting it again", code)
            await asyncio.sleep(AGAIN_S)
            try:
                await self.start()
            except Unavailable as error:
                log.warning("%s", error)

    async def stop(self) -> None:
        """End it for good; never raises."""
        self._ended = True
        await self._kill()

    async def _kill(self) -> None:
        process, self.process = self.process, None
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_S)
        except TimeoutError:
            process.kill()
            await process.wait()


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
