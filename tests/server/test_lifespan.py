"""The lifespan as the server leads it: three modes, start-up that fails or takes too long, and the state that requests see."""

from typing import Any

import anyio
import pytest

from pagi.server import Server
from pagi.server.process.lifespan import StartupFailed
from tests.server.conftest import Lines
from tests.server.live import eventually, served

pytestmark = pytest.mark.anyio


class Living:
    """An application with a lifespan that does as told."""

    def __init__(self, *, start: str = "complete", end: str = "complete") -> None:
        self.start = start
        self.end = end
        self.heard: list[str] = []
        self.crash = anyio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            send.full(200, [], repr(sorted(scope["state"].items())).encode())
            return
        self.heard.append((await receive())["type"])
        if self.start == "raises":
            raise ZeroDivisionError("no database")
        if self.start == "returns":
            return
        if self.start == "hangs":
            await anyio.sleep(30)
        if self.start == "failed":
            await send({"type": "lifespan.startup.failed", "message": "no database"})
            return
        scope["state"]["pool"] = "open"
        await send({"type": "lifespan.startup.complete"})
        if self.end == "crashes":
            await self.crash.wait()
            raise ZeroDivisionError("in the middle")
        self.heard.append((await receive())["type"])
        if self.end == "hangs":
            await anyio.sleep(30)
        await send(
            {"type": f"lifespan.shutdown.{self.end}", "message": "disk full"}
            if self.end == "failed"
            else {"type": "lifespan.shutdown.complete"}
        )


async def failure_of(app: Any, **options: Any) -> str:
    """What `serve` raises instead of listening."""
    server = Server(app, port=0, **options)
    with pytest.raises(StartupFailed) as caught:
        await server.serve()
    assert server.port is None
    return str(caught.value)


@pytest.mark.parametrize("mode", ["auto", "on"])
async def test_a_lifespan_is_started_before_and_ended_after_everything(mode: str, log: Lines) -> None:
    app = Living()
    async with served(app, lifespan=mode) as server:
        assert app.heard == ["lifespan.startup"]
        assert (await server.ask()).body == b"[('pool', 'open')]"
    assert app.heard == ["lifespan.startup", "lifespan.shutdown"]
    assert log.errors == []


async def test_off_never_asks() -> None:
    app = Living()
    async with served(app, lifespan="off") as server:
        assert (await server.ask()).body == b"[]"
    assert app.heard == []


@pytest.mark.parametrize(("start", "words"), [("raises", "ZeroDivisionError: no database"), ("returns", "returned at once")])
async def test_auto_serves_an_application_that_declines(start: str, words: str, log: Lines) -> None:
    async with served(Living(start=start), lifespan="auto") as server:
        assert (await server.ask()).status == 200
    assert any("has no lifespan" in line and words in line for line in log.server)


@pytest.mark.parametrize(("start", "words"), [("raises", "ZeroDivisionError: no database"), ("returns", "returned at once")])
async def test_on_refuses_an_application_that_declines(start: str, words: str) -> None:
    assert words in await failure_of(Living(start=start), lifespan="on")


@pytest.mark.parametrize("mode", ["auto", "on"])
async def test_a_failed_start_is_fatal_in_both_modes(mode: str) -> None:
    assert "no database" in await failure_of(Living(start="failed"), lifespan=mode)


async def test_a_start_that_takes_too_long_is_fatal() -> None:
    assert "0.1 s" in await failure_of(Living(start="hangs"), startup_seconds=0.1)


async def test_a_lifespan_that_crashes_is_logged_and_requests_go_on(log: Lines) -> None:
    app = Living(end="crashes")
    async with served(app, lifespan="on") as server:
        app.crash.set()
        await eventually(lambda: bool(log.errors))
        assert (await server.ask()).status == 200
    assert "the lifespan failed while serving" in log.errors[0]
    assert len(log.errors) == 1


async def test_a_failed_end_is_logged(log: Lines) -> None:
    async with served(Living(end="failed"), lifespan="on"):
        pass
    assert log.errors == ["the lifespan failed to end: disk full"]


async def test_an_end_that_takes_too_long_is_cut_and_logged(log: Lines) -> None:
    app = Living(end="hangs")
    with anyio.fail_after(15):
        async with served(app, lifespan="on", graceful_seconds=0.1):
            pass
    assert any("did not end within" in line for line in log.errors)


async def test_each_request_gets_a_shallow_copy_of_the_state() -> None:
    shared: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["shared"] = shared
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        seen = sorted(scope["state"])
        scope["state"]["mine"] = True
        scope["state"]["shared"].append("x")
        send.full(200, [], repr(seen).encode())

    async with served(app, lifespan="on") as server:
        for _ in range(2):
            assert (await server.ask()).body == b"['shared']"
    assert shared == ["x", "x"]


async def test_a_key_set_while_serving_is_seen_by_the_requests_after_it() -> None:
    live: dict[str, Any] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            live["state"] = scope["state"]
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        before = sorted(scope["state"])
        live["state"]["flag"] = True
        send.full(200, [], repr((before, sorted(scope["state"]))).encode())

    async with served(app, lifespan="on") as server:
        assert (await server.ask()).body == b"([], [])"
        assert (await server.ask()).body == b"(['flag'], ['flag'])"


async def test_an_event_out_of_order_is_raised_from_send(log: Lines) -> None:
    errors: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            try:
                await send({"type": "lifespan.shutdown.complete"})
            except Exception as error:
                errors.append(str(error))
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
        else:
            send.full(200, [], b"")

    async with served(app, lifespan="on") as server:
        assert (await server.ask()).status == 200
    assert "out of order" in errors[0]
