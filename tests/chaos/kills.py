"""`./run chaos`: collector, processor, mosquitto and InfluxDB are killed at random instants; meters lie, lines break, the store fails.

Truth is the farm's log of every reply sent to its end. Printed and held: readings committed and not stored (lost, 0);
values that no reply carried for that meter, register and time (foreign, 0); sums and energy per meter equal; books of
both sides balanced to 0; state equal to the state rebuilt from the store, byte for byte; each fault seen to strike.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos import proxies, store_proxy
from tests.chaos.farm import LIES
from tests.chaos.found import energies, stored_readings
from tests.chaos.herd import Herd
from tests.chaos.herd_files import program
from tests.chaos.truth import Compared, compare, journal, not_committed

PAUSE_S = (0.2, 2.2)
KILLS_PER_S = 250 / 600
STOP_SHARE = 0.06
LAZY_SHARE = 0.001
"""Of the polls that were answered truly and in time, no more may be missing."""


@dataclass(slots=True)
class Figures:
    """What a run came to, and which promises were not kept."""

    lines: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        self.lines.append(line)

    def hold(self, what: str, found: object, wanted: object) -> None:
        """Print a figure that must have a value."""
        self.say(f"{what}: {found}" + ("" if found == wanted else f"  BROKEN, wanted {wanted}"))
        if found != wanted:
            self.broken.append(f"{what} {found}")


def storm(herd: Herd, seconds: float, dice: random.Random) -> int:
    """Kill and stop daemons for a while; returns how often the broker stood still."""
    began, told, stops = time.monotonic(), 0.0, 0
    while time.monotonic() - began < seconds:
        time.sleep(dice.uniform(*PAUSE_S))  # the instant of the kill is the random input, not a wait for a result
        if dice.random() < STOP_SHARE:
            herd.freeze("broker")
            time.sleep(dice.uniform(0.5, 3.0))
            herd.thaw("broker")
            stops += 1
        else:
            herd.kill(dice.choice(herd.victims))
        if time.monotonic() - told > 30:
            told = time.monotonic()
            print(f"{told - began:4.0f} s: {sum(herd.kills.values())} kills, {herd.stored()} stored", flush=True)
    return stops


def settle(herd: Herd) -> None:
    """End all faults, let the edge poll once more, and wait until the plant has counted everything."""
    herd.calm()
    for name in herd.victims:
        if not herd.running(name):
            herd.begin(name)
    herd.end("collect")
    herd.begin("collect", "--once")
    herd.wait("the outbox is empty", lambda: drained(herd), within_s=180)
    herd.wait("the plant has counted it", lambda: herd.taken() >= herd.total("edge.toml")["stored"], within_s=60)
    herd.wait("the plant knows the edge's last books", lambda: bool(herd.total("plant.toml").get("balanced")), within_s=30)
    herd.wait("the last poll is over", lambda: not herd.running("collect"), within_s=60)
    herd.end("process")


def drained(herd: Herd) -> bool:
    """Tell whether nothing waits at the edge; a collector that left before the plant was ready is started once more."""
    if herd.total("edge.toml").get("waiting") == 0:
        return True
    if not herd.running("collect"):
        herd.begin("collect", "--once")
    return False


def judge(herd: Herd, seconds: float) -> Figures:
    """Compare everything; returns the figures."""
    out = Figures()
    rebuilt = herd.driftwatt("rebuild", "plant.toml", "--compare")
    herd.end("stage")
    served = journal(herd.folder / "served.txt")
    compared = compare(stored_readings(herd), served)
    edge, plant = herd.total("edge.toml"), herd.total("plant.toml")
    out.say(f"kills: {sum(herd.kills.values())} ({', '.join(f'{name} {count}' for name, count in sorted(herd.kills.items()))})")
    wanted = int(min(seconds, 600) * KILLS_PER_S)
    if sum(herd.kills.values()) < wanted or min(herd.kills[name] for name in herd.victims) < 3:
        out.broken.append(f"only {sum(herd.kills.values())} kills, wanted {wanted}, 3 of each")
    out.say(f"replies served: {len(served)}; readings committed: {edge['committed']}; stored: {sum(compared.stored.values())}")
    out.hold("lost", edge["committed"] - sum(compared.stored.values()), 0)
    judge_values(out, compared, served, herd)
    out.hold("energy of the plant's state against the registers, meters that differ", differing(compared, energies(herd)), [])
    for name, total in (("edge", edge), ("plant", plant)):
        out.say(f"ledger --json, {name}: {json.dumps(total)}")
        out.hold(f"books of the {name}, off by", unbalanced(total), 0)
        out.hold(f"books of the {name}, every meter and day balanced", total["balanced"], True)
    judge_state(out, rebuilt)
    judge_faults(out, herd)
    return out


def judge_values(out: Figures, compared: Compared, served: Mapping[Any, Any], herd: Herd) -> None:
    out.hold("foreign values", len(compared.foreign), 0)
    for line in compared.foreign[:5]:
        out.say(f"  {line}")
    out.hold("replies stored twice", compared.doubled, 0)
    out.say(f"sum of all counters, stored: {compared.sum_stored}")
    out.hold("  minus served", compared.sum_stored - compared.sum_served, 0)
    deaths = sorted(at for name, at in herd.killed_at if name == "collect")
    last = max((reply.t_ms for reply in served.values()), default=0)
    true, missing = not_committed(served, compared.used, [*deaths, last])
    out.say(f"polls answered truly and in time while nobody died: {true}, of those not committed: {missing} ({missing / max(1, true):.3%})")
    if missing > max(1, true * LAZY_SHARE):
        out.broken.append("a lazy collector")
    out.say(f"longest time without a stored reading of a meter: {compared.longest_gap_s:.1f} s")
    out.say(f"largest resident memory: {', '.join(f'{name} {size:.0f} MB' for name, size in herd.peak_mb.items())}")


def differing(compared: Compared, told: Mapping[int, float]) -> list[str]:
    """Return the meters whose energy in the state is not what their registers gained."""
    served = compared.energy_served
    return [f"m{meter}: {told[meter]} for {wh}" for meter, wh in served.items() if abs(told[meter] - wh) > 1e-6 * max(1, wh)]


def unbalanced(total: Mapping[str, Any]) -> int:
    """Return by how much the sums of all books are off."""
    failed: int = sum(total.get("failed", {}).values())
    dropped: int = sum(total.get("dropped", {}).values())
    committed: int = total["stored"] + total["waiting"] + dropped + total["thinned"] + total.get("quarantined", 0)
    return abs(int(total["polled"]) - int(total["committed"]) - failed) + abs(int(total["committed"]) - committed)


def judge_state(out: Figures, rebuilt: subprocess.CompletedProcess[str]) -> None:
    words = [line for line in (rebuilt.stdout + rebuilt.stderr).splitlines() if line.strip()]
    out.hold("state against the state rebuilt from the store: `rebuild --compare` exits with", rebuilt.returncode, 0)
    for line in words[-1:] if rebuilt.returncode == 0 else words[-20:]:
        out.say(f"  {line[:300]}")


def judge_faults(out: Figures, herd: Herd) -> None:
    counts = json.loads((herd.folder / "stage.json").read_text(encoding="utf-8"))
    for where, found in counts.items():
        out.say(f"{where}: {', '.join(f'{what} {count}' for what, count in sorted(found.items()))}")
    out.hold("function codes other than 4 seen by the meters", sum(n for code, n in counts["functions"].items() if code != "4"), 0)
    on_lines = Counter(counts["edge and broker"]) + Counter(counts["plant and broker"])
    wanted: dict[str, tuple[Iterable[str], Counter[str]]] = {
        "meters": (LIES, Counter(counts["replies"])),
        "lines": (proxies.FAULTS, on_lines),
    }
    if herd.store == "influxdb":
        wanted["store"] = (store_proxy.FAULTS, Counter(counts["plant and store"]))
    never = [f"{where}: {what}" for where, (faults, struck) in wanted.items() for what in faults if not struck[what]]
    out.hold("faults that never struck", never, [])


def run(arguments: argparse.Namespace) -> int:
    """Run one campaign. Returns the exit code."""
    needed = [name for name in ("mosquitto", *(("influxd",) if arguments.store == "influxdb" else ())) if not program(name)]
    if needed:
        print(f"chaos: {', '.join(needed)} not found; bash .ci/run installs both", file=sys.stderr)
        return 3
    with tempfile.TemporaryDirectory(prefix="driftwatt-chaos-", ignore_cleanup_errors=True) as name:
        folder = Path(arguments.keep or name)
        folder.mkdir(parents=True, exist_ok=True)
        herd = Herd(folder, store=arguments.store, seed=arguments.seed)
        try:
            herd.start()
            print(f"seed {arguments.seed}, store {arguments.store}, {arguments.seconds:g} s", flush=True)
            stops = storm(herd, arguments.seconds, random.Random(arguments.seed))
            settle(herd)
            figures = judge(herd, arguments.seconds)
        finally:
            herd.close()
    figures.say(f"broker stood still: {stops} times")
    print("\n".join(figures.lines))
    print(f"seed {arguments.seed}: {'all kept' if not figures.broken else 'BROKEN: ' + '; '.join(figures.broken)}")
    return 1 if figures.broken else 0


def main() -> int:
    """Read the words of the command line."""
    parser = argparse.ArgumentParser(prog="./run chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600, metavar="N", help="how long the storm lasts (600)")
    parser.add_argument("--store", choices=("influxdb", "sqlite"), default="influxdb", help="what the plant stores in (influxdb)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="another seed, another storm (1)")
    parser.add_argument("--short", action="store_true", help="45 s, as on every push")
    parser.add_argument("--keep", metavar="DIR", help="work in this folder and leave it")
    arguments = parser.parse_args()
    if arguments.short:
        arguments.seconds = 45.0
    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
