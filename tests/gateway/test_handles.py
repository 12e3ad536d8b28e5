"""The handles of an exchange: order, lateness, once only, and errors kept apart."""

import logging
import weakref

import anyio
import anyio.lowlevel
import pytest

from pagi.gateway.connection import ConnectionHandle
from pagi.gateway.reasons import MEANING, ClientGone, Outcome, Reason, outcome_of
from pagi.gateway.transport import HoldsNothing, TransportHandle

pytestmark = pytest.mark.anyio


def handle() -> ConnectionHandle:
    return ConnectionHandle(anyio.Event)


def test_a_fresh_handle_is_connected_and_knows_no_end() -> None:
    fresh = handle()
    assert (fresh.is_connected, fresh.disconnect_reason, fresh.response_started, fresh.response_complete) == (True, None, False, False)
    assert (fresh.outcome, fresh.is_closing, fresh.closing_deadline, fresh.is_watched, fresh.hears_closing) == (
        None,
        False,
        None,
        False,
        False,
    )


def test_disconnect_callbacks_run_in_order_with_the_reason_and_once() -> None:
    calls: list[tuple[int, Reason]] = []
    one = handle()
    for number in range(3):
        one.on_disconnect(lambda reason, number=number: calls.append((number, reason)))  # type: ignore[misc]
    one.mark_disconnected(Reason.IDLE_TIMEOUT)
    one.mark_disconnected(Reason.CLIENT_CLOSED)
    assert calls == [(number, Reason.IDLE_TIMEOUT) for number in range(3)]
    assert one.disconnect_reason is Reason.IDLE_TIMEOUT
    assert one.outcome is Outcome.CLIENT_CLOSED


def test_the_state_has_changed_before_the_callbacks_run() -> None:
    seen: list[bool] = []
    one = handle()
    one.on_disconnect(lambda reason: seen.append(one.is_connected))
    one.mark_disconnected(Reason.CLIENT_CLOSED)
    other = handle()
    other.on_complete(lambda: seen.append(other.is_connected))
    other.mark_complete()
    assert seen == [False, False]


def test_complete_and_disconnect_exclude_each_other_both_ways() -> None:
    calls: list[str] = []
    first, second = handle(), handle()
    for one in (first, second):
        one.on_complete(lambda: calls.append("complete"))
        one.on_disconnect(lambda reason: calls.append(reason))
    first.mark_complete()
    first.mark_disconnected(Reason.CLIENT_CLOSED)
    second.mark_disconnected(Reason.WRITE_ERROR)
    second.mark_complete()
    assert calls == ["complete", "write_error"]
    assert (first.response_complete, first.disconnect_reason, first.outcome) == (True, None, Outcome.SENT)
    assert (second.response_complete, second.disconnect_reason) == (False, Reason.WRITE_ERROR)


def test_a_late_callback_fires_at_once_and_the_other_never() -> None:
    calls: list[str] = []
    done, gone = handle(), handle()
    done.mark_complete()
    gone.mark_disconnected(Reason.CLIENT_CLOSED)
    for one in (done, gone):
        one.on_complete(lambda: calls.append("complete"))
        one.on_disconnect(lambda reason: calls.append(reason))
    assert calls == ["complete", "client_closed"]


