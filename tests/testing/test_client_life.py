"""Entering and leaving the test client: the lifespan, tasks, and what is left over."""

import contextvars
from typing import Any

import anyio
import pytest

from pagi.gateway.types import Receive, Scope, Send
from pagi.http.errors import ConfigError
from pagi.testing import LifespanFailed, StartupFailed, TestClient
from tests.testing.apps import answer, describe, echo

pytestmark = pytest.mark.anyio


class Recorder:
    """An application with a lifespan that it writes down."""

    def __init__(self, *, startup: str = "complete", shutdown: str = "complete") -> None:
        self.log: list[str] = []
        self._startup = startup
        self._shutdown = shutdown

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            self.log.append(f"request {scope['state'].get('name')}")
            await answer(send, 200, b"fine")
            return
        await receive()
        self.log.append("startup")
        scope["state"]["name"] = "ada"
        await send({"type": f"lifespan.startup.{self._startup}", **({"message": "no disk"} if self._startup == "failed" else {})})
        await receive()
        self.log.append("shutdown")
        await anyio.sleep(0)
        await send({"type": f"lifespan.shutdown.{self._shutdown}", **({"message": "no disk"} if self._shutdown == "failed" else {})})
        self.log.append("ended")


async def test_the_lifespan_lies_around_the_requests() -> None:
    app = Recorder()
    async with TestClient(app) as client:
        await client.get("/")
        assert client.state == {"name": "ada"}
    assert app.log == ["startup", "request ada", "shutdown", "ended"]


async def test_a_failing_startup_is_raised_on_entry() -> None:
    with pytest.raises(StartupFailed, match="no disk"):
        async with TestClient(Recorder(startup="failed")):
            raise AssertionError("entered")


async def test_a_failing_shutdown_is_raised_at_the_exit() -> None:
    with pytest.raises(LifespanFailed, match="no disk"):
        async with TestClient(Recorder(shutdown="failed")):
            pass


async def test_an_app_without_lifespan_is_fatal_only_where_one_is_demanded() -> None:
    async with TestClient(describe):
        pass
    with pytest.raises(StartupFailed, match="demands"):
        async with TestClient(describe, lifespan="on"):
            raise AssertionError("entered")


async def test_a_client_may_be_left_in_another_task() -> None:
    app = Recorder()
    client = TestClient(app)
    async with anyio.create_task_group() as group:
        group.start_soon(client.__aenter__)
    assert (await client.get("/")).text == "fine"
    async with anyio.create_task_group() as group:
        group.start_soon(client.__aexit__, None, None, None)
    assert app.log[-1] == "ended"


async def test_a_session_may_be_left_in_another_task() -> None:
    async with TestClient(echo) as client:
        session = client.websocket("/")
        ws = await session.__aenter__()
        async with anyio.create_task_group() as group:
            group.start_soon(ws.send_text, "a")
        assert await ws.receive_text() == "a"
        async with anyio.create_task_group() as group:
            group.start_soon(session.__aexit__, None, None, None)


async def test_a_cancelled_test_leaves_the_app_in_order() -> None:
    app = Recorder()
    with anyio.CancelScope() as test:
        async with TestClient(app):
            test.cancel()
            await anyio.sleep_forever()
    assert app.log == ["startup", "shutdown", "ended"]


async def test_a_client_is_entered_once() -> None:
    client = TestClient(describe)
    with pytest.raises(ConfigError, match="async with"):
        await client.get("/")
    async with client:
        pass
    with pytest.raises(ConfigError, match="entered before"):
        async with client:
            raise AssertionError("entered")


async def test_work_after_the_answer_is_waited_for() -> None:
    done: list[str] = []

    async def works_on(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, 200, b"fine")
        await anyio.sleep(0.02)
        done.append("work")

    async with TestClient(works_on, lifespan="off") as client:
        await client.get("/")
        assert done == ["work"]


async def test_an_app_that_will_not_end_is_cut() -> None:
    ended: list[str] = []

    async def stubborn(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("cut")

    async with TestClient(stubborn, lifespan="off", graceful_seconds=0.05) as client:
        await client.connect().send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    assert ended == ["cut"]


async def test_the_app_runs_in_a_copy_of_the_tests_context() -> None:
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="nobody")

    async def named(scope: Scope, receive: Receive, send: Send) -> None:
        told = name.get()
        name.set("the app")
        await answer(send, 200, told.encode())

    async with TestClient(named, lifespan="off") as client:
        name.set("ada")
        assert (await client.get("/")).text == "ada"
        assert name.get() == "ada"


async def test_many_requests_at_once_are_many_connections() -> None:
    together = 0
    most = 0

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal together, most
        together += 1
        most = max(most, together)
        await anyio.sleep(0.02)
        together -= 1
        await answer(send, 200, scope["path"].encode())

    texts: dict[str, str] = {}
    async with TestClient(slow, lifespan="off") as client, anyio.create_task_group() as group:

        async def ask(path: str) -> None:
            texts[path] = (await client.get(path)).text

        for n in range(10):
            group.start_soon(ask, f"/{n}")
    assert texts == {f"/{n}": f"/{n}" for n in range(10)}
    assert most == 10


async def test_build_is_called_before_anything() -> None:
    class Built:
        def __init__(self) -> None:
            self.calls: list[str] = []

        def build(self) -> None:
            self.calls.append("build")

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            self.calls.append(scope["type"])

    app = Built()
    async with TestClient(app):
        pass
    assert app.calls == ["build", "lifespan"]
