"""What a changed `edge.toml` means for an edge that runs: which buses begin, end or stay, and what waits for a restart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from config.edge import Bus, EdgeFile
from config.profiles import Profile


@dataclass(frozen=True, slots=True)
class Setup:
    """An edge file that is right, with the profiles that it names and a hash of each, by name."""

    edge: EdgeFile
    profiles: Mapping[str, Profile]
    hashes: Mapping[str, str]

    def reads(self, bus: Bus) -> tuple[Bus, tuple[str, ...]]:
        """Return all that decides how a bus is read; two buses for which this is equal are the same bus."""
        return bus, tuple(self.hashes[meter.profile] for meter in bus.meter)


@dataclass(frozen=True, slots=True)
class Changes:
    """Ids of buses: those to end, those to begin. One that changed stands in both."""

    end: tuple[str, ...]
    begin: tuple[str, ...]


def changes(running: Setup, fresh: Setup) -> Changes:
    """Return which buses differ between two setups; a bus that is read as before stands in neither list."""
    before = {bus.id: running.reads(bus) for bus in running.edge.bus}
    after = {bus.id: fresh.reads(bus) for bus in fresh.edge.bus}
    return Changes(
        end=tuple(name for name, read in before.items() if after.get(name) != read),
        begin=tuple(name for name, read in after.items() if before.get(name) != read),
    )


def in_force(fresh: EdgeFile, running: EdgeFile) -> tuple[EdgeFile, tuple[str, ...]]:
    """Return the fresh file with what is bound at the start as it runs, and the keys that this held back.

    Identity, folder, clock, broker and the sizes of the outbox are bound. `outbox.keep` is advice to `check` and
    may change at any time.
    """
    held = [f"edge.{key}" for key in ("id", "data_dir", "clock") if getattr(fresh.edge, key) != getattr(running.edge, key)]
    held += ["broker"] if fresh.broker != running.broker else []
    bound = ("max_bytes", "when_full", "tail", "commit_every")
    held += [f"outbox.{key}" for key in bound if getattr(fresh.outbox, key) != getattr(running.outbox, key)]
    edge = running.edge.model_copy(update={"profile_dirs": fresh.edge.profile_dirs})
    outbox = running.outbox.model_copy(update={"keep": fresh.outbox.keep})
    return fresh.model_copy(update={"edge": edge, "broker": running.broker, "outbox": outbox}), tuple(held)
