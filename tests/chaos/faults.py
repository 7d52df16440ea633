"""`./run faults`: single faults that real daemons have to survive, each with a proof that it happened and the books afterwards.

Each case starts broker, processor, collector and meters, brings its fault, checks what has to be seen, ends it, and
counts: committed = stored + what the books say was dropped, thinned or set aside; no value that was not served.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.chaos.case import Case, Missing
from tests.chaos.fault_cases import CASES
from tests.chaos.found import doubted, stored_readings
from tests.chaos.herd import Herd
from tests.chaos.herd_files import program
from tests.chaos.kills import settle, unbalanced
from tests.chaos.truth import compare, journal


def told(case: Case, herd: Herd) -> list[str]:
    """Run one case to its end; return what was not as it must be."""
    herd.start()
    herd.calm()
    unknown = case.fault(herd) or 0
    if case.drains:
        settle(herd)
    else:
        herd.end("collect")
        herd.end("process")
    herd.end("stage")
    compared = compare(stored_readings(herd), journal(herd.folder / "served.txt"), doubted(herd))
    edge, plant = herd.total("edge.toml"), herd.total("plant.toml")
    stored = sum(compared.stored.values())
    aside = sum(line["quarantined"] for line in herd.ledger("plant.toml") if str(line.get("meter", "")).startswith("m"))
    beside = sum(edge["dropped"].values()) + edge["thinned"] + aside - plant.get("reconciled", 0)
    wrong = []
    if not edge["committed"] - edge["waiting"] <= stored + beside <= edge["committed"] + unknown:
        wrong.append(f"committed {edge['committed']}, stored {stored}, dropped, thinned and set aside {beside}")
    if compared.foreign or compared.doubled:
        wrong.append(f"{len(compared.foreign)} foreign and {compared.doubled} doubled values: {compared.foreign[:2]}")
    for name, total in (("edge", edge), ("plant", plant)):
        if case.drains and (unbalanced(total) or not total["balanced"]):
            wrong.append(f"books of the {name}: {total}")
    given_up = f"dropped {sum(edge['dropped'].values())}, thinned {edge['thinned']}, set aside {aside}"
    print(f"  committed {edge['committed']}, waiting {edge['waiting']}, stored {stored}, {given_up}")
    return wrong


def one(case: Case) -> list[str]:
    """Run one case in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="driftwatt-fault-", ignore_cleanup_errors=True) as name:
        herd = Herd(Path(name), direct=True, **case.settings)
        try:
            return told(case, herd)
        except (Missing, AssertionError) as error:
            return [f"{type(error).__name__}: {error}"[:1500]]
        finally:
            herd.close()


def run(cases: list[Case], say: Callable[[str], None] = print) -> int:
    """Run cases. Returns the exit code."""
    missing = [name for name in ("mosquitto", "influxd") if not program(name)]
    if missing:
        print(f"faults: {', '.join(missing)} not found; bash .ci/run installs both", file=sys.stderr)
        return 3
    failed = []
    for case in cases:
        began = time.monotonic()
        say(f"{case.name}: {case.fault.__doc__}")
        wrong = one(case)
        for line in wrong:
            say(f"  WRONG {line}")
        failed += [case.name] if wrong else []
        say(f"  {'WRONG' if wrong else 'held'}, {time.monotonic() - began:.0f} s")
    say(f"{len(cases) - len(failed)} of {len(cases)} held{'' if not failed else ': WRONG ' + ', '.join(failed)}")
    return 1 if failed else 0


def main() -> int:
    """Read the words of the command line."""
    parser = argparse.ArgumentParser(prog="./run faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("only", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--short", action="store_true", help=f"only {', '.join(name for name, case in CASES.items() if case.short)}")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.only if name not in CASES]
    if unknown:
        parser.error(f"no such case: {', '.join(unknown)}; there are: {', '.join(CASES)}")
    wanted = arguments.only or [name for name, case in CASES.items() if case.short or not arguments.short]
    return run([CASES[name] for name in wanted])


if __name__ == "__main__":
    sys.exit(main())
