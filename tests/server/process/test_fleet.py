"""Whom a fleet starts, replaces and ends, and when. No process runs and no time passes."""

import signal

import pytest

from pagi.server.process.channel import Ask, Beat, Failed, Ready, Retiring, Status
from pagi.server.process.fleet import LETTING_GO_SECONDS, MOST_DELAY_SECONDS
from pagi.server.process.slots import Limits
from tests.server.conftest import Lines
from tests.server.process.fleets import Scene

PATIENT = Limits(boot_seconds=0.0, stall_seconds=0.0, end_seconds=40.0)


def test_it_has_started_once_all_workers_serve() -> None:
    scene = Scene()
    scene.fleet.begin(2)
    assert [process.number for process in scene.processes] == [1, 2]
    scene.processes[1].say(Ready())
    assert scene.starts == 0
    scene.processes[0].say(Ready())
    assert scene.starts == 1
    assert scene.serving == [100, 101]


# ---- the first start


def test_a_worker_that_says_why_it_cannot_start_is_told_once_it_ended() -> None:
    scene = Scene()
    scene.fleet.begin(2)
    scene.processes[0].say(Failed("no database", code=3))
    assert scene.failures == []
    scene.end(scene.processes[0], 3)
    assert scene.failures == [Failed("no database", code=3)]
    assert len(scene.processes) == 2


def test_a_worker_that_says_nothing_is_told_by_its_end() -> None:
    scene = Scene()
    scene.fleet.begin(1)
    scene.end(scene.last, -9)
    assert scene.failures == [Failed("it ended before it served (SIGKILL)")]


def test_a_system_that_gives_no_process_is_a_failed_start() -> None:
    scene = Scene()
    scene.out_of_processes = True
    scene.fleet.begin(3)
    assert scene.failures[0] == Failed("the system gave no process: Resource temporarily unavailable")


def test_a_worker_that_takes_too_long_to_start_is_killed() -> None:
    scene = Scene()
    scene.fleet.begin(1)
    scene.clock.advance(99)
    assert scene.last.signals == []
    scene.clock.advance(2)
    assert scene.last.signals == [signal.SIGKILL]
    scene.end(scene.last, -9)
    assert "within 100 s" in scene.failures[0].reason


def test_without_a_limit_a_worker_may_take_for_ever_to_start() -> None:
    scene = Scene(Limits(boot_seconds=0.0, stall_seconds=30.0, end_seconds=40.0))
    scene.fleet.begin(1)
    scene.clock.advance(100_000)
    assert scene.last.signals == []


# ---- those who die


def test_a_worker_that_died_is_started_again_with_its_number() -> None:
    scene = Scene().begin(3)
    scene.end(scene.processes[1], -9)
    assert scene.serving == [100, 0, 102]
    scene.clock.advance(0.4)
    assert len(scene.processes) == 3
    scene.clock.advance(0.2)
    assert scene.last.number == 2
    scene.last.say(Ready())
    assert scene.serving == [100, 103, 102]


def test_one_that_dies_at_each_start_waits_twice_as_long_each_time(log: Lines) -> None:
    scene = Scene(PATIENT).begin(1)
    scene.clock.advance(1000)
    waits: list[float] = []
    for _ in range(9):
        scene.end(scene.last, 1)
        count, began = len(scene.processes), scene.clock.now()
        while len(scene.processes) == count:
            scene.clock.advance(0.125)
        waits.append(scene.clock.now() - began)
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    assert log.errors[0] == "worker 1 (pid 100) ended (exit code 1), restarting in 0.5 s"
    assert log.errors[1] == "worker 1 could not start: it ended before it served (exit code 1); trying again in 1 s"
    assert waits[-1] == MOST_DELAY_SECONDS


def test_one_that_dies_right_after_it_began_to_serve_waits_longer_each_time() -> None:
    scene = Scene(PATIENT).begin(1)
    scene.clock.advance(1000)
    for _ in range(4):
        scene.end(scene.last, 1)
        scene.clock.advance(30)
        scene.last.say(Ready())
    assert scene.fleet.slots[0].delay == 4.0


def test_one_that_served_well_starts_again_soon() -> None:
    scene = Scene().begin(1)
    for _ in range(4):
        scene.end(scene.last, 1)
        scene.clock.advance(10)
    assert scene.fleet.slots[0].delay == 4.0
    scene.last.say(Ready())
    scene.clock.advance(9)
    scene.end(scene.last, 1)
    assert scene.fleet.slots[0].delay == 0.5


def test_those_who_are_killed_again_and_again_start_soon_each_time() -> None:
    """A worker a second was killed, and in the end all of them waited for half a minute."""
    scene = Scene().begin(4)
    for _ in range(60):
        scene.clock.advance(1)
        if (oldest := min(filter(None, scene.serving), default=0)) == 0:
            break
        scene.end(scene.processes[oldest - 100], -9)
        for slot in scene.fleet.slots:
            if slot.coming is not None:
                scene.processes[slot.coming.process.pid - 100].say(Ready())
    assert max(slot.delay for slot in scene.fleet.slots) == 0.5
    assert len([pid for pid in scene.serving if pid]) >= 2


