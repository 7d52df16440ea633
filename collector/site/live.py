"""`driftwatt check --live`: talks to the meters of an edge file and says what is wrong with them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from collector.site import session, words
from collector.site.watching import Line, Watch
from config import catalogue
from config.edge import EdgeFile
from config.loader import load_profile, profile_folders
from driftwatt.clock import Clock, SystemClock


def check_live(file: str, edge: EdgeFile, seconds: float, *, as_json: bool) -> bool:
    """Judge every meter of an edge file, print what was found, and return whether nothing has to be mended."""
    folders = profile_folders(edge, file)
    profiles = {meter.profile: load_profile(meter.profile, folders) for bus in edge.bus for meter in bus.meter}
    known = {name: load_profile(name, folders) for name in catalogue.names(folders)}
    clock = SystemClock()
    watch = Watch(profiles, known, open_bus=session.open_bus, clock=clock)
    lines = asyncio.run(_judged(watch, edge, seconds, _progress(seconds, clock)))
    if as_json:
        for line in lines:
            print(json.dumps(words.line_object(line), ensure_ascii=False))
    else:
        print(f"\n{Path(file).name} on the wire")
        for line in lines:
            print("\n".join(words.line_lines(line)))
        print(_summary(lines))
    return not any(line.failed for line in lines)


async def _judged(watch: Watch, edge: EdgeFile, seconds: float, progress: Callable[[], None]) -> list[Line]:
    return await asyncio.gather(*(watch.line(bus, seconds, progress) for bus in edge.bus))


def _summary(lines: Sequence[Line]) -> str:
    meters = [meter for line in lines for meter in line.meters]
    bad = sum(meter.failed for meter in meters) + sum(len(line.meters) for line in lines if line.problem)
    return f"{len(meters) - bad} of {len(meters)} meters are right" if bad else f"all {len(meters)} meters are right"


def _progress(seconds: float, clock: Clock) -> Callable[[], None]:
    bar, begin = session.bar(), clock.monotonic_s()

    def draw() -> None:
        gone = clock.monotonic_s() - begin
        bar(min(1.0, gone / seconds if seconds else 1.0), f"watching {gone:.0f} s" if gone < seconds else "")

    return draw
