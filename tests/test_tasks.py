"""Work beyond the exchange: it goes on after the answer, fails alone, and ends with the application."""

import logging

import anyio
import pytest

from pagi import App, Tasks, provider
from pagi.tasks import TasksEnded
from pagi.testing import TestClient

pytestmark = pytest.mark.anyio


async def test_a_handler_starts_work_that_goes_on_after_its_answer() -> None:
    done, go = anyio.Event(), anyio.Event()

    async def work(text: str) -> None:
        await go.wait()
        assert text == "mail"
        done.set()

    app = App()

    @app.post("/")
    async def begin(tasks: Tasks) -> None:
        tasks.start_soon(work, "mail")

    async with TestClient(app) as client:
        assert (await client.post("/")).status == 204
        assert not done.is_set()
        go.set()
        with anyio.fail_after(20):
            await done.wait()


async def test_a_failure_is_logged_and_harms_no_other(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise ValueError("out of stamps")

    ended: list[str] = []

    async def go_on() -> None:
        await anyio.sleep(0.01)
        ended.append("done")

    async with Tasks.running() as tasks:
        tasks.start_soon(fail, name="mail")
        tasks.start_soon(go_on)
        assert tasks.running_count == 2
    assert ended == ["done"]
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.getMessage() == "task mail failed: out of stamps"


async def test_what_does_not_end_in_time_is_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    cancelled: list[bool] = []

    async def forever() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.append(True)

    with anyio.fail_after(20):
        async with Tasks.running(grace_seconds=0.01) as tasks:
            tasks.start_soon(forever)
    assert cancelled == [True]
    assert "1 tasks had not ended after 0.01 s" in caplog.text


async def test_nothing_begins_when_the_application_ends() -> None:
    kept: list[Tasks] = []

    async def late() -> None:
        with pytest.raises(TasksEnded, match="the application is ending"):
            kept[0].start_soon(late)

    async with Tasks.running() as tasks:
        kept.append(tasks)
        tasks.start_soon(anyio.sleep, 0.01)
    await late()


async def test_an_app_may_provide_its_own() -> None:
    class Named(Tasks): ...

    made: list[Tasks] = []

    @provider(scope="app", provides=Tasks)
    def own() -> Tasks:
        made.append(Named.__new__(Named))
        return made[0]

    app = App(providers=[own])

    @app.get("/")
    async def read(tasks: Tasks) -> bool:
        return tasks is made[0]

    async with TestClient(app) as client:
        assert (await client.get("/")).json() is True
