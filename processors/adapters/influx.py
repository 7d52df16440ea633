"""InfluxDB 1.8, 2 and 3 as the store. The only importer of influxdb-client, which is used for one try a request.

What its answers mean for the points of a request is decided in `_send`; nothing here tries again by itself.
A 400 or 422 does not say which lines were taken, so halves are sent until the bad lines stand alone: sending an
identical point again is harmless on every server. Reading is InfluxQL, which all three versions speak.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import urllib3
from influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException

from driftwatt.alerts import Alert
from driftwatt.errors import PartialWrite, Refused, Unavailable
from driftwatt.quantities import QUANTITIES
from driftwatt.readings import Quality, Reading
from processors.adapters.influxql import InfluxQL, short
from processors.pure import lines
from processors.pure.interval_columns import EnergyColumns, energy_columns
from processors.pure.outputs import MAX_REV_MS, ExpectedPower, IntervalEnergy
from processors.pure.whole import whole_reading

log = logging.getLogger(__name__)

TIMEOUT_MS = 10_000
REQUEST_LINES = 5000
REQUEST_BYTES = 4 * 1024 * 1024
BAD_LINES, TOO_LARGE, NOT_ALLOWED = (400, 422), 413, (401, 403, 404)
LONGEST_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Server:
    """Where the database is. `bucket` may be `database/retention`; `token` is `user:password` on 1.8."""

    url: str
    bucket: str
    org: str = ""
    token: str = field(default="", repr=False)
    major: str = "auto"


class InfluxStore:
    """See processors.ports.SeriesStore. `site` is the plant's id."""

    def __init__(self, server: Server, site: str) -> None:
        self._server, self._site = server, site
        self._client = InfluxDBClient(url=server.url, token=server.token, org=server.org or "-", timeout=TIMEOUT_MS, enable_gzip=False)
        self._write_api = self._client.write_api(write_options=SYNCHRONOUS)
        self._influxql = InfluxQL(server.url, server.bucket, server.token, timeout_s=TIMEOUT_MS / 1000)
        self._major = "" if server.major == "auto" else server.major

    def write_readings(self, readings: Sequence[Reading]) -> None:
        """See SeriesStore."""
        self._write(lines.reading_lines(self._site, readings))

    def write_intervals(self, intervals: Sequence[IntervalEnergy]) -> None:
        """See SeriesStore."""
        self._write(lines.interval_lines(self._site, intervals))

    def write_expected(self, points: Sequence[ExpectedPower]) -> None:
        """See SeriesStore."""
        self._write(lines.expected_lines(self._site, points))

    def write_events(self, alerts: Sequence[Alert]) -> None:
        """See SeriesStore."""
        self._write(lines.event_lines(self._site, alerts))

    def readings(self, meter: str, quantity: str, from_ms: int, to_ms: int) -> list[tuple[int, float, int]]:
        """See SeriesStore."""
        if quantity not in QUANTITIES:
            return []
        rows = self._select((quantity, f"{quantity}_q", "q"), "readings", meter, (from_ms, to_ms))
        uncertain = int(Quality.CLOCK_UNCERTAIN)
        return [(t_ms, float(value), int(doubt or 0) | (int(q or 0) & uncertain)) for t_ms, value, doubt, q in rows if value is not None]

    def whole_readings(self, meter: str, from_ms: int, to_ms: int, limit: int) -> list[Reading]:
        """See SeriesStore."""
        names = ("q", *QUANTITIES, *(f"{quantity}_q" for quantity in QUANTITIES))
        rows = self._select(names, "readings", meter, (from_ms, to_ms), limit)
        return [whole_reading(meter, int(t_ms), int(q or 0), dict(zip(names[1:], values, strict=True))) for t_ms, q, *values in rows]

    def intervals(self, kind: str, meter: str, from_ms: int, to_ms: int) -> list[IntervalEnergy]:
        """See SeriesStore."""
        if kind not in ("15m", "1h", "1d"):
            return []
        names = tuple(lines.INTERVAL_NAMES.values())
        newest: dict[int, IntervalEnergy] = {}
        for _, *row in self._select(names, f"energy_{kind}", meter, (from_ms, to_ms + MAX_REV_MS)):
            values = {name: _number(name, value) for name, value in zip(lines.INTERVAL_NAMES, row, strict=True)}
            newest[int(values["start_ms"] or 0)] = IntervalEnergy(meter=meter, kind=kind, **values)  # type: ignore[arg-type]
        return [interval for start_ms, interval in newest.items() if from_ms <= start_ms < to_ms]

    def energy(self, kind: str, meters: Collection[str], from_ms: int, to_ms: int) -> Mapping[str, EnergyColumns]:
        """See SeriesStore."""
        if kind not in ("15m", "1h", "1d"):
            return {}
        where = f"\"site\" = '{self._site}' AND time >= {from_ms:d}ms AND time < {to_ms + MAX_REV_MS:d}ms"
        query = f'SELECT "start_ms", "import_wh" FROM "energy_{kind}" WHERE {where} GROUP BY "meter"'  # noqa: S608 - our own names
        rows = {series.tags["meter"]: series.rows for series in self._influxql.ask(query)}
        within = {meter: [(int(start), float(wh)) for _, start, wh in rows.get(meter, ()) if from_ms <= start < to_ms] for meter in meters}
        return {meter: energy_columns(pairs) for meter, pairs in within.items()}

    def expected(self, meter: str, from_ms: int, to_ms: int) -> list[ExpectedPower]:
        """See SeriesStore."""
        return [ExpectedPower(meter, *row) for row in self._select(("w", "lo", "hi"), "expected_15m", meter, (from_ms, to_ms))]

    def close(self) -> None:
        """See SeriesStore."""
        self._influxql.close()
        self._client.close()

    def _write(self, points: list[str]) -> None:
        rejected: dict[int, str] = {}
        start = size = 0
        for at, line in enumerate(points):
            if at > start and (at - start >= REQUEST_LINES or size + len(line) > REQUEST_BYTES):
                rejected |= self._send(points[start:at], start)
                start = at
                size = 0
            size += len(line) + 1
        if points:
            rejected |= self._send(points[start:], start)
        if rejected:
            raise PartialWrite(rejected)

    def _send(self, points: list[str], first: int) -> dict[int, str]:
        """Send the lines and return which were refused for ever, by index from `first` on. Raises Unavailable, Refused."""
        try:
            self._write_api.write(self._server.bucket, self._server.org or "-", "\n".join(points).encode(), write_precision="ms")
        except ApiException as error:
            return self._answered(error, points, first)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unavailable(f"{self._server.url}: {short(error)}") from error
        return {}

    def _answered(self, error: Any, points: list[str], first: int) -> dict[int, str]:
        message = _message(error)
        limits = error.status == 422 and self.generation() == "3"  # too many columns or tables, not a bad line
        if error.status == TOO_LARGE or (error.status in BAD_LINES and not limits):
            if len(points) == 1:
                return {first: message}
            half = len(points) // 2
            return self._send(points[:half], first) | self._send(points[half:], first + half)
        if error.status in NOT_ALLOWED or limits:
            raise Refused(f"{self._server.url} answers {error.status}: {message}") from error
        raise Unavailable(f"{self._server.url} answers {error.status}: {message}", _wait_s(error.retry_after)) from error

    def generation(self) -> str:
        """Return which server this is, `1`, `2` or `3`: what the plant file says, or what the server tells; `2` while it is silent."""
        if not self._major:
            told = self._influxql.version()
            if not told:
                return "2"
            self._major = told[:1]
            log.info("%s is InfluxDB %s", self._server.url, told)
        return self._major

    def _select(self, names: Sequence[str], table: str, meter: str, span: tuple[int, int], limit: int = 0) -> list[Sequence[Any]]:
        columns = ", ".join(f'"{name}"' for name in names)
        where = f"\"meter\" = '{meter}' AND \"site\" = '{self._site}' AND time >= {span[0]:d}ms AND time < {span[1]:d}ms"
        end = f" LIMIT {limit:d}" if limit else ""
        found = self._influxql.ask(f'SELECT {columns} FROM "{table}" WHERE {where}{end}')  # noqa: S608 - ids and our names
        return [row for series in found for row in series.rows]


def _number(name: str, value: Any) -> float | int | None:
    if value is None:
        return None
    return int(value) if lines.INTERVAL_NAMES[name] in lines.INTERVAL_INTEGERS else float(value)


def _message(error: Any) -> str:
    """Return the server's own words; 1.8 says `error`, 2 and 3 say `message`."""
    try:
        said = json.loads(error.body)
    except (TypeError, ValueError):
        return str(error.body or error.reason or "")[:300]
    return str(said.get("message") or said.get("error") or said)[:300] if isinstance(said, dict) else str(said)[:300]


def _wait_s(text: str | None) -> float | None:
    try:
        return min(LONGEST_WAIT_S, float(text)) if text else None
    except ValueError:
        return None
