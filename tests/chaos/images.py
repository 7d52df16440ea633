"""`./run images`: disks as power cuts leave them, opened by the real outbox and the real processor.

Truth is what the process was promised before the cut. Counted: promised readings that are gone (must be 0), images
that do not open or are set aside (must be 0), books that do not add up (0), and how often each kind of damage struck.
Then bits are flipped: a file opens, or is set aside and says so; nothing that is read is wrong, nothing is silently empty.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from tests.chaos.disk import WAYS, Operation, compiler, images, operations, recorded
from tests.chaos.image_outbox import outbox_flip, outbox_image
from tests.chaos.image_plant import contents, live_on, plant_flip, plant_image
from tests.chaos.tally import Broken, Tally

LOGS = 2
CARELESS_IMAGES = 60
GO_ON_EVERY = 60
"""Of so many plant images one is lived on to the end, to compare the derived state."""


JUDGES: dict[str, Callable[[Path, list[str], Tally, str], None]] = {"outbox": outbox_image, "plant": plant_image}


def portion(kind: str, log: Path, count: int, seed: int, scratch: Path) -> Tally:
    """Judge `count` images of one recording."""
    tally = Tally()
    log_of: list[Operation] = operations(log)
    truth: dict[str, Any] | None = None
    for disk, dice, way in images(log_of, count, seed, happened=tally.happened):
        folder = scratch / f"{kind}-{seed}-{tally.images}"
        folder.mkdir()
        disk.image(folder, dice, way)
        name = f"{kind}, recording {log.name}, seed {seed}, image {tally.images} ({way})"
        tally.images += 1
        JUDGES[kind](folder, disk.told, tally, name)
        if kind == "plant" and tally.images % GO_ON_EVERY == 0:
            if truth is None:
                whole = scratch / f"whole-{seed}"
                whole.mkdir()
                asyncio.run(live_on(whole))
                truth = contents(whole)
            asyncio.run(live_on(folder))
            tally.happened["lived on to the end"] += 1
            if contents(folder) != truth:
                tally.wrong.append(f"{name}: state and store differ from those of a plant that never lost power")
        shutil.rmtree(folder)
    return tally


def flipped(kind: str, log: Path, count: int, seed: int, scratch: Path) -> Tally:
    """Flip bits in whole files and open them."""
    tally, dice = Tally(), random.Random(seed)
    for disk, image_dice, _ in images(operations(log), count, seed, happened=Counter()):
        folder = scratch / f"flip-{kind}-{seed}-{tally.images}"
        folder.mkdir()
        disk.image(folder, image_dice, "all")
        tally.images += 1
        victims = [path for path in folder.iterdir() if path.stat().st_size and (kind == "outbox" or path.name.startswith("state"))]
        if victims:
            victim = dice.choice(sorted(victims))
            flip(victim, dice)
            name = f"{kind}, seed {seed}, flip {tally.images} in {victim.name}"
            try:
                tally.happened[FLIPS[kind](folder, disk.told, in_log=victim.name.endswith("-wal"))] += 1
            except Broken as broken:
                tally.wrong.append(f"{name}: {broken}")
        shutil.rmtree(folder)
    return tally


def flip(path: Path, dice: random.Random) -> None:
    """Turn over one to eight bits that lie near each other."""
    content = bytearray(path.read_bytes())
    at = dice.randrange(len(content)) if dice.random() < 0.8 else dice.randrange(min(len(content), 200))
    for _ in range(dice.choice((1, 1, 1, 2, 8))):
        content[min(len(content) - 1, at + dice.randrange(64))] ^= 1 << dice.randrange(8)
    path.write_bytes(content)


FLIPS = {"outbox": outbox_flip, "plant": plant_flip}


def report(title: str, tally: Tally) -> bool:
    """Print the figures and return whether all promises were kept."""
    print(f"{title}: {tally.images} images, {tally.promised} promised readings, {tally.lost} lost, {tally.unopenable} unopenable, "
          f"{len(tally.wrong)} wrong", flush=True)  # fmt: skip
    print("  " + ", ".join(f"{what} {count}" for what, count in sorted(tally.happened.items())), flush=True)
    for line in tally.wrong[:10]:
        print(f"  WRONG {line}")
    return not tally.wrong


def recording(kind: str, scratch: Path, seed: int, *more: str) -> Path:
    """Live a life and return what it wrote."""
    name = "-".join((kind, str(seed), *more))
    (scratch / name).mkdir()
    log = scratch / f"{name}.writes"
    recorded([sys.executable, "-m", "tests.chaos.image_lives", kind, str(scratch / name), str(seed), *more], scratch, log)
    return log


def campaign(kind: str, scratch: Path, arguments: argparse.Namespace) -> bool:
    """Judge all images of one kind and print the figures."""
    logs = [recording(kind, scratch, arguments.seed + number) for number in range(LOGS)]
    careless = recording(kind, scratch, arguments.seed, "careless")
    total, flips, found = Tally(), Tally(), Tally()
    step = max(1, min(500, arguments.images // (arguments.workers * 4)))
    with ProcessPoolExecutor(arguments.workers) as pool:
        cuts = [
            pool.submit(portion, kind, logs[number % LOGS], min(step, arguments.images - at), arguments.seed + number, scratch)
            for number, at in enumerate(range(0, arguments.images, step))
        ]
        bad = [pool.submit(flipped, kind, logs[n % LOGS], max(1, arguments.flips // 4), arguments.seed + n, scratch) for n in range(4)]
        planted = pool.submit(portion, kind, careless, CARELESS_IMAGES, arguments.seed - 1, scratch)
        for part in cuts:
            total.add(part.result())
            if sys.stdout.isatty():
                print(f"{kind}: {total.images} of {arguments.images}", end="\r", flush=True)
        for part in bad:
            flips.add(part.result())
        found.add(planted.result())
    fine = report(f"{kind}, power cuts", total)
    fine &= report(f"{kind}, flipped bits", flips)
    unseen = [way for way in WAYS if not total.happened[way]]
    if unseen or total.happened["with unsynced writes"] < total.images // 10:
        print(f"  {kind}: did not happen: {unseen or 'writes that were not synced'}")
        fine = False
    print(f"{kind}, planted: without syncs {found.lost} of {found.images} images lose promised readings", flush=True)
    return fine and found.lost > 0


def run(arguments: argparse.Namespace) -> int:
    """Record, build, judge, print. Returns the exit code."""
    if not compiler():
        print("images: needs a C compiler (cc) to record what is written", file=sys.stderr)
        return 3
    logging.disable(logging.CRITICAL)  # a file set aside is said in the log, hundreds of times here
    began, room = time.monotonic(), Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="driftwatt-images-", dir=room if room.is_dir() else None) as name:
        fine = [campaign(kind, Path(name), arguments) for kind in ("outbox", "plant")]
    print(f"seed {arguments.seed}, {time.monotonic() - began:.0f} s: {'kept' if all(fine) else 'BROKEN'}")
    return 0 if all(fine) else 1


def main() -> int:
    """Read the words of the command line."""
    parser = argparse.ArgumentParser(prog="./run images", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000, metavar="N", help="power cuts, each for outbox and for plant (10000)")
    parser.add_argument("--flips", type=int, default=4000, metavar="N", help="files with flipped bits, for each of both (4000)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="another seed, other images (1)")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes that judge (2)")
    parser.add_argument("--short", action="store_true", help="3000 images and 300 flips each, as on every push")
    arguments = parser.parse_args()
    if arguments.short:
        arguments.images, arguments.flips = 3000, 300
    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
