"""Turns what the models refuse into one clear line each: key path, what was found, what is allowed."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import date, datetime, time
from difflib import get_close_matches
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from config.lines import Path as KeyPath
from config.source import Source, key_text
from config.values import limit
from driftwatt.errors import ConfigError, ConfigErrors

_M = TypeVar("_M", bound=BaseModel)

_TYPES = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": 'a text in quotes "…"',
    "path_type": 'a path in quotes "…"',
    "bool_type": "true or false",
    "tuple_type": "a list […]",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "date_type": "a date such as 2026-04-22",
    "date_from_datetime_parsing": "a date such as 2026-04-22",
    "date_parsing": "a date such as 2026-04-22",
    "datetime_type": "a date and time such as 2027-02-03T18:00:00",
    "datetime_parsing": "a date and time such as 2027-02-03T18:00:00",
    "datetime_from_date_parsing": "a date and time such as 2027-02-03T18:00:00",
    "string_pattern_mismatch": "letters a-z, digits, and . _ - after the first, at most 63",
}
_BOUNDS = {"greater_than_equal": "≥", "greater_than": ">", "less_than_equal": "≤", "less_than": "<"}
_LENGTHS = {"too_short": "at least", "too_long": "at most"}
_SECRETS = ("password", "token")
_REFERENCE = '{ file = "path" } or { env = "NAME" }; a secret itself never stands in a file'


def parse(source: Source, model: type[_M]) -> _M:
    """Return the model of a file. Raises ConfigErrors with every fault that the model sees."""
    try:
        # Through JSON, strictly: lists become tuples, but neither "7" nor true becomes a number.
        text = json.dumps(source.data, default=_plain)
        return model.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise ConfigErrors(list(_errors(source, model, error))) from error
    except (ValueError, RecursionError) as error:
        raise ConfigErrors([ConfigError("cannot be understood", file=source.name, found=str(error)[:200])]) from error


def parse_mended(source: Source, model: type[_M]) -> tuple[_M, list[ConfigError]]:
    """Return the model of a file without its faulty keys, and what is wrong with them, so that more can be found at once.

    Raises ConfigErrors when a faulty key is one that the file cannot do without.
    """
    try:
        return parse(source, model), []
    except ConfigErrors as faulty:
        rest = copy.deepcopy(source.data)
        if not isinstance(faulty.__cause__, ValidationError):
            raise
        for detail in faulty.__cause__.errors(include_url=False):
            _remove(rest, detail["loc"])
        try:
            return model.model_validate_json(json.dumps(rest, default=_plain), strict=True), faulty.errors
        except ValidationError:
            raise faulty from None


def _remove(data: Any, place: tuple[int | str, ...]) -> None:
    """Take the innermost named key of `place` out of `data`, if it is there."""
    names = [depth for depth, step in enumerate(place) if isinstance(step, str)]
    for depth in reversed(names):
        table: Any = data
        for step in place[:depth]:
            inside = isinstance(table, dict) and step in table
            inside = inside or (isinstance(table, list) and isinstance(step, int) and step < len(table))
            table = table[step] if inside else None
        if isinstance(table, dict) and place[depth] in table:
            del table[place[depth]]
            return


def did_you_mean(word: str, known: list[str]) -> str:
    """Return what is allowed, beginning with the likely intention."""
    close = get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    if close and len(known) > 30:
        return f'did you mean "{close[0]}"?'
    near = get_close_matches(word.lower(), known, n=4, cutoff=0.4) if len(known) > 30 else known
    listed = ", ".join(near) if len(near) == len(known) else f"near it: {', '.join(near)}" if near else f"{len(known)} others"
    return f'did you mean "{close[0]}"? known: {listed}' if close else listed


def shown(value: object) -> str:
    """Return a value as it may have been written, shortened."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value[:80], ensure_ascii=False)
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return str(value)[:80]


def _plain(value: object) -> str:
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    raise ValueError(f"{type(value).__name__} cannot be used")


