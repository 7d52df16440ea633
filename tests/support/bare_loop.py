"""The loop that the collector is measured against: pymodbus, one task per meter, one JSON message per 100 ms, no outbox.

Run as a program: `bare_loop.py BROKER PORT METERS WARM BLOCKS`, where BLOCKS is JSON: [kind, address, count] of each request.
Meter number n is at 127.0.(1 + n // 250).(1 + n % 250). Nothing is checked, nothing is kept: a reply that comes is published.
From WARM seconds on polls are counted; at SIGTERM it prints how many were done, how many of them late, and the CPU
seconds spent on them.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections import Counter

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from pymodbus import pymodbus_apply_logging_config
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

SLOTS = 20
LATE_S = 0.1


def host(number: int) -> str:
    """Return the address of meter number `number`."""
    return f"127.0.{1 + number // 250}.{1 + number % 250}"


async def poll(number: int, port: int, blocks: list[tuple[str, int, int]], rows: list[object], counts: Counter[str]) -> None:
    client = AsyncModbusTcpClient(host(number), port=port, timeout=1, retries=0)
    await client.connect()
    due = time.monotonic() + number % SLOTS / SLOTS
    while True:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        began = time.monotonic()
        values: list[object] = []
        try:
            for kind, address, count in blocks:
                ask = client.read_holding_registers if kind == "holding" else client.read_input_registers
                reply = await ask(address, count=count, device_id=1)
                values.append(client.convert_from_registers(reply.registers, client.DATATYPE.FLOAT32))
            rows.append({"m": f"meter-{number:03}", "t": time.time_ns() // 1_000_000, "s": values})
            counts["done"] += 1
        except ModbusException:
            counts["failed"] += 1
        counts["late"] += began - due > LATE_S
        due = max(due + 1.0, began)


async def main(broker: str, port: int, meters: int, warm_s: float, blocks: list[tuple[str, int, int]]) -> None:
    pymodbus_apply_logging_config("CRITICAL")
    name, broker_port = broker.removeprefix("mqtt://").split(":")
    mqtt = Client(CallbackAPIVersion.VERSION2, client_id="bare-loop")
    mqtt.connect(name, int(broker_port))
    mqtt.loop_start()
    rows: list[object] = []
    counts: Counter[str] = Counter()
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, told.set)
    began_s = [0.0]

    def warm() -> None:
        counts.clear()
        began_s[0] = time.process_time()

    loop.call_later(warm_s, warm)
    tasks = [asyncio.create_task(poll(number, port, blocks, rows, counts)) for number in range(meters)]
    while not told.is_set():
        await asyncio.sleep(0.1)
        if rows:
            mqtt.publish("bare/loop", json.dumps(rows))
            rows.clear()
    print(json.dumps({**counts, "cpu_s": time.process_time() - began_s[0]}), flush=True)
    for task in tasks:
        task.cancel()
    mqtt.loop_stop()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), json.loads(sys.argv[5])))
