"""`driftwatt simulate`: meters that answer like real ones."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from driftwatt.commands import Command
from driftwatt.errors import ConfigError

if TYPE_CHECKING:
    from collector.simulator.app import Order


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", nargs="?", type=Path, metavar="DIR", help="a simulated plant that --write made, or a recording that driftwatt dump made"
    )
    parser.add_argument(
        "--write", type=Path, metavar="DIR", help="write the demo plant there: edge.toml, plant.toml, calendars, history, labels"
    )
    parser.add_argument("--meters", type=int, metavar="N", help="instead of a plant: N meters of one model on one gateway")
    parser.add_argument("--profile", default="eastron-sdm630", metavar="NAME", help="the model of --meters (default: %(default)s)")
    parser.add_argument(
        "--listen",
        action="append",
        default=[],
        metavar="URL",
        help="once per bus: tcp://HOST:PORT or rtu-tcp://HOST:PORT of a gateway (port 0 takes a free one), "
        "or pty:LINK?baud=9600&format=8N1 for a serial line at that speed",
    )
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="KIND[=VALUE][:SHARE%][@FROM-TO]",
        help="what goes wrong, how often, from and to which second after the start: delay=S, late=TIMEOUT, drop, duplicate, crc, noise, "
        "echo, half, wrong-unit, wrong-function, short, long, tid0, busy, illegal=FIRST-LAST, dead=UNIT,…; may be given several times",
    )
    parser.add_argument("--seed", type=int, default=1, help="another seed is another plant (default: %(default)s)")
    parser.add_argument("--now", type=int, metavar="MS", help="the instant at which the demo starts, UTC ms (default: now)")
    parser.add_argument("--instant", type=Path, metavar="FILE", help=argparse.SUPPRESS)
    parser.add_argument("--log", type=Path, metavar="FILE", help="write down every reply that was sent")
    parser.add_argument("--broker", default="mqtt://127.0.0.1:1883", metavar="URL", help="what the written files name as their broker")
    parser.add_argument("--broker-user", metavar="NAME", help="its user; the secret is expected in DIR/mqtt.password")
    parser.add_argument("--web", default="127.0.0.1:8080", metavar="HOST:PORT", help="where the written plant.toml shows its page")
    parser.add_argument("-v", "--verbose", action="store_true", help="log more")


def _run(arguments: argparse.Namespace) -> int:
    import asyncio

    from collector.simulator import app
    from driftwatt.adapters import logs

    logs.setup(verbose=arguments.verbose)
    return asyncio.run(app.run(_order(arguments)))


def _order(arguments: argparse.Namespace) -> Order:
    from collector.simulator.app import Order
    from collector.simulator.faults import fault
    from collector.simulator.wire import listen

    chosen = [name for name in ("folder", "write", "meters") if getattr(arguments, name) is not None]
    if len(chosen) != 1:
        raise ConfigError("say what to simulate", found=" and ".join(chosen) or "nothing", allowed="DIR, --write DIR or --meters N")
    return Order(
        folder=arguments.folder,
        write=arguments.write,
        meters=arguments.meters,
        profile=arguments.profile,
        listen=tuple(listen(url) for url in arguments.listen),
        faults=tuple(fault(text) for text in arguments.fault),
        seed=arguments.seed,
        now_ms=arguments.now,
        instant=arguments.instant,
        log=arguments.log,
        broker=arguments.broker,
        broker_user=arguments.broker_user,
        web=arguments.web,
    )


SIMULATE = Command(
    name="simulate",
    summary="Run meters that answer like real ones, with the load of a demo plant or of a fleet.",
    examples=(
        "  driftwatt simulate --write plant                            # only write the files\n"
        "  driftwatt simulate plant --listen tcp://127.0.0.1:5020 --listen tcp://127.0.0.1:5021\n"
        "  driftwatt simulate meter-7.json --listen tcp://127.0.0.1:5020           # a meter that driftwatt dump recorded\n"
        "  driftwatt simulate --meters 50 --listen tcp://127.0.0.1:5020\n"
        "  driftwatt simulate --meters 20 --listen 'pty:/tmp/meters?baud=9600'       # read it as rtu:///tmp/meters?baud=9600\n"
        "  driftwatt simulate --meters 5 --listen pty:/tmp/meters --fault crc:1% --fault late=1:5% --fault dead=3@0-120"
    ),
    configure=_configure,
    run=_run,
)
