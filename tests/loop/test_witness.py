"""An independent implementation, pymodbus, at the other end of every link: both must understand the same bytes."""

from __future__ import annotations

import asyncio

import pytest
from pymodbus import FramerType
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from collector.adapters.links import open_bus
from collector.ports import BusFault, Reply, Request
from collector.pure.validate import check


@pytest.mark.parametrize(
    ("framer", "scheme", "options"),
    [(FramerType.SOCKET, "tcp", ""), (FramerType.SOCKET, "tcp", "?client=pymodbus"), (FramerType.RTU, "rtu-tcp", "")],
)
def test_a_server_of_another_make_is_read_over_tcp_and_rtu_framing(framer: FramerType, scheme: str, options: str) -> None:
    async def scene() -> None:
        held = SimData(100, values=list(range(1000, 1125)), datatype=DataType.REGISTERS)
        server = ModbusTcpServer([SimDevice(id=7, simdata=[held])], framer=framer, address=("127.0.0.1", 0))
        await server.listen()
        assert isinstance(server.transport, asyncio.Server)
        bus = open_bus(f"{scheme}://127.0.0.1:{server.transport.sockets[0].getsockname()[1]}{options}", timeout_s=2)
        try:
            await bus.open()
            for asked in (Request(7, "input", 104, 5), Request(7, "holding", 101, 1), Request(7, "input", 100, 125)):
                reply: Reply = await bus.read(asked)
                check(asked, reply)
                assert reply.registers == tuple(range(900 + asked.address, 900 + asked.address + asked.count))
            with pytest.raises(BusFault, match="exception_2"):
                await bus.read(Request(7, "input", 400, 5))
        finally:
            await bus.close()
            await server.shutdown()  # type: ignore[no-untyped-call]

    asyncio.run(scene())