def test_an_error_in_a_callback_is_logged_and_the_rest_still_run(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[str] = []
    one = handle()
    one.on_disconnect(lambda reason: 1 / 0)
    one.on_disconnect(lambda reason: calls.append("second"))
    with caplog.at_level(logging.ERROR, "pagi.gateway"):
        one.mark_disconnected(Reason.CLIENT_CLOSED)
    assert calls == ["second"]
    assert "callback failed" in caplog.text
    assert "ZeroDivisionError" in caplog.text


async def test_disconnected_wakes_everyone_with_the_reason_and_answers_at_once_later() -> None:
    one = handle()
    reasons: list[Reason] = []

    async def wait() -> None:
        reasons.append(await one.disconnected())

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        one.mark_disconnected(Reason.CLIENT_TIMEOUT)
    assert await one.disconnected() is Reason.CLIENT_TIMEOUT
    assert reasons == [Reason.CLIENT_TIMEOUT] * 2


async def test_disconnected_stays_pending_after_a_clean_end() -> None:
    one = handle()
    with anyio.move_on_after(0.05) as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(one.disconnected)
            await anyio.lowlevel.checkpoint()
            one.mark_complete()
    assert scope.cancelled_caught


async def test_the_closing_signal_is_apart_from_the_end() -> None:
    one = handle()
    deadlines: list[float] = []
    one.on_closing(deadlines.append)

    async def wait() -> None:
        deadlines.append(await one.closing())

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        one.mark_closing(7.0)
        one.mark_closing(9.0)
    one.on_closing(deadlines.append)
    assert deadlines == [7.0, 7.0, 7.0]
    assert (one.is_closing, one.closing_deadline, one.is_connected, one.disconnect_reason) == (True, 7.0, True, None)


def test_who_listens_to_the_closing_signal_is_known_even_when_late() -> None:
    early, late = handle(), handle()
    early.on_closing(lambda deadline: None)
    assert early.hears_closing
    late.mark_closing(1.0)
    assert not late.hears_closing
    late.on_closing(lambda deadline: None)
    assert late.hears_closing


def test_the_frameworks_own_drain_fires_only_where_the_handler_does_not_listen() -> None:
    calls: list[str] = []
    deaf, hearing = handle(), handle()
    hearing.on_closing(lambda deadline: calls.append("closing"))
    for one in (deaf, hearing):
        one.on_drain(lambda deadline: calls.append("drain"))
        one.mark_closing(1.0)
        one.on_drain(lambda deadline: calls.append("late drain"))
    assert calls == ["drain", "late drain", "closing"]


async def test_waiting_for_the_closing_signal_is_listening() -> None:
    one = handle()
    async with anyio.create_task_group() as group:
        group.start_soon(one.closing)
        await anyio.wait_all_tasks_blocked()
        assert one.hears_closing
        one.mark_closing(1.0)


def test_no_closing_signal_after_the_end() -> None:
    one = handle()
    calls: list[float] = []
    one.on_closing(calls.append)
    one.mark_complete()
    one.mark_closing(1.0)
    assert (calls, one.is_closing) == ([], False)


def test_abandon_fires_once_and_late_at_once() -> None:
    one = handle()
    calls: list[str] = []
    one.on_abandoned(lambda: calls.append("early"))
    one.mark_disconnected(Reason.CLIENT_CLOSED)
    assert calls == []
    one.abandon()
    one.abandon()
    one.on_abandoned(lambda: calls.append("late"))
    assert calls == ["early", "late"]


def test_abandon_has_nobody_to_tell_after_a_clean_end() -> None:
    one = handle()
    calls: list[str] = []
    one.on_abandoned(lambda: calls.append("early"))
    one.mark_complete()
    one.on_abandoned(lambda: calls.append("late"))
    one.abandon()
    assert calls == []


def test_every_reason_has_a_meaning_and_an_outcome() -> None:
    assert set(MEANING) == set(Reason)
    assert {reason: outcome_of(reason) for reason in Reason}[Reason.SERVER_SHUTDOWN] is Outcome.SERVER_SHUTDOWN
    assert outcome_of(Reason.SERVER_ERROR) is Outcome.ERROR
    assert outcome_of(Reason.WRITE_TIMEOUT) is Outcome.WRITE_TIMEOUT


@pytest.mark.parametrize("reason", Reason)
def test_client_gone_is_an_os_error_that_says_why(reason: Reason) -> None:
    gone = ClientGone(reason)
    assert isinstance(gone, OSError)
    assert gone.reason is reason
    assert reason.value in str(gone)


def test_the_transport_tells_each_crossing_once_and_arms_again() -> None:
    transport = TransportHandle(HoldsNothing(), high=100, low=20)
    calls: list[str] = []
    assert transport.on_high_water(lambda: calls.append("high")) is transport
    assert transport.on_drain(lambda: calls.append("drain")) is transport
    transport.mark_drained()
    for _ in range(2):
        transport.mark_high()
        transport.mark_high()
        transport.mark_drained()
        transport.mark_drained()
    assert calls == ["high", "drain", "high", "drain"]


def test_the_amount_is_live() -> None:
    class Holder:
        amount = 0

        def buffered(self) -> int:
            return self.amount

    holder = Holder()
    transport = TransportHandle(holder, high=100, low=20)
    assert (transport.buffered_amount, transport.is_writable) == (0, True)
    holder.amount = 100
    assert (transport.buffered_amount, transport.is_writable) == (100, False)


def test_registering_above_the_mark_fires_at_once_and_drain_never_at_registration() -> None:
    transport = TransportHandle(HoldsNothing(), high=100, low=20)
    calls: list[str] = []
    transport.on_drain(lambda: calls.append("drain"))
    transport.mark_high()
    transport.on_high_water(lambda: calls.append("high"))
    assert calls == ["high"]


def test_transport_errors_are_kept_apart(caplog: pytest.LogCaptureFixture) -> None:
    transport = TransportHandle(HoldsNothing(), high=100, low=20)
    calls: list[str] = []
    transport.on_high_water(lambda: 1 / 0)
    transport.on_high_water(lambda: calls.append("second"))
    transport.mark_high()
    assert calls == ["second"]
    assert "transport callback failed" in caplog.text


def test_after_the_end_nothing_is_kept_of_the_callbacks() -> None:
    class Kept:
        def hear(self, *args: object) -> None: ...

    for is_clean in (True, False):
        one, kept = handle(), Kept()
        one.on_complete(kept.hear)
        one.on_disconnect(kept.hear)
        one.on_closing(kept.hear)
        alive = weakref.ref(kept)
        one.mark_complete() if is_clean else one.mark_disconnected(Reason.CLIENT_CLOSED)
        del kept
        assert alive() is None


def test_dropped_callbacks_do_not_fire() -> None:
    transport = TransportHandle(HoldsNothing(), high=100, low=20)
    calls: list[str] = []
    transport.on_drain(lambda: calls.append("drain"))
    transport.mark_high()
    transport.drop()
    transport.mark_drained()
    assert calls == []
