"""`driftwatt broker`: the embedded broker as a process of its own."""

from __future__ import annotations

import argparse
from pathlib import Path

from driftwatt.commands import Command
from driftwatt.errors import ConfigError


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--listen", default="127.0.0.1:1883", metavar="HOST:PORT", help="loopback address; port 0 takes a free one")
    parser.add_argument(
        "--password-file", type=Path, metavar="FILE", help="one line `user:password`, mode 0600; without it anybody may sign in"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="log more")


def _run(arguments: argparse.Namespace) -> int:
    import asyncio

    from driftwatt.adapters import logs

    logs.setup(verbose=arguments.verbose)
    host, port = listen_address(arguments.listen)
    return asyncio.run(_serve(host, port, arguments.password_file))


def listen_address(text: str) -> tuple[str, int]:
    """Return host and port in `HOST:PORT` (an IPv6 host in brackets). Raises ConfigError."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise ConfigError("--listen is not understood", found=repr(text), allowed="127.0.0.1:1883")
    return host.strip("[]"), int(port)


async def _serve(host: str, port: int, password_file: Path | None) -> int:
    import asyncio
    import signal

    from driftwatt.adapters.broker import EmbeddedBroker, User

    broker = EmbeddedBroker(host, port, User.read(password_file) if password_file else None)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    chosen = await broker.start()
    print(f"broker listening on mqtt://{f'[{host}]' if ':' in host else host}:{chosen}", flush=True)
    await ended.wait()
    await broker.stop()
    return 0


BROKER = Command(
    name="broker",
    summary="Run a small MQTT broker on this machine, for demos and one-box plants.",
    examples=(
        "  driftwatt broker --listen 127.0.0.1:1883 --password-file broker.password\n"
        "  driftwatt broker --listen 127.0.0.1:0        # a free port, printed on the first line"
    ),
    configure=_configure,
    run=_run,
    extra="all",
)
