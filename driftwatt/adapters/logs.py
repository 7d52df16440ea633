"""Log lines for people and for journald: level, event, fields."""

from __future__ import annotations

import logging
import sys

QUIET = ("amqtt", "transitions", "apscheduler", "uvicorn.access", "urllib3", "asyncio")


def setup(*, verbose: bool = False) -> None:
    """Send log lines to standard error. Libraries speak only from ERROR on."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
        force=True,
    )
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)
