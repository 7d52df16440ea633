"""The faults of `./run faults`: each function brings one about, sees that it is there, and ends it."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from driftwatt.adapters.mqtt import BrokerAddress, MqttLink
from driftwatt.topics import topic
from tests.chaos.herd import Herd

POISON = (b"", b"{", b"[" * 5000, b"null", b'{"v":1}', b'{"v":99,"edge":"hall-a"}', b"\xff" * 300, b'{"v":1,"epoch":1e999}')


class Missing(Exception):
    """The fault did not happen, or what it must lead to was not seen."""


@dataclass(frozen=True, slots=True)
class Case:
    """One fault. What `fault` returns is how many stored readings the edge's books may not know.

    `drains` is false where the edge's rows have to wait at the end.
    """

    name: str
    fault: Callable[[Herd], int | None]
    settings: dict[str, Any] = field(default_factory=lambda: {"store": "sqlite"})
    short: bool = False
    drains: bool = True


def see(what: str, found: object) -> None:
    """Print something that has to be seen. Raises Missing when it is not there."""
    print(f"  {what}: {found}", flush=True)
    if not found:
        raise Missing(what)


def waiting(herd: Herd) -> int:
    """Return how many readings wait at the edge."""
    return int(herd.total("edge.toml")["waiting"])


def broker_log(herd: Herd) -> str:
    """End the broker, which writes its log only then, and return what it wrote."""
    herd.end("broker")
    return (herd.folder / "broker.log").read_text(encoding="utf-8", errors="replace")


def everything_away(herd: Herd) -> None:
    """Broker and processor are away for twenty seconds; the edge keeps everything and says for how long it can."""
    herd.take_down("process")
    herd.take_down("broker")
    time.sleep(20)
    status = herd.status("edge.toml")
    see("readings that wait", waiting(herd))
    see("hours left", status["outbox"]["hours_left"])
    see("alarm broker_down", "broker_down" in herd.alarms("edge.toml"))


def frozen_broker(herd: Herd) -> None:
    """The broker stands still for fifty seconds: it answers nothing and closes nothing."""
    herd.freeze("broker")
    began = time.monotonic()
    herd.wait("the edge notices", lambda: not herd.status("edge.toml")["broker"]["connected"], within_s=32)
    see("noticed after seconds", round(time.monotonic() - began, 1))
    time.sleep(max(0.0, 50 - (time.monotonic() - began)))
    see("readings that wait", waiting(herd))
    herd.thaw("broker")


def tiny_queue(herd: Herd) -> None:
    """The broker holds ten messages and drops the rest while the processor is stopped under it."""
    herd.freeze("process")
    time.sleep(12)
    herd.thaw("process")
    time.sleep(3)
    see("broker says that it drops", "being dropped" in broker_log(herd))
    herd.begin("broker")


def restarts(herd: Herd) -> None:
    """The broker restarts twenty-five times in as many seconds; nobody storms it with connections."""
    for _ in range(25):
        herd.end("broker")
        herd.begin("broker")
        time.sleep(1.0)
    connects = broker_log(herd).count("New client connected")
    herd.begin("broker")
    see("connections while it restarted", connects)
    if connects > 2 * 25 + 10:
        raise Missing("less than one connection a second and client")


def denied(herd: Herd) -> None:
    """The broker's rules let nobody write data; it says yes and drops all of it. Nothing leaves the outbox."""
    (herd.folder / "rules").write_text("topic read #\ntopic write dw/1/hall-a/hello\ntopic write dw/1/hall-a/state\n")
    herd.folder.chmod(0o755)  # mosquitto reads its rules as a user of its own
    herd.broker_settings(f"acl_file {herd.folder / 'rules'}\nlog_type all")
    herd.kill("broker")
    time.sleep(4)
    before, stored = waiting(herd), herd.stored()
    time.sleep(10)
    see("readings that wait more", waiting(herd) - before)
    see("nothing more was stored", herd.stored() <= stored + 5)
    see("broker denies", "Denied PUBLISH" in broker_log(herd))
    herd.broker_settings("")
    herd.begin("broker")