def _errors(source: Source, model: type[BaseModel], error: ValidationError) -> Iterator[ConfigError]:
    details = error.errors(include_url=False)
    mistyped = {
        (*detail["loc"][:-1], meant)
        for detail in details
        if detail["type"] == "extra_forbidden" and (meant := _meant(model, detail["loc"]))
    }
    told: set[str] = set()
    for detail in details:
        if (detail["type"] == "missing" and detail["loc"] in mistyped) or _is_consequence(source, detail):
            continue
        key, problem, found, allowed = _explain(source, model, detail)
        # A union reports every branch; one line per key is enough.
        if key_text(key) in told:
            continue
        told.add(key_text(key))
        yield source.error(key, problem, found=found, allowed=allowed)


def _meant(model: type[BaseModel], location: KeyPath) -> str | None:
    close = get_close_matches(str(location[-1]).lower(), keys_at(model, location[:-1]), n=1)
    return close[0] if close else None


def _is_consequence(source: Source, detail: ErrorDetails) -> bool:
    """Tell whether a list is only too short because faulty entries, told themselves, do not count."""
    value = _value(source.data, _existing(source.data, detail["loc"]))
    return detail["type"] == "too_short" and isinstance(value, list) and len(value) >= detail["ctx"]["min_length"]


def _explain(source: Source, model: type[BaseModel], detail: ErrorDetails) -> tuple[KeyPath, str, str | None, str | None]:
    if detail["type"] == "missing":
        return detail["loc"], "is missing", None, None
    key = _existing(source.data, detail["loc"])
    if detail["type"] == "extra_forbidden":
        return key, "unknown key", None, did_you_mean(str(key[-1]), keys_at(model, key[:-1]))
    if key and key[-1] in _SECRETS and detail["type"] in ("model_type", "model_attributes_type"):
        return key, "is not a reference", "a literal", _REFERENCE
    value = _value(source.data, key)
    problem, allowed = _refusal(detail, value)
    return key, problem, shown(value), allowed


def _refusal(detail: ErrorDetails, value: object) -> tuple[str, str | None]:
    """Return what is wrong with a value that is there, and what is allowed."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "literal_error":
        return "is not known", str(context["expected"]).replace(" or ", ", ").replace("'", '"')
    if kind in _BOUNDS:
        bound = next(iter(context.values()))
        return "is out of range", f"{_BOUNDS[kind]} {limit(bound, value) if isinstance(value, str) else f'{bound:g}'}"
    if kind in _LENGTHS:
        return "has the wrong number of entries", f"{_LENGTHS[kind]} {context.get('min_length', context.get('max_length'))}"
    if kind == "value_error":
        problem, _, allowed = str(context["error"]).partition("; allowed: ")
        return _without_value(problem), allowed or None
    if kind in _TYPES:
        return "is not an id" if kind == "string_pattern_mismatch" else "is of the wrong kind", _TYPES[kind]
    return detail["msg"][:1].lower() + detail["msg"][1:], None


def _without_value(problem: str) -> str:
    # The models say "'10' is not a duration"; the value is shown once, as found.
    cut = problem.find(" is not ")
    return problem[cut + 1 :] if cut >= 0 else problem


def _existing(data: Any, location: KeyPath) -> KeyPath:
    """Return the part of the location that stands in the file; pydantic adds names of union branches."""
    path: KeyPath = ()
    for part in location:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            break
        path = (*path, part)
    return path


def _value(data: Any, key: KeyPath) -> object:
    for part in key:
        data = data[part]
    return data


def keys_at(model: type[BaseModel], key: KeyPath) -> list[str]:
    """Return the keys that may stand in the table at a key path of a model."""
    here: type[BaseModel] | None = model
    for part in key:
        if isinstance(part, int) or here is None:
            continue
        field = next((field for name, field in here.model_fields.items() if (field.alias or name) == part), None)
        here = _model_in(field.annotation) if field else None
    return [field.alias or name for name, field in here.model_fields.items()] if here else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _model_in(inner))), None)
