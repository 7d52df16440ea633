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


def test_an_edge_that_comes_too_often_is_let_go_in_either_lane_and_the_others_are_not() -> None:
    async def scenario() -> None:
        box = Inbox(asyncio.get_running_loop(), {"mad", "hall-a"})
        for kind in ("d", "live"):
            for _ in range(2000):
                box.put(f"dw/1/mad/{kind}", b"x")
            box.put(f"dw/1/hall-a/{kind}", b"y")
        most = inbox.EDGE_AT_ONCE * 1.2
        for taken in (box.counted(10**6), box.shown()):
            assert b"y" in [message.payload for message in taken]
            assert len(taken) <= most + 1
        assert box.let_go >= 2 * (2000 - most)

    asyncio.run(scenario())


def test_one_edge_fills_no_cycle_with_small_messages() -> None:
    async def scenario() -> None:
        box = Inbox(asyncio.get_running_loop(), {"mad", "hall-a"})
        for _ in range(300):
            box.put("dw/1/mad/d", b"x")
        box.put("dw/1/hall-a/d", b"y")
        await box.counted_waiting.wait()
        taken = [message.payload for message in box.counted(10**6)]
        assert (taken.count(b"x"), taken.count(b"y")) == (inbox.AT_A_TIME, 1)
        assert box.counted_waiting.is_set()

    asyncio.run(scenario())


def test_an_edge_that_came_too_often_is_served_little_at_a_time_until_it_is_calm(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        box = Inbox(asyncio.get_running_loop(), {"mad", "hall-a"})
        for _ in range(2000):
            box.put("dw/1/mad/d", b"x")
        for _ in range(100):
            box.put("dw/1/hall-a/d", b"y")
        taken = [message.payload for message in box.counted(10**6)]
        assert (taken.count(b"x"), taken.count(b"y")) == (inbox.FLOODING_AT_A_TIME, inbox.AT_A_TIME)
        monkeypatch.setattr(inbox, "CALM_S", 0.0)
        taken = [message.payload for message in box.counted(10**6)]
        assert (taken.count(b"x"), taken.count(b"y")) == (inbox.AT_A_TIME, inbox.AT_A_TIME)

    asyncio.run(scenario())


@pytest.mark.parametrize("kind", ["hello", "ledger"])
def test_hellos_and_books_may_come_less_often_than_data_and_do_not_keep_it_out(kind: str) -> None:
    async def scenario() -> None:
        box = Inbox(asyncio.get_running_loop(), {"mad"})
        for _ in range(400):
            box.put(f"dw/1/mad/{kind}", b"w")
            box.put("dw/1/mad/d", b"x")
        assert 400 - inbox.WORDS_AT_ONCE - box.let_go <= 2 * inbox.WORDS_PER_S
        taken: list[bytes] = []
        while messages := box.counted(10**6):
            taken += [message.payload for message in messages]
        assert taken.count(b"x") == 400
        assert taken.count(b"w") == 400 - box.let_go

    asyncio.run(scenario())


def test_turns_that_are_invented_do_not_gather(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "MAX_BUCKETS", 50)
    monkeypatch.setattr(inbox, "EDGE_AT_ONCE", 1.0)
    monkeypatch.setattr(inbox, "EDGE_PER_S", 1e9)

    async def scenario() -> None:
        box = Inbox(asyncio.get_running_loop())
        for number in range(1000):
            box.put(f"dw/1/e{number}/live", b"x")
        assert len(box._buckets) <= 51

    asyncio.run(scenario())
