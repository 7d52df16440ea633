"""An alert in words: titles, lines, cards and rows. No HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from driftwatt.alerts import DISMISS_REASONS, Alert, HistoryLine, Range
from processors.pure import savings
from processors.pure.feeders import most
from processors.view import DAY_MS, PlantView
from processors.web import saving_text
from processors.web.text import Figure, Text

ICONS = {
    ("waste", "unacked"): "s-waste",
    ("limit", "unacked"): "s-limit",
    ("limit", "acked"): "s-limit",
    ("data", "unacked"): "s-stale",
    ("data", "acked"): "s-stale",
    ("device", "unacked"): "s-fault",
    ("device", "acked"): "s-fault",
}
NIGHT = {"off_hours", "base_load"}
EVENING = 18


def icon(alert: Alert) -> str:
    """Return the sign of an alert's kind and state."""
    if alert.state == "shelved":
        return "s-shelved"
    if alert.state == "closed" and savings.followed(alert):
        return "s-clock" if savings.state(alert) == "verifying" else "s-tick"
    if alert.state == "closed":
        return "s-tick" if alert.closed_reason in {"fixed", "resolved", None} else "s-dash"
    if alert.kind in {"data", "device"}:
        return "s-stale" if alert.kind == "data" else "s-fault"
    return ICONS.get((alert.kind, alert.state), "s-waste_acked")


def title(view: PlantView, text: Text, alert: Alert) -> str:
    """Return who and what, short."""
    meter = view.meters.get(alert.meter)
    if alert.pattern == "site":
        return text.words("short.waste.site", n=str(len(alert.explained)))
    return text.words(f"short.{alert.kind}.{alert.pattern}", meter=meter.name if meter else alert.meter)


def area_name(view: PlantView, alert: Alert) -> str:
    """Return the name of the alert's area, "" without one."""
    return next((area.name for area in view.plant.area if area.id == alert.area), "")


def excess_kw(alert: Alert) -> float | None:
    """Return how much more is drawn than expected."""
    return None if alert.actual_kw is None or alert.expected_kw is None else alert.actual_kw - alert.expected_kw


def normally(text: Text, alert: Alert) -> str:
    """Return what would be normal."""
    return "" if alert.expected_kw is None else text.words("al.normally", kw=str(text.power(alert.expected_kw)))


def per_day(text: Text, alert: Alert) -> Figure | None:
    """Return the money of a day at the present rate, as an estimate."""
    cost = alert.per_day.get("cost")
    if not cost:
        return None
    figure = text.about(cost)
    return Figure(figure.value, f"{figure.unit}/{text.words['unit.day']}")


def adds_up(alert: Alert) -> bool:
    """Tell whether power × hours is the energy of a calendar day, as it is where every day has waste."""
    kwh, hours, more = alert.per_day.get("kwh", 0.0), alert.per_day.get("hours", 0.0), excess_kw(alert) or 0.0
    return abs(more * hours - kwh) <= 0.1 * kwh


def day_sum(text: Text, alert: Alert) -> str:
    """Return how the energy of a day comes about; where waste has not run on every calendar day, that it is their mean."""
    kwh, hours, more = alert.per_day.get("kwh"), alert.per_day.get("hours"), excess_kw(alert)
    if not kwh:
        return ""
    energy = str(text.energy(kwh))
    if not hours or not more or not adds_up(alert):
        return text.words("al.sum_mean", energy=energy)
    return text.words("al.sum", excess=str(text.excess(more)), hours=text.number(hours, 0 if hours == round(hours) else 1), energy=energy)


def spread(text: Text, value: Range, decimals: int = 0) -> str:
    """Return the band of an estimate in brackets."""
    return f"({text.number(value.low, decimals)}–{text.number(value.high, decimals)})"


def money_range(text: Text, value: Range) -> str:
    """Return the band of money in the unit of its middle."""
    scale = 1e9 if abs(value.value) >= 1e9 else 1e6 if abs(value.value) >= 1e6 else 1
    scale = scale if text.currency == "VND" else 1
    low, high = value.low / scale, value.high / scale
    decimals = 1 if scale > 1 and high < 10 else 0
    return f"({text.number(low, decimals)}–{text.number(high, decimals)})"


def since(view: PlantView, text: Text, alert: Alert) -> str:
    """Return since when, how often, and whether somebody knows."""
    days = max(1, round((view.now_ms() - alert.since_ms) / 86_400_000 + 0.49))
    repeated = text.words("al.night_n" if alert.pattern == "off_hours" else "al.day_n", n=str(days))
    parts = [text.words("al.line_since", date=text.date(alert.since_ms))]
    if alert.kind == "waste" and alert.cleared_ms is None:
        parts.append(repeated)
    return " · ".join([*parts, state_short(view, text, alert)])


def began(text: Text, alert: Alert) -> str:
    """Return since when in words: a night belongs to two days."""
    if alert.pattern != "off_hours" or text.local(alert.since_ms).hour < EVENING:
        return text.words("al.line_since", date=text.day(alert.since_ms, inside=True))
    return text.words("al.line_night", date=text.date(alert.since_ms), next=text.date(alert.since_ms + DAY_MS))


