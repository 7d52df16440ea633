"""`driftwatt decode`: what raw registers could mean."""

from __future__ import annotations

import argparse

from driftwatt.commands import Command
from driftwatt.errors import ConfigError


def _decode_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("hex", nargs="+", metavar="HEX", help='registers as hexadecimal, such as "4366 8000" or 43668000')
    parser.add_argument("--at", default="0", metavar="ADDR", help="address of the first register, such as 0x0034 (default: 0)")
    parser.add_argument("--all", action="store_true", help="the implausible ones too, also of long blocks")
    parser.add_argument("--json", action="store_true", help="one JSON object per meaning")


def _decode(arguments: argparse.Namespace) -> int:
    import json
    from dataclasses import asdict

    from collector.pure.plausible import meanings
    from collector.site import session, words

    registers, start = _registers(" ".join(arguments.hex)), _address(arguments.at)
    found = meanings(registers, start)
    if arguments.json:
        for one in found:
            print(json.dumps({**asdict(one), "plausible": bool(one.guess)}, ensure_ascii=False))
        return 0
    lines = words.meaning_lines(found, count=len(registers), everything=arguments.all)
    print("\n".join(lines) or "nothing plausible; --all shows every reading")
    for line in words.known_lines(session.profiles([]), start, len(registers)) if arguments.at != "0" else []:
        print(line)
    return 0


def _registers(text: str) -> tuple[int, ...]:
    digits = "".join(text.replace("0x", " ").replace(",", " ").split())
    try:
        raw = bytes.fromhex(digits)
    except ValueError:
        raw = b""
    if not raw or len(raw) % 2 or len(raw) > 250:
        raise ConfigError(
            "registers are not understood", found=repr(text[:60]), allowed='1 to 125 registers of four digits, such as "4366 8000"'
        )
    return tuple(int.from_bytes(raw[at : at + 2], "big") for at in range(0, len(raw), 2))


def _address(text: str) -> int:
    try:
        address = int(text, 0)
    except ValueError:
        address = -1
    if not 0 <= address <= 0xFFFF:
        raise ConfigError("--at is not understood", found=repr(text), allowed="0x0000 to 0xFFFF, as on the wire")
    return address


DECODE = Command(
    name="decode",
    summary="Show raw registers under all types and orders; the plausible ones are marked.",
    examples='  driftwatt decode "4366 8000"\n  driftwatt decode 436680004367C000 --at 0x0000 --all',
    configure=_decode_arguments,
    run=_decode,
)
