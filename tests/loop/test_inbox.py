"""What the broker sends waits in bounds, in order, handed from a foreign thread to the loop."""

from __future__ import annotations

import asyncio
import threading

import pytest

from processors.adapters import inbox
from processors.adapters.inbox import Inbox


def test_a_foreign_thread_wakes_the_loop_and_order_is_kept() -> None:
    async def scenario() -> None:
        box = Inbox(asyncio.get_running_loop())

        def network() -> None:
            for at in range(100):
                box.put("dw/1/hall-a/d", b"%d" % at)

        thread = threading.Thread(target=network)
        thread.start()
        taken: list[bytes] = []
        while len(taken) < 100:
            await asyncio.wait_for(box.counted_waiting.wait(), 10)
            taken += [message.payload for message in box.counted(50)]
        thread.join()
        assert taken == [b"%d" % at for at in range(100)]
        assert box.bytes == 0
        assert not box.counted_waiting.is_set()

    asyncio.run(scenario())


def test_a_full_inbox_lets_newer_messages_go_and_counts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "MAX_BYTES", 100)
    monkeypatch.setattr(inbox, "MAX_MESSAGES", 5)

    async def scenario() -> None:
        box = Inbox(asyncio.get_running_loop())
        for _ in range(3):
            box.put("dw/1/hall-a/d", b"x" * 40)
        assert (box.bytes, box.let_go) == (80, 1)
        box.counted(1000)
        for _ in range(7):
            box.put("dw/1/hall-a/d", b"x")
        assert (box.bytes, box.let_go) == (5, 3)

    asyncio.run(scenario())


def test_one_message_is_handed_over_even_when_it_is_larger_than_asked() -> None:
    async def scenario() -> None:
        box = Inbox(asyncio.get_running_loop())
        box.put("dw/1/hall-a/d", b"x" * 1000)
        box.put("dw/1/hall-a/hello", b"y")
        assert [len(message.payload) for message in box.counted(10)] == [1000]
        assert box.bytes == 1
        assert [message.payload for message in box.counted(10)] == [b"y"]
        assert box.counted(10) == []

    asyncio.run(scenario())


def test_what_is_only_shown_never_fills_the_inbox_and_the_newest_stays() -> None:
    async def scenario() -> None:
        box = Inbox(asyncio.get_running_loop())
        for at in range(inbox.MAX_SHOWN + 10):
            box.put("dw/1/hall-a/live", b"%d" % at)
        assert (box.bytes, box.let_go) == (0, 0)
        await asyncio.wait_for(box.shown_waiting.wait(), 10)
        shown = box.shown()
        assert len(shown) == inbox.MAX_SHOWN
        assert shown[-1].payload == b"%d" % (inbox.MAX_SHOWN + 9)
        assert box.shown() == []
        box.put("nonsense", b"z")
        assert [message.payload for message in box.counted(10)] == [b"z"]

    asyncio.run(scenario())
