"""A strict stand-in for InfluxDB 1.8, 2.7 and 3 Core: parses line protocol by itself and errs like each of them.

Answers as libraries of facts about those servers say: 1.8 stores the good lines of a bad request and says 400;
2.7 refuses a request with a syntax error whole (400) and stores the good lines of a type conflict (422); 3 Core
refuses any bad request whole (400) and names no line.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

VERSIONS = {"1.8": "1.8.10", "2.7": "v2.7.11", "3-core": "3.1.0"}
_LINE = re.compile(r'([a-z0-9_]+)((?:,[a-z]+=[a-z0-9_.-]+)+) ((?:[a-z0-9_]+=(?:"(?:[^"\\]|\\.)*"|[^ ,"]+),?)+) (\d+)')
_FIELD = re.compile(r'([a-z0-9_]+)=("(?:[^"\\]|\\.)*"|[^ ,"]+)(?:,|$)')
_QUERY = re.compile(
    r"""SELECT (?P<names>.+) FROM "(?P<table>[a-z0-9_]+)" WHERE (?:"meter" = '(?P<meter>.+?)' AND )?"site" = '(?P<site>.+?)' """
    r"""AND time >= (?P<start>\d+)ms AND time < (?P<end>\d+)ms(?P<group> GROUP BY "meter")?(?: LIMIT (?P<limit>\d+))?"""
)


class SyntaxFault(Exception):
    """A line that is not line protocol."""


@dataclass
class Scripted:
    """What to answer instead of the truth; `store_first` keeps the lines before failing, `cut` drops the connection."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    store_first: bool = False
    cut: bool = False


@dataclass
class FakeInflux:
    """One server. `points` maps (measurement, tags, ms) to fields; `script` holds answers to the next writes."""

    profile: str
    token: str = ""
    max_bytes: int = 25_000_000
    points: dict[tuple[str, str, int], dict[str, Any]] = field(default_factory=dict)
    types: dict[tuple[str, str], type] = field(default_factory=dict)
    bucket: str = "plant"
    """The only one there is; 3 Core makes others as they are written to."""
    breaks_on: str = ""
    """What a line holds on which the server breaks, with 500 and nothing stored."""
    silent: bool = False
    """Whether it keeps its version to itself."""
    script: list[Scripted] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)
    url: str = ""

    def write(self, body: bytes) -> tuple[int, str]:
        """Store what this server would store; return its status and words."""
        if len(body) > self.max_bytes:
            return 413, "request entity too large"
        parsed, faults = [], []
        for line in body.decode().split("\n"):
            try:
                parsed.append(_parse(line))
            except SyntaxFault:
                faults.append(f"unable to parse '{line[:50]}'")
        good = [point for point in parsed if not self._conflict(point)]
        conflicts = len(parsed) - len(good)
        if self.profile == "3-core" and (faults or conflicts):
            return 400, "line protocol parse failed"
        if self.profile == "2.7" and faults:
            return 400, faults[0]
        for key, fields in good:
            for name, value in fields.items():
                self.types[key[0], name] = type(value)
            self.points.setdefault(key, {}).update(fields)
        if faults:
            return 400, f"partial write: {faults[0]} dropped=0"
        if conflicts:
            return (422 if self.profile == "2.7" else 400), f"partial write: field type conflict dropped={conflicts}"
        return 204, ""

    def _conflict(self, point: tuple[tuple[str, str, int], dict[str, Any]]) -> bool:
        (measurement, _, _), fields = point
        return any(self.types.get((measurement, name), type(value)) is not type(value) for name, value in fields.items())

    def query(self, text: str) -> dict[str, Any]:
        """Answer our kinds of SELECT."""
        match = _QUERY.fullmatch(text)
        if not match:
            return {"results": [{"error": "error parsing query"}]}
        names = [name.strip().strip('"') for name in match["names"].split(",")]
        found: dict[str, list[list[Any]]] = {}
        for (table, tags, t_ms), fields in self.points.items():
            said = dict(each.split("=") for each in tags.split(","))
            asked = match["meter"] in (None, said["meter"]) and said["site"] == match["site"] and table == match["table"]
            if asked and int(match["start"]) <= t_ms < int(match["end"]) and any(name in fields for name in names):
                found.setdefault(said["meter"] if match["group"] else "", []).append([t_ms, *(fields.get(name) for name in names)])
        series = []
        for meter, rows in sorted(found.items()):
            rows.sort(key=lambda row: row[0])
            some = rows[: int(match["limit"])] if match["limit"] else rows
            by = {"tags": {"meter": meter}} if meter else {}
            series.append({"name": match["table"], **by, "columns": ["time", *names], "values": some})
        return {"results": [{"statement_id": 0, **({"series": series} if series else {})}]}


