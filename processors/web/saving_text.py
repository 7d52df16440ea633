"""What a repair saved, in words: the state, the panel of the alert's page, the cell of lists and reports."""

from __future__ import annotations

from dataclasses import dataclass

from driftwatt.alerts import Alert, Range, Saving, Verdict
from processors.pure import savings
from processors.web.text import NBSP, NONE, Text

WORDS = {
    "verified": "state.verified",
    "within_band": "saved.within_band",
    "not_seen": "state.not_verified",
    "no_data": "state.insufficient",
}


@dataclass(frozen=True, slots=True)
class Panel:
    """The saving on the alert's page: a heading, the figure now, its money and CO2e, the three looks, how it is measured."""

    state: str
    title: str
    word: str
    figure: str
    year: str
    rows: list[tuple[str, str, str, str]]
    method: str


def word(text: Text, alert: Alert, now_ms: int) -> str:
    """Return the state of a saving: being verified, verified, not seen, came back; "" for an alert that is not repaired."""
    saving, state = alert.saving, savings.state(alert)
    if saving is None:
        return ""
    if state == "came_back":
        return text.words["state.recurred"]
    if state == "verifying":
        return text.words("state.verifying", day=str(min(savings.LOOKS[0], max(1, -(-(now_ms - saving.fixed_ms) // savings.DAY_MS)))))
    if state == "verified" and not saving.claim:
        return text.words["saved.estimate_stands"]
    return text.words[WORDS[state]]


def panel(text: Text, alert: Alert, now_ms: int) -> Panel | None:
    """Return the panel of a repaired alert, None for others."""
    saving = alert.saving
    if saving is None:
        return None
    say, value = text.words, savings.measured(saving)
    rows = [_row(text, saving, day) for day in savings.LOOKS]
    concluded = bool(saving.verdicts)
    return Panel(
        savings.state(alert),
        say["saved.verified" if saving.claim else "saved.estimate"],
        word(text, alert, now_ms),
        per_day(text, value) if saving.days else say["saved.none_yet"],
        "" if not saving.days else year(text, saving, value) if concluded else say["saved.provisional"],
        rows,
        say("saved.method", date=text.date(alert.since_ms, year=True), before=per_day(text, saving.before), days=str(saving.before_days)),
    )


def unmeasured(text: Text, alert: Alert) -> str:
    """Return why the saving of a repaired alert is not measured, "" where it is or nothing was repaired."""
    if alert.kind != "waste" or alert.closed_reason != "fixed" or alert.saving is not None:
        return ""
    if alert.pattern == "site":
        return text.words["saved.none.site"]
    if alert.parent is not None:
        return text.words["saved.none.parent"]
    return text.words["saved.none.reference" if alert.excess_kwh and alert.excess_kwh.value > 0 else "saved.none.excess"]


def _row(text: Text, saving: Saving, day: int) -> tuple[str, str, str, str]:
    say = text.words
    had = next((verdict for verdict in saving.verdicts if verdict.day == day), None)
    lead = say("saved.after", days=str(day))
    if had is None:
        return lead, say("saved.due", date=text.date(saving.fixed_ms + day * savings.DAY_MS)), "", ""
    return (
        lead,
        _outcome(text, saving, had),
        per_day(text, had.kwh) if had.days else NONE,
        say("saved.coverage", pct=text.percent(had.coverage)),
    )


def _outcome(text: Text, saving: Saving, had: Verdict) -> str:
    key = "saved.estimate_stands" if had.outcome == "verified" and not saving.claim else WORDS[had.outcome]
    return text.words[key]


def per_day(text: Text, value: Range) -> str:
    """Return energy per day with its 90 % band: 38 ± 4 kWh."""
    decimals = 1 if abs(value.value) < 9.95 else 0
    half = value.high - value.value
    return f"{text.number(value.value, decimals)} ± {text.number(half, decimals)}{NBSP}kWh/{text.words['unit.day']}"


def year(text: Text, saving: Saving, value: Range) -> str:
    """Return the money and CO2e of a year."""
    money, co2 = savings.per_year(saving, value), savings.co2e_per_year(saving, value)
    told = [text.words("saved.per_year", what=str(text.about(money.value)))] if money else []
    told += [text.words("saved.per_year", what=str(text.co2(co2)))] if co2 and co2 > 0 else []
    return " · ".join(told)


def cell(text: Text, alert: Alert, now_ms: int) -> tuple[str, str]:
    """Return the saving for a row of a list: what is said, and the figures under it."""
    saving = alert.saving
    if saving is None:
        return "", ""
    state = savings.state(alert)
    if state in {"verified", "within_band"}:
        value = saving.verdicts[-1].kwh
        return per_day(text, value), year(text, saving, value) if state == "verified" else text.words["saved.within_band"]
    return word(text, alert, now_ms), ""
