"""The tables of the monthly report, in words. No HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from driftwatt.alerts import Alert, Range
from processors.pure import monthly, savings, waste_sums
from processors.pure.monthly import OFF_SHIFT, PERIODS, Account
from processors.view import PlantView
from processors.web import alert_text, saving_text
from processors.web.text import NONE, Figure, Text

SHOWN = 6


@dataclass(frozen=True, slots=True)
class Month:
    """What a report is about: its days, what has passed of it, the accounts by meter and of the whole plant."""

    first: date
    start_ms: int
    end_ms: int
    until_ms: int
    meters: Mapping[str, Account]
    plant: Account
    before: Account | None = None
    expected_kwh: float | None = None
    alerts: Sequence[Alert] = field(default_factory=tuple)

    @property
    def elapsed_s(self) -> float:
        """Seconds of the month that have passed."""
        return (self.until_ms - self.start_ms) / 1000


Row = tuple[str, ...]


def whole(text: Text, amount: float) -> str:
    """Return money as accounts write it."""
    return text.number(amount, 0 if text.currency == "VND" else 2)


def kwh(text: Text, account: Account) -> str:
    """Return energy in kWh, ≈ where a part is estimated."""
    return ("≈ " if account.estimated_kwh else "") + text.number(account.kwh)


def heads(view: PlantView, text: Text, month: Month) -> list[tuple[str, Figure, str]]:
    """Return the four figures: energy, money, emissions, waste."""
    say, plant = text.words, month.plant
    expected = month.expected_kwh
    note = say("rep.expected", kwh=text.number(expected), delta=text.deviation(plant.kwh, expected, 1)) if expected else ""
    average = say("rep.average", price=text.price(plant.cost / plant.kwh)) if plant.kwh > 0 else ""
    factor = view.factors.factor_at(month.until_ms - 1) if view.factors else None
    found = any(each.excess_kwh for each in month.alerts)
    waste, money = _sums(month.alerts, waste_sums.shares(month.alerts, view.feeds))
    counted = say("rep.events", n=str(len(month.alerts)))
    return [
        (say["rep.active"], Figure(kwh(text, plant), "kWh"), note),
        (say["rep.cost"], Figure(whole(text, plant.cost) if plant.priced else NONE, text.currency_sign), average),
        (
            say["rep.emissions"],
            Figure(text.number(plant.co2e_kg / 1000, 1), say["rep.t_co2"]),
            say("rep.factor", factor=text.number(factor.kg_per_kwh, 4), year=factor.version[:4]) if factor else "",
        ),
        (say["rep.waste_found"], text.energy(waste), f"{text.about(money)} · {counted}" if found else counted),
    ]


def findings(view: PlantView, text: Text, month: Month) -> list[tuple[str, str]]:
    """Return up to three findings (what, the rest of the sentence)."""
    say, plant = text.words, month.plant
    found: list[tuple[str, str]] = []
    off = plant.by_shift.get(OFF_SHIFT)
    if off and plant.kwh > 0 and len(plant.by_shift) > 1:
        lead = say("rep.find.off", pct=text.percent(off[0] / plant.kwh, 1))
        before = month.before.by_shift.get(OFF_SHIFT) if month.before and month.before.kwh > 0 else None
        was = say("rep.find.was", pct=text.percent(before[0] / month.before.kwh, 1)) if before and month.before else ""
        found.append((lead, say("rep.find.off_rest", kwh=str(text.energy(off[0])), money=str(text.money(off[1]))) + was))
    running = [each for each in month.alerts if each.state in {"unacked", "acked", "shelved"} and each.per_month_cost]
    worst = max(running, key=lambda each: each.per_month_cost.value if each.per_month_cost else 0.0, default=None)
    if worst is not None and worst.per_month_cost:
        found.append((alert_text.title(view, text, worst), say("rep.find.open", money=str(text.about(worst.per_month_cost.value)))))
    peaks, contract = plant.peaks(), view.plant.tariff.contract_kw
    if peaks and contract:
        share = text.percent(peaks[0][1] / contract, 1)
        found.append(
            (say("rep.find.peak", kw=str(text.power(peaks[0][1]))), say("rep.find.peak_rest", pct=share, kw=str(text.power(contract))))
        )
    return found


def areas(view: PlantView, text: Text, month: Month) -> list[Row]:
    """Return area, off-peak, normal, peak, total kWh, money, share, coverage; then what no feeder measures; then the plant."""
    rows: list[Row] = []
    fed = [meter for meter in view.plant.meter if meter not in view.incomers or not meter.feeds]
    names = [*((area.id, area.name) for area in view.plant.area), (None, text.words["m.none_area"])]
    measured = Account()
    for area, name in names:
        mine = [month.meters[meter.id] for meter in fed if meter.area == area and meter.id in month.meters]
        if not mine:
            continue
        total = monthly.added(mine)
        rows.append(_area(text, name, total, month, text.percent(total.coverage(month.elapsed_s), 1)))
        measured = monthly.added([measured, total])
    roots = [meter for meter in view.incomers if meter.feeds]
    if roots:
        plant = month.plant
        rest = Account(kwh=plant.kwh - measured.kwh, cost=plant.cost - measured.cost, estimated_kwh=measured.estimated_kwh)
        rest.by_period = {
            period: (
                plant.by_period.get(period, (0.0, 0.0))[0] - measured.by_period.get(period, (0.0, 0.0))[0],
                0.0,
            )
            for period in PERIODS
        }
        rows.append(_area(text, text.words["term.unmeasured"], rest, month, NONE))
    name = text.words["term.incomer"] if roots else text.words["rep.total"]
    rows.append(_area(text, name, month.plant, month, text.percent(month.plant.coverage(month.elapsed_s), 1)))
    return rows


def _area(text: Text, name: str, total: Account, month: Month, coverage: str) -> Row:
    share = text.percent(total.kwh / month.plant.kwh, 1) if month.plant.kwh > 0 else NONE
    parts = [text.number(total.by_period.get(period, (0.0, 0.0))[0]) for period in PERIODS]
    return (name, *parts, kwh(text, total), whole(text, total.cost), share, coverage)


def tariff(view: PlantView, text: Text, month: Month) -> list[Row]:
    """Return period, kWh, mean price, money; the reactive charge where it can be known; the total before VAT and with it."""
    say, plant, rows = text.words, month.plant, list[Row]()
    for period, key in (("normal", "tou.normal"), ("peak", "tou.peak"), ("off_peak", "tou.offpeak")):
        if period in plant.by_period:
            energy, cost = plant.by_period[period]
            rows.append((say[key], text.number(energy), whole(text, cost / energy) if energy else NONE, whole(text, cost)))
    cosphi, charge = monthly.power_factor(plant), 0.0
    if cosphi is not None and text.currency == "VND":
        charge = monthly.reactive_charge(cosphi, plant.cost)
        rows.append((f"{say['tou.pf_charge']} (cosφ {text.number(cosphi, 2)})", "", "", whole(text, charge)))
    rate, highest = view.tariff.demand_at(month.until_ms - 1) if view.tariff else 0.0, plant.peaks()
    if rate and highest:
        kw = highest[0][1]
        charge += kw * rate
        rows.append((say["tou.capacity_charge"], str(text.power(kw)), whole(text, rate), whole(text, kw * rate)))
    rows.append((f"{say['rep.total']}, {say['tou.before_vat']}", text.number(plant.kwh), "", whole(text, plant.cost + charge)))
    vat = view.plant.tariff.vat
    if vat:
        name = f"{say['rep.total']}, {say['tou.with_vat']} {text.percent(vat)}"
        rows.append((name, "", "", whole(text, (plant.cost + charge) * (1 + vat))))
    return rows


def peaks(view: PlantView, text: Text, month: Month) -> list[Row]:
    """Return rank, quarter-hour, kW, share of the contract."""
    contract, rows = view.plant.tariff.contract_kw, list[Row]()
    for rank, (start_ms, kw) in enumerate(month.plant.peaks(), 1):
        when = f"{text.date(start_ms)}, {text.clock(start_ms)}–{text.clock(start_ms + 900_000)}"
        rows.append((str(rank), when, text.number(kw, 1), text.percent(kw / contract, 1) if contract else NONE))
    return rows


def shifts(text: Text, month: Month) -> list[Row]:
    """Return shift, kWh, money; what lies outside of shifts last."""
    names = sorted(month.plant.by_shift, key=lambda name: (name == OFF_SHIFT, name))
    return [
        (
            name[:1].upper() + name[1:] if name else text.words["cal.off_shift"],
            text.number(month.plant.by_shift[name][0]),
            whole(text, month.plant.by_shift[name][1]),
        )
        for name in names
    ]


def waste(view: PlantView, text: Text, month: Month, now_ms: int) -> list[Row]:
    """Return event, time, kWh, money, what was done, saving and its year; the small ones in one line; the total."""
    say, rows, shares = text.words, list[Row](), waste_sums.shares(month.alerts, view.feeds)
    for each in month.alerts[:SHOWN]:
        saved, year = saving_text.cell(text, each, now_ms)
        until = text.date(each.cleared_ms) if each.cleared_ms else say["rep.goes_on"]
        handled = alert_text.last_word(text, each) or alert_text.state_text(view, text, each)
        name = alert_text.title(view, text, each)
        name += f" ({say['rep.counted_elsewhere']})" if elsewhere(each, shares) else ""
        rows.append((name, f"{text.date(each.since_ms)} – {until}", *_amounts(text, each), handled, saved, year))
    small = month.alerts[SHOWN:]
    if small:
        energy, money = _sums(small, shares)
        rows.append((say("rep.smaller", n=str(len(small))), "", f"≈ {text.number(energy)}", str(text.about(money)), "", "", ""))
    energy, money = _sums(month.alerts, shares)
    years = sum(value.value for each in month.alerts if (value := _proved(each)) is not None)
    rows.append(
        (
            say["rep.total"], "", f"≈ {text.number(energy)}", str(text.about(money)), "",
            "", say("saved.per_year", what=str(text.about(years))) if years else "",
        )
    )  # fmt: skip
    return rows


def _proved(alert: Alert) -> Range | None:
    saving = alert.saving
    if saving is None or savings.state(alert) != "verified":
        return None
    return savings.per_year(saving, saving.verdicts[-1].kwh)


def elsewhere(alert: Alert, shares: Mapping[str, float]) -> bool:
    """Tell whether most of an alert's energy is added up with other alerts."""
    return shares.get(alert.id, 1.0) < 1 / 2 and not alert_text.voided(alert)


