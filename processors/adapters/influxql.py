"""Asking an InfluxDB in InfluxQL, which 1.8, 2 and 3 speak alike, and which of them it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import urllib3

from driftwatt.errors import Unavailable

VERSION_HEADER = "X-Influxdb-Version"


@dataclass(frozen=True, slots=True)
class Series:
    """One series of an answer: its tags, the names of its columns (`time` first, in ms), its rows."""

    tags: dict[str, str]
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


class InfluxQL:
    """One server and database. `bucket` may be `database/retention`; `token` is `user:password` on 1.8."""

    def __init__(self, url: str, bucket: str, token: str, *, timeout_s: float) -> None:
        self._url = url.rstrip("/")
        self._database, _, self._retention = bucket.partition("/")
        self._headers = {"Authorization": f"Token {token}"} if token else {}
        self._http = urllib3.PoolManager(timeout=urllib3.Timeout(timeout_s), retries=False)

    def ask(self, query: str) -> list[Series]:
        """Return what the server answers. Raises Unavailable, also for an answer that says no."""
        asked = {"db": self._database, "q": query, "epoch": "ms"} | ({"rp": self._retention} if self._retention else {})
        try:
            reply = self._http.request_encode_body(
                "POST", f"{self._url}/query", fields=asked, headers=self._headers, encode_multipart=False
            )
            said = json.loads(reply.data)
        except (urllib3.exceptions.HTTPError, ValueError, OSError) as error:
            raise Unavailable(f"{self._url}: {short(error)}") from error
        said = said if isinstance(said, dict) else {}
        result = (said.get("results") or [{}])[0]
        if reply.status != 200 or "error" in result:
            words = result.get("error") or said.get("error") or said.get("message")
            raise Unavailable(f"{self._url} answers {reply.status}: {words}")
        return [Series(each.get("tags", {}), each["columns"], each["values"]) for each in result.get("series", ())]

    def version(self) -> str | None:
        """Return the version that the server tells of itself, such as `1.8.10`, None when it does not answer or tell."""
        try:
            reply = self._http.request("GET", f"{self._url}/ping", headers=self._headers)
        except (urllib3.exceptions.HTTPError, OSError):
            return None
        if told := reply.headers.get(VERSION_HEADER):
            return told.lstrip("v")
        try:
            said = json.loads(reply.data)
        except ValueError:
            return None
        found = said.get("version") if isinstance(said, dict) else None
        return found.lstrip("v") if isinstance(found, str) else None

    def close(self) -> None:
        """Let connections go."""
        self._http.clear()


def short(error: BaseException) -> str:
    """Return the words of an error as one short line."""
    return " ".join(str(error).split())[:200]
