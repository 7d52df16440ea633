"""`edge.toml`: what a collector reads, and where it sends it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from config.values import Duration, Id, Secret, Size, Strict


class Edge(Strict):
    """The box itself."""

    id: Id
    data_dir: Path = Path("data")
    profile_dirs: tuple[Path, ...] = ()
    clock: Literal["ntp", "trust"] = "ntp"


class Broker(Strict):
    """Where messages go. Plain `mqtt://` outside loopback needs `allow_plaintext`."""

    url: str
    username: str | None = None
    password: Secret | None = None
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    allow_plaintext: bool = False


class Outbox(Strict):
    """How much outage the box survives, and what happens after."""

    keep: Duration = 72 * 3600.0
    max_bytes: Annotated[Size, Field(ge=1_000_000)] = 2_000_000_000
    when_full: Literal["thin", "drop_oldest", "stop_polling"] = "thin"
    tail: Duration = 24 * 3600.0
    commit_every: Duration = 1.0


class Meter(Strict):
    """One meter on a bus. `base` is where a SunSpec model's id register stands, if not where it usually does."""

    id: Id
    unit: Annotated[int, Field(ge=1, le=247)]
    profile: str
    every: Annotated[Duration, Field(ge=0.2)] = 10.0
    only: tuple[str, ...] | None = None
    base: Annotated[int, Field(ge=0, le=0xFFFF)] | None = None


class Bus(Strict):
    """One line or gateway. Only one request is under way on it at a time."""

    id: Id
    url: str
    timeout: Annotated[Duration, Field(gt=0, le=30)] = 1.0
    gap: Duration | None = None
    retries: Annotated[int, Field(ge=0, le=1)] = 0
    meter: tuple[Meter, ...] = Field(min_length=1)


class EdgeFile(Strict):
    """The whole file."""

    edge: Edge
    broker: Broker
    outbox: Outbox = Outbox()
    bus: tuple[Bus, ...] = Field(min_length=1)
