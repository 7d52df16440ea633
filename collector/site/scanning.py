"""Which meters answer on a bus, and which models they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from collector.ports import BusFault, Request
from collector.pure.orders import ANCHORS, anchored, other_orders
from collector.pure.plan import wanted
from collector.pure.plausible import believable
from collector.site.asking import NOBODY, Answers, Asker, reread
from config.profiles import Identify, Profile
from driftwatt.errors import ConfigError

LAST_UNIT = 247


@dataclass(frozen=True, slots=True)
class Match:
    """How well a profile fits one unit. `code` is the model code read, where the profile has one; `swapped` what is turned round."""

    profile: str
    sure: bool
    score: float
    code: tuple[int, ...] = ()
    swapped: str = ""
    values: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A unit that answers, with the profiles that fit it, best first."""

    unit: int
    matches: tuple[Match, ...]
    strange: str = ""

    @property
    def best(self) -> Match | None:
        """The profile to take, or None when nothing fits."""
        return self.matches[0] if self.matches else None


def units(text: str) -> tuple[int, ...]:
    """Return the unit ids in a list such as `1-20,30`. Raises ConfigError."""
    out: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        last = last if dash else first
        if not first.isdecimal() or not last.isdecimal():
            raise ConfigError("units are not understood", found=repr(part), allowed="1-247, or a list such as 1-20,30")
        out |= set(range(int(first), int(last) + 1))
    if not out or min(out) < 1 or max(out) > LAST_UNIT:
        raise ConfigError("units are out of range", found=repr(text), allowed="1-247")
    return tuple(sorted(out))


async def present(asker: Asker, unit: int, *, twice: bool = False) -> BusFault | bool:
    """Return whether a unit answers; a refusal is an answer. A strange answer is returned as its fault: something is there."""
    for kind in ("input", "holding") if twice else ("input",):
        try:
            await asker.ask(Request(unit, "input" if kind == "input" else "holding", 0, 2))
        except BusFault as fault:
            if fault.reason in ("mismatch", "frame", "crc"):
                return fault
            if fault.reason == "link":
                raise
            if fault.reason not in NOBODY:
                return True
        else:
            return True
    return False


async def identify(asker: Asker, unit: int, profiles: Mapping[str, Profile]) -> tuple[Match, ...]:
    """Return the profiles that fit a unit, best first. Each model code is read once, whatever number of profiles ask for it."""
    codes: dict[tuple[str, int, int], tuple[int, ...] | None] = {}
    matches = []
    for name, profile in profiles.items():
        code = await _code(asker, unit, profile.identify, codes)
        if code and code != expected(profile.identify):
            continue
        match = await _try(asker, unit, name, profile, code)
        if match is not None:
            matches.append(match)
    matches.sort(key=lambda match: (not match.sure, bool(match.swapped), not match.code, -match.score, match.profile))
    if matches and matches[0].sure:
        matches = [match for match in matches if match.sure]
    return tuple(matches)


async def scan(
    asker: Asker, wished: Sequence[int], profiles: Mapping[str, Profile], *, twice: bool, progress: Callable[[int, int, int], None]
) -> list[Found]:
    """Return the units that answer. `progress(done, all, found)` is called after each."""
    found = []
    for done, unit in enumerate(wished, start=1):
        there = await present(asker, unit, twice=twice)
        if there:
            strange = str(there) if isinstance(there, BusFault) else ""
            found.append(Found(unit, await identify(asker, unit, profiles), strange))
        progress(done, len(wished), len(found))
    return found


def expected(how: Identify) -> tuple[int, ...]:
    """Return the registers that prove a model; none where there is no such proof."""
    return (how.expect,) if isinstance(how.expect, int) else how.expect or ()


async def _code(asker: Asker, unit: int, how: Identify, codes: dict[tuple[str, int, int], tuple[int, ...] | None]) -> tuple[int, ...]:
    """Return the model code that a unit gives for a profile, empty when it has none or does not answer there."""
    if how.kind is None or how.address is None:
        return ()
    key = (how.kind, how.address, len(expected(how)))
    if key not in codes:
        try:
            codes[key] = await asker.ask(Request(unit, how.kind, how.address, key[2]))
        except BusFault:
            codes[key] = None
    return codes[key] or ()


async def _try(asker: Asker, unit: int, name: str, profile: Profile, code: tuple[int, ...]) -> Match | None:
    """Return how a profile fits, by voltages and frequency first and then by all standard registers; None when it does not."""
    anchors = tuple(each for each in profile.registers if each.quantity in ANCHORS or each.quantity in profile.identify.windows)
    answers = await asker.read(profile, unit, anchors, split=False)
    swapped = _order(profile, answers)
    if swapped is None:
        return Match(name, sure=False, score=0.0, code=code, values=answers.values) if code else None
    rest = await asker.read(profile, unit, wanted(profile, None))
    turned = dict(other_orders(profile)).get(swapped, profile)
    values = reread(rest.blocks, turned)
    asked = sum(len(planned.registers) for planned, _ in rest.blocks) + sum(request.count / 2 for request, _ in rest.faults)
    score = sum(believable(quantity, value) for quantity, value in values.items()) / max(1.0, asked)
    if score < 0.5 and not code:
        return None
    return Match(name, sure=bool(code) and not swapped, score=score, code=code, swapped=swapped, values=values)


def _order(profile: Profile, answers: Answers) -> str | None:
    """Return what is swapped (empty: nothing), or None when the voltages are absurd under every order."""
    if anchored(profile, answers.values):
        return ""
    fitting = [what for what, turned in other_orders(profile) if anchored(profile, reread(answers.blocks, turned))]
    return fitting[0] if len(fitting) == 1 else None
