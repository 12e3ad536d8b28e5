"""A roll replaces every worker, one after another, each new one before its old one, and stops at the first that cannot start."""

from pagi.server.process.channel import Failed, Ready, Retiring
from tests.server.conftest import Lines
from tests.server.process.fleets import Scene


def test_each_worker_is_replaced_in_turn_by_one_that_serves_already() -> None:
    scene = Scene().begin(3)
    scene.roll.begin()
    for place, old in enumerate(scene.processes[:3]):
        assert len(scene.processes) == 4 + place
        assert not old.retires()
        scene.last.say(Ready())
        assert old.retires()
    assert scene.serving == [103, 104, 105]
    assert not scene.roll.is_on


def test_the_first_that_cannot_start_ends_the_roll_and_costs_nobody(log: Lines) -> None:
    scene = Scene().begin(3)
    scene.roll.begin()
    scene.last.say(Ready())
    scene.last.say(Failed("main could not be imported"))
    scene.processes[4].say(Failed("main could not be imported"))
    scene.end(scene.processes[4], 3)
    scene.beat(100)
    assert scene.serving == [103, 101, 102]
    assert len(scene.processes) == 5
    assert not scene.roll.is_on
    assert "worker 2 could not start: main could not be imported" in log.errors
    assert "the roll stops here: the workers that are left of the old go on serving" in log.errors


def test_after_a_roll_that_stopped_another_replaces_all() -> None:
    scene = Scene().begin(2)
    scene.roll.begin()
    scene.end(scene.last, 3)
    scene.roll.begin()
    for _ in range(2):
        scene.last.say(Ready())
    assert scene.serving == [103, 104]


def test_a_second_one_while_it_goes_on_replaces_also_those_that_are_new_already() -> None:
    scene = Scene().begin(2)
    scene.roll.begin()
    scene.last.say(Ready())
    scene.roll.begin()
    assert scene.serving == [102, 101]
    for _ in range(3):
        scene.last.say(Ready())
    assert len(scene.processes) == 6
    assert scene.serving == [104, 105]
    assert not scene.roll.is_on


def test_one_that_comes_before_all_have_started_begins_then() -> None:
    scene = Scene()
    scene.fleet.begin(2)
    scene.roll.begin()
    assert len(scene.processes) == 2
    scene.processes[0].say(Ready())
    scene.processes[1].say(Ready())
    assert len(scene.processes) == 3
    for _ in range(2):
        scene.last.say(Ready())
    assert scene.serving == [102, 103]


def test_whoever_waits_to_be_started_again_starts_at_once_and_counts_as_new() -> None:
    scene = Scene().begin(2)
    scene.end(scene.processes[0], -9)
    scene.roll.begin()
    assert scene.last.number == 1
    scene.last.say(Ready())
    assert scene.last.number == 2
    scene.last.say(Ready())
    assert scene.serving == [102, 103]
    assert len(scene.processes) == 4


def test_a_worker_that_dies_while_its_successor_starts_does_not_stop_it() -> None:
    scene = Scene().begin(2)
    scene.roll.begin()
    scene.end(scene.processes[0], -9)
    scene.last.say(Ready())
    scene.last.say(Ready())
    assert scene.serving == [102, 103]
    assert not scene.roll.is_on


def test_a_worker_that_asks_to_be_replaced_meanwhile_is_replaced_once() -> None:
    scene = Scene().begin(2)
    scene.roll.begin()
    scene.processes[0].say(Retiring("1000 requests"))
    scene.last.say(Ready())
    scene.processes[1].say(Retiring("1000 requests"))
    scene.last.say(Ready())
    assert len(scene.processes) == 4
    assert scene.serving == [102, 103]


def test_the_number_of_workers_may_change_meanwhile() -> None:
    scene = Scene().begin(2)
    scene.roll.begin()
    scene.fleet.grow()
    scene.processes[2].say(Ready())
    scene.processes[3].say(Ready())
    scene.fleet.shrink()
    scene.last.say(Ready())
    assert scene.serving == [102, 104]
    assert not scene.roll.is_on


def test_one_that_died_and_cannot_start_again_does_not_stop_a_roll_of_the_others() -> None:
    scene = Scene().begin(2)
    scene.end(scene.processes[1], -9)
    scene.roll.begin()
    assert scene.last.number == 2
    scene.end(scene.last, 3)
    assert scene.last.number == 1
    scene.last.say(Ready())
    assert scene.serving == [103, 0]
    assert not scene.roll.is_on
