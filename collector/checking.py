"""What `driftwatt check` finds out about files. How it is said is in collector/check_text.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from collector.pure.budget import BusCost, EdgeCost, edge_cost
from collector.pure.sentinel import sentinels
from config import loader
from config.edge import EdgeFile
from config.edge_rules import has_no_transactions
from config.explain import shown
from config.plant import PlantFile
from config.profiles import Profile
from driftwatt.errors import ConfigError, ConfigErrors

BUSY_SHARE = 0.8
"""A line that is busy for more than this has no room for a meter that answers late."""


@dataclass
class Finding:
    """What there is to say about one file. `errors` mean exit 2; `impossible` exit 1; `warnings` and `notes` neither."""

    file: str
    kind: str = ""
    content: Any = None
    cost: EdgeCost | None = None
    errors: list[ConfigError] = field(default_factory=list)
    impossible: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """The exit code that this file asks for."""
        return 2 if self.errors else 1 if self.impossible else 0


_LOAD: dict[str, Callable[[str], Any]] = {
    "edge": loader.load_edge,
    "plant": loader.load_plant,
    "profile": loader.load_profile_file,
    "tariff": loader.load_tariff_file,
    "calendar": loader.load_calendar_file,
    "factor": loader.load_factors_file,
}


def check(files: Sequence[str], today: date) -> list[Finding]:
    """Return what there is to say about each file, and about edges and plants together."""
    findings = [_one(file, today) for file in files]
    plants = [finding for finding in findings if isinstance(finding.content, PlantFile)]
    for finding in findings:
        if isinstance(finding.content, EdgeFile) and plants:
            _compare(finding, [plant.content for plant in plants])
    return findings


def _one(file: str, today: date) -> Finding:
    finding = Finding(file)
    try:
        finding.kind = loader.kind_of(file)
        finding.content = _LOAD[finding.kind](file)
        if isinstance(finding.content, EdgeFile):
            _edge(finding, finding.content)
        elif isinstance(finding.content, PlantFile):
            _plant(finding, finding.content, today)
        elif isinstance(finding.content, Profile):
            _profile(finding, finding.content)
    except ConfigErrors as error:
        finding.errors = error.errors
    except ConfigError as error:
        finding.errors = [error]
    return finding


def _edge(finding: Finding, edge: EdgeFile) -> None:
    folders = loader.profile_folders(edge, finding.file)
    names = {meter.profile for bus in edge.bus for meter in bus.meter}
    profiles = {name: loader.load_profile(name, folders) for name in names}
    finding.cost = edge_cost(edge, profiles)
    for bus in finding.cost.buses:
        _bus(finding, bus)
        if has_no_transactions(bus.bus.url) and not sentinels(bus.bus.meter, profiles):
            finding.notes.append(
                f"bus {shown(bus.bus.id)}: no profile on it names a register that never changes (`identify.address`), "
                "so no read of each cycle proves that replies still belong to their requests"
            )
    untried = sorted(name for name, profile in profiles.items() if profile.verification == "documented")
    if untried:
        finding.notes.append(f"from documents, not tried on a device: {', '.join(untried)}")
    secondary = sorted(name for name, profile in profiles.items() if any(register.secondary for register in profile.registers))
    if secondary:
        finding.notes.append(
            f"values before the CT and PT ratio, which belong into plant.toml as ct_ratio and pt_ratio: {', '.join(secondary)}"
        )
    outbox = finding.cost.outbox
    if outbox.need_bytes > outbox.max_bytes:
        wished = f"the {edge.outbox.keep / 3600:g} h of outbox.keep"
        finding.warnings.append(f"outbox.max_bytes holds {outbox.hours:.1f} h, not {wished}; then: {edge.outbox.when_full}")
    if edge.edge.clock == "trust":
        finding.notes.append('clock = "trust": nobody checks that the clock is right')
    if edge.broker.allow_plaintext:
        finding.warnings.append("broker.allow_plaintext: readings and the password cross the network in plain text")


def _bus(finding: Finding, bus: BusCost) -> None:
    name = shown(bus.bus.id)
    if bus.share > 1:
        finding.impossible.append(f"bus {name} needs {bus.share:.0%} of its time: poll more seldom, read less (`only`), or split the line")
    elif bus.share > BUSY_SHARE:
        finding.warnings.append(f"bus {name} is busy {bus.share:.0%} of the time: a late answer delays the others")
    for meter in bus.meters:
        if meter.unconfirmed:
            place = f"meter {shown(meter.meter.id)}: unconfirmed registers in {meter.meter.profile}"
            finding.warnings.append(f"{place}: {', '.join(meter.unconfirmed)}")


def _plant(finding: Finding, plant: PlantFile, today: date) -> None:
    folder = Path(finding.file).parent
    tariff = loader.load_tariff(plant.tariff.use, folder)
    prices = [price for price in tariff.price if price.from_ <= today]
    if not prices:
        finding.warnings.append(f"tariff {plant.tariff.use} has no price before {tariff.price[0].from_}")
    elif prices[-1].status != "ok":
        finding.warnings.append(f"price from {prices[-1].from_} is {prices[-1].status}: {prices[-1].source}")
    for schedule in tariff.schedule:
        if schedule.id == plant.tariff.schedule and schedule.status != "ok":
            finding.warnings.append(f"schedule {schedule.id} is {schedule.status}: {schedule.source}; amounts carry that mark")
    factors = loader.load_factors(plant.factors.use, folder).factor
    newest = factors[-1]
    finding.notes.append(f"emission factor {newest.kg_per_kwh} kg/kWh from {newest.from_} ({newest.status}): {newest.source}")
    if not plant.meter:
        finding.warnings.append("no [[meter]]: everything that arrives is set aside as unknown_meter")
    if plant.broker.allow_plaintext:
        finding.warnings.append("broker.allow_plaintext: readings and the password cross the network in plain text")
    fed = {child for meter in plant.meter for child in meter.feeds}
    for meter in plant.meter:
        if meter.kind == "incomer" and meter.id in fed:
            finding.warnings.append(f"meter {shown(meter.id)} is of kind incomer, and another feeds it")


def _profile(finding: Finding, profile: Profile) -> None:
    unconfirmed = [register.quantity for register in profile.registers if register.verification == "unconfirmed"]
    if unconfirmed:
        finding.warnings.append(f"unconfirmed registers: {', '.join(unconfirmed)}")
    known = {register.quantity for register in profile.registers}
    if "import_energy" not in known:
        finding.warnings.append("no import_energy: energy has to be integrated from power")
    if not any(register.standard for register in profile.registers):
        finding.warnings.append("no register is standard: every meter needs `only`")


def _compare(finding: Finding, plants: Sequence[PlantFile]) -> None:
    edge: EdgeFile = finding.content
    expected = {meter.id: meter for plant in plants for meter in plant.meter}
    for meter in (meter for bus in edge.bus for meter in bus.meter):
        name = shown(meter.id)
        if meter.id not in expected:
            finding.warnings.append(f"meter {name} is in no plant file: its readings would be set aside as unknown_meter")
        elif (owner := expected[meter.id].edge) not in (None, edge.edge.id):
            finding.warnings.append(f"meter {name} belongs to edge {shown(owner)}: its readings would be set aside as wrong_edge")
