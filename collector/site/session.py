"""One sitting of a site tool: open the bus, find out the model, show progress, close the bus."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from collector.adapters import links
from collector.ports import BusFault, MeterBus
from collector.site import scanning
from collector.site.asking import Asker, advice
from config import catalogue
from config.loader import load_profile
from config.profiles import Profile, placed
from driftwatt.errors import ConfigError, Refused, Unavailable


def open_bus(url: str, timeout_s: float) -> MeterBus:
    """Return the bus of `url`, not yet connected. Raises ConfigError when the url is not understood."""
    return links.open_bus(url, timeout_s=timeout_s)


async def model(asker: Asker, arguments: argparse.Namespace, *, needed: bool = True) -> tuple[str, Any]:
    """Return name and profile of the unit: as told, or as found out; ("", None) when it may be unknown."""
    known = profiles(arguments.dir)
    if arguments.profile:
        if arguments.profile not in known:
            load_profile(arguments.profile, [*map(Path, arguments.dir), catalogue.METERS])  # says which names are near
        return arguments.profile, known[arguments.profile]
    matches = await scanning.identify(asker, arguments.unit, known)
    if matches:
        return matches[0].profile, placed(known[matches[0].profile], matches[0].base)
    if needed:
        raise Refused(
            f"unit {arguments.unit} on {arguments.bus}: no profile fits, or it does not answer\n"
            f"  who answers: driftwatt scan '{arguments.bus}'; else name it: --profile P"
        )
    return "", None


def on_bus(arguments: argparse.Namespace, work: Callable[[Asker], Any]) -> Any:
    """Return what `work` found on the bus, which is closed afterwards. Raises Unavailable."""
    if not 0 < arguments.timeout <= 30:
        raise ConfigError("--timeout is out of range", found=f"{arguments.timeout:g}", allowed="above 0, at most 30 seconds")

    async def session() -> Any:
        asker = Asker(arguments.bus, open_bus, timeout_s=arguments.timeout)
        try:
            await asker.connect()
            return await work(asker)
        finally:
            await asker.close()

    try:
        return asyncio.run(session())
    except BusFault as fault:
        raise Unavailable(f"{arguments.bus}: {fault}\n  {advice(fault)}") from fault


def profiles(folders: list[str]) -> dict[str, Profile]:
    """Return all profiles by name: those of the folders and the shipped ones. Raises ConfigErrors."""
    places = [*map(Path, folders), catalogue.METERS]
    return {name: load_profile(name, places) for name in catalogue.names(places)}


def bar() -> Callable[[float, str], None]:
    """Return what draws a progress line on a terminal, and nothing elsewhere."""
    if not sys.stderr.isatty():
        return lambda _share, _text: None

    def draw(share: float, text: str) -> None:
        full = round(20 * share)
        print(f"\r\x1b[K[{'#' * full}{'.' * (20 - full)}] {text}" if text else "\r\x1b[K", end="", file=sys.stderr, flush=True)

    return draw
