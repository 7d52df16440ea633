"""A profile read in another order of words or bytes, to find meters whose order an installer has changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from collector.pure.plausible import believable
from config.profiles import Order, Profile, Register

_WORDS: dict[Order, Order] = {"ABCD": "CDAB", "CDAB": "ABCD", "BADC": "DCBA", "DCBA": "BADC"}
_BYTES: dict[Order, Order] = {"ABCD": "BADC", "BADC": "ABCD", "CDAB": "DCBA", "DCBA": "CDAB"}
ANCHORS = ("voltage_l1", "voltage_l2", "voltage_l3", "frequency")
"""Quantities whose value is known before it is read."""


def other_orders(profile: Profile) -> Iterator[tuple[str, Profile]]:
    """Yield what is swapped (`words`, `bytes`, `words and bytes`) and the profile so read."""
    yield "words", _turned(profile, _WORDS)
    yield "bytes", _turned(profile, _BYTES)
    yield "words and bytes", _turned(profile, {order: _BYTES[other] for order, other in _WORDS.items()})


def anchored(profile: Profile, values: Mapping[str, float]) -> bool:
    """Tell whether voltages and frequency lie in the profile's windows, or else in those of any plant; one phase must be live."""
    known = {name: value for name, value in values.items() if name in ANCHORS}
    if not any(known.values()):
        return False
    for quantity, (low, high) in profile.identify.windows.items():
        if quantity in values and values[quantity] and not low <= values[quantity] <= high:
            return False
    return all(believable(quantity, value) for quantity, value in known.items())


def _turned(profile: Profile, orders: Mapping[Order, Order]) -> Profile:
    return profile.model_copy(update={"registers": tuple(_register(each, orders) for each in profile.registers)})


def _register(register: Register, orders: Mapping[Order, Order]) -> Register:
    order = orders[register.order]
    if register.width == 1 and order in ("CDAB", "DCBA"):  # one register has no words to swap
        order = "ABCD" if order == "CDAB" else "BADC"
    return register.model_copy(update={"order": order})
