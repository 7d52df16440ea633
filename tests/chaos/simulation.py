"""`./run simulation`: stories of faults around the real outbox tables, sending core, intake and delivery core.

Each seed is one story with every kind of fault in it (tests/laws/world.py). Counted: stories in which a promise was
not kept, the share of stories in which each fault really struck, and how soon each planted bug is found.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor

from tests.laws.test_delivery_simulation import BUGS, MUST_HAPPEN
from tests.laws.world import Broken, World

PORTION = 100
FOUND_WITHIN = 300


def stories(first: int, count: int) -> tuple[int, Counter[str], list[str]]:
    """Tell `count` stories; return how many, in how many each thing happened, and the promises broken."""
    happened: Counter[str] = Counter()
    broken = []
    for seed in range(first, first + count):
        try:
            happened.update(what for what, times in World(seed).run().items() if times)
        except Broken as found:
            broken.append(str(found))
    return count, happened, broken


def found_after(bug: str) -> tuple[str, int, str]:
    """Return a planted bug, after how many stories it was found (0: never) and the words in which."""
    for seed in range(FOUND_WITHIN):
        try:
            World(seed, bug).run()
        except Broken as found:
            return bug, seed + 1, str(found)
    return bug, 0, "nobody noticed"


def run(arguments: argparse.Namespace) -> int:
    """Tell all stories, print the figures. Returns the exit code."""
    began, told = time.monotonic(), 0
    happened: Counter[str] = Counter()
    broken: list[str] = []
    end = arguments.first + arguments.seeds
    with ProcessPoolExecutor(arguments.workers) as pool:
        planted = [pool.submit(found_after, bug) for bug in BUGS]
        parts = [pool.submit(stories, seed, min(PORTION, end - seed)) for seed in range(arguments.first, end, PORTION)]
        bugs = [each.result() for each in planted]
        for part in parts:
            count, more, wrong = part.result()
            told += count
            happened.update(more)
            broken += wrong
            if sys.stdout.isatty() or told % 2000 == 0:
                print(f"{told} of {arguments.seeds} stories, {len(broken)} broken, {time.monotonic() - began:.0f} s", flush=True)
    fine = report(told, happened, broken, bugs)
    print(f"{time.monotonic() - began:.0f} s: {'kept' if fine else 'BROKEN'}")
    return 0 if fine else 1


def report(told: int, happened: Counter[str], broken: list[str], bugs: Iterable[tuple[str, int, str]]) -> bool:
    """Print the figures and return whether everything is as it must be."""
    print("share of stories in which each thing happened:")
    for what, share in MUST_HAPPEN.items():
        print(f"  {happened[what] / told:5.2f} {what}{'' if happened[what] / told >= share else f'  TOO RARE, wanted {share}'}")
    print("planted bugs, found after:")
    for bug, after, words in bugs:
        print(f"  {after or 'NEVER':>5} {bug}: {words[:110]}")
    print(f"{told} stories, {len(broken)} in which a promise was not kept")
    for line in broken[:10]:
        print(f"  BROKEN {line}")
    rare = [what for what, share in MUST_HAPPEN.items() if happened[what] / told < share]
    return not broken and not (rare and told >= PORTION) and all(after for _, after, _ in bugs)


def main() -> int:
    """Read the words of the command line."""
    parser = argparse.ArgumentParser(prog="./run simulation", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20_000, metavar="N", help="stories to tell (20000)")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="first seed; `--first 4711 --seeds 1` tells one again (0)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (one a core)")
    parser.add_argument("--short", action="store_true", help="300 stories, as on every push")
    arguments = parser.parse_args()
    if arguments.short:
        arguments.seeds = 300
    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
