"""The monthly report as one JSON object, for programs: plain numbers in kWh, kW, kg and the tariff's currency, before VAT."""

from __future__ import annotations

from typing import Any

from driftwatt.alerts import Alert, Range
from driftwatt.clock import rfc3339
from processors.pure import monthly, savings, waste_sums
from processors.pure.event_lines import yearly_fields
from processors.pure.monthly import Account
from processors.view import PlantView
from processors.web import last_year
from processors.web.report_rows import Month


def document(view: PlantView, month: Month) -> dict[str, Any]:
    """Return the object; `complete` is false while the month goes on."""
    counted = waste_sums.shares(month.alerts, view.feeds)
    return {
        "plant": view.plant.plant.id,
        "month": f"{month.first:%Y-%m}",
        "from": rfc3339(month.start_ms),
        "to": rfc3339(month.until_ms),
        "complete": month.until_ms >= month.end_ms,
        "currency": view.tariff.currency if view.tariff else "",
        "expected_kwh": month.expected_kwh,
        "total": _account(month.plant, month) | {"peaks": _peaks(month.plant), "by_shift": _parts(month.plant.by_shift)},
        "meters": [
            {"meter": meter, **_account(each, month), "since_last_year": _last_year(view, meter, month)}
            for meter, each in month.meters.items()
        ],
        "waste_kwh": sum(counted[each.id] * each.excess_kwh.value for each in month.alerts if each.excess_kwh),
        "waste": [_waste(each) for each in month.alerts],
    }


def _account(account: Account, month: Month) -> dict[str, Any]:
    return {
        "kwh": account.kwh,
        "cost": account.cost if account.priced else None,
        "co2e_kg": account.co2e_kg,
        "by_period": _parts(account.by_period),
        "power_factor": monthly.power_factor(account),
        "coverage": account.coverage(month.elapsed_s),
        "estimated_kwh": account.estimated_kwh,
    }


def _last_year(view: PlantView, meter: str, month: Month) -> dict[str, Any] | None:
    found = last_year.of(view, meter, month.until_ms)
    return yearly_fields(found, view.tariff) if found else None


def _parts(table: dict[str, tuple[float, float]]) -> dict[str, dict[str, float]]:
    return {name: {"kwh": kwh, "cost": cost} for name, (kwh, cost) in table.items()}


def _peaks(account: Account) -> list[dict[str, Any]]:
    return [{"start": rfc3339(start_ms), "kw": kw} for start_ms, kw in account.peaks()]


def _waste(alert: Alert) -> dict[str, Any]:
    return {
        "id": alert.id,
        "meter": alert.meter,
        "pattern": alert.pattern,
        "state": alert.state,
        "closed_reason": alert.closed_reason,
        "since": rfc3339(alert.since_ms),
        "cleared": None if alert.cleared_ms is None else rfc3339(alert.cleared_ms),
        "kwh": _range(alert.excess_kwh),
        "cost": _range(alert.cost),
        "co2e_kg": alert.co2e_kg,
        "verified_saving": savings.document(alert),
    }


def _range(value: Range | None) -> dict[str, float] | None:
    return None if value is None else {"value": value.value, "low": value.low, "high": value.high}
