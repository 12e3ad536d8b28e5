"""Scope `request`: one value for an exchange, kept until after its answer, however it is asked for."""

import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterator
from typing import Annotated, Any

import pytest

from pagi import App, ConfigError, Context, Depends, HTTPContext, HTTPException, Next, Outcome, Response, provider
from pagi.testing import TestClient
from tests.endpoints.asking import call, served

pytestmark = pytest.mark.anyio


class Noted:
    """Providers that write down what happens to them."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def opening(self, name: str, *, fails: BaseException | None = None, ends_badly: bool = False) -> Any:
        """A generator of this name."""

        async def opened() -> AsyncGenerator[str, Outcome | None]:
            self.log.append(f"open {name}")
            if fails is not None:
                raise fails
            try:
                outcome = yield name
                self.log.append(f"close {name}: {outcome}")
            except BaseException as error:
                self.log.append(f"close {name}: {error!r}")
                raise
            if ends_badly:
                raise ValueError(f"{name} ends badly")

        return opened


@pytest.fixture
def noted() -> Noted:
    return Noted()


class Thing: ...


def plain() -> Thing:
    return Thing()


async def later() -> Thing:
    return Thing()


def yielding() -> Iterator[Thing]:
    yield Thing()


async def yielding_later() -> AsyncIterator[Thing]:
    yield Thing()


def promising() -> Awaitable[Thing]:
    return later()


MAKERS = [plain, later, yielding, yielding_later, promising, Thing]


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
async def test_a_value_is_one_for_the_exchange_by_type_and_by_function(maker: Any) -> None:
    seen: list[Any] = []

    async def user(thing: Annotated[Thing, Depends(maker)]) -> Thing:
        return thing

    async def notes(ctx: Context, next: Next) -> Response:
        seen.append(await ctx.resolve(Thing))
        seen.append(await ctx.resolve(maker))
        return await next()

    async def handler(a: Thing, b: Annotated[Thing, Depends(maker)], c: Annotated[Thing, Depends(user)]) -> None:
        seen.extend([a, b, c])

    app = App(providers=[maker], middleware=[notes])
    async with TestClient(served(handler, app=app)) as client:
        await client.get("/")
        assert all(isinstance(each, Thing) for each in seen)
        assert len(seen) == 5
        assert len(set(map(id, seen))) == 1
        first = seen.pop()
        seen.clear()
        await client.get("/")
        assert first not in seen


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
async def test_what_is_not_cached_is_made_for_each_that_asks(maker: Any) -> None:
    async def user(thing: Annotated[Thing, Depends(maker, cached=False)]) -> Thing:
        return thing

    async def handler(
        a: Annotated[Thing, Depends(maker, cached=False)],
        b: Annotated[Thing, Depends(maker, cached=False)],
        c: Annotated[Thing, Depends(user)],
        d: Annotated[Thing, Depends(maker)],
        e: Annotated[Thing, Depends(user)],
    ) -> int:
        assert c is e
        return len({id(each) for each in (a, b, c, d)})

    assert (await call(handler)).text == "4"


async def test_what_a_cached_value_took_anew_is_not_made_again_for_nothing() -> None:
    made: list[int] = []

    def anew() -> int:
        made.append(1)
        return 1

    def holder(n: Annotated[int, Depends(anew, cached=False)]) -> Thing:
        return Thing()

    async def first(ctx: Context, next: Next) -> Response:
        await ctx.resolve(holder)
        return await next()

    async def handler(held: Annotated[Thing, Depends(holder)]) -> None: ...

    await call(handler, app=App(middleware=[first]))
    assert made == [1]


async def test_generators_close_in_reverse_after_the_answer_with_its_outcome(noted: Noted) -> None:
    a, b = noted.opening("a"), noted.opening("b")

    async def c(b: Annotated[str, Depends(b)]) -> AsyncGenerator[str, Outcome]:
        outcome = yield "c"
        noted.log.append(f"close c: {outcome}")

    async def handler(ctx: HTTPContext, c: Annotated[str, Depends(c)], a: Annotated[str, Depends(a)]) -> str:
        ctx.after_response(noted.log.append, "background")
        noted.log.append("handler")
        return "x"

    async def around(ctx: Context, next: Next) -> Response:
        response = await next()
        noted.log.append("middleware")
        return response

    async with TestClient(served(handler, app=App(middleware=[around]))) as client:
        await client.get("/")
    assert noted.log == ["open b", "open a", "handler", "middleware", "background", "close a: sent", "close c: sent", "close b: sent"]


@pytest.mark.parametrize("error", [HTTPException(409), ValueError("broken"), StopAsyncIteration("odd")], ids=repr)
async def test_what_ended_the_handler_is_thrown_in(noted: Noted, error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    a = noted.opening("a")

    async def handler(a: Annotated[str, Depends(a)]) -> str:
        raise error

    answer = await call(handler)
    assert answer.status_code == (409 if isinstance(error, HTTPException) else 500)
    assert noted.log == ["open a", f"close a: {error!r}"]
    assert "cleanup" not in caplog.text


async def test_what_a_dependency_refuses_is_thrown_into_those_before_it(noted: Noted) -> None:
    a = noted.opening("a")

    async def guard(a: Annotated[str, Depends(a)]) -> None:
        raise HTTPException(403)

    async def handler(guard: Annotated[None, Depends(guard)]) -> None: ...

    assert (await call(handler)).status_code == 403
    assert noted.log == ["open a", "close a: HTTPException('403 Forbidden')"]


async def test_cleanup_that_swallows_the_error_changes_nothing(noted: Noted) -> None:
    async def swallowing() -> AsyncGenerator[str, None]:
        try:
            yield "a"
        except ValueError:
            noted.log.append("swallowed")

    async def handler(a: Annotated[str, Depends(swallowing)]) -> str:
        raise ValueError

    assert (await call(handler)).status_code == 500
    assert noted.log == ["swallowed"]


async def test_a_failing_cleanup_is_logged_and_the_others_still_close(noted: Noted, caplog: pytest.LogCaptureFixture) -> None:
    a, b = noted.opening("a"), noted.opening("b", ends_badly=True)

    async def handler(a: Annotated[str, Depends(a)], b: Annotated[str, Depends(b)]) -> str:
        return "x"

    assert (await call(handler, "/path")).text == "x"
    assert noted.log == ["open a", "open b", "close b: sent", "close a: sent"]
    assert [record.message for record in caplog.records] == ["cleanup after /path failed: b ends badly"]


async def test_a_failing_opening_closes_what_was_open(noted: Noted) -> None:
    a, b = noted.opening("a"), noted.opening("b", fails=HTTPException(503))

    async def handler(a: Annotated[str, Depends(a)], b: Annotated[str, Depends(b)]) -> str:
        return "x"

    assert (await call(handler)).status_code == 503
    assert noted.log == ["open a", "open b", "close a: HTTPException('503 Service Unavailable')"]


async def test_a_generator_yields_once(caplog: pytest.LogCaptureFixture) -> None:
    async def never() -> AsyncIterator[str]:
        return
        yield

    async def twice() -> AsyncIterator[str]:
        yield "a"
        yield "b"

    def twice_plainly() -> Iterator[str]:
        yield "a"
        yield "b"

    async def of_never(a: Annotated[str, Depends(never)]) -> None: ...
    async def of_twice(a: Annotated[str, Depends(twice)], b: Annotated[str, Depends(twice_plainly)]) -> str:
        return a

    assert (await call(of_never)).status_code == 500
    assert "never ended without a value; it must yield exactly once" in caplog.text
    assert (await call(of_twice)).text == "a"
    assert "twice yielded a second time" in caplog.text
    assert "twice_plainly yielded a second time" in caplog.text


async def test_a_failed_value_is_made_again_when_it_is_asked_for_again() -> None:
    asked: list[int] = []

    def promise() -> Awaitable[Thing]:
        async def fails() -> Thing:
            asked.append(1)
            if len(asked) == 1:
                raise ValueError("not yet")
            return Thing()

        return fails()

    async def twice(ctx: Context, next: Next) -> Response:
        with pytest.raises(ValueError, match="not yet"):
            await ctx.resolve(promise)
        return await next()

    async def handler(thing: Annotated[Thing, Depends(promise)]) -> str:
        return type(thing).__name__

    assert (await call(handler, app=App(middleware=[twice]))).text == "Thing"


async def test_a_blocking_function_runs_in_a_worker_thread() -> None:
    names: list[bool] = []

    def note() -> None:
        names.append(threading.current_thread() is threading.main_thread())

    @provider(thread=True)
    def blocking() -> Thing:
        note()
        return Thing()

    @provider(thread=True)
    def stepping(*, function: str = "x") -> Iterator[int]:
        note()
        yield 1
        note()

    def on_the_loop() -> str:
        note()
        return "x"

    async def handler(
        a: Annotated[Thing, Depends(blocking)], b: Annotated[int, Depends(stepping)], c: Annotated[str, Depends(on_the_loop)]
    ) -> None: ...

    await call(handler)
    assert names == [False, False, True, False]


async def test_plain_values_cost_no_coroutine() -> None:
    """A plan of classes alone is a plain function: only what has to be awaited is."""
    from pagi.context.http import HTTPContext as Known
    from pagi.endpoints.binding import Binder
    from pagi.injection.plan import Planner
    from pagi.injection.registry import Registry
    from pagi.injection.source import compile_plan

    async def handler(thing: Thing) -> None: ...

    plan = Planner(Binder(Known, Registry([Thing])).classify).plan(handler)
    assert not compile_plan(plan).is_async


# ---- what cannot be


def circle(n: Annotated[int, Depends(lambda: 1)]) -> int:
    return n


async def test_circles_are_named() -> None:
    class A:
        def __init__(self, b: "B") -> None: ...

    class B:
        def __init__(self, a: A) -> None: ...

    A.__init__.__annotations__["b"] = B

    async def handler(a: A) -> None: ...

    with pytest.raises(ConfigError, match=r"in a circle: \S*A -> \S*B -> \S*A; have one of them take what it needs in a call"):
        served(handler, app=App(providers=[A, B])).build()


def test_the_longer_may_not_need_the_shorter() -> None:
    @provider(scope="call")
    def brief() -> Thing:
        return Thing()

    class Middle:
        def __init__(self, thing: Thing) -> None: ...

    class Long:
        def __init__(self, middle: Middle) -> None: ...

    class OfTheClient:
        def __init__(self, ctx: Context) -> None: ...

    with pytest.raises(ConfigError, match=r"Middle has scope 'request' and may not take thing \(\S*brief\), which has scope 'call'"):
        App(providers=[brief, Middle]).build()
    with pytest.raises(
        ConfigError, match=r"Long has scope 'app' and may not take middle \(\S*Middle\), which has scope 'request'"
    ) as caught:
        App(providers=[provider(Long, scope="app"), Middle, provider(Thing)]).build()
    assert "give the former scope 'request', or have it take the longer-lived thing that the latter is made from" in str(caught.value)
    with pytest.raises(ConfigError, match=r"OfTheClient has scope 'app' and may not take ctx"):
        App(providers=[provider(OfTheClient, scope="app")]).build()


def test_the_chain_is_told() -> None:
    class Short: ...

    class Middle:
        def __init__(self, short: Short) -> None: ...

    class Long:
        def __init__(self, middle: Middle) -> None: ...

    providers: list[Any] = [provider(Long, scope="app"), provider(Middle, scope="app"), provider(Short, scope="request")]
    with pytest.raises(ConfigError, match=r"Long -> \S*Middle has scope 'app' and may not take short"):
        App(providers=providers).build()
