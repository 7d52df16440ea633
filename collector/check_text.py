"""How `driftwatt check` says what it found: for people, and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from collector.checking import Finding
from collector.pure.blocks import Block
from collector.pure.budget import BusCost, EdgeCost, MeterCost
from config.edge import EdgeFile


def as_text(finding: Finding, *, brief: bool = False) -> str:
    """Return the lines for people, without requests and sizes when `brief`. Errors come alone: they are all there is to mend."""
    if finding.errors:
        return "\n".join(str(error) for error in finding.errors)
    head = f"{finding.file}: {finding.kind} file is " + ("right" if not finding.impossible else "right, but cannot work")
    lines = [head]
    if finding.cost is not None and not brief:
        lines += _cost(finding.cost, finding.content)
    lines += [f"impossible: {text}" for text in finding.impossible]
    lines += [f"warning: {text}" for text in finding.warnings]
    lines += [f"note: {text}" for text in finding.notes if not brief]
    return "\n".join(lines)


def as_json(finding: Finding) -> str:
    """Return one JSON object."""
    out: dict[str, Any] = {"file": finding.file, "kind": finding.kind, "ok": finding.exit_code == 0}
    out["errors"] = [asdict(error) for error in finding.errors]
    out["impossible"], out["warnings"], out["notes"] = finding.impossible, finding.warnings, finding.notes
    if finding.cost is not None:
        out["buses"] = [_bus_object(bus) for bus in finding.cost.buses]
        out["outbox"] = {key: round(value, 3) for key, value in asdict(finding.cost.outbox).items()}
    return json.dumps(out, ensure_ascii=False)


def _cost(cost: EdgeCost, edge: EdgeFile) -> list[str]:
    lines = []
    for bus in cost.buses:
        speed = f"{bus.baud} baud" if bus.baud else "network"
        lines.append("")
        lines.append(f"bus {bus.bus.id}  {bus.bus.url}  ({speed})")
        lines.append(f"  {bus.cycle_s:.3f} s per cycle of everything, {bus.share:.1%} of the time")
        for meter in bus.meters:
            lines += _meter(meter)
    box = cost.outbox
    room = f"max_bytes = {_bytes(box.max_bytes)} holds {_hours(box.hours)}"
    lines += [
        "",
        f"outbox  {box.rows_per_s:.2f} readings/s, {box.bytes_per_s:,.0f} bytes/s",
        f"  {edge.outbox.keep / 3600:g} h of outage need {_bytes(box.need_bytes)}; {room}",
        f"  flash: about {_bytes(box.flash_bytes_per_day)} written per day at commit_every = {edge.outbox.commit_every:g} s",
        "",
    ]
    return lines


def _meter(cost: MeterCost) -> list[str]:
    meter, planned = cost.meter, cost.plan
    lines = [f"  {meter.id}  unit {meter.unit}, {meter.profile} ({cost.profile.verification})"]
    lines += [f"    every {planned.every_s:g} s: {_request(block)}" for block in planned.fast]
    if planned.full != planned.fast:
        lines += [f"    every {planned.slow_every_s:g} s instead: {_request(block)}" for block in planned.full]
    return lines


def _request(block: Block) -> str:
    request = block.request
    names = ", ".join(_folded(list(block.decoder.quantities)))
    function = "FC 4" if request.kind == "input" else "FC 3"
    return f"{function} 0x{request.address:04X}…0x{request.address + request.count - 1:04X} ({request.count} registers): {names}"


def _folded(names: list[str]) -> list[str]:
    """Write the three phases of one quantity as one word."""
    out = []
    for name in names:
        phases = [f"{name[:-1]}{phase}" for phase in (1, 2, 3)]
        if name in phases and set(phases) <= set(names):
            out += [f"{name}…l3"] if name == phases[0] else []
        else:
            out.append(name)
    return out


def _bus_object(cost: BusCost) -> dict[str, Any]:
    return {
        "id": cost.bus.id,
        "url": cost.bus.url,
        "baud": cost.baud,
        "cycle_s": round(cost.cycle_s, 4),
        "share": round(cost.share, 4),
        "meters": [_meter_object(meter) for meter in cost.meters],
    }


def _meter_object(cost: MeterCost) -> dict[str, Any]:
    return {
        "id": cost.meter.id,
        "unit": cost.meter.unit,
        "profile": cost.meter.profile,
        "verification": cost.profile.verification,
        "unconfirmed": list(cost.unconfirmed),
        "share": round(cost.share, 4),
        "every_s": cost.plan.every_s,
        "requests": [_request_object(block) for block in cost.plan.fast],
        "full_every_s": cost.plan.slow_every_s,
        "full_requests": [_request_object(block) for block in cost.plan.full],
    }


def _request_object(block: Block) -> dict[str, Any]:
    request = block.request
    return {"kind": request.kind, "address": request.address, "count": request.count, "quantities": list(block.decoder.quantities)}


def _bytes(count: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.2f} {unit}"
    return f"{count:.0f} bytes"


def _hours(hours: float) -> str:
    return f"{hours:.1f} h" if hours < 1000 else f"{hours / 24:,.0f} days"
