"""Reading ahead changes how often a socket is asked, and nothing of what comes out."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftwatt.adapters.read_ahead import ReadAhead


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=20), st.lists(st.integers(1, 200), min_size=1, max_size=30))
def test_every_byte_comes_once_and_in_order_and_what_is_held_is_told(sent: list[bytes], sizes: list[int]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ahead, whole, got, turn = ReadAhead(ours), b"".join(sent), b"", 0
        for piece in sent:
            theirs.sendall(piece)
        theirs.close()
        while piece := ahead.recv(sizes[turn % len(sizes)]):
            assert len(piece) <= sizes[turn % len(sizes)]
            got += piece
            turn += 1
            assert ahead.pending() == len(whole) - len(got)
        assert got == whole
        assert ahead.recv(10) == b""


def test_a_socket_without_anything_to_read_says_so_as_before() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ahead = ReadAhead(ours)
        ahead.setblocking(False)
        with pytest.raises(BlockingIOError):
            ahead.recv(1)
        theirs.sendall(b"xyz")
        assert (ahead.recv(1), ahead.pending(), ahead.fileno()) == (b"x", 2, ours.fileno())
