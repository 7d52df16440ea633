"""`driftwatt hash-password`: the line that a `[[web.user]]` refers to."""

from __future__ import annotations

import argparse
import getpass
import sys

from driftwatt.commands import Command
from driftwatt.errors import ConfigError

SHORTEST = 10


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stdin", action="store_true", help="read the password from standard input instead of asking for it")


def _run(arguments: argparse.Namespace) -> int:
    from processors.web.sessions import hash_password  # noqa: PLC0415 - the front door loads this file for its help

    password = sys.stdin.readline().rstrip("\n") if arguments.stdin else _asked()
    if len(password) < SHORTEST:
        raise ConfigError("the password is too short", found=f"{len(password)} characters", allowed=f"at least {SHORTEST}")
    print(hash_password(password))
    return 0


def _asked() -> str:
    if not sys.stdin.isatty():
        raise ConfigError("there is no terminal to ask at", allowed="--stdin, to read the password from standard input")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise ConfigError("the two entries differ")
    return password


HASH_PASSWORD = Command(
    name="hash-password",
    summary="Turn a password into the hash that plant.toml's [[web.user]] refers to.",
    examples="  driftwatt hash-password > minh.hash\n  printf '%s\\n' \"$SECRET\" | driftwatt hash-password --stdin",
    configure=_arguments,
    run=_run,
)
