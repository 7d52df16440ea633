"""Usual rows by one compiled check each: a reading is built while its JSON is read, without steps in Python.

A row that is anything but a plain reading comes out as the checked dictionary that it was, for the careful
way of `decoding`; what the check refuses is read again there row by row.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter
from pydantic_core import SchemaValidator, core_schema
from typing_extensions import TypedDict

from driftwatt.quantities import QUANTITIES
from driftwatt.readings import Reading
from driftwatt.wire.fields import MAX_SEQS, Bits, Duration, Id, Millis, Number, Reason

CLOCKS = Literal["ok", "unsynced", "uncertain"]


class RawRow(TypedDict, total=False):
    """The keys that any row may have, checked one by one; which of them belong together is not."""

    m: Id
    t: Millis
    d: Duration
    c: CLOCKS
    s: dict[str, Number]
    q: dict[str, Bits]
    f: Reason
    x: Literal["thinned", "corrupt"]
    k: Annotated[int, Field(ge=1, le=MAX_SEQS, strict=True)]


@cache
def any_row() -> TypeAdapter[RawRow]:
    """Return what checks one row; made at first use: it costs megabytes, and an edge reads no rows."""
    return TypeAdapter(RawRow)


@cache
def row_list() -> SchemaValidator:
    """Return what checks a list of rows and makes Readings of those that are; made at first use: it costs milliseconds."""
    return SchemaValidator(core_schema.list_schema(core_schema.union_schema([_reading(), any_row().core_schema], mode="left_to_right")))


def _reading() -> core_schema.CoreSchema:
    quantity = core_schema.literal_schema(list(QUANTITIES))
    values = core_schema.dict_schema(quantity, _of(Number))
    doubt = core_schema.with_default_schema(core_schema.dict_schema(quantity, _of(Bits)), default_factory=dict)
    fields = [
        _field("meter", _of(Id), "m"),
        _field("t_ms", _of(Millis), "t"),
        _field("values", values, "s"),
        _field("doubt", doubt, "q"),
        _field("duration_ms", core_schema.with_default_schema(_of(Duration), default=0), "d"),
        _field("clock", core_schema.with_default_schema(_of(CLOCKS), default="ok"), "c"),
        # No value is good for this field: it stands in no row, and always is None.
        _field("encoded", core_schema.with_default_schema(core_schema.is_instance_schema(_Nothing), default=None), "x"),
    ]
    names = [field["name"] for field in fields]
    # A row with any other key is no plain reading.
    arguments = core_schema.dataclass_args_schema("Reading", fields, extra_behavior="forbid")
    return core_schema.dataclass_schema(Reading, arguments, names, slots=True)


class _Nothing:
    pass


def _of(kind: Any) -> core_schema.CoreSchema:
    return TypeAdapter(kind).core_schema


def _field(name: str, schema: core_schema.CoreSchema, key: str) -> core_schema.DataclassField:
    return core_schema.dataclass_field(name, schema, validation_alias=key)
