"""An alert as the JSON object that integrators read: on the alert topic, in the API, in webhooks. Same words everywhere."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from driftwatt.alerts import Alert, HistoryLine, Range
from driftwatt.clock import rfc3339
from processors.pure import savings

_SAME = (
    "id", "state", "kind", "severity", "meter", "area", "pattern", "expected_kw", "actual_kw", "vat", "currency", "tariff", "schedule",
    "co2e_kg", "factor", "provisional", "days_learned", "confidence", "parent", "closed_reason",
)  # fmt: skip


def document(alert: Alert) -> dict[str, Any]:
    """Return the object; times are RFC 3339 UTC, money is before VAT, powers kW."""
    out: dict[str, Any] = {name: getattr(alert, name) for name in _SAME}
    times = {"since": alert.since_ms, "opened": alert.opened_ms, "updated": alert.updated_ms, "cleared": alert.cleared_ms}
    for name, at_ms in times.items():
        out[name] = None if at_ms is None else rfc3339(at_ms)
    out |= _range("excess_kwh", alert.excess_kwh) | _range("cost", alert.cost) | _range("per_month_cost", alert.per_month_cost)
    out["unpriced_kwh"] = alert.unpriced_kwh
    out["per_day"] = dict(alert.per_day)
    out["unconfirmed"] = list(alert.unconfirmed)
    out["evidence"] = [dict(line) for line in alert.evidence]
    out["message"] = {"key": alert.message_key, "args": dict(alert.message_args)}
    out["below_floor"] = alert.below_floor
    out["explained_by"] = [asdict(cause) for cause in alert.explained]
    out["verified_saving"] = savings.document(alert)
    out["ack"] = None
    if alert.ack_by is not None and alert.ack_at_ms is not None:
        out["ack"] = {"by": alert.ack_by, "at": rfc3339(alert.ack_at_ms), "reason": alert.ack_reason, "note": alert.ack_note}
    out["history"] = [_line(line) for line in alert.history]
    return out


def _line(line: HistoryLine) -> dict[str, str]:
    told = {"at": rfc3339(line.at_ms), "what": line.what, "by": line.by, "reason": line.reason, "note": line.note}
    return told if line.of_ms is None else told | {"of": rfc3339(line.of_ms)}


def document_bytes(alert: Alert) -> bytes:
    """Return the object as JSON."""
    return json.dumps(document(alert), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _range(name: str, value: Range | None) -> dict[str, float | None]:
    if value is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    return {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}
