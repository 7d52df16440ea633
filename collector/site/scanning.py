"""Which meters answer on a bus, and which models they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from collector.ports import BusFault, Request
from collector.pure.orders import ANCHORS, anchored, other_orders
from collector.pure.plan import wanted
from collector.pure.plausible import believable
from collector.site import sunspec
from collector.site.asking import NOBODY, Answers, Asker, reread
from config.profiles import Identify, Profile, placed
from driftwatt.errors import ConfigError

LAST_UNIT = 247
_LEAST_SCORE = 0.5


@dataclass(frozen=True, slots=True)
class Match:
    """How well a profile fits one unit. `code` is the model code read, where the profile has one.

    `score` is the share of its standard registers that say something believable, `said` how many of them are not 0. `swapped`
    is what is turned round, `base` where a SunSpec model stands if not where it usually does.
    """

    profile: str
    sure: bool
    score: float
    code: tuple[int, ...] = ()
    swapped: str = ""
    said: int = 0
    base: int | None = None
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
    codes: dict[tuple[str | None, int | None, int], tuple[int, ...]] = {}
    matches = []
    bases = await sunspec.models(asker, unit) if any(profile.sunspec for profile in profiles.values()) else {}
    for name, written in profiles.items():
        base = bases.get(written.sunspec.model) if written.sunspec else None
        if written.sunspec and base is None:
            continue
        profile = placed(written, base)
        key = (profile.identify.kind, profile.identify.address, len(expected(profile.identify)))
        if key not in codes:
            codes[key] = await model_code(asker, unit, profile)
        code = codes[key]
        if code and code != expected(profile.identify):
            continue
        match = await _try(asker, unit, name, profile, code)
        if match is not None:
            matches.append(replace(match, base=base if profile is not written else None))
    matches.sort(key=_order_of)
    if matches and matches[0].sure:
        return tuple(match for match in matches if match.sure)
    tied = [match for match in matches if _order_of(match)[:-1] == _order_of(matches[0])[:-1]]
    if len(tied) > 1:  # models of one family differ only in what few people read
        everything = [await _all_of(asker, unit, match, profiles[match.profile]) for match in tied]
        matches = [*sorted(everything, key=_order_of), *matches[len(tied) :]]
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


async def model_code(asker: Asker, unit: int, profile: Profile) -> tuple[int, ...]:
    """Return what a unit has in the registers that prove a profile's model; empty when there is no such proof or no answer."""
    how, wanted_words = profile.identify, len(expected(profile.identify))
    if how.kind is None or how.address is None:
        return ()
    for count in dict.fromkeys((wanted_words, max(wanted_words, profile.limits.count_step))):  # some refuse odd counts here too
        try:
            return (await asker.ask(Request(unit, how.kind, how.address, count), gap_s=profile.limits.gap))[:wanted_words]
        except BusFault as fault:
            if fault.reason != "exception_3":
                break
    return ()


async def _try(asker: Asker, unit: int, name: str, profile: Profile, code: tuple[int, ...]) -> Match | None:
    """Return how a profile fits, by voltages and frequency first and then by all standard registers; None when it does not."""
    anchors = tuple(each for each in profile.registers if each.quantity in ANCHORS or each.quantity in profile.identify.windows)
    answers = await asker.read(profile, unit, anchors, split=False)
    swapped = _order(profile, answers)
    if swapped is None:
        return Match(name, sure=False, score=0.0, code=code, values=answers.values) if code else None
    rest = await asker.read(profile, unit, wanted(profile, None))
    score, said, values = _score(rest, dict(other_orders(profile)).get(swapped, profile))
    if score < _LEAST_SCORE and not code:
        return None
    return Match(name, sure=bool(code) and not swapped, score=score, code=code, swapped=swapped, said=said, values=values)


async def _all_of(asker: Asker, unit: int, match: Match, written: Profile) -> Match:
    """Return a match judged by all registers of its profile, not only the standard ones."""
    profile = placed(written, match.base)
    answers = await asker.read(profile, unit, profile.registers)
    score, said, _ = _score(answers, dict(other_orders(profile)).get(match.swapped, profile))
    return replace(match, score=score, said=said)


def _score(answers: Answers, profile: Profile) -> tuple[float, int, Mapping[str, float]]:
    """Return the share of registers that say something believable, how many say more than 0, and what they say."""
    values = reread(answers.blocks, profile)
    asked = sum(len(planned.registers) for planned, _ in answers.blocks) + sum(request.count / 2 for request, _ in answers.faults)
    good = {quantity: value for quantity, value in values.items() if believable(quantity, value)}
    return len(good) / max(1.0, asked), sum(value != 0 for value in good.values()), values


def _order_of(match: Match) -> tuple[bool, bool, bool, float, int, str]:
    return not match.sure, bool(match.swapped), not match.code, -round(match.score, 2), -match.said, match.profile


def _order(profile: Profile, answers: Answers) -> str | None:
    """Return what is swapped (empty: nothing), or None when the voltages are absurd under every order."""
    if anchored(profile, answers.values):
        return ""
    fitting = [what for what, turned in other_orders(profile) if anchored(profile, reread(answers.blocks, turned))]
    return fitting[0] if len(fitting) == 1 else None