def test_no_process_to_be_had_is_tried_again(log: Lines) -> None:
    scene = Scene().begin(1)
    scene.out_of_processes = True
    scene.clock.advance(10)
    scene.end(scene.last, -9)
    scene.clock.advance(5)
    assert any("Resource temporarily unavailable; trying again in 2 s" in line for line in log.errors)
    scene.out_of_processes = False
    scene.clock.advance(10)
    scene.last.say(Ready())
    assert scene.serving == [101]


def test_hurrying_starts_at_once_whoever_would_start_later() -> None:
    scene = Scene().begin(1)
    for _ in range(6):
        scene.end(scene.last, 1)
        scene.clock.advance(30)
    scene.end(scene.last, 1)
    count = len(scene.processes)
    scene.fleet.hurry()
    assert len(scene.processes) == count + 1
    scene.clock.advance(100)
    assert len(scene.processes) == count + 1


# ---- those who are blocked


def test_a_worker_that_is_silent_for_too_long_is_replaced_and_killed_once_its_successor_serves(log: Lines) -> None:
    scene = Scene().begin(2)
    silent = scene.processes[0]
    scene.beat(30, but=silent)
    assert len(scene.processes) == 2
    scene.beat(5, but=silent)
    assert len(scene.processes) == 3
    assert signal.SIGKILL not in silent.signals
    scene.last.say(Ready())
    assert silent.signals[-1] == signal.SIGKILL
    scene.end(silent, -9)
    assert scene.serving == [102, 101]
    assert not any("restarting" in line for line in log.errors)


def test_it_is_asked_where_it_is_blocked() -> None:
    scene = Scene().begin(1)
    scene.beat(35, but=scene.last)
    assert scene.processes[0].signals == [signal.SIGUSR1]


def test_one_that_answers_again_before_its_successor_serves_retires() -> None:
    scene = Scene().begin(1)
    silent = scene.last
    scene.beat(35, but=silent)
    silent.say(Beat())
    scene.last.say(Ready())
    assert silent.retires()
    assert signal.SIGKILL not in silent.signals


def test_a_blocked_worker_is_replaced_however_often_its_successor_fails() -> None:
    scene = Scene().begin(1)
    silent = scene.last
    scene.beat(35, but=silent)
    scene.end(scene.last, 3)
    scene.clock.advance(0.6)
    assert len(scene.processes) == 3
    scene.last.say(Ready())
    assert silent.signals[-1] == signal.SIGKILL


def test_a_long_start_is_not_taken_for_silence() -> None:
    scene = Scene()
    scene.fleet.begin(1)
    scene.clock.advance(90)
    assert scene.last.signals == []
    scene.last.say(Ready())
    scene.clock.advance(29)
    assert len(scene.processes) == 1


def test_nobody_is_taken_for_blocked_because_the_supervisor_itself_stood_still() -> None:
    scene = Scene().begin(2)
    scene.beat(50)
    scene.clock.stand_still(1000)
    assert len(scene.processes) == 2
    scene.beat(35, but=scene.last)
    assert len(scene.processes) == 3


def test_without_a_limit_nobody_is_taken_for_blocked() -> None:
    scene = Scene(PATIENT).begin(1)
    scene.clock.advance(100_000)
    assert len(scene.processes) == 1


# ---- those who ask to be replaced


def test_a_worker_that_asks_for_it_retires_once_its_successor_serves() -> None:
    scene = Scene().begin(2)
    old = scene.processes[1]
    old.say(Retiring("1000 requests"))
    assert scene.last.number == 2
    assert not old.retires()
    assert scene.serving == [100, 101]
    scene.last.say(Ready())
    assert old.retires()
    assert scene.serving == [100, 102]
    scene.end(old, 0)
    scene.beat(100)
    assert len(scene.processes) == 3


def test_one_that_dies_before_its_successor_serves_is_not_replaced_twice() -> None:
    scene = Scene().begin(1)
    old = scene.last
    old.say(Retiring("1000 requests"))
    scene.end(old, -11)
    scene.beat(20)
    assert len(scene.processes) == 2
    scene.last.say(Ready())
    assert scene.serving == [101]


def test_a_successor_that_dies_twice_is_tried_until_it_serves() -> None:
    scene = Scene().begin(1)
    old = scene.last
    old.say(Retiring("1000 requests"))
    for _ in range(2):
        scene.end(scene.last, 3)
        scene.clock.advance(2)
    assert scene.serving == [100]
    scene.last.say(Ready())
    assert old.retires()


def test_a_retired_worker_that_does_not_end_is_killed_after_all_its_deadlines(log: Lines) -> None:
    scene = Scene().begin(1)
    old = scene.last
    old.say(Retiring("1000 requests"))
    scene.last.say(Ready())
    scene.beat(39)
    assert old.signals == []
    scene.beat(2)
    assert old.signals == [signal.SIGKILL]
    scene.end(old, -9)
    assert not scene.fleet.was_cut
    assert any("did not end within 40 s and is killed" in line for line in log.server)