def _sums(alerts: Sequence[Alert], shares: Mapping[str, float]) -> tuple[float, float]:
    kwh = sum(shares[each.id] * each.excess_kwh.value for each in alerts if each.excess_kwh)
    return kwh, sum(shares[each.id] * each.cost.value for each in alerts if each.cost)


def _amounts(text: Text, alert: Alert) -> tuple[str, str]:
    if alert_text.voided(alert):
        return text.words["al.voided"], NONE
    value = alert.excess_kwh
    energy = f"≈ {text.number(value.value)} {alert_text.spread(text, value)}" if value else NONE
    return energy, str(text.about(alert.cost.value)) if alert.cost else NONE


def quality(view: PlantView, text: Text, month: Month) -> list[Row]:
    """Return the meters that lack more than a percent or have estimated energy: name, missing time, estimated kWh; then the others."""
    rows: list[Row] = []
    for meter in view.plant.meter:
        account = month.meters.get(meter.id)
        if account is None:
            continue
        missing_s = month.elapsed_s - account.covered_s
        if missing_s > 0.01 * month.elapsed_s or account.estimated_kwh > 0:
            estimated = f"≈ {text.number(account.estimated_kwh)}" if account.estimated_kwh else "0"
            rows.append((meter.name, text.duration(max(0.0, missing_s)), estimated))
    if len(rows) < len(view.plant.meter):
        rows.append((text.words["rep.other_meters"] if rows else text.words["rep.all_meters"], text.words["rep.under_1"], "0"))
    return rows


def versions(view: PlantView, text: Text, month: Month) -> tuple[str, list[str]]:
    """Return where the prices come from, and what of it is not confirmed."""
    price = view.tariff.price_at(month.until_ms - 1) if view.tariff else None
    if price is None or view.tariff is None:
        return text.words["ov.no_price"], []
    sources = [row.source for row in view.tariff.prices if row.version == price.version]
    sources += [row.source for row in view.tariff.schedules if row.id == price.schedule]
    told = text.words("al.price_source", tariff=f"{view.tariff.name} ({price.version})", schedule=price.schedule or "—")
    return f"{told}. {'; '.join(each for each in sources if each)}.", list(price.unconfirmed)
