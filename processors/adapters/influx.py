"""InfluxDB 1.8, 2 and 3 as the store. The only importer of influxdb-client, which is used for one try a request.

What its answers mean for the points of a request is decided in `_send`; nothing here tries again by itself.
A 400 or 422 does not say which lines were taken, so halves are sent until the bad lines stand alone: sending an
identical point again is harmless on every server. Reading is InfluxQL, which all three versions speak.
"""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
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
from processors.pure.outputs import MAX_REV_MS, DriverHour, ExpectedPower, IntervalEnergy
from processors.pure.whole import whole_reading

log = logging.getLogger(__name__)

TIMEOUT_MS = 10_000
REQUEST_LINES = 2000
REQUEST_BYTES = 4 * 1024 * 1024
BAD_LINES, LIMIT, TOO_LARGE, NOT_ALLOWED, BROKEN = (400, 422), 422, 413, (401, 403, 404), 500
BROKEN_TIMES, BROKEN_ALL, BROKEN_TRIES = 3, 14, 200
"""So often a request breaks the server before a line of it is suspected; so many parts that all break it are its own illness."""
LONGEST_WAIT_S = 60.0
GENERATIONS = ("1", "2", "3")


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
        self._broke, self._broke_on = 0, 0
        self._courier = ThreadPoolExecutor(1, thread_name_prefix="influx")

    def write_readings(self, readings: Sequence[Reading]) -> None:
        """See SeriesStore."""
        self._write(lines.reading_lines(self._site, readings))

    def write_intervals(self, intervals: Sequence[IntervalEnergy]) -> None:
        """See SeriesStore."""
        self._write(lines.interval_lines(self._site, intervals))

    def write_expected(self, points: Sequence[ExpectedPower]) -> None:
        """See SeriesStore."""
        self._write(lines.expected_lines(self._site, points))

    def write_drivers(self, hours: Sequence[DriverHour]) -> None:
        """See SeriesStore."""
        self._write(lines.driver_lines(self._site, hours))

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
        self._courier.shutdown(wait=True)
        self._influxql.close()
        self._client.close()

    def _write(self, points: Iterable[str]) -> None:
        """Write the lines in requests of bounded size, the next one made while the last one is on its way."""
        rejected: dict[int, str] = {}
        under_way: Future[dict[int, str]] | None = None
        first = 0
        for request in _requests(points):
            if under_way:
                rejected |= under_way.result()
            under_way = self._courier.submit(self._send, request, first)
            first += len(request)
        if under_way:
            rejected |= under_way.result()
        if rejected:
            raise PartialWrite(rejected)

    def _send(self, points: list[str], first: int) -> dict[int, str]:
        """Send the lines and return which were refused for ever, by index from `first` on. Raises Unavailable, Refused."""
        try:
            self._post(points)
        except ApiException as error:
            if error.status == BROKEN:
                return self._broken(error, points, first)
            return self._answered(error, points, first)
        return {}

    def _post(self, points: list[str]) -> None:
        """Send the lines in one try. Raises ApiException for an answer that is no yes, Unavailable where there is none."""
        try:
            self._write_api.write(self._server.bucket, self._server.org or "-", "\n".join(points).encode(), write_precision="ms")
        except ApiException:
            raise
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unavailable(f"{self._server.url}: {short(error)}") from error

    def _answered(self, error: Any, points: list[str], first: int) -> dict[int, str]:
        message = _message(error)
        # On 3 it is too many columns or tables, not a bad line; a server that does not tell what it is is asked again later.
        limits = error.status == LIMIT and self.generation() == "3"
        unsure = error.status == LIMIT and not self.generation()
        if error.status == TOO_LARGE or (error.status in BAD_LINES and not limits and not unsure):
            if len(points) == 1:
                return {first: message}
            half = len(points) // 2
            return self._send(points[:half], first) | self._send(points[half:], first + half)
        if error.status in NOT_ALLOWED or limits:
            raise Refused(f"{self._server.url} answers {error.status}: {message}") from error
        raise Unavailable(f"{self._server.url} answers {error.status}: {message}", _wait_s(error.retry_after)) from error

    def _broken(self, error: Any, points: list[str], first: int) -> dict[int, str]:
        """Hold lines that the server breaks on; from the third time on look for those that break it, and let the others through.

        Nothing is blamed on a line unless other lines of the same request pass, so that a server that is ill sets nothing aside.
        """
        lines_now = hash(tuple(points))
        self._broke = self._broke + 1 if lines_now == self._broke_on else 1
        self._broke_on = lines_now
        if self._broke < BROKEN_TIMES or len(points) == 1:
            return self._answered(error, points, first)
        halves, rejected, passed, tries = deque(_halves(0, len(points))), dict[int, str](), False, 0
        while halves:
            begin, end = halves.popleft()
            tries += 1
            try:
                self._post(points[begin:end])
                passed = True
            except ApiException as said:
                if said.status != BROKEN:
                    rejected |= self._answered(said, points[begin:end], first + begin)
                elif end - begin == 1:
                    rejected[first + begin] = f"the server breaks on it: {_message(said)}"
                else:
                    halves.extend(_halves(begin, end))
            if tries >= BROKEN_TRIES or (tries >= BROKEN_ALL and not passed):
                break
        if halves or not passed:
            return self._answered(error, points, first)
        return rejected

    def generation(self) -> str:
        """Return which server this is, `1`, `2` or `3`: what the plant file says, or what the server tells; empty while it is silent."""
        if not self._major and (told := self._influxql.version()) and told[0] in GENERATIONS:  # a home-made build says `unknown`
            self._major = told[0]
            log.info("%s is InfluxDB %s", self._server.url, told)
        return self._major

    def _select(self, names: Sequence[str], table: str, meter: str, span: tuple[int, int], limit: int = 0) -> list[Sequence[Any]]:
        columns = ", ".join(f'"{name}"' for name in names)
        where = f"\"meter\" = '{meter}' AND \"site\" = '{self._site}' AND time >= {span[0]:d}ms AND time < {span[1]:d}ms"
        end = f" LIMIT {limit:d}" if limit else ""
        found = self._influxql.ask(f'SELECT {columns} FROM "{table}" WHERE {where}{end}')  # noqa: S608 - ids and our names
        return [row for series in found for row in series.rows]


def _requests(points: Iterable[str]) -> Iterator[list[str]]:
    """Yield lines together, as many as one request carries."""
    request: list[str] = []
    size = 0
    for line in points:
        if request and (len(request) >= REQUEST_LINES or size + len(line) > REQUEST_BYTES):
            yield request
            request, size = [], 0
        request.append(line)
        size += len(line) + 1
    if request:
        yield request


def _halves(begin: int, end: int) -> tuple[tuple[int, int], tuple[int, int]]:
    middle = (begin + end) // 2
    return (begin, middle), (middle, end)


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
