"""The folder of a plant, and the broker that it brings along."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
from pathlib import Path

import pytest

from driftwatt.errors import ConfigError, Unavailable
from processors.adapters.child import BrokerChild
from processors.adapters.folder import Folder, plant_folder, read_status
from tests.support.daemons import free_port


def test_one_processor_at_a_time(tmp_path: Path) -> None:
    first = Folder(tmp_path / "plant-a")
    with pytest.raises(ConfigError, match="another processor"):
        Folder(tmp_path / "plant-a")
    assert read_status(tmp_path / "plant-a")["running"]
    first.close()
    assert not read_status(tmp_path / "plant-a")["running"]
    Folder(tmp_path / "plant-a").close()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="data folder cannot be used"):
        Folder(tmp_path / "file" / "plant-a")


def test_the_status_file_is_replaced_whole_and_a_broken_one_is_no_status(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.write_status({"role": "plant", "n": 1})
    folder.write_status({"role": "plant", "n": 2})
    assert read_status(tmp_path) == {"role": "plant", "n": 2, "running": True}
    (tmp_path / "status.json").write_text('{"role"')
    assert read_status(tmp_path) == {"running": True}
    folder.close()


def test_the_brokers_user_is_made_once_and_for_the_owner_only(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    name, password, path = folder.broker_user()
    assert folder.broker_user() == (name, password, path)
    assert name == "driftwatt"
    assert len(password) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    folder.close()


def test_a_relative_data_dir_counts_from_the_plant_file() -> None:
    assert plant_folder(Path("conf/plant.toml"), Path("data"), "a") == Path("conf/data/plant-a")
    assert plant_folder(Path("conf/plant.toml"), Path("/var/lib"), "a") == Path("/var/lib/plant-a")


def test_the_embedded_broker_is_started_again_when_it_dies_and_ends_with_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processors.adapters.child.AGAIN_S", 0.1)
    folder = Folder(tmp_path)

    async def scenario() -> None:
        child = BrokerChild(f"127.0.0.1:{free_port()}", folder.broker_user()[2])
        address = await child.start()
        assert address == f"mqtt://{child.listen}"
        first = child.process
        assert first is not None
        watching = asyncio.create_task(child.watch())
        os.kill(first.pid, signal.SIGKILL)
        while child.process is first:  # noqa: ASYNC110 - nothing announces the restart
            await asyncio.sleep(0.05)
        watching.cancel()
        await child.stop()
        await child.stop()

    asyncio.run(asyncio.wait_for(scenario(), 60))
    folder.close()


def test_an_embedded_broker_that_does_not_come_back_at_once_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processors.adapters.child.AGAIN_S", 0.1)
    folder = Folder(tmp_path)

    async def scenario() -> None:
        child = BrokerChild(f"127.0.0.1:{free_port()}", folder.broker_user()[2])
        await child.start()
        first = child.process
        assert first is not None
        mine = child.listen
        child.listen = "192.0.2.1:1"
        watching = asyncio.create_task(child.watch())
        os.kill(first.pid, signal.SIGKILL)
        while child.process is not None:  # noqa: ASYNC110 - nothing announces that a start failed
            await asyncio.sleep(0.05)
        child.listen = mine
        while child.process is None or child.process is first:  # noqa: ASYNC110 - nothing announces the restart
            await asyncio.sleep(0.05)
        await child.stop()
        await watching

    asyncio.run(asyncio.wait_for(scenario(), 60))
    folder.close()


def test_a_broker_that_cannot_listen_is_unavailable(tmp_path: Path) -> None:
    folder = Folder(tmp_path)

    async def scenario() -> None:
        child = BrokerChild("192.0.2.1:1", folder.broker_user()[2])
        with pytest.raises(Unavailable, match="does not start"):
            await child.start()

    asyncio.run(scenario())
    folder.close()
