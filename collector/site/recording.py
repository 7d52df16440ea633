"""Recordings: what one meter answered, register for register. They serve as golden frames and make `simulate` answer alike."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from collector.ports import BusFault, RegisterKind, Request
from collector.site.asking import NOBODY, Answers, Asker, place
from config.profiles import Profile
from driftwatt.clock import Clock, rfc3339
from driftwatt.errors import ConfigError, Refused

FORMAT = 1
_CHUNK = 16
_SWEEP: tuple[tuple[RegisterKind, int, int], ...] = (("input", 0x0000, 0x007F), ("holding", 0x0000, 0x007F))
_MOST = 2000
"""Registers that one `--also` may ask for: a minute on a slow line."""


def ranges(texts: Sequence[str]) -> tuple[tuple[RegisterKind, int, int], ...]:
    """Return (kind, first, last) of texts such as `input:0x0000-0x0040`. Raises ConfigError."""
    out: list[tuple[RegisterKind, int, int]] = []
    for text in texts:
        kind, _, span = text.partition(":")
        first, _, last = span.partition("-")
        try:
            low, high = int(first, 0), int(last or first, 0)
        except ValueError:
            low, high = 1, 0
        if kind not in ("input", "holding") or not 0 <= low <= high <= 0xFFFF or high - low >= _MOST:
            raise ConfigError("--also is not understood", found=repr(text), allowed=f"input:0x0000-0x0040, at most {_MOST} registers")
        out.append(("input" if kind == "input" else "holding", low, high))
    return tuple(out)


async def record(
    asker: Asker, unit: int, known: tuple[str, Profile] | None, also: Sequence[tuple[RegisterKind, int, int]], *, clock: Clock
) -> dict[str, Any]:
    """Return a recording of one unit: all registers of its profile, its model code, and raw ranges (a usual sweep when no profile fits).

    Raises Refused when the unit says nothing.
    """
    out: dict[str, Any] = {"driftwatt_recording": FORMAT, "unit": unit, "taken": rfc3339(clock.now_ms()), "profile": known and known[0]}
    frames: list[dict[str, Any]] = []
    refused: list[dict[str, Any]] = []
    if known is not None:
        answers = await asker.read(known[1], unit, known[1].registers)
        frames += [_frame(planned.request, raw, _expect(answers, planned.registers)) for planned, raw in answers.blocks]
        refused += [_refusal(request, fault) for request, fault in answers.faults]
        how = known[1].identify
        if how.kind is not None and how.address is not None:
            await _raw(asker, Request(unit, how.kind, how.address, 1), frames, refused)
    forbidden = known[1].limits.forbidden if known else ()
    for kind, first, last in also or (() if known else _SWEEP):
        for start in range(first, last + 1, _CHUNK):
            count = min(_CHUNK, last + 1 - start)
            if any(low < start + count and start <= high for low, high in forbidden):
                continue  # a profile's word is kept, also here
            await _raw(asker, Request(unit, kind, start, count), frames, refused)
    if not frames:
        reasons = {one["reason"] for one in refused}
        if not reasons or reasons <= set(NOBODY):
            raise Refused(f"unit {unit} on {asker.url} says nothing ({', '.join(sorted(reasons))}): driftwatt scan shows who answers")
    return {**out, "frames": frames, "refused": refused}


def written(recording: Mapping[str, Any]) -> str:
    """Return a recording as text, one frame per line, so that it can be read and compared."""
    lines = [
        f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}," for key, value in recording.items() if not isinstance(value, list)
    ]
    for name in ("frames", "refused"):
        inner = ",\n".join(f"    {json.dumps(frame, ensure_ascii=False)}" for frame in recording[name])
        lines.append(f'  "{name}": [' + (f"\n{inner}\n  ]" if inner else "]") + ("," if name == "frames" else ""))
    return "{\n" + "\n".join(lines) + "\n}\n"


def load(path: Path) -> dict[str, Any]:
    """Return the recording in a file. Raises ConfigError when it is none."""
    try:
        recording = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError("recording cannot be read", file=str(path), found=error.strerror or str(error)) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError("is not JSON", file=str(path), found=str(error), allowed="what driftwatt dump wrote") from error
    if not isinstance(recording, dict) or recording.get("driftwatt_recording") != FORMAT:
        raise ConfigError("is no recording", file=str(path), allowed=f'"driftwatt_recording": {FORMAT}, as driftwatt dump writes it')
    try:
        for frame in recording["frames"]:
            request, raw = frame["request"], frame["registers"]
            if (
                request["count"] != len(raw)
                or request["kind"] not in ("input", "holding")
                or not all(0 <= int(each, 16) < 65536 for each in raw)
            ):
                raise ValueError(frame)
        unit = int(recording["unit"])
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError("recording has a broken frame", file=str(path), found=str(error)[:200]) from error
    return {**recording, "unit": unit}


def _expect(answers: Answers, registers: Sequence[Any]) -> dict[str, float | None]:
    return {each.quantity: answers.values.get(each.quantity) for each in registers if each.type != "text"}


async def _raw(asker: Asker, request: Request, frames: list[dict[str, Any]], refused: list[dict[str, Any]]) -> None:
    try:
        frames.append(_frame(request, await asker.ask(request), {}))
    except BusFault as fault:
        refused.append(_refusal(request, fault))


def _frame(request: Request, raw: Sequence[int], expect: Mapping[str, float | None]) -> dict[str, Any]:
    return {"note": place(request), "request": _request(request), "registers": [f"{word:04X}" for word in raw], "expect": dict(expect)}


def _refusal(request: Request, fault: BusFault) -> dict[str, Any]:
    return {"request": _request(request), "reason": fault.reason}


def _request(request: Request) -> dict[str, Any]:
    return {"unit": request.unit, "kind": request.kind, "address": request.address, "count": request.count}
