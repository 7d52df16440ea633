"""`driftwatt scan`, `read` and `dump`: an integrator's day in front of a cabinet."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from driftwatt.commands import Command
from driftwatt.errors import ConfigError

if TYPE_CHECKING:
    from collector.site.asking import Asker
    from config.profiles import Profile

_URLS = "tcp://HOST:502, rtu-tcp://HOST:4001 or rtu:///dev/ttyUSB0?baud=9600&format=8N1"


def _bus(parser: argparse.ArgumentParser, timeout_s: float) -> None:
    parser.add_argument("bus", metavar="BUS-URL", help=_URLS)
    parser.add_argument("--timeout", type=float, default=timeout_s, metavar="S", help="wait so long for an answer (default: %(default)s s)")
    parser.add_argument("--dir", action="append", default=[], metavar="DIR", help="look for profiles here too, before the shipped ones")


def _unit(text: str) -> int:
    if text.isdecimal() and 1 <= int(text) <= 247:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no unit id (1 to 247)")


def _scan_arguments(parser: argparse.ArgumentParser) -> None:
    _bus(parser, 0.3)
    parser.add_argument("--units", default="1-247", metavar="LIST", help="ask these, such as 1-20,30 (default: %(default)s)")
    parser.add_argument(
        "--twice", action="store_true", help="ask silent units for holding registers too: some meters ignore what they do not know"
    )
    parser.add_argument(
        "-o", "--out", type=Path, metavar="FILE", help="write an edge.toml with the meters found; never over an existing file"
    )
    parser.add_argument("--edge", default="edge-1", metavar="ID", help="the edge's id in that file (default: %(default)s)")
    parser.add_argument("--broker", default="mqtt://127.0.0.1:1883", metavar="URL", help="its broker (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object per unit found")


def _scan(arguments: argparse.Namespace) -> int:
    import json

    from collector.site import scanning, session, words

    if arguments.out and arguments.out.exists():
        raise ConfigError("is there already", file=str(arguments.out), allowed="another name for -o")
    wished = scanning.units(arguments.units)
    profiles = session.profiles(arguments.dir)
    bar = session.bar()

    async def work(asker: Asker) -> list[scanning.Found]:
        return await scanning.scan(
            asker,
            wished,
            profiles,
            twice=arguments.twice,
            progress=lambda done, of, found: bar(done / of, f"{done}/{of} units, {found} found"),
        )

    found = session.on_bus(arguments, work)
    bar(1.0, "")
    if arguments.json:
        for one in found:
            print(json.dumps(words.found_object(one), ensure_ascii=False))
        return 0 if found else 1
    for one in found:
        print(words.found_line(one))
    if not found:
        print(f"nobody answers on {arguments.bus} (units {arguments.units})")
        print("  wiring A/B, baud rate and format, termination? longer: --timeout 1 --twice")
        return 1
    if arguments.out:
        arguments.out.write_text(words.edge_file(arguments.edge, arguments.broker, arguments.bus, found), encoding="utf-8")
        print(f"\nwritten: {arguments.out}\nnext: driftwatt check {arguments.out} --live")
    else:
        print(f"\n{words.blocks(arguments.bus, found)}", end="")
    return 0


def _read_arguments(parser: argparse.ArgumentParser) -> None:
    _bus(parser, 1.0)
    parser.add_argument("--unit", type=_unit, required=True, metavar="U", help="unit id, 1 to 247")
    parser.add_argument("--profile", metavar="P", help="profile name; without: the model is found out first")
    parser.add_argument("--json", action="store_true", help="one JSON object per quantity")


def _read(arguments: argparse.Namespace) -> int:
    import json

    from collector.site import session, words

    async def work(asker: Asker) -> tuple[str, Profile, Any]:
        name, profile = await session.model(asker, arguments)
        return name, profile, await asker.read(profile, arguments.unit, profile.registers)

    name, profile, answers = session.on_bus(arguments, work)
    if arguments.json:
        for register in profile.registers:
            print(json.dumps(words.register_object(register, answers), ensure_ascii=False))
        return 0 if answers.values else 1
    print(f"unit {arguments.unit} as {name}")
    print("\n".join(words.reading_lines(answers, profile)))
    absurd = [quantity for quantity in answers.values if words.quality(quantity, answers) == "ABSURD"]
    if absurd:
        print(f"{len(absurd)} of {len(answers.values)} values are absurd: another profile or word order?")
        print(f"  driftwatt scan '{arguments.bus}' --units {arguments.unit}")
    return 0 if answers.values and not absurd else 1


def _dump_arguments(parser: argparse.ArgumentParser) -> None:
    _bus(parser, 1.0)
    parser.add_argument("--unit", type=_unit, required=True, metavar="U", help="unit id, 1 to 247")
    parser.add_argument("--profile", metavar="P", help="profile name; without: the model is found out first")
    parser.add_argument("--also", action="append", default=[], metavar="RANGE", help="raw registers too, such as holding:0x0000-0x0040")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE", help="the recording; never over an existing file")


def _dump(arguments: argparse.Namespace) -> int:
    from collector.site import recording, session
    from driftwatt.clock import SystemClock

    if arguments.out.exists():
        raise ConfigError("is there already", file=str(arguments.out), allowed="another name for -o")
    also = recording.ranges(arguments.also)

    async def work(asker: Asker) -> dict[str, Any]:
        known = await session.model(asker, arguments, needed=bool(arguments.profile))
        return await recording.record(asker, arguments.unit, known if known[0] else None, also, clock=SystemClock())

    taken = session.on_bus(arguments, work)
    arguments.out.write_text(recording.written(taken), encoding="utf-8")
    registers = sum(len(frame["registers"]) for frame in taken["frames"])
    print(f"unit {arguments.unit} as {taken['profile'] or 'unknown model'}: {registers} registers in {len(taken['frames'])} frames")
    print(f"{len(taken['refused'])} requests refused" if taken["refused"] else "nothing refused")
    print(f"written: {arguments.out}\nserve it: driftwatt simulate {arguments.out}")
    return 0 if taken["frames"] else 1


SCAN = Command(
    name="scan",
    summary="Find the meters on a bus, recognise their models, print ready [[bus.meter]] blocks.",
    examples=(
        "  driftwatt scan tcp://192.0.2.10:502\n"
        "  driftwatt scan 'rtu:///dev/ttyUSB0?baud=9600&format=8N1' --units 1-20\n"
        "  driftwatt scan tcp://192.0.2.10:502 -o edge.toml"
    ),
    configure=_scan_arguments,
    run=_scan,
)
READ = Command(
    name="read",
    summary="Read every quantity of one meter once, with raw registers and quality.",
    examples="  driftwatt read tcp://192.0.2.10:502 --unit 7 --profile eastron-sdm630\n  driftwatt read tcp://192.0.2.10:502 --unit 7",
    configure=_read_arguments,
    run=_read,
)
DUMP = Command(
    name="dump",
    summary="Record what one meter answers, to send in, to test a profile with, to simulate it.",
    examples=(
        "  driftwatt dump tcp://192.0.2.10:502 --unit 7 -o meter-7.json\n"
        "  driftwatt dump tcp://192.0.2.10:502 --unit 7 --also holding:0x0000-0x0040 -o meter-7.json"
    ),
    configure=_dump_arguments,
    run=_dump,
)