def _parse(line: str) -> tuple[tuple[str, str, int], dict[str, Any]]:
    match = _LINE.fullmatch(line)
    if not match:
        raise SyntaxFault(line)
    fields = {name: _value(text) for name, text in _FIELD.findall(match[3])}
    return (match[1], match[2][1:], int(match[4])), fields


def _value(text: str) -> Any:
    if text.startswith('"'):
        return text[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    if text in ("true", "false"):
        return text == "true"
    try:
        return int(text[:-1]) if text.endswith("i") else float(text)
    except ValueError:
        raise SyntaxFault(text) from None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def influx(self) -> FakeInflux:
        fake: FakeInflux = self.server.influx  # type: ignore[attr-defined]
        return fake

    def do_GET(self) -> None:
        version = {} if self.influx.silent else {"X-Influxdb-Version": VERSIONS[self.influx.profile]}
        stranger = self.influx.token and self.headers.get("Authorization") != f"Token {self.influx.token}"
        if urlsplit(self.path).path != "/ping":
            self._answer(404, "not found")
        elif self.influx.profile == "3-core" and stranger:
            self._answer(401, "unauthorized access")
        elif self.influx.profile == "3-core":
            told = {} if self.influx.silent else {"version": VERSIONS["3-core"]}
            self._answer(200, json.dumps(told).encode())  # tells it in the body
        else:
            self._answer(204, "", version)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = urlsplit(self.path)
        if self.influx.token and self.headers.get("Authorization") != f"Token {self.influx.token}":
            self._answer(401, "unauthorized access")
        elif parts.path == "/query" and self.influx.profile != "3-core" and parse_qs(body.decode())["db"] != [self.influx.bucket]:
            self._answer(200 if self.influx.profile == "1.8" else 404, json.dumps({"results": [{"error": "database not found"}]}).encode())
        elif parts.path == "/query":
            assert parse_qs(body.decode())["epoch"] == ["ms"]
            said = json.dumps(self.influx.query(parse_qs(body.decode())["q"][0])).encode()
            self._answer(200, said)
        elif parts.path == "/api/v2/write":
            asked = parse_qs(parts.query)
            assert asked["precision"] == ["ms"]
            assert "Content-Encoding" not in self.headers, "gzip costs more than it saves on a LAN"
            if self.influx.profile != "3-core" and asked["bucket"][0].partition("/")[0] != self.influx.bucket:
                self._answer(404, f'database "{asked["bucket"][0]}" not found')
            else:
                self._write(body)
        else:
            self._answer(404, "not found")

    def _write(self, body: bytes) -> None:
        self.influx.requests.append(body.count(b"\n") + 1)
        if self.influx.script:
            scripted = self.influx.script.pop(0)
            if scripted.store_first:
                self.influx.write(body)
            if scripted.cut:
                self.close_connection = True
                self.connection.close()
                return
            self._answer(scripted.status, "scripted", scripted.headers)
            return
        if self.influx.breaks_on and self.influx.breaks_on.encode() in body:
            self._answer(500, "internal server error")
            return
        self._answer(*self.influx.write(body))

    def _answer(self, status: int, words: str | bytes, headers: dict[str, str] | None = None) -> None:
        said = words
        if isinstance(words, str):
            key = "error" if self.influx.profile == "1.8" else "message"
            said = json.dumps({"code": "invalid", key: words}).encode() if words else b""
        assert isinstance(said, bytes)
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Stay silent."""


@contextmanager
def serving(fake: FakeInflux) -> Iterator[FakeInflux]:
    """Serve on a free loopback port until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.influx = fake  # type: ignore[attr-defined]
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
