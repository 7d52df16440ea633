"""`plant.toml` read again while the plant runs: everything is validated first, then everything is applied, or nothing.

Meters, names, areas, the tree, calendars, prices, thresholds and users change at once. What is bound at the start
(identity, zone, broker, store, address of the page) stays as it was, and an alarm says that a restart is needed.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from config.loader import load_plant
from config.plant import PlantFile
from driftwatt.errors import ConfigError, DriftwattError, WireError
from driftwatt.hosts import is_loopback
from driftwatt.wire import Hello, from_bytes
from processors import quarantine
from processors.alarms import Alarm
from processors.pipeline import Pipeline
from processors.policies import alert_context, policies
from processors.pure.intake import Intake
from processors.pure.policy import MeterPolicy
from processors.quarantine import Choice
from processors.view import PlantView

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reread:
    """A plant file that was read again and is right. `plant` is what can be in force now; `waiting` names the keys that wait for a restart.

    `passwords` are the hashes of its users by name.
    """

    plant: PlantFile
    waiting: tuple[str, ...]
    policies: Mapping[str, MeterPolicy]
    passwords: Mapping[str, str]

    def owners(self) -> dict[str, str | None]:
        """Return the meters with their edges, None for any edge."""
        return {meter.id: meter.edge for meter in self.plant.meter}


def read_again(file: Path, running: PlantFile, *, now_ms: int) -> Reread:
    """Read and validate the file with all that it names, changing nothing. Raises ConfigError, ConfigErrors."""
    plant, waiting = _in_force(load_plant(file), running)
    if not plant.web.user and not is_loopback(plant.web.listen.rpartition(":")[0].strip("[]")):
        raise ConfigError("the page would be open to the network without sign-in", file=str(file), key="web.user", found="nobody")
    passwords = {user.name: user.password.reveal(file.parent) for user in plant.web.user}
    return Reread(plant, waiting, policies(plant, file.parent, now_ms=now_ms), passwords)


def _in_force(fresh: PlantFile, running: PlantFile) -> tuple[PlantFile, tuple[str, ...]]:
    """Return the fresh file with what is bound at the start as it runs, and which keys that held back."""
    waiting = [f"plant.{key}" for key in ("id", "timezone", "data_dir") if getattr(fresh.plant, key) != getattr(running.plant, key)]
    waiting += [key for key in ("broker", "store") if getattr(fresh, key) != getattr(running, key)]
    waiting += ["web.listen"] if fresh.web.listen != running.web.listen else []
    bound = {key: getattr(running.plant, key) for key in ("id", "timezone", "data_dir")}
    plant, web = fresh.plant.model_copy(update=bound), fresh.web.model_copy(update={"listen": running.web.listen})
    return fresh.model_copy(update={"plant": plant, "web": web, "broker": running.broker, "store": running.store}), tuple(waiting)


async def apply(pipeline: Pipeline, view: PlantView, fresh: Reread) -> int:
    """Let the plant follow the file, between two cycles; returns how many rows of newly listed meters were released.

    Raises WireError before anything was changed when the kept state of a meter that comes back is damaged.
    """
    before = dict(pipeline.intake.owners)
    owners = fresh.owners()
    kept = await pipeline.keeping.until_done(pipeline.state.load)
    pipeline.judge.follow(fresh.policies, alert_context(fresh.plant, fresh.policies), kept.parts)
    pipeline.intake = Intake(owners, pipeline.intake.delivery)
    pipeline.board.follow(frozenset(owners))
    for key, payload in kept.notes.items():
        if key.startswith("hello:"):
            _hello(pipeline, payload)
    view.follow(fresh.plant, fresh.policies)
    for word in ("meters", "edges", "alerts"):
        pipeline.board.changed(word)
    moved = [meter for meter, edge in owners.items() if meter not in before or before[meter] != edge]
    outcome = await quarantine.release(pipeline, Choice(moved, ("unknown_meter", "wrong_edge")))
    _tell_waiting(pipeline, fresh.waiting)
    gone = sorted(before.keys() - owners.keys())
    log.info("plant file read again: %d meters, new or moved: %s, gone: %s; %d rows released", len(owners), moved, gone, outcome.done)
    return outcome.done


def refused(pipeline: Pipeline, error: DriftwattError) -> None:
    """Show in the status that the file is wrong and that nothing was changed."""
    log.warning("the plant file is wrong, nothing was changed: %s", error)
    now_ms = pipeline.clock.now_ms()
    pipeline.standing["config_invalid"] = Alarm(now_ms, now_ms, f"nothing was changed: {error}"[:2000])


def _tell_waiting(pipeline: Pipeline, keys: tuple[str, ...]) -> None:
    pipeline.standing.pop("config_invalid", None)
    pipeline.standing.pop("restart_needed", None)
    if keys:
        now_ms = pipeline.clock.now_ms()
        pipeline.standing["restart_needed"] = Alarm(now_ms, now_ms, f"changed in the file, in force after a restart: {', '.join(keys)}")


def _hello(pipeline: Pipeline, payload: str) -> None:
    try:
        hello = from_bytes(Hello, payload.encode())
    except WireError as error:
        log.info("a hello of an earlier version is not used: %s", error)
        return
    pipeline.judge.on_hello(hello)
    pipeline.board.on_hello(hello)
