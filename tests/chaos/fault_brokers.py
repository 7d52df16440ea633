"""Faults between the daemons: broker, lines, strangers, and a daemon that is told to end."""

from __future__ import annotations

import time

from driftwatt.adapters.mqtt import BrokerAddress, MqttLink
from driftwatt.topics import topic
from tests.chaos.case import Missing, see, waiting
from tests.chaos.herd import Herd

REFUSED = {"acl_denied", "not_acknowledged"}
POISON = (b"", b"{", b"[" * 5000, b"null", b'{"v":1}', b'{"v":99,"edge":"hall-a"}', b"\xff" * 300, b'{"v":1,"epoch":1e999}')


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
    """The broker holds ten messages beside what fits into a full line, and drops the rest while the processor is stopped under it."""
    herd.freeze("process")
    fill_line(herd)
    time.sleep(12)
    herd.thaw("process")
    time.sleep(3)
    see("broker says that it drops", "being dropped" in broker_log(herd))
    herd.begin("broker")


def fill_line(herd: Herd) -> None:
    """Say 36 MB that mean nothing, more than the sockets of a processor that stands still can hold."""
    address = BrokerAddress.parse(f"mqtt://127.0.0.1:{herd.port('broker')}")
    link = MqttLink(address, client_id="filler", subscriptions=(), on_message=lambda _topic, _payload: None, on_change=lambda _up: None)
    link.start()
    herd.wait("the filler is connected", lambda: link.connected, within_s=20)
    for _ in range(600):
        link.publish(topic("filler", "live"), b"x" * 60_000, qos=0)
    link.stop()


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
    herd.wait("the edge says that nothing arrives", lambda: bool(herd.alarms("edge.toml") & REFUSED), within_s=60)
    see("broker denies", "Denied PUBLISH" in broker_log(herd))
    herd.broker_settings("")
    herd.begin("broker")


def small_messages(herd: Herd) -> None:
    """The broker swallows messages above 400 bytes and calls them taken, then hangs up on packets above 400; then the limit is raised."""
    for limit in ("message_size_limit 400", "max_packet_size 400"):
        herd.broker_settings(limit)
        herd.kill("broker")
        herd.wait(f"{limit}: the edge says why nothing arrives", lambda: bool(herd.alarms("edge.toml") & REFUSED), within_s=90)
        stored, waits, size = herd.stored(), waiting(herd), herd.resident_mb("collect")
        time.sleep(15)
        see(f"{limit}: told", next(alarm["text"] for alarm in herd.status("edge.toml")["alarms"] if alarm["code"] in REFUSED))
        see("readings that wait more", waiting(herd) - waits)
        see("nothing more was stored", herd.stored() <= stored + 5)
        grown = herd.resident_mb("collect") - size
        if grown > 8:
            raise Missing(f"memory that does not grow meanwhile; it did by {grown:.1f} MB")
        herd.broker_settings("")
        herd.kill("broker")
        herd.wait("readings are stored again", lambda stored=stored: herd.stored() > stored + 200, within_s=60)  # type: ignore[misc]
        herd.wait("the alarm is taken back", lambda: not herd.alarms("edge.toml") & REFUSED, within_s=20)


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
