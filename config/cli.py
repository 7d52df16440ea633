"""`driftwatt profiles` and `driftwatt schema`."""

from __future__ import annotations

import argparse

from driftwatt.commands import Command

SCHEMAS = ("edge", "plant", "profile", "tariff", "calendar", "factor")


def _profiles_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="one profile: its registers; without: all of them")
    parser.add_argument("--dir", action="append", default=[], metavar="DIR", help="look here too, before the shipped ones")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object per line")
    form.add_argument("--markdown", action="store_true", help="the table of docs/meters.md")


def _run_profiles(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from config.listing import print_profile, print_profiles

    folders = [Path(folder) for folder in arguments.dir]
    if arguments.markdown:
        from config.supported import markdown

        print(markdown(folders), end="")
    elif arguments.name:
        print_profile(arguments.name, folders, as_json=arguments.json)
    else:
        print_profiles(folders, as_json=arguments.json)
    return 0


def _schema_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", choices=SCHEMAS, help="which file to describe")


def _run_schema(arguments: argparse.Namespace) -> int:
    from config.describe import schema_text

    print(schema_text(arguments.name), end="")
    return 0


PROFILES = Command(
    name="profiles",
    summary="List the meter models that driftwatt knows, and how sure each profile is.",
    examples=(
        "  driftwatt profiles\n  driftwatt profiles eastron-sdm630\n"
        "  driftwatt profiles --dir profiles --json\n  driftwatt profiles --markdown"
    ),
    configure=_profiles_arguments,
    run=_run_profiles,
)
SCHEMA = Command(
    name="schema",
    summary="Print the JSON Schema of a kind of file, for editors and scripts.",
    examples="  driftwatt schema edge\n  driftwatt schema plant > plant.schema.json",
    configure=_schema_arguments,
    run=_run_schema,
)
