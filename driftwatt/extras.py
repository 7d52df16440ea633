"""Which packages the optional parts of an installation bring: where one is missing, a command says what installs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from driftwatt.errors import MissingExtra

Extra = Literal["collector", "processor", "all"]
_BRINGS: dict[Extra, frozenset[str]] = {
    "collector": frozenset({"pymodbus"}),
    "processor": frozenset({"apscheduler", "holidays", "influxdb_client", "jinja2", "numpy", "starlette", "urllib3", "uvicorn"}),
    "all": frozenset({"amqtt"}),
}


@contextmanager
def needing(extra: Extra) -> Iterator[None]:
    """Import in this block what needs an extra. Raises MissingExtra for a package of it that is not installed.

    Any other module that is missing is our own fault, and comes through as it is.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _BRINGS[extra]:
            raise
        raise MissingExtra(extra, package) from error
