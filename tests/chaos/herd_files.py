"""Configuration files, ports and programs of the herd."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
from pathlib import Path

from tests.chaos.coded import PROFILE

EDGE = """
[edge]
id = "hall-a"
data_dir = "data"
clock = "{clock}"
profile_dirs = ["profiles"]
[broker]
url = "mqtt://127.0.0.1:{broker}"
[outbox]
keep = "1h"
max_bytes = "{max_bytes}"
when_full = "{when_full}"
tail = "{tail}"
commit_every = "300ms"
"""
BUS = '[[bus]]\nid = "line-{n}"\nurl = "tcp://127.0.0.1:{port}"\ntimeout = "{timeout}ms"\n'
BUS_METER = '[[bus.meter]]\nid = "m{n}"\nunit = {n}\nprofile = "' + PROFILE + '"\nevery = "250ms"\n'
PLANT = """
[plant]
id = "chaos"
name = "Chaos"
timezone = "Asia/Ho_Chi_Minh"
data_dir = "data"
[broker]
url = "mqtt://127.0.0.1:{broker}"
[store]
{store}
[web]
listen = "127.0.0.1:{web}"
[tariff]
use = "vn-2025-manufacturing-22-110kv"
schedule = "vn-963-2026"
[factors]
use = "vn-grid"
[calendar]
use = "two-shift"
"""
PLANT_METER = '[[meter]]\nid = "m{n}"\nname = "M{n}"\n'
INFLUX = """
reporting-disabled = true
bind-address = "127.0.0.1:0"
[meta]
dir = "{folder}/influx/meta"
[data]
dir = "{folder}/influx/data"
wal-dir = "{folder}/influx/wal"
query-log-enabled = false
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
{more}
"""


def program(name: str) -> str | None:
    """Return where mosquitto or influxd is, None when it is nowhere."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "driftwatt/bin"
    places = (os.environ.get("DRIFTWATT_INFLUXD") if name == "influxd" else None, cache / name, Path.home() / "go/bin" / name)
    found = next((str(place) for place in places if place and Path(place).exists()), None)
    return found or shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def die_with_parent() -> None:
    """Let a child on Linux be killed when its parent ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
