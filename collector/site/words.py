"""How the site tools say what they found: short lines for a phone on a ladder, and objects for scripts."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from collector.pure.plausible import Meaning, believable
from collector.site.asking import Answers, advice, place
from collector.site.scanning import Found, Match
from collector.site.watching import Line, Watched
from config.profiles import WIDTHS, Profile, Register
from driftwatt.quantities import QUANTITIES
from driftwatt.readings import Quality

_WIDEST_TEXT = 32
_PHONE = 68
"""Characters on a line of a phone held upright."""
_ONE_VALUE = 4
_ABSURD, _TINY = 1e8, 1e-6
"""Beyond these a value is shown as powers of ten: it is rather a wrong type or order than nothing."""


def found_line(found: Found) -> str:
    """Return what is said when a scan has found a unit."""
    match = found.best
    if match is None:
        unknown = "answers, but no profile fits\n          it may be slow: --timeout 1"
        why = f"strange answers ({found.strange})" if found.strange else unknown
        return f"unit {found.unit:<3}  {why}"
    sure = "sure" if match.sure else f"likely, {match.score:.0%} plausible"
    lines = [f"unit {found.unit:<3}  {match.profile}  {sure}", f"          {evidence(match)}"]
    if match.swapped:
        lines.append(f"          {match.swapped} are SWAPPED: set the order in the meter")
    if not match.sure and len(found.matches) > 1:
        lines.append("          or: " + ", ".join(other.profile for other in found.matches[1:4]))
    return "\n".join(lines)


def evidence(match: Match) -> str:
    """Return what a model was recognised by."""
    said = [f"code {' '.join(f'0x{word:04X}' for word in match.code)}"] if match.code else []
    values = match.values or {}
    said += [f"{values[name]:.1f} V" for name in ("voltage_l1",) if name in values]
    said += [f"{values[name]:.2f} Hz" for name in ("frequency",) if name in values]
    said += [f"{values[name] / 1000:.2f} kW" for name in ("active_power",) if name in values]
    return ", ".join(said)


def blocks(url: str, found: Iterable[Found]) -> str:
    """Return the `[[bus]]` with a `[[bus.meter]]` per unit, ready for edge.toml; what cannot be used yet is a comment."""
    lines = ["[[bus]]", 'id = "line-1"', f'url = "{url}"']
    for one in found:
        match = one.best
        lines += ["", f"# unit {one.unit}: {evidence(match) if match else 'no profile fits; driftwatt dump records it'}"]
        if match is not None and match.swapped:
            lines.append(f"# its {match.swapped} are swapped: set the order in the meter, or copy the profile and change `order`")
        mark = "" if match else "# "
        profile = match.profile if match else "?"
        block = ["[[bus.meter]]", f'id = "meter-{one.unit}"', f"unit = {one.unit}", f'profile = "{profile}"', 'every = "10s"']
        block += [f"base = {match.base}"] if match is not None and match.base is not None else []
        lines += [mark + text for text in block]
    return "\n".join(lines) + "\n"


def edge_file(edge: str, broker: str, url: str, found: Sequence[Found]) -> str:
    """Return a whole edge.toml for what a scan found."""
    return f'[edge]\nid = "{edge}"\n\n[broker]\nurl = "{broker}"\n\n{blocks(url, found)}'


def found_object(found: Found) -> dict[str, Any]:
    """Return one unit for scripts."""
    matches = [
        {key: value for key, value in asdict(match).items() if key != "values"} | {"values": match.values} for match in found.matches
    ]
    return {"unit": found.unit, "profile": found.best.profile if found.best else None, "strange": found.strange or None, "matches": matches}


def reading_lines(answers: Answers, profile: Profile, *, wide: bool = True) -> list[str]:
    """Return a line per quantity: value, unit, raw registers and what is to be doubted."""
    lines = []
    for register in profile.registers:
        name = register.quantity
        if name not in answers.raw:
            continue
        raw = " ".join(f"{word:04X}" for word in answers.raw[name])
        value = answers.values.get(name)
        shown = "–" if value is None else _scaled(value, QUANTITIES[name].unit)
        where = f"  {register.kind[0]} 0x{register.address:04X}" if wide else ""
        lines.append(f"{name:<22} {shown:>13}  {raw:<19} {quality(name, answers)}{where}")
    for request, fault in answers.faults:
        lines.append(f"{place(request)}: {fault.reason}\n  {advice(fault)}")
    return lines


def register_object(register: Register, answers: Answers) -> dict[str, Any]:
    """Return one quantity for scripts."""
    name = register.quantity
    return {
        "quantity": name,
        "value": answers.values.get(name),
        "unit": QUANTITIES[name].unit,
        "quality": quality(name, answers),
        "raw": [f"{word:04X}" for word in answers.raw.get(name, ())],
        "kind": register.kind,
        "address": register.address,
    }


def known_lines(profiles: Mapping[str, Profile], start: int, count: int) -> list[str]:
    """Return which quantities the known models keep at these addresses."""
    return [
        f"0x{each.address:04X} in {name}: {each.quantity}, {each.kind} {each.type} {each.order}"
        for name, profile in profiles.items()
        for each in profile.registers
        if start <= each.address < start + count
    ]


def quality(name: str, answers: Answers) -> str:
    """Return the quality word of one quantity; a value that no plant has is `absurd`."""
    if name not in answers.values:
        return str(Quality(answers.doubt.get(name, 0)).name or "missing").lower()
    return "good" if believable(name, answers.values[name]) else "ABSURD"


def meaning_lines(meanings: Sequence[Meaning], *, count: int, everything: bool) -> list[str]:
    """Return a line per meaning of a block of `count` registers; the plausible ones are marked with a star.

    Of up to four registers all meanings as one value are shown, of the rest the plausible ones; or everything.
    """
    lines = []
    for one in meanings:
        whole = WIDTHS.get(one.type, count) == count and count <= _ONE_VALUE
        if everything or (whole if count <= _ONE_VALUE else one.guess):
            value = f"{one.value:.7g}" if isinstance(one.value, float) else str(one.value)[:_WIDEST_TEXT]
            lines.append(f"{'*' if one.guess else ' '} 0x{one.address:04X}  {one.type:<9} {one.order}  {value:<14} {one.guess}".rstrip())
    return lines


def line_lines(line: Line) -> list[str]:
    """Return what `check --live` says of one bus."""
    lines = [f"{line.bus.id}  {line.bus.url}"]
    if line.problem:
        head, *more = line.problem.splitlines()
        return [*lines, *_folded(head, "  BAD   "), *(told for text in more for told in _folded(text.strip(), "        → "))]
    for watched in line.meters:
        lines += _meter_lines(watched)
    return lines


def line_object(line: Line) -> dict[str, Any]:
    """Return one bus for scripts."""
    meters = [
        {
            "meter": each.meter.id,
            "unit": each.meter.unit,
            "profile": each.meter.profile,
            "ok": not each.failed,
            "verdicts": [asdict(verdict) for verdict in each.verdicts],
            "values": dict(each.snapshots[-1].values) if each.snapshots else {},
        }
        for each in line.meters
    ]
    return {"bus": line.bus.id, "url": line.bus.url, "ok": not line.failed, "problem": line.problem or None, "meters": meters}


def _meter_lines(watched: Watched) -> list[str]:
    levels = [verdict.level for verdict in watched.verdicts]
    head = "BAD " if "fail" in levels else "warn" if "warn" in levels else "ok  "
    lines = [f"  {head}  {watched.meter.id}  unit {watched.meter.unit}  {_summary(watched)}".rstrip()]
    for verdict in watched.verdicts:
        lines += _folded(f"{'note: ' if verdict.level == 'note' else ''}{verdict.text}", "        ")
        lines += _folded(verdict.todo, "        → ") if verdict.todo else []
    return lines


def _folded(text: str, head: str) -> list[str]:
    """Return lines that fit on a phone."""
    return textwrap.wrap(
        text, _PHONE, initial_indent=head, subsequent_indent=" " * len(head), break_long_words=False, break_on_hyphens=False
    )


def _summary(watched: Watched) -> str:
    values: Mapping[str, float] = watched.snapshots[-1].values if watched.snapshots and not watched.failed else {}
    said = [f"{values['voltage_l1']:.0f} V"] if "voltage_l1" in values else []
    said += [f"{values['active_power'] / 1000:.2f} kW"] if "active_power" in values else []
    return ", ".join(said)


def _scaled(value: float, unit: str) -> str:
    if abs(value) >= _ABSURD * (1000 if unit.endswith("h") else 1) or 0 < abs(value) < _TINY:
        return f"{value:.3g} {unit if unit != '1' else ''}".rstrip()
    if unit in ("Wh", "varh", "VAh") and abs(value) >= 1000:
        return f"{value / 1000:,.2f} k{unit}"
    digits = 3 if unit in ("1", "A", "Hz") else 1
    return f"{value:,.{digits}f} {unit if unit != '1' else ''}".rstrip()
