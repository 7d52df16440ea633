"""One process with the farm's gateways and the proxies, so that who kills daemons has one thread and nothing else to do.

`python -m tests.chaos.stage FOLDER --broker PORT [--store PORT] --seed N`. It prints its ports as JSON; SIGUSR1 ends all
faults; on SIGTERM it writes `stage.json`: what struck how often.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from pathlib import Path

from tests.chaos.farm import Farm
from tests.chaos.proxies import FaultProxy
from tests.chaos.store_proxy import StoreProxy

METERS, GATEWAYS = 12, 3
TIMEOUT_S = 0.4


async def main(arguments: argparse.Namespace) -> None:
    """Serve until told to end."""
    farm = Farm(arguments.folder / "served.txt", arguments.seed, TIMEOUT_S)
    ports = [await farm.listen({unit: unit for unit in range(1 + at, METERS + 1, GATEWAYS)}) for at in range(GATEWAYS)]
    edge, plant = FaultProxy(arguments.broker, arguments.seed + 1), FaultProxy(arguments.broker, arguments.seed + 2)
    store = StoreProxy(arguments.store, arguments.seed + 3)
    said = {"gateways": ports, "edge": await edge.listen(), "plant": await plant.listen(), "store": await store.listen()}
    print(json.dumps(said), flush=True)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def calm() -> None:
        farm.lying = False
        edge.calm = plant.calm = store.calm = True

    loop.add_signal_handler(signal.SIGUSR1, calm)
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()
    counts = {"replies": farm.counts, "functions": farm.functions, "edge and broker": edge.counts, "plant and broker": plant.counts,
              "plant and store": store.counts}  # fmt: skip
    (arguments.folder / "stage.json").write_text(json.dumps(counts), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--broker", type=int, required=True)
    parser.add_argument("--store", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    asyncio.run(main(parser.parse_args()))
