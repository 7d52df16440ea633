"""What a command is. Rooms register theirs under the entry-point group `driftwatt.commands`.

A module that defines a Command imports nothing heavy at its top: the front door loads all of them for `--help`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

from driftwatt.extras import Extra

GROUP = "driftwatt.commands"


def days(word: str) -> int:
    """Read a number of days from a command line."""
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"is not a number of days (found {word!r}; allowed: 1 or more)")
    return int(word)


@dataclass(frozen=True, slots=True)
class Command:
    """One sub-command: its one-line summary, examples for `--help`, arguments, and what it does.

    `run` returns the exit code: 0 fine, 1 the answer is no or work failed, 2 configuration or usage,
    3 an extra is missing, 130 interrupted. `extra` is what it cannot do without.
    """

    name: str
    summary: str
    examples: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    extra: Extra | None = None