def state_short(view: PlantView, text: Text, alert: Alert) -> str:
    """Return who has answered, or that nobody has."""
    if alert.state == "unacked":
        return text.words["al.nobody"]
    if alert.state == "acked" and alert.ack_by:
        return text.words("al.by", person=who(text, alert.ack_by), reason=text.words[f"reason.{alert.ack_reason}"])
    return state_text(view, text, alert)


def voided(alert: Alert) -> bool:
    """Tell whether somebody said that it was no waste: its money does not count."""
    return alert.state == "closed" and alert.closed_reason in DISMISS_REASONS


def state_text(view: PlantView, text: Text, alert: Alert) -> str:
    """Return the alert's state in words."""
    if alert.state == "shelved" and alert.shelved_until_ms:
        return text.words("state.shelved", time=f"{text.clock(alert.shelved_until_ms)} {text.weekday(alert.shelved_until_ms, inside=True)}")
    if alert.state == "suppressed":
        parent = view.alert(alert.parent or "")
        lead = most(alert.explained)
        if parent is None and lead is not None:
            meter = view.meters.get(lead.meter)
            return text.words("state.explained", meter=meter.name if meter else lead.meter)
        return text.words("state.suppressed", parent=title(view, text, parent) if parent else "")
    if alert.state == "closed" and alert.saving is not None:
        return saving_text.word(text, alert, view.now_ms())
    if alert.state == "closed":
        reason = f"reason.{alert.closed_reason}"
        return f"{text.words['state.closed']}: {text.words[reason].lower()}" if reason in text.words else text.words["state.closed"]
    return text.words["state." + alert.state]


def causes(view: PlantView, text: Text, alert: Alert) -> list[tuple[str, str, str, str]]:
    """Return the meters that explain an alert: (name, address, power, why)."""
    rows = []
    for cause in alert.explained:
        meter = view.meters.get(cause.meter)
        href = f"/alerts/{cause.alert}" if cause.alert else f"/meters/{cause.meter}"
        rows.append((meter.name if meter else cause.meter, href, str(text.excess(cause.kw)), text.words["al.why." + cause.why]))
    return rows


def doubts(text: Text, names: Sequence[str]) -> str:
    """Return unconfirmed inputs such as `schedule vn-963-2026` in words."""
    told = []
    for name in names:
        kind, _, which = name.partition(" ")
        told.append(f"{text.words.get('doubt.' + kind, kind)} {which}".strip())
    return ", ".join(told)


def who(text: Text, name: str) -> str:
    """Return a person's name; the nameless visitor of this machine by a word."""
    return text.words["user.local"] if name in {"", "local"} else name


def history_text(text: Text, line: HistoryLine, names: Mapping[str, str] | None = None) -> str:
    """Return one line of the history; of what was told later, when it was. `names` are those of meters, by id."""
    if line.of_ms is not None:
        sentence = text.words(f"hist.{line.what}_at", person=who(text, line.by), time=text.moment(line.of_ms, line.at_ms))
        return f"{sentence}: {line.note}" if line.note else sentence
    key, reason = f"hist.{line.what}", f"reason.{line.reason}"
    told = text.words.get(reason, line.reason)
    sentence = text.words(key, person=who(text, line.by), reason=told).removesuffix(": ") if key in text.words else line.what
    note = (names or {}).get(line.note, line.note) if line.what.startswith("explained_") else line.note
    return f"{sentence}: {note}" if note and line.what not in {"suppressed", "released"} else sentence


def last_word(text: Text, alert: Alert) -> str:
    """Return what the last person said and why."""
    spoken = [line for line in alert.history if line.by]
    if not spoken:
        return ""
    line = spoken[-1]
    if line.what == "undo":
        return ""
    reason = f"reason.{line.reason}"
    why = line.note or text.words.get(reason, "")
    return f"{who(text, line.by)}: {why}" if why else who(text, line.by)


@dataclass(frozen=True, slots=True)
class Card:
    """An alert that wants a person, as the overview shows it."""

    id: str
    kind: str
    state: str
    icon: str
    title: str
    line: str
    figures: bool
    actual: Figure
    normally: str
    per_day: Figure | None
    sum: str
    unconfirmed: bool
    can_ack: bool


def card(view: PlantView, text: Text, alert: Alert, *, may_act: bool) -> Card:
    """Return the card of an alert."""
    return Card(
        id=alert.id,
        kind=alert.kind,
        state=alert.state,
        icon=icon(alert),
        title=title(view, text, alert),
        line=since(view, text, alert),
        figures=alert.actual_kw is not None,
        actual=text.power(alert.actual_kw),
        normally=normally(text, alert),
        per_day=per_day(text, alert),
        sum=day_sum(text, alert),
        unconfirmed=bool(alert.unconfirmed),
        can_ack=may_act and alert.state in {"unacked", "cleared_unacked"},
    )


def wanting(alerts: Sequence[Alert]) -> list[Alert]:
    """Return the alerts that want a person: waste and limits first, the costliest first."""
    found = [each for each in alerts if each.state in {"unacked", "cleared_unacked"} and not each.below_floor]
    return sorted(found, key=lambda each: (each.kind in {"data", "device"}, -each.per_day.get("cost", 0.0), each.since_ms))