# ---- more and fewer


def test_one_worker_more_has_the_next_number_and_leaves_the_others_alone() -> None:
    scene = Scene().begin(2)
    scene.fleet.grow()
    scene.last.say(Ready())
    assert scene.last.number == 3
    assert scene.serving == [100, 101, 102]


def test_one_worker_fewer_retires_the_last_and_starts_nobody() -> None:
    scene = Scene().begin(2)
    scene.fleet.shrink()
    assert scene.processes[1].retires()
    scene.end(scene.processes[1], 0)
    scene.beat(100)
    assert scene.serving == [100]
    assert len(scene.processes) == 2


def test_the_last_worker_stays() -> None:
    scene = Scene().begin(1)
    scene.fleet.shrink()
    assert not scene.last.retires()
    assert scene.serving == [100]


def test_one_that_is_still_starting_may_be_the_one_that_goes() -> None:
    scene = Scene().begin(1)
    scene.fleet.grow()
    scene.fleet.shrink()
    assert scene.last.signals == [signal.SIGTERM]
    scene.last.say(Ready())
    assert scene.serving == [100]


def test_one_that_is_to_start_again_later_may_be_the_one_that_goes() -> None:
    scene = Scene().begin(2)
    scene.end(scene.processes[1], -9)
    scene.fleet.shrink()
    scene.beat(100)
    assert len(scene.processes) == 2


# ---- the end


def test_all_are_told_to_end_and_it_is_over_with_the_last() -> None:
    scene = Scene().begin(2)
    scene.fleet.grow()
    scene.fleet.stop()
    assert [process.signals for process in scene.processes] == [[signal.SIGTERM]] * 3
    scene.end(scene.processes[0], 0)
    scene.end(scene.processes[2], -15)
    assert scene.ends == 0
    scene.end(scene.processes[1], 0)
    assert scene.ends == 1
    assert not scene.fleet.was_cut
    scene.clock.advance(100)
    assert len(scene.processes) == 3


def test_without_a_worker_it_is_over_at_once() -> None:
    scene = Scene().begin(1)
    scene.end(scene.last, -9)
    scene.fleet.stop()
    assert scene.ends == 1


@pytest.mark.parametrize(("code", "is_cut"), [(0, False), (4, True), (-15, False)])
def test_work_that_a_worker_cut_is_remembered(code: int, is_cut: bool) -> None:
    scene = Scene().begin(1)
    scene.fleet.stop()
    scene.end(scene.last, code)
    assert scene.fleet.was_cut is is_cut


def test_who_has_to_be_killed_is_cut() -> None:
    scene = Scene().begin(1)
    scene.fleet.stop()
    scene.clock.advance(41)
    assert scene.last.signals == [signal.SIGTERM, signal.SIGKILL]
    scene.end(scene.last, -9)
    assert scene.fleet.was_cut


def test_cutting_hangs_up_and_kills_who_does_not_notice() -> None:
    scene = Scene().begin(2)
    scene.fleet.stop()
    scene.fleet.cut()
    assert all(process.let_gone for process in scene.processes)
    scene.end(scene.processes[0], 4)
    scene.clock.advance(LETTING_GO_SECONDS + 0.1)
    assert scene.processes[1].signals == [signal.SIGTERM, signal.SIGKILL]


def test_those_whose_work_goes_on_elsewhere_retire() -> None:
    scene = Scene().begin(2)
    scene.fleet.grow()
    scene.fleet.retire()
    assert [process.retires() for process in scene.processes] == [True, True, False]
    assert scene.last.signals == [signal.SIGTERM]
    for process in scene.processes:
        scene.end(process, 0)
    assert scene.ends == 1


def test_nobody_is_started_after_the_end_began() -> None:
    scene = Scene().begin(2)
    scene.fleet.stop()
    scene.fleet.grow()
    scene.fleet.hurry()
    scene.end(scene.processes[0], 1)
    scene.clock.advance(60)
    assert len(scene.processes) == 2


# ---- words


def test_who_talks_nonsense_is_let_go_and_replaced() -> None:
    scene = Scene().begin(1)
    strange = scene.last
    strange._inside.end.send(b"hello\n")  # pyright: ignore[reportPrivateUsage]
    next(iter(scene.clock.watched.values()))()
    assert strange.let_gone
    scene.clock.advance(LETTING_GO_SECONDS + 0.1)
    assert strange.signals == [signal.SIGKILL]
    scene.end(strange, -9)
    scene.clock.advance(1)
    assert len(scene.processes) == 2


def test_those_who_serve_are_asked_and_heard() -> None:
    scene = Scene().begin(2)
    scene.fleet.grow()
    scene.fleet.ask(Ask("status"))
    assert [Ask("status") in process.orders for process in scene.processes] == [True, True, False]
    scene.processes[1].say(Status("status", {"requests": 7}))
    assert scene.statuses == [(2, Status("status", {"requests": 7}))]
