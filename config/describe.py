"""JSON Schema of every kind of file, as an editor wants it."""

from __future__ import annotations

import json

from config.edge import EdgeFile
from config.plant import PlantFile
from config.profiles import Profile
from config.tables import Calendar, Factors, Tariff
from config.values import Strict

MODELS: dict[str, type[Strict]] = {
    "edge": EdgeFile,
    "plant": PlantFile,
    "profile": Profile,
    "tariff": Tariff,
    "calendar": Calendar,
    "factor": Factors,
}


def schema_text(name: str) -> str:
    """Return the JSON Schema of one kind of file. Raises KeyError for an unknown kind."""
    schema = MODELS[name].model_json_schema(by_alias=True, mode="validation")
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, ensure_ascii=False, indent=2) + "\n"