def hanging_database(herd: Herd) -> None:
    """InfluxDB stands still for twenty seconds; memory does not grow with it."""
    before = herd.resident_mb("process")
    herd.freeze("influx")
    time.sleep(20)
    see("readings that wait", waiting(herd))
    grown = herd.resident_mb("process") - before
    see("processor grew by MB", f"{grown:.1f}")
    if grown > 30:
        raise Missing("memory that does not grow with the outage")
    herd.thaw("influx")


def full_outbox(herd: Herd) -> None:
    """The plant is away until an outbox of one megabyte has given rows up by its policy."""
    herd.take_down("process")
    herd.wait("rows are given up", lambda: bool(sum(herd.total("edge.toml")["dropped"].values())), within_s=120)
    see("alarms", sorted(herd.alarms("edge.toml") & {"outbox_full", "outbox_filling"}))


def refused_database(herd: Herd) -> None:
    """InfluxDB wants a password that the plant does not have; everything waits, an alarm says so, then it is let in."""
    user = "CREATE USER boss WITH PASSWORD 'boss' WITH ALL PRIVILEGES"
    if herd.influx(user, post=True) is None:
        raise Missing("a user in InfluxDB")
    herd.influx_settings("auth-enabled = true")
    herd.kill("influx")
    herd.wait("the plant says that it is refused", lambda: "store_refuses" in herd.alarms("plant.toml"), within_s=60)
    before = waiting(herd)
    time.sleep(6)
    see("readings that wait more", waiting(herd) - before)
    herd.influx_settings("")
    herd.kill("influx")


def restored_edge(herd: Herd) -> int:
    """The edge's disk of ten seconds ago is put back: new rows are not taken for those that the plant has."""
    herd.end("collect")
    shutil.copytree(
        herd.folder / "data", herd.folder / "saved", ignore=lambda _, names: [name for name in names if name.startswith("plant")]
    )
    committed = herd.total("edge.toml")["committed"]
    herd.begin("collect")
    time.sleep(10)
    herd.wait("everything so far is stored", lambda: waiting(herd) < 60, within_s=30)
    herd.take_down("collect")
    time.sleep(1)
    gone = herd.total("edge.toml")["committed"] - committed
    edge = next((herd.folder / "data").glob("edge-*"))
    shutil.rmtree(edge)
    shutil.copytree(herd.folder / "saved" / edge.name, edge)
    see("committed readings that only the other disk knew", gone)
    herd.begin("collect")
    time.sleep(5)
    return int(gone)


def cloned_edge(herd: Herd) -> int:
    """A copy of the edge's disk runs in a second box under the same name: an alarm within a minute."""
    twin = herd.folder / "twin"
    herd.take_down("collect")
    shutil.copytree(herd.folder / "data", twin / "data", ignore=shutil.ignore_patterns("plant-*", "*.sock"))
    shutil.copytree(herd.folder / "profiles", twin / "profiles")
    shutil.copy(herd.folder / "edge.toml", twin / "edge.toml")
    herd.begin("collect")
    herd.spawn("twin", herd.words("collect", twin / "edge.toml"), out="twin.log")
    began = time.monotonic()
    herd.wait("two boxes are seen", lambda: "identity_used_twice" in herd.alarms("plant.toml"), within_s=60)
    see("seen after seconds", round(time.monotonic() - began, 1))
    time.sleep(5)
    herd.end("twin")
    see("readings of a box that wait instead of being mixed up", waiting(herd))
    return int(herd.total("twin/edge.toml")["committed"])


def restored_plant(herd: Herd) -> None:
    """The plant's files of ten seconds ago are put back: the edge sends what they lack from its tail."""
    herd.end("process")
    plant = next((herd.folder / "data").glob("plant-*"))
    shutil.copytree(plant, herd.folder / "saved")
    before = herd.stored()
    herd.begin("process")
    herd.wait("more is stored", lambda: herd.stored() > before + 200, within_s=60)
    see("readings that the backup lacks", herd.stored() - before)
    herd.end("process")
    shutil.rmtree(plant)
    shutil.copytree(herd.folder / "saved", plant)
    herd.begin("process")
    time.sleep(5)


