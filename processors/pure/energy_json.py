"""Version 1 of the energy of a meter as bytes: JSON. Only read any more, from state files of earlier versions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from processors.pure.counters import Counter
from processors.pure.energy_state import Energy
from processors.pure.findings import Found
from processors.pure.intervals import Account, Sum, Totals
from processors.pure.power import Integral, Watch
from processors.pure.sources import Basis

_T = TypeVar("_T")


def read(body: bytes) -> tuple[str, Energy]:
    """Return the meter and its energy. Raises ValueError, TypeError, KeyError or IndexError for damage."""
    meter, raw = json.loads(body)
    return str(meter), _energy(raw)


def _energy(raw: list[Any]) -> Energy:
    energy = Energy(*raw)
    return energy._replace(
        basis=_basis(raw[2]),
        followers=(_some(Counter._make, raw[3][0]), _some(Counter._make, raw[3][1]), _some(Counter._make, raw[3][2])),
        integral=Integral(*raw[4]),
        account=_some(_account, raw[5]),
        watch=Watch(*raw[6]),
        found=tuple(Found(*one) for one in raw[7]),
    )


def _basis(raw: list[Any]) -> Basis:
    return Basis(*raw)._replace(counter=_some(Counter._make, raw[1]))


def _account(raw: list[Any]) -> Account:
    account = Account(*raw)
    return account._replace(
        totals=_totals(account.totals),
        begun=_totals(account.begun),
        ready=tuple(Sum(*one) for one in account.ready),
        hour=_some(Sum._make, account.hour),
        day=_some(Sum._make, account.day),
    )


def _totals(raw: Any) -> Totals:
    imported, exported, import_var, export_var = raw
    return imported, exported, import_var, export_var


def _some(make: Callable[[Any], _T], raw: Any) -> _T | None:
    return None if raw is None else make(raw)
