"""The end of a tick: calls, then writes, each once, and a failing one alone."""

import logging

import pytest

from pagi.server.runtime import call_all
from pagi.server.transports.tick import TickEnd


def test_calls_come_before_writes_whatever_was_asked_first() -> None:
    seen: list[str] = []
    tick = TickEnd(lambda: None)
    tick.write_soon(lambda: seen.append("write"))
    tick.soon(lambda: seen.append("call"))
    tick.run()
    assert seen == ["call", "write"]


def test_a_tick_is_woken_once_however_much_is_asked() -> None:
    woken: list[None] = []
    tick = TickEnd(lambda: woken.append(None))
    for _ in range(3):
        tick.soon(lambda: None)
        tick.write_soon(lambda: None)
    assert len(woken) == 1


def test_a_write_asked_for_by_a_call_is_done_in_the_same_tick() -> None:
    seen: list[str] = []
    woken: list[None] = []
    tick = TickEnd(lambda: woken.append(None))
    tick.soon(lambda: tick.write_soon(lambda: seen.append("write")))
    tick.run()
    assert seen == ["write"]
    assert len(woken) == 1


def test_a_call_asked_for_by_a_call_is_the_next_ticks() -> None:
    seen: list[str] = []
    woken: list[None] = []
    tick = TickEnd(lambda: woken.append(None))
    tick.soon(lambda: tick.soon(lambda: seen.append("later")))
    tick.run()
    assert seen == []
    assert len(woken) == 2
    tick.run()
    assert seen == ["later"]


def test_one_that_fails_is_logged_and_the_rest_still_run(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []

    def fail() -> None:
        raise ValueError("a fault of the server's own")

    with caplog.at_level(logging.ERROR, "pagi.server"):
        call_all([fail, lambda: seen.append("next")])
    assert seen == ["next"]
    assert "a fault of the server's own" in caplog.text
