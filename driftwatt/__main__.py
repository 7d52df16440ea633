"""The front door: `driftwatt COMMAND …`. Finds commands by entry point and imports no room."""

from __future__ import annotations

import argparse
import io
import os
import sys
from contextlib import nullcontext
from importlib.metadata import entry_points

from driftwatt import __version__
from driftwatt.commands import GROUP, Command
from driftwatt.errors import ConfigError, ConfigErrors, DriftwattError, MissingExtra
from driftwatt.extras import needing


def commands(only: str | None = None) -> dict[str, Command]:
    """Return every installed command by name, sorted. When `only` names one, no other is loaded."""
    found = {}
    entries = sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
    for entry in [entry for entry in entries if entry.name == only] or entries:
        command = entry.load()
        if not isinstance(command, Command):
            raise ConfigError(f"entry point {entry.name} is not a command", found=type(command).__name__)
        found[entry.name] = command
    return found


def parser(known: dict[str, Command]) -> argparse.ArgumentParser:
    """Return the command-line parser for the given commands."""
    top = argparse.ArgumentParser(
        prog="driftwatt",
        description="Turns a factory's power meters into verified energy savings.",
        epilog="Start with: driftwatt demo",
    )
    top.add_argument("--version", action="version", version=f"driftwatt {__version__}")
    inner = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in known.items():
        sub = inner.add_parser(
            name,
            help=command.summary,
            description=command.summary,
            epilog=f"examples:\n{command.examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.configure(sub)
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code. Shows errors that driftwatt raised in one line each."""
    words = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that knows no Vietnamese gets escapes, not an error
            stream.reconfigure(errors="backslashreplace")
    try:
        known = commands(words[0] if words else None)
        chosen = parser(known).parse_args(arguments)
        command = known[chosen.command]
        with needing(command.extra) if command.extra else nullcontext():
            return command.run(chosen)
    except DriftwattError as error:
        print(f"driftwatt: {error}", file=sys.stderr)
        return 2 if isinstance(error, ConfigError | ConfigErrors) else 3 if isinstance(error, MissingExtra) else 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        print(f"driftwatt: {where}{(error.strerror or str(error)).lower()}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
