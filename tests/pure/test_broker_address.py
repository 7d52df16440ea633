"""From a [broker] table to an address."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.broker import broker_address
from config.broker_rules import broker_faults
from config.edge import Broker
from config.values import Secret
from driftwatt.errors import ConfigError
from driftwatt.hosts import is_loopback


def test_an_edge_signs_in_under_its_own_id_unless_told_otherwise(tmp_path: Path) -> None:
    (tmp_path / "mqtt").write_text("swordfish\n", encoding="utf-8")
    secret = Secret(file=Path("mqtt"))
    address = broker_address(Broker(url="mqtts://broker.plant", password=secret), tmp_path, "hall-a")
    assert (address.host, address.port, address.tls) == ("broker.plant", 8883, True)
    assert (address.username, address.password) == ("hall-a", "swordfish")
    assert "swordfish" not in repr(address)
    assert broker_address(Broker(url="mqtt://[::1]:1884", username="x", password=secret), tmp_path, "hall-a").username == "x"


def test_without_password_there_is_no_name_to_sign_in_with(tmp_path: Path) -> None:
    assert broker_address(Broker(url="mqtt://127.0.0.1"), tmp_path, "hall-a").username is None


def test_a_certificate_that_is_not_there_is_told_before_dialling(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"broker\.ca"):
        broker_address(Broker(url="mqtts://broker.plant", ca=Path("absent.pem")), tmp_path)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_these_hosts_never_leave_the_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "broker", "localhost.example", "192.0.2.1", "127.0.0.1.nip.io", "2130706433"])
def test_these_hosts_may_leave_the_machine(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    "url", ["mqtt://", "mqtts://:8883", "ws://broker", "mqtt://broker:0", "mqtt://broker:99999", "broker:1883", "mqtts://broker/path"]
)
def test_what_is_no_broker_is_refused(url: str) -> None:
    assert [fault.key for fault in broker_faults(Broker(url=url), may_be_embedded=True)] == [("broker", "url")]


def test_half_a_client_certificate_is_refused() -> None:
    faults = broker_faults(Broker(url="mqtts://broker", cert=Path("c.pem")), may_be_embedded=False)
    assert [fault.key for fault in faults] == [("broker", "cert")]
