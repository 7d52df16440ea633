"""Rules for all tests: pure tests touch no socket, and the summary counts by folder."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent
OUTCOMES = ("passed", "failed", "error", "skipped")
_forbidden = False


def _refuse_sockets(event: str, _arguments: tuple[Any, ...]) -> None:
    if _forbidden and event in ("socket.connect", "socket.bind", "socket.getaddrinfo"):
        raise RuntimeError(f"a pure test may not use {event}")


sys.addaudithook(_refuse_sockets)


def _folder(path: Path) -> str:
    return path.relative_to(ROOT).parts[0] if path.is_relative_to(ROOT) else path.name


@pytest.fixture(autouse=True)
def _no_sockets_in_pure_tests(request: pytest.FixtureRequest) -> Iterator[None]:
    global _forbidden  # noqa: PLW0603 - an audit hook cannot be removed, only told
    _forbidden = _folder(request.path) == "pure"
    yield
    _forbidden = False


@pytest.fixture
def need() -> Callable[[str, object], None]:
    """Return what skips a test with a printed reason when a real part is missing, and fails it where all are required."""

    def check(name: str, found: object) -> None:
        if found:
            return
        if os.environ.get("DRIFTWATT_REQUIRE_LIVE") == "1":
            pytest.fail(f"{name} is required here and was not found")
        pytest.skip(f"{name} was not found on this machine")

    return check


def pytest_terminal_summary(terminalreporter: Any) -> None:
    counts: Counter[tuple[str, str]] = Counter()
    for outcome in OUTCOMES:
        for report in terminalreporter.stats.get(outcome, []):
            parts = Path(report.nodeid.split("::")[0]).parts
            counts[parts[1] if len(parts) > 2 else parts[-1], outcome] += 1
    terminalreporter.section("by folder")
    for folder in sorted({folder for folder, _ in counts}):
        told = [f"{counts[folder, outcome]} {outcome}" for outcome in OUTCOMES if counts[folder, outcome]]
        terminalreporter.write_line(f"{folder}: {', '.join(told)}")
