"""What detection has to know about one meter. Decided by people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

from processors.pure.hours import SiteCalendar


@dataclass(frozen=True, slots=True)
class Settings:
    """`zone` is the plant's (a ZoneInfo), `calendar` gives day classes and shutdowns.

    `threshold` is the score log10 ARL₀ above which a waste event opens. `off_bins`, if given, are the 168
    hour-of-week bins (Monday 00:00 first) that the operator says are off-hours; they replace the learned ones.
    `band` off leaves out the expected power, which a history without a page does not need. `drivers` tells whether a
    temperature and a production are named for the meter (None: nobody says), `learn_from` (ordinal of a local date,
    0 for none) from which day on it is to learn anew.
    """

    meter: str
    zone: tzinfo
    calendar: SiteCalendar
    threshold: float = 6.0
    off_bins: tuple[bool, ...] | None = None
    band: bool = True
    drivers: tuple[bool, bool] | None = None
    learn_from: int = 0
