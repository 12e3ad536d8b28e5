"""The supervisor's wait: whoever is due is called, once, and nobody else."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from functools import partial

import pytest

from pagi.server.process.waiting import Waiting
from tests.server.conftest import Lines


@pytest.fixture
def waiting() -> Iterator[Waiting]:
    """One that gives the signals back."""
    waiting = Waiting()
    yield waiting
    waiting.close()


def test_appointments_are_kept_in_order_and_never_early(waiting: Waiting) -> None:
    kept: list[tuple[str, float]] = []
    now = waiting.now()
    for name, seconds in (("third", 0.06), ("first", 0.02), ("second", 0.04)):
        waiting.at(now + seconds, lambda name=name: kept.append((name, waiting.now())))  # type: ignore[misc]
    while len(kept) < 3:
        waiting.turn()
    assert [name for name, _ in kept] == ["first", "second", "third"]
    assert all(when >= now + seconds for (_, when), seconds in zip(kept, (0.02, 0.04, 0.06), strict=True))


def test_an_appointment_that_is_called_off_is_not_kept(waiting: Waiting) -> None:
    kept: list[str] = []
    off = waiting.at(waiting.now(), lambda: kept.append("off"))
    waiting.at(waiting.now() + 0.01, lambda: kept.append("on"))
    off.cancel()
    while not kept:
        waiting.turn()
    assert kept == ["on"]


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two sockets that hear each other."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_who_can_be_read_is_called_until_it_is_forgotten(waiting: Waiting, pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    heard: list[bytes] = []
    waiting.watch(ours, lambda: heard.append(ours.recv(1)))
    theirs.send(b"ab")
    waiting.turn()
    waiting.turn()
    assert heard == [b"a", b"b"]
    waiting.forget(ours)
    theirs.send(b"c")
    waiting.at(waiting.now() + 0.01, lambda: None)
    waiting.turn()
    assert heard == [b"a", b"b"]


def test_who_was_closed_in_the_same_turn_is_not_called(waiting: Waiting) -> None:
    pairs = [socket.socketpair() for _ in range(2)]
    called: list[int] = []

    def close(number: int) -> None:
        called.append(number)
        for ours, _ in pairs:
            waiting.forget(ours)
            ours.close()

    for number, (ours, theirs) in enumerate(pairs):
        waiting.watch(ours, lambda number=number: close(number))  # type: ignore[misc]
        theirs.send(b"x")
    waiting.turn()
    assert len(called) == 1
    for _, theirs in pairs:
        theirs.close()


def test_each_signal_is_told_and_does_nothing_else(waiting: Waiting) -> None:
    told: list[str] = []
    waiting.obey(signal.SIGTERM, lambda: told.append("term"))
    waiting.obey(signal.SIGHUP, lambda: told.append("hup"))
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGHUP)
    os.kill(os.getpid(), signal.SIGTERM)
    while len(told) < 3:
        waiting.turn()
    assert told == ["term", "hup", "term"]


def test_what_can_be_read_comes_before_the_clock(waiting: Waiting, pair: tuple[socket.socket, socket.socket]) -> None:
    """A beat that waits to be read counts, however late the supervisor itself is."""
    ours, theirs = pair
    order: list[str] = []
    waiting.at(waiting.now() + 0.01, lambda: order.append("clock"))
    waiting.watch(ours, lambda: order.append(ours.recv(1).decode()))
    theirs.send(b"x")
    time.sleep(0.02)
    waiting.turn()
    assert order == ["x", "clock"]


def test_a_fault_of_one_does_not_end_the_wait(waiting: Waiting, log: Lines) -> None:
    kept: list[str] = []
    waiting.at(waiting.now(), partial(kept.remove, "nobody"))
    waiting.at(waiting.now(), lambda: kept.append("on"))
    waiting.turn()
    assert kept == ["on"]
    assert "the supervisor failed" in log.errors[0]
