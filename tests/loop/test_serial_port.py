"""A serial port as this machine offers it: locked, named in errors, found again by its adapter."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from collector.adapters.line import ModbusLine, Rtu
from collector.adapters.links import open_bus
from collector.adapters.serial import SerialPipe, Settings, _what_to_do, adapter_of
from collector.ports import BusFault, Request
from collector.pure.plan import Line
from driftwatt.errors import Unavailable
from tests.support.sick_slave import on_pty, well

ASK = Request(7, "input", 100, 4)
QUICK = Settings(115200, "8N1")


def line(path: Path, by_id: Path) -> ModbusLine:
    return ModbusLine(SerialPipe(f"rtu://{path}", path, QUICK, by_id=by_id), Rtu(), timeout_s=0.3, line=Line(115200, 10))


def test_a_port_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    (tmp_path / "usb-FTDI_A50285BI").symlink_to("/dev/null")
    bus = line(Path("/dev/ttyUSB99"), tmp_path)
    with pytest.raises(Unavailable, match=r"/dev/ttyUSB99: there is no such port; there is .*usb-FTDI_A50285BI"):
        asyncio.run(bus.open())


def test_a_second_process_on_one_port_is_refused_and_told_why() -> None:
    async def scene() -> None:
        async with on_pty(well) as (_, port):
            url = f"rtu://{port}?baud=115200&format=8N1"
            bus = open_bus(url)
            await bus.open()
            script = (
                "import asyncio, sys\nfrom collector.adapters.links import open_bus\n"
                "try:\n    asyncio.run(open_bus(sys.argv[1]).open())\nexcept Exception as error:\n    print(error)\n"
            )
            other = await asyncio.create_subprocess_exec(sys.executable, "-c", script, url, stdout=subprocess.PIPE)
            said, _ = await other.communicate()
            assert "busy: another program has it" in said.decode()
            assert port in said.decode()
            assert (await bus.read(ASK)).registers
            await bus.close()
            again = open_bus(url)
            await again.open()
            await again.close()

    asyncio.run(scene())


def test_errors_say_what_to_do() -> None:
    assert "usermod -aG" in _what_to_do(OSError(errno.EACCES, ""), Path("/dev/null"))
    assert "fuser" in _what_to_do(OSError(errno.EBUSY, ""), Path("/dev/ttyUSB0"))


@pytest.mark.parametrize("form", ["8N1", "8N2", "8E1", "8O1"])
def test_speed_and_format_reach_the_port(form: str) -> None:
    async def scene() -> list[int]:
        async with on_pty(well) as (_, port):
            bus = open_bus(f"rtu://{port}?baud=9600&format={form}")
            await bus.open()
            fd = os.open(port, os.O_RDWR | os.O_NOCTTY)
            flags: list[int] = termios.tcgetattr(fd)
            os.close(fd)
            await bus.close()
            return flags

    flags = asyncio.run(scene())
    assert flags[4] == flags[5] == termios.B9600
    assert bool(flags[2] & termios.CSTOPB) == (form[2] == "2")
    assert not flags[3] & (termios.ECHO | termios.ICANON)


def test_an_adapter_that_comes_back_under_another_name_is_found_again(tmp_path: Path) -> None:
    name = tmp_path / "usb-FTDI_FT232R_A50285BI-if00-port0"

    async def scene() -> None:
        async with on_pty(well) as (_, first):
            name.symlink_to(first)
            assert adapter_of(Path(first), tmp_path) == name
            bus = line(Path(first), tmp_path)
            await bus.open()
            assert (await bus.read(ASK)).registers
        with pytest.raises(BusFault) as caught:
            await bus.read(ASK)
        assert caught.value.link_lost
        name.unlink()
        with pytest.raises(Unavailable, match="A50285BI-if00-port0 is unplugged"):
            await bus.open()
        async with on_pty(well) as (_, _taken), on_pty(well) as (_, second):
            name.symlink_to(second)
            await bus.open()
            assert (await bus.read(ASK)).registers
            await bus.close()

    asyncio.run(scene())
