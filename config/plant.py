"""`plant.toml`: the plant that a processor looks after."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from config.edge import Broker
from config.values import Duration, Id, Secret, Strict


class Plant(Strict):
    """The plant itself. `id` is the tag `site` in the store; `timezone` rules days, shifts and tariffs."""

    id: Id
    name: str
    timezone: str
    language: Literal["vi", "en"] = "vi"
    data_dir: Path = Path("data")


class Store(Strict):
    """Where time series go."""

    kind: Literal["sqlite", "influxdb"] = "sqlite"
    url: str | None = None
    server: Literal["auto", "1", "2", "3"] = "auto"
    org: str = ""
    bucket: str | None = None
    database: str | None = None
    token: Secret | None = None
    raw_retention: Duration = 90 * 86400.0


class WebUser(Strict):
    """Somebody who may sign in. `password` refers to a hash made by `driftwatt hash-password`."""

    name: str
    role: Literal["viewer", "operator", "admin"] = "viewer"
    password: Secret


class Web(Strict):
    """The page. Any address but loopback needs at least one user; `metrics_token` opens `/metrics` to a monitoring system."""

    listen: str = "127.0.0.1:8080"
    metrics_token: Secret | None = None
    user: tuple[WebUser, ...] = ()


class TariffChoice(Strict):
    """Which dated tariff is used, and which of its time-of-use schedules."""

    use: str
    schedule: str | None = None
    vat: Annotated[float, Field(ge=0, le=1)] = 0.0
    currency: str | None = None
    contract_kw: Annotated[float, Field(gt=0)] | None = None


class FactorChoice(Strict):
    """Which dated emission factors are used."""

    use: str


class Closed(Strict):
    """A maintenance window or shutdown in plant time: stored, not judged, not learned."""

    from_: datetime = Field(alias="from")
    to: datetime
    meters: tuple[str, ...] = ("*",)
    note: str = ""


class CalendarChoice(Strict):
    """Which calendar the plant follows."""

    use: str
    closed: tuple[Closed, ...] = ()


class Alerts(Strict):
    """When an alert is sent, and how severe it is, in money per month."""

    floor_per_month: float = 200_000
    medium_per_month: float = 1_000_000
    high_per_month: float = 5_000_000


class Area(Strict):
    """A part of the plant."""

    id: Id
    name: str


class PlantMeter(Strict):
    """A metering point of the plant. An incomer is a meter that no other feeds.

    `source` says what stands behind it, for the page: `measured`, `simulated` or `recorded`.
    `calendar` overrides the plant's for this meter. `learn_from` is a local date: what the meter drew before was another
    life, and detection learns anew from then on.
    """

    id: Id
    edge: Id | None = None
    name: str
    area: Id | None = None
    kind: Literal["compressor", "chiller", "furnace", "moulding", "lighting", "hvac", "pump", "incomer", "other"] = "other"
    rated_kw: Annotated[float, Field(gt=0)] | None = None
    ct_ratio: Annotated[float, Field(gt=0)] = 1.0
    pt_ratio: Annotated[float, Field(gt=0)] = 1.0
    sign: Literal[1, -1] = 1
    feeds: tuple[Id, ...] = ()
    drivers: tuple[Id, ...] = ()
    calendar: str | None = None
    learn_from: date | None = None
    source: Literal["measured", "simulated", "recorded"] = "measured"
    source_note: str = ""


class Driver(Strict):
    """Something that explains use: outdoor temperature or production."""

    id: Id
    kind: Literal["temperature", "production"]
    source: str


class Notify(Strict):
    """A channel on which alerts leave the plant."""

    kind: Literal["smtp", "webhook", "mqtt", "apprise"]
    to: tuple[str, ...] = ()
    when: dict[str, object] = {}


class PlantFile(Strict):
    """The whole file."""

    plant: Plant
    broker: Broker
    store: Store = Store()
    web: Web = Web()
    tariff: TariffChoice
    factors: FactorChoice
    calendar: CalendarChoice
    alerts: Alerts = Alerts()
    area: tuple[Area, ...] = ()
    meter: tuple[PlantMeter, ...] = ()
    driver: tuple[Driver, ...] = ()
    notify: tuple[Notify, ...] = ()
