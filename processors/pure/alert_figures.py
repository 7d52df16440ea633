"""The figures of a waste alert: energy, money and CO2e of a finding, how grave that is, and the numbers of its sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from driftwatt.alerts import Alert, HistoryLine, Severity
from processors.pure import severity
from processors.pure.appraise import AlertContext, appraise
from processors.pure.outputs import WasteFinding


def figured(alert: Alert, finding: WasteFinding, context: AlertContext) -> Alert:
    """Return the alert with the figures of a finding; its severity only rises while it is open."""
    figures = appraise(finding, context)
    month = figures.per_month_cost
    found = _of(month.value if month else None, context)
    worse = severity.worse(alert.severity, found) if alert.excess_kwh else found
    history = alert.history
    if alert.excess_kwh and worse != alert.severity:
        history = (*history, HistoryLine(finding.at_ms, "escalated", reason=worse))
    return replace(
        alert,
        severity=worse,
        updated_ms=finding.at_ms,
        expected_kw=finding.expected_kw,
        actual_kw=finding.actual_kw,
        excess_kwh=finding.kwh,
        cost=figures.cost,
        co2e_kg=figures.co2e_kg,
        currency=figures.currency or alert.currency,
        tariff=figures.tariff,
        schedule=figures.schedule,
        factor=figures.factor,
        vat=figures.vat,
        per_day=figures.per_day,
        priced=figures.priced,
        unpriced_kwh=figures.unpriced_kwh,
        per_month_cost=month,
        provisional=finding.provisional,
        days_learned=finding.days_learned,
        unconfirmed=figures.unconfirmed,
        confidence=severity.confidence(finding.kwh, provisional=finding.provisional),
        evidence=finding.evidence,
        message_args=_numbers(finding, figures.per_day, month.value if month else None),
        below_floor=month is not None and month.value < context.floor_per_month,
        history=history,
    )


def _numbers(finding: WasteFinding, per_day: Mapping[str, float], month: float | None) -> dict[str, float | str]:
    """Return the numbers that the sentence of a waste alert may use."""
    numbers: dict[str, float | str] = {
        "expected_kw": finding.expected_kw,
        "actual_kw": finding.actual_kw,
        "excess_kw": finding.actual_kw - finding.expected_kw,
        "hours": finding.hours,
        "days": float(finding.days),
        "since_ms": float(finding.since_ms),
        "kwh": finding.kwh.value,
        "kwh_low": finding.kwh.low,
        "kwh_high": finding.kwh.high,
        "kwh_per_day": per_day["kwh"],
    }
    if month is not None:
        numbers |= {"cost_per_day": per_day["cost"], "cost_per_month": month}
    return numbers


def ranked(alert: Alert, context: AlertContext) -> Alert:
    """Return an alert as other thresholds rank the money that it was last told with; without money as it is."""
    month = alert.per_month_cost
    if month is None:
        return alert
    return replace(alert, severity=_of(month.value, context), below_floor=month.value < context.floor_per_month)


def _of(month: float | None, context: AlertContext) -> Severity:
    return severity.of_money(month, medium=context.medium_per_month, high=context.high_per_month)
