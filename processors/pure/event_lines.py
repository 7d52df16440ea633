"""What a history said, as JSON Lines: one object per line, the same bytes for the same history.

Every line has `type`, `meter` and `at` (UTC with milliseconds, the moment at which it could be known). Numbers keep
six significant digits. The figures are those of the alert that the running plant would show.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from driftwatt.alerts import Range, alert_id
from processors.pure.appraise import AlertContext, appraise
from processors.pure.outputs import Advice, DataFinding, Output, Readiness, SinceLastYear, WasteFinding
from processors.pure.price import TariffBook
from processors.pure.year_on_year import cost_per_month, kwh_per_month

Line = dict[str, Any]


def event_id(finding: WasteFinding | DataFinding) -> str:
    """Return the stable id of an event: a hash of meter, channel (or reason) and beginning."""
    what = finding.channel if isinstance(finding, WasteFinding) else finding.reason
    return alert_id("", finding.meter, what, finding.since_ms)


def iso(t_ms: int) -> str:
    """Return an instant as text.

    >>> iso(1_772_730_000_000)
    '2026-03-05T17:00:00.000Z'
    """
    return datetime.fromtimestamp(t_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{t_ms % 1000:03d}Z"


def rounded(value: float) -> float | int:
    """Return a number with six significant digits, whole ones without a point.

    >>> rounded(123456.789), rounded(0.1 + 0.2), rounded(5.0)
    (123457, 0.3, 5)
    """
    short = float(f"{value:.6g}")
    return int(short) if short == int(short) else short


def text(line: Line) -> str:
    """Return a line as it is written."""
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n"


def line_of(output: Output | SinceLastYear, context: AlertContext) -> Line | None:
    """Return the line of an output, None for what has none. `context` prices waste."""
    if isinstance(output, WasteFinding):
        return _waste(output, context)
    if isinstance(output, DataFinding):
        head = {"type": "data", "event": event_id(output), "state": output.state, "reason": output.reason}
        more = {key: rounded(value) if isinstance(value, float) else value for key, value in output.detail.items()}
        return {**head, "meter": output.meter, "at": iso(output.at_ms), "since": iso(output.since_ms), **({"detail": more} if more else {})}
    if isinstance(output, Readiness):
        return _readiness(output)
    if isinstance(output, SinceLastYear):
        return {"type": "yearly", "meter": output.meter, "at": iso(output.at_ms), **yearly_fields(output, context.tariff)}
    if isinstance(output, Advice):
        head = {"type": "advice", "meter": output.meter, "at": iso(output.at_ms), "since": iso(output.since_ms)}
        return {**head, "actual_kw": rounded(output.actual_kw), "expected_kw": rounded(output.expected_kw)}
    return None


def summary_line(meter: str, at_ms: int, facts: Mapping[str, float]) -> Line:
    """Return the last line of a history."""
    return {"type": "summary", "meter": meter, "at": iso(at_ms), **facts}


def _readiness(told: Readiness) -> Line:
    line: Line = {"type": "readiness", "meter": told.meter, "at": iso(told.at_ms), "state": told.state, "valid_days": told.valid_days}
    line["cv_rmse"] = None if told.cv_rmse is None else rounded(told.cv_rmse)
    line["nmbe"] = None if told.nmbe is None else rounded(told.nmbe)
    return line | ({"missing": told.missing} if told.missing else {})


def yearly_fields(found: SinceLastYear, tariff: TariffBook | None) -> Line:
    """Return the comparison with the first year as plain fields; `from` to `year_to` are local days, both ends included."""
    spans = {"from": found.first, "to": found.last, "year_from": found.year_first, "year_to": found.year_last}
    line: Line = {name: date.fromordinal(ordinal).isoformat() for name, ordinal in spans.items()}
    line |= {"days": found.days, "expected_kw": rounded(found.total.expected_kw)}
    line |= _banded("delta_kw", found.total.kw) | _banded("kwh_per_month", kwh_per_month(found))
    money = cost_per_month(found, tariff)
    if money is not None:
        amount, cost = money
        line["cost_per_month"] = {**_range(amount), "currency": cost.currency, "tariff": ", ".join(cost.versions)}
    parts = [{"channel": each.channel, "expected_kw": rounded(each.expected_kw), **_banded("delta_kw", each.kw)} for each in found.channels]
    return line | {"channels": parts}


def _banded(name: str, value: Range) -> dict[str, float]:
    return {name: rounded(value.value), f"{name}_lo": rounded(value.low), f"{name}_hi": rounded(value.high)}


def _waste(found: WasteFinding, context: AlertContext) -> Line:
    line: Line = {"type": "waste", "event": event_id(found), "state": found.state}
    if found.reason:
        line["answer" if found.state == "answered" else "reason"] = found.reason
    line |= {
        "meter": found.meter,
        "at": iso(found.at_ms),
        "since": iso(found.since_ms),
        "channel": found.channel,
        "score": rounded(found.score),
        "threshold": rounded(found.threshold),
        "provisional": found.provisional,
        "delta_kw": rounded(found.actual_kw - found.expected_kw),
        "days": found.days,
        "kwh": rounded(found.kwh.value),
        "kwh_lo": rounded(found.kwh.low),
        "kwh_hi": rounded(found.kwh.high),
    }
    figures = appraise(found, context)
    if figures.cost is not None and figures.tariff:
        line["cost"] = {**_range(figures.cost), "currency": figures.currency, "tariff": figures.tariff, "schedule": figures.schedule}
    if figures.co2e_kg is not None and figures.factor:
        line |= {"co2e_kg": rounded(figures.co2e_kg), "factor": figures.factor}
    for name, kwh in (("unpriced_kwh", figures.unpriced_kwh), ("unknown_co2e_kwh", figures.unknown_kwh)):
        if kwh > 0:
            line[name] = rounded(kwh)
    if figures.unconfirmed:
        line["unconfirmed"] = list(figures.unconfirmed)
    line["evidence"] = [{key: rounded(v) if isinstance(v, float) else v for key, v in row.items()} for row in found.evidence]
    return line


def _range(value: Range) -> dict[str, float]:
    return {"amount": rounded(value.value), "lo": rounded(value.low), "hi": rounded(value.high)}