def poison(herd: Herd) -> None:
    """A stranger publishes eight kinds of nonsense under the edge's topic, all the time; the edge's rows go through."""
    link = MqttLink(BrokerAddress.parse(f"mqtt://127.0.0.1:{herd.port('broker')}"), client_id="stranger", subscriptions=(),
                    on_message=lambda _topic, _payload: None, on_change=lambda _up: None)  # fmt: skip
    link.start()
    try:
        time.sleep(1)
        before, sent = herd.stored(), 0
        for at in range(80):
            sent += link.publish(topic("hall-b" if at % 2 else "hall-a", "d"), POISON[at % len(POISON)])
            time.sleep(0.1)
        see("poison sent", sent)
        see("stored meanwhile", herd.stored() - before)
        time.sleep(2)
        see("set aside, and counted", herd.status("plant.toml")["quarantine"]["n"])
    finally:
        link.stop()


def full_disk(herd: Herd) -> None:
    """Somebody else fills the disk of the plant for fifteen seconds: nothing is acknowledged that is not kept, and it heals."""
    if os.geteuid() != 0:
        raise Missing("a small disk: only root may mount one")
    herd.end("process")
    plant = next((herd.folder / "data").glob("plant-*"))
    shutil.copytree(plant, herd.folder / "saved", ignore=shutil.ignore_patterns("*.sock"))
    herd.mount(plant, "24m")
    shutil.copytree(herd.folder / "saved", plant, dirs_exist_ok=True)
    herd.begin("process")
    before = herd.stored()
    herd.wait("it stores on the small disk", lambda: herd.stored() > before, within_s=60)
    fill(plant / "somebody-elses-log")
    log = herd.folder / "process.log"  # the status file is on that very disk
    herd.wait("the plant says that it cannot write", lambda: "disk is full" in log.read_text(encoding="utf-8"), within_s=60)
    stored = herd.stored()
    time.sleep(15)
    see("readings that wait", waiting(herd))
    see("nothing was stored meanwhile", herd.stored() <= stored + 60)
    see("the processor runs", herd.running("process"))
    (plant / "somebody-elses-log").unlink()


def fill(file: Path) -> None:
    """Take every byte that is left."""
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as out:
        while True:
            out.write(b"x" * 4096)


def told_to_end(herd: Herd) -> None:
    """SIGTERM under load, three times each: out within ten seconds, code 0."""
    for name in ("collect", "process") * 3:
        began = time.monotonic()
        code = herd.end(name)
        took_s = time.monotonic() - began
        print(f"  {name} left after {took_s:.1f} s with {code}", flush=True)
        if code or took_s > 10:
            raise Missing("a clean end within ten seconds")
        herd.begin(name)
        time.sleep(2.5)


_ALL = (
    Case("everything-away", everything_away),
    Case("frozen-broker", frozen_broker),
    Case("tiny-queue", tiny_queue, {"store": "sqlite", "broker": "max_queued_messages 10\nmax_inflight_messages 5\nlog_type all"}),
    Case("broker-restarts", restarts, {"store": "sqlite", "broker": "log_type all"}),
    Case("denied", denied, short=True),
    Case("hanging-database", hanging_database, {"store": "influxdb"}),
    Case("full-outbox", full_outbox, {"store": "sqlite", "max_bytes": "1MB", "when_full": "drop_oldest", "tail": "0s"}),
    Case("refused-database", refused_database, {"store": "influxdb"}, short=True),
    Case("restored-edge", restored_edge),
    Case("cloned-edge", cloned_edge, short=True, drains=False),
    Case("restored-plant", restored_plant),
    Case("poison", poison),
    Case("full-disk", full_disk),
    Case("told-to-end", told_to_end),
)
CASES = {case.name: case for case in _ALL}
