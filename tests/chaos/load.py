"""`./run load`: the whole chain on one machine under load, then a database outage and what comes after it.

2,000 readings a second of 20 values are committed in a real outbox, cross a real mosquitto, are judged by the real
processor and stored in a real InfluxDB 1.8. Held: 0 lost; from commit to acknowledged (stored, judged, committed by the
plant) at most 2 s for 99 of 100; after an outage of the database at 1,000 a second the backlog shrinks at three times
the live rate or more while the page shows values at most 5 s old; resident memory of both daemons grows less than 1 MB/h;
beside an edge gone mad the others keep their second (mad_edge.py).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from tests.chaos import mad_edge
from tests.chaos.gauges import Verdict, growth, percentile
from tests.chaos.herd_files import program
from tests.chaos.load_bench import Bench, Look

P99_MS, LIVE_S, TIMES_LIVE, SLOPE_MB_H = 2000, 5.0, 3.0, 1.0
SHORT_P99_MS, SHORT_TIMES_LIVE = 4000, 1.5
"""Held by the short form, which shares its machine with others; the goals stand beside."""
WARM_UP, WARM_UP_S = 0.4, 1200.0
"""Share of the steady part that memory is not looked at, and the most of it."""
FILL_S, MAD_S = 20.0, 60.0
SAYS_S = 1800.0
"""From so long a steady part on the slope itself is judged; before that only whether it is certain that it is too steep."""


def fill(bench: Bench, rate: int) -> None:
    """Have every bounded buffer be full once: what a backlog takes is kept for the next one, and is no growth."""
    bench.herd.take_down("influx")
    bench.watch(FILL_S, "filling the buffers")
    bench.herd.begin("influx")
    bench.herd.wait("the backlog is gone", lambda: bench.backlog() < rate, within_s=180)


def steady(bench: Bench, verdict: Verdict, rate: int, seconds: float, *, short: bool) -> None:
    """Hold a rate and judge waits and memory."""
    bench.watch(5, "warming up")
    if not short:
        fill(bench, rate)
    from_ms, cpu = time.time_ns() // 1_000_000, bench.cpu_s()
    first = bench.read()
    bench.watch(seconds, f"{rate} a second")
    last, to_ms = bench.read(), time.time_ns() // 1_000_000
    took_s = (to_ms - from_ms) / 1000
    used = {name: (after - cpu[name]) / took_s for name, after in bench.cpu_s().items()}
    print(f"cores used at {rate} a second: {', '.join(f'{name} {share:.2f}' for name, share in used.items())}")
    waits = bench.course.waits(from_ms, to_ms)
    speed = (last - first) / took_s
    verdict.hold("readings acknowledged a second", speed, f">= {rate * 0.98:g}", met=speed >= rate * (0.9 if short else 0.98))
    verdict.hold("commit to acknowledged, median, ms", percentile(waits, 0.5), "-", met=True)
    p99 = percentile(waits, 0.99)
    verdict.hold("commit to acknowledged, p99, ms", p99, f"<= {P99_MS}", met=p99 <= (SHORT_P99_MS if short else P99_MS))
    warm_ms = from_ms + 1000 * min(took_s * WARM_UP, WARM_UP_S)
    memory(verdict, [look for look in bench.course.looks if look.at_ms >= warm_ms], took_s, short=short)


def memory(verdict: Verdict, looks: list[Look], took_s: float, *, short: bool) -> None:
    """Judge how the resident memory of both daemons grew after the warm-up."""
    for name, sizes in (("edge", [look.edge_mb for look in looks]), ("processor", [look.plant_mb for look in looks])):
        found = growth([look.at_ms for look in looks], sizes)
        seen_s = (looks[-1].at_ms - looks[0].at_ms) / 1000
        print(f"resident memory of the {name}: {sizes[0]:.1f} MB to {sizes[-1]:.1f} MB in {seen_s:.0f} s, slope ± {found.error:.2g} MB/h")
        certain = found.per_h - 2 * found.error if took_s < SAYS_S else found.per_h
        goal = f"< {SLOPE_MB_H:g}" + ("" if took_s >= SAYS_S else " (too short to say; ./run load --soak)")
        verdict.hold(f"  its slope, MB/h ({name})", found.per_h, goal, met=short or certain < SLOPE_MB_H)


def outage(bench: Bench, verdict: Verdict, rate: int, seconds: float, *, short: bool) -> None:
    """Take the database away for a while and judge how the backlog goes."""
    bench.rate(rate)
    bench.watch(8, f"{rate} a second")
    bench.herd.take_down("influx")
    down_ms = time.time_ns() // 1_000_000
    bench.watch(seconds, "database down")
    top = bench.backlog()
    bench.herd.begin("influx")
    back_ms = time.time_ns() // 1_000_000
    deadline = time.monotonic() + max(60.0, seconds * 2)
    told = 0.0
    while bench.backlog() > rate and time.monotonic() < deadline:
        bench.look()
        if time.monotonic() - told > 10:
            told = time.monotonic()
            bench.say("catching up")
        time.sleep(0.5)
    end_ms = time.time_ns() // 1_000_000
    moving = [(at, acked) for at, _, acked, _ in bench.course.told if back_ms <= at <= end_ms]
    start = next((at for (at, acked), (_, more) in pairwise(moving) if more > acked), back_ms)
    done = [(at, acked) for at, acked in moving if at >= start]
    speed = (done[-1][1] - done[0][1]) / max(0.25, (done[-1][0] - done[0][0]) / 1000)
    first_s, last_s = (start - back_ms) / 1000, (end_ms - back_ms) / 1000
    print(
        f"outage of {seconds:.0f} s: {top} rows waited; the database back, the first was stored in {first_s:.1f} s, all in {last_s:.1f} s"
    )
    least = (SHORT_TIMES_LIVE if short else TIMES_LIVE) * rate
    verdict.hold("stored a second while catching up", speed, f">= {TIMES_LIVE * rate:g}", met=speed >= least)
    ages = [look.live_s for look in bench.course.looks if down_ms <= look.at_ms <= end_ms and look.live_s is not None]
    verdict.hold("oldest value on the page meanwhile, s", max(ages, default=99.0), f"<= {LIVE_S:g}", met=max(ages, default=99.0) <= LIVE_S)


def finish(bench: Bench, verdict: Verdict) -> None:
    """Let everything arrive and count."""
    bench.rate("end")
    bench.herd.wait("the feeder has everything acknowledged", lambda: not bench.herd.running("feeder"), within_s=180)
    bench.read()
    committed = bench.course.told[-1].committed
    bench.herd.end("process")
    said = bench.herd.influx('SELECT count("active_power") FROM readings')
    stored = said["results"][0]["series"][0]["values"][0][1] if said else 0
    verdict.hold("readings committed", committed, "-", met=True)
    verdict.hold("  of them not stored (lost)", committed - stored, "0", met=committed == stored)
    total = bench.herd.total("plant.toml")
    print(f"ledger --json, plant: {json.dumps(total)}")
    verdict.hold("books of the plant balanced", total.get("balanced", False), "1", met=bool(total.get("balanced")))


def chain(folder: Path, verdict: Verdict, arguments: argparse.Namespace, *, short: bool) -> None:
    """Hold the rate, then take the database away."""
    bench = Bench(folder)
    try:
        bench.start(arguments.rate)
        steady(bench, verdict, arguments.rate, arguments.seconds, short=short)
        if arguments.outage:
            outage(bench, verdict, arguments.rate // 2, arguments.outage, short=short)
        finish(bench, verdict)
    finally:
        bench.herd.close()


def run(arguments: argparse.Namespace) -> int:
    """Run the campaign. Returns the exit code."""
    missing = [name for name in ("mosquitto", "influxd") if not program(name)]
    if missing:
        print(f"load: {', '.join(missing)} not found; bash .ci/run installs both", file=sys.stderr)
        return 3
    verdict, short = Verdict(), arguments.seconds < 300
    with tempfile.TemporaryDirectory(prefix="driftwatt-load-", ignore_cleanup_errors=True) as name:
        folder = Path(arguments.keep or name)
        (folder / "mad").mkdir(parents=True, exist_ok=True)
        if arguments.seconds:
            chain(folder, verdict, arguments, short=short)
        if arguments.mad:
            mad_edge.judge(folder / "mad", verdict, arguments.mad, short=arguments.mad < MAD_S)
    print("all goals met" if not verdict.missed else f"MISSED: {'; '.join(verdict.missed)}")
    return 1 if verdict.missed else 0


def main() -> int:
    """Read the words of the command line."""
    parser = argparse.ArgumentParser(prog="./run load", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=2000, metavar="N", help="readings a second in the steady part (2000); half of it after")
    parser.add_argument(
        "--seconds", type=float, default=600, metavar="N", help="how long the steady part lasts (600); 0 leaves it and the outage out"
    )
    parser.add_argument("--outage", type=float, default=600, metavar="N", help="how long the database is away (600); 0 leaves it out")
    parser.add_argument(
        "--mad", type=float, default=MAD_S, metavar="N", help=f"how long an edge is mad beside two honest ones ({MAD_S:g}); 0 leaves it out"
    )
    parser.add_argument("--short", action="store_true", help="30 s, 8 s and 15 s, as on every push")
    parser.add_argument("--keep", metavar="DIR", help="work in this folder and leave it")
    parser.add_argument("--soak", action="store_true", help="an hour at 500 a second and nothing else: whether memory grows")
    arguments = parser.parse_args()
    if arguments.soak:
        arguments.rate, arguments.seconds, arguments.outage, arguments.mad = 500, 3600.0, 0.0, 0.0
    if arguments.short:
        arguments.seconds, arguments.outage, arguments.mad = 30.0, 8.0, 15.0
    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
