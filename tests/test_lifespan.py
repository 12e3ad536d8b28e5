"""The lifespan of an app: what is said to the server, in which order things end, and what becomes of a failure."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread
import pytest

from pagi import App, HTTPContext, provider
from pagi.gateway.types import Message
from pagi.testing import TestClient

pytestmark = pytest.mark.anyio

Lifespan = Callable[[App], AbstractAsyncContextManager[dict[str, Any]]]


async def told(app: App, state: dict[str, Any] | None = None) -> list[Message]:
    """What the app says to a server that starts and ends it."""
    incoming = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[Message] = []

    async def receive() -> Message:
        return next(incoming)

    async def send(event: Message) -> None:
        sent.append(event)

    await app({"type": "lifespan", "state": {} if state is None else state}, receive, send)
    return sent


def types(events: list[Message]) -> list[str]:
    return [event["type"].removeprefix("lifespan.") for event in events]


def noting(log: list[str], name: str, *, fails: str = "") -> Lifespan:
    """A lifespan that notes its two moments and may fail at one of them."""

    @asynccontextmanager
    async def lifespan(app: App) -> AsyncGenerator[dict[str, Any]]:
        log.append(f"{name} up")
        if fails == "up":
            raise RuntimeError(f"{name} cannot start")
        yield {name: f"state of {name}", "last": name}
        log.append(f"{name} down")
        if fails == "down":
            raise RuntimeError(f"{name} cannot stop")

    return lifespan


def nested(log: list[str], fails: dict[str, str] | None = None) -> App:
    fails = fails or {}
    outer, middle, inner = (App(lifespan=noting(log, name, fails=fails.get(name, ""))) for name in ("outer", "middle", "inner"))
    middle.mount("/inner", inner)
    outer.mount("/middle", middle)
    return outer


async def test_three_nested_apps_start_inwards_and_stop_outwards_and_complete_once() -> None:
    log: list[str] = []
    assert types(await told(nested(log))) == ["startup.complete", "shutdown.complete"]
    assert log == ["outer up", "middle up", "inner up", "inner down", "middle down", "outer down"]


async def test_the_state_of_all_reaches_every_exchange() -> None:
    state: dict[str, Any] = {}
    await told(nested([]), state)
    told_by_all = {"outer": "state of outer", "middle": "state of middle", "inner": "state of inner", "last": "inner"}
    assert {key: value for key, value in state.items() if not key.startswith("pagi.")} == told_by_all


async def test_a_start_that_fails_is_told_and_stops_what_had_started() -> None:
    log: list[str] = []
    events = await told(nested(log, {"inner": "up"}))
    assert types(events) == ["startup.failed"]
    assert "inner cannot start" in events[0]["message"]
    assert log == ["outer up", "middle up", "inner up", "middle down", "outer down"]


async def test_what_fails_to_stop_after_a_failed_start_is_told_too() -> None:
    log: list[str] = []
    (event,) = await told(nested(log, {"inner": "up", "middle": "down"}))
    assert "inner cannot start" in event["message"]
    assert "middle cannot stop" in event["message"]
    assert log[-1] == "outer down"


async def test_an_end_that_fails_is_told_and_all_others_end_as_well() -> None:
    log: list[str] = []
    events = await told(nested(log, {"inner": "down", "middle": "down"}))
    assert types(events) == ["startup.complete", "shutdown.failed"]
    assert "inner cannot stop" in events[1]["message"]
    assert "middle cannot stop" in events[1]["message"]
    assert log[-3:] == ["inner down", "middle down", "outer down"]


async def test_an_app_without_a_lifespan_completes_both() -> None:
    assert types(await told(App())) == ["startup.complete", "shutdown.complete"]


async def test_a_key_set_by_an_exchange_is_its_own_and_what_it_changes_inside_is_everybodys() -> None:
    @asynccontextmanager
    async def lifespan(app: App) -> AsyncGenerator[dict[str, Any]]:
        yield {"count": 0, "visits": []}

    app = App(lifespan=lifespan)

    @app.get("/")
    async def visit(ctx: HTTPContext) -> list[int]:
        ctx.state["count"] += 1
        ctx.state["visits"].append(1)
        return [ctx.state["count"], len(ctx.state["visits"])]

    async with TestClient(app) as client:
        assert [(await client.get("/")).json() for _ in range(2)] == [[1, 1], [1, 2]]


async def test_a_start_may_wait_for_other_tasks() -> None:
    @asynccontextmanager
    async def lifespan(app: App) -> AsyncGenerator[dict[str, Any]]:
        ready = anyio.Event()

        async def prepare() -> None:
            await anyio.to_thread.run_sync(lambda: None)
            ready.set()

        async with anyio.create_task_group() as group:
            group.start_soon(prepare)
            await ready.wait()
            yield {"ready": True}

    async with TestClient(App(lifespan=lifespan)) as client:
        assert client.state["ready"]


async def test_what_the_framework_carries_in_the_state_is_not_shown() -> None:
    class Clock: ...

    app = App(lifespan=state_of, providers=[provider(Clock, scope="app")])

    @app.get("/")
    async def read(ctx: HTTPContext, clock: Clock) -> list[str]:
        ctx.state["mine"] = 1
        assert await ctx.resolve(Clock) is clock
        return sorted(ctx.state)

    async with TestClient(app) as client:
        for _ in range(2):
            assert (await client.get("/")).json() == ["mine", "users"]


@asynccontextmanager
async def state_of(app: App) -> AsyncGenerator[dict[str, Any]]:
    yield {"users": []}
