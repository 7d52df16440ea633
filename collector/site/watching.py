"""Watches the meters of an edge file for some seconds and judges each: what `driftwatt check --live` does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from collector.pure.orders import ANCHORS, anchored, other_orders
from collector.pure.plan import wanted
from collector.pure.verdicts import Snapshot, Verdict, judge_faults, judge_meter, judge_order
from collector.site.asking import Answers, Asker, OpenBus, advice, place, reread
from collector.site.scanning import expected, identify, model_code
from config.edge import Bus, Meter
from config.profiles import Profile, placed
from driftwatt.clock import Clock
from driftwatt.errors import Unavailable

LEAST_ROUNDS = 3
ROUND_S = 1.0
FINAL = ("silent", "wrong_profile", "word_order", "no_voltage")
"""Findings after which nothing else that the meter says can be judged."""


@dataclass
class Watched:
    """One meter, what it said and what is to be said about it. `whole` is all it has, read once; `snapshots` what is polled."""

    meter: Meter
    profile: Profile
    snapshots: list[Snapshot] = field(default_factory=list)
    whole: Mapping[str, float] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """True when something has to be mended."""
        return any(verdict.level == "fail" for verdict in self.verdicts)


@dataclass
class Line:
    """One bus: why it could not be opened, or its meters."""

    bus: Bus
    meters: list[Watched] = field(default_factory=list)
    problem: str = ""

    @property
    def failed(self) -> bool:
        """True when something has to be mended."""
        return bool(self.problem) or any(meter.failed for meter in self.meters)


class Watch:
    """Judges buses. `profiles` are those of the file by name, `catalogue` all that a meter may turn out to be."""

    def __init__(self, profiles: Mapping[str, Profile], catalogue: Mapping[str, Profile], *, open_bus: OpenBus, clock: Clock) -> None:
        self._profiles, self._catalogue, self._open_bus, self._clock = profiles, catalogue, open_bus, clock

    async def line(self, bus: Bus, seconds: float, progress: Callable[[], None]) -> Line:
        """Return the judgement of one bus after asking its meters for `seconds`, three times at least."""
        line = Line(bus, [Watched(meter, placed(self._profiles[meter.profile], meter.base)) for meter in bus.meter])
        asker = Asker(bus.url, self._open_bus, timeout_s=bus.timeout, gap_s=bus.gap or 0.0)
        try:
            await asker.connect()
            await self._rounds(asker, line.meters, seconds, progress)
            for watched in line.meters:
                await self._conclude(asker, watched)
        except Unavailable as error:
            line.problem = str(error)
        finally:
            await asker.close()
        return line

    async def _rounds(self, asker: Asker, meters: Sequence[Watched], seconds: float, progress: Callable[[], None]) -> None:
        begin = due = self._clock.monotonic_s()
        rounds = 0
        going = list(meters)
        while going and (rounds < LEAST_ROUNDS or self._clock.monotonic_s() - begin < seconds):
            if rounds:
                due += ROUND_S
                await self._clock.sleep_until(due)
            for watched in list(going):
                answers = await self._read(asker, watched)
                if rounds == 0:
                    watched.verdicts += await self._first(asker, watched, answers)
                    if any(verdict.code in FINAL for verdict in watched.verdicts):
                        going.remove(watched)
                progress()
            rounds += 1

    async def _read(self, asker: Asker, watched: Watched) -> Answers:
        at_s = self._clock.monotonic_s()
        answers = await asker.read(watched.profile, watched.meter.unit, wanted(watched.profile, watched.meter.only))
        if answers.values:
            watched.snapshots.append(Snapshot((at_s + self._clock.monotonic_s()) / 2, answers.values))
        return answers

    async def _first(self, asker: Asker, watched: Watched, answers: Answers) -> list[Verdict]:
        """Return what the first round gives away: silence, another model, another order, registers that are not there."""
        unit, profile = watched.meter.unit, watched.profile
        if answers.silent:
            fault = answers.faults[0][1]
            return [Verdict("fail", "silent", f"unit {unit} does not answer ({fault.reason})", advice(fault))]
        code = await model_code(asker, unit, profile)
        other = bool(code) and code != expected(profile.identify)
        everything = await asker.read(profile, unit, profile.registers)
        watched.whole = everything.values
        if not other:
            swapped = judge_order(profile, everything.values, {what: reread(everything.blocks, to) for what, to in other_orders(profile)})
            if swapped is not None:
                return [swapped]
            known = [everything.values[name] for name in ANCHORS if name in everything.values]
            if known and not any(known):
                return [Verdict("fail", "no_voltage", "no voltage on any phase", "voltage inputs of the meter: fuses, N")]
        expects = any(register.quantity in ANCHORS for register in profile.registers)
        if other or (expects and not anchored(profile, everything.values)):
            return [await self._another(asker, watched, code if other else ())]
        return [
            Verdict("fail", "not_there", f"{place(request)}: {fault.reason}", advice(fault))
            for request, fault in answers.faults
            if fault.reason.startswith("exception")
        ]

    async def _another(self, asker: Asker, watched: Watched, code: tuple[int, ...]) -> Verdict:
        others = {name: profile for name, profile in self._catalogue.items() if name != watched.meter.profile or profile.sunspec}
        matches = await identify(asker, watched.meter.unit, others)
        shown = " ".join(f"0x{word:04X}" for word in code)
        text = f"wrong profile: model code {shown}" if code else "wrong profile: its voltages are absurd"
        if matches:
            text = f"wrong profile: it answers as {matches[0].profile}" + (f" (code {shown})" if code else "")
            base = f", base = {matches[0].base}" if matches[0].base is not None else ""
            return Verdict("fail", "wrong_profile", text, f'profile = "{matches[0].profile}"{base}')
        return Verdict("fail", "wrong_profile", text, "no profile fits: driftwatt dump, and write one from the maker's list")

    async def _conclude(self, asker: Asker, watched: Watched) -> None:
        if not any(verdict.code in FINAL for verdict in watched.verdicts):
            watched.verdicts += judge_meter(watched.profile, watched.snapshots, watched.whole)
        strange = judge_faults(watched.meter.unit, asker.strange, asker.asked)
        if strange is not None:
            watched.verdicts.append(strange)
