"""`./run counters`: a million sequences of a counter's worst days, told by the real code and by an independent slow model.

A sequence is a meter that counts, rolls over, glitches, is reset or replaced, falls silent; the model keeps what truly
flowed in whole numbers and fractions (tests/laws/test_engine_laws.py). Energy of each quarter-hour, its coverage, its
marks and the whole energy have to agree.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from tests.laws.test_engine_laws import against_the_slow_model

PORTION = 2000


def portion(first: int, count: int) -> tuple[int, dict[str, int], str]:
    """Compare sequences; return how many agreed, the troubles met, and the seed that did not agree."""
    try:
        return count, against_the_slow_model(range(first, first + count)), ""
    except AssertionError as error:
        return 0, {}, f"seeds {first} to {first + count - 1}: {str(error).splitlines()[0]}"


def main() -> int:
    """Read the words of the command line, compare, print."""
    parser = argparse.ArgumentParser(prog="./run counters", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sequences", type=int, default=1_000_000, metavar="N", help="how many (1000000)")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="first seed (0)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (one a core)")
    arguments = parser.parse_args()
    began, agreed, wrong = time.monotonic(), 0, list[str]()
    met: Counter[str] = Counter()
    end = arguments.first + arguments.sequences
    with ProcessPoolExecutor(arguments.workers) as pool:
        for part in [pool.submit(portion, at, min(PORTION, end - at)) for at in range(arguments.first, end, PORTION)]:
            count, seen, failed = part.result()
            agreed += count
            met.update(seen)
            wrong += [failed] if failed else []
            if sys.stdout.isatty() or agreed % 100_000 == 0:
                print(f"{agreed} of {arguments.sequences} agree, {time.monotonic() - began:.0f} s", flush=True)
    print(f"{agreed} sequences agree with the slow model; quarter-hours with {', '.join(f'{what} {n}' for what, n in sorted(met.items()))}")
    for line in wrong[:10]:
        print(f"  DIFFERS {line}")
    return 1 if wrong or agreed != arguments.sequences else 0


if __name__ == "__main__":
    sys.exit(main())
