"""Sessions in a store: the id in the cookie, what fixation and theft of it come to, and what is saved when."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from pagi import App, Context, HTTPContext, Next, Response, WebSocketContext
from pagi.context.session import SessionNotSaved
from pagi.middleware import Session
from pagi.middleware.stored_session import key_of
from pagi.stores import MemoryStore
from pagi.testing import TestClient, WebSocketDenied
from tests.browser import Browser
from tests.clock import Clock
from tests.middleware.sessions import OLD_SECRET, SECRET, Teapot, make_app
from tests.recorder import Recorder

pytestmark = pytest.mark.anyio


class CountingStore(MemoryStore):
    """Knows how often it was asked for what, and makes whoever asks wait, as a store elsewhere does."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock=clock)
        self.calls: list[str] = []

    async def asked(self, call: str) -> None:
        self.calls.append(call)
        await anyio.lowlevel.checkpoint()

    async def get(self, key: str) -> bytes | None:
        await self.asked("get")
        return await super().get(key)

    async def set(self, key: str, value: bytes, *, seconds: float, if_present: bool = False) -> bool:
        await self.asked("set")
        return await super().set(key, value, seconds=seconds, if_present=if_present)

    async def delete(self, key: str) -> bool:
        await self.asked("delete")
        return await super().delete(key)

    async def touch(self, key: str, *, seconds: float) -> bool:
        await self.asked("touch")
        return await super().touch(key, seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> CountingStore:
    return CountingStore(clock)


def session(store: MemoryStore, clock: Clock, **options: Any) -> Session:
    values: dict[str, Any] = {"secret": SECRET, "store": store, "clock": clock, "max_age": 100, **options}
    return Session(**values)


@pytest.fixture
def app(store: CountingStore, clock: Clock) -> App:
    return make_app(session(store, clock))


@asynccontextmanager
async def browsing(app: App, **options: Any) -> AsyncGenerator[Browser]:
    async with TestClient(app, **options) as client:
        yield Browser(client)


def id_of(browser: Browser) -> str:
    return browser.cookies["session"].partition(".")[0]


async def test_a_session_goes_from_request_to_request_under_one_id(app: App, store: CountingStore) -> None:
    async with browsing(app) as browser:
        ids: list[str] = []
        for n in (1, 2, 3):
            assert (await browser.get("/count")).json() == n
            ids.append(id_of(browser))
        assert (len(set(ids)), len(store)) == (1, 1)
        assert (await browser.get("/read")).json() == {"n": 3}


async def test_an_id_is_random_and_long(app: App) -> None:
    ids: set[str] = set()
    for _ in range(20):
        async with browsing(app) as browser:
            await browser.get("/count")
            ids.add(id_of(browser))
    assert (len(ids), {len(each) for each in ids}) == (20, {43})


async def test_strangers_leave_nothing_in_the_store_and_do_not_ask_it(app: App, store: CountingStore) -> None:
    async with browsing(app) as browser:
        for path in ("/read", "/nothing", "/clear", "/logout"):
            assert "set-cookie" not in (await browser.get(path)).headers
    assert (store.calls, len(store)) == ([], 0)


async def test_an_unchanged_session_is_not_saved(app: App, store: CountingStore) -> None:
    async with browsing(app) as browser:
        await browser.get("/count")
        store.calls.clear()
        assert "set-cookie" not in (await browser.get("/read")).headers
        assert store.calls == ["get"]


async def test_the_store_holds_neither_ids_nor_what_leads_to_them(app: App, store: CountingStore) -> None:
    async with browsing(app) as browser:
        await browser.get("/count")
        session_id = id_of(browser)
    assert await store.get(key_of(session_id)) == b'[{"n":1},null]'
    assert session_id not in key_of(session_id)
    assert await store.get(f"session:{session_id}") is None


async def test_more_fits_than_into_a_cookie(app: App) -> None:
    async with browsing(app) as browser:
        await browser.get("/large")
        assert len((await browser.get("/read")).json()["large"]) == 4000


# ---- fixation, theft and the end


async def test_login_moves_the_session_to_a_new_id_and_the_old_one_leads_nowhere(app: App, store: CountingStore) -> None:
    async with browsing(app) as browser:
        await browser.get("/count")
        before = dict(browser.cookies)
        await browser.get("/login")
        assert browser.cookies != before
        assert (await browser.get("/read")).json() == {"n": 1, "user": 7}
        assert (await Browser(browser.client, before).get("/read")).json() == {}
        assert len(store) == 1


async def test_an_attacker_who_plants_his_own_session_does_not_share_the_login(app: App) -> None:
    async with browsing(app) as attacker:
        await attacker.get("/count")
        victim = Browser(attacker.client, attacker.cookies)
        await victim.get("/login")
        assert (await victim.get("/read")).json()["user"] == 7
        assert (await attacker.get("/read")).json() == {}


async def test_an_id_that_the_store_does_not_know_is_never_adopted(store: CountingStore, clock: Clock) -> None:
    made = session(store, clock)
    planted = made.cookie.issue("A" * 43, max_age=60, scheme="http").partition(";")[0]
    async with TestClient(make_app(made)) as client:
        browser = Browser(client)
        reply = await client.get("/count", headers={"cookie": planted})
        browser.keep(reply.headers)
        assert id_of(browser) != "A" * 43
        assert await store.get(key_of("A" * 43)) is None


@pytest.mark.parametrize("value", ["A" * 43, "A" * 43 + ".cT-zAA." + "A" * 43, "x.y.z", ""])
async def test_a_cookie_that_we_did_not_sign_does_not_reach_the_store(app: App, store: CountingStore, value: str) -> None:
    async with TestClient(app) as client:
        assert (await Browser(client, {"session": value}).get("/read")).json() == {}
    assert store.calls == []


async def test_a_session_in_a_cookie_is_none_in_a_store_and_the_other_way(app: App, clock: Clock) -> None:
    kept_in_a_cookie = make_app(Session(secret=SECRET, clock=clock))
    for first, second in ((app, kept_in_a_cookie), (kept_in_a_cookie, app)):
        async with browsing(first) as browser:
            await browser.get("/count")
        async with TestClient(second) as client:
            assert (await Browser(client, browser.cookies).get("/read")).json() == {}


def test_a_cookie_of_values_is_not_even_taken_for_one_of_an_id(store: CountingStore, clock: Clock) -> None:
    of_values, of_ids = Session(secret=SECRET, clock=clock).cookie, session(store, clock).cookie
    value = of_values.issue("A" * 43, max_age=60, scheme="http").partition(";")[0].removeprefix("session=")
    assert of_values.open(value) is not None
    assert of_ids.open(value) is None


async def test_logout_holds_against_copies(app: App, store: CountingStore) -> None:
    async with browsing(app) as browser:
        await browser.get("/login")
        copy = Browser(browser.client, browser.cookies)
        await browser.get("/logout")
        assert (browser.cookies, len(store)) == ({}, 0)
        assert (await copy.get("/read")).json() == {}


async def test_a_session_left_empty_is_forgotten(app: App, store: CountingStore) -> None:
    async with browsing(app) as browser:
        await browser.get("/count")
        await browser.get("/clear")
        assert (browser.cookies, len(store)) == ({}, 0)


async def test_secrets_are_rotated_under_the_same_id(store: CountingStore, clock: Clock) -> None:
    async with browsing(make_app(session(store, clock, secret=OLD_SECRET))) as browser:
        await browser.get("/count")
    async with TestClient(make_app(session(store, clock, secret=[SECRET, OLD_SECRET]))) as client:
        later = Browser(client, browser.cookies)
        assert (await later.get("/count")).json() == 2
        assert id_of(later) == id_of(browser)
    async with TestClient(make_app(session(store, clock))) as client:
        assert (await Browser(client, later.cookies).get("/read")).json() == {"n": 2}
        assert (await Browser(client, browser.cookies).get("/read")).json() == {}


# ---- how long it lives


async def test_store_and_cookie_forget_at_the_same_time(app: App, store: CountingStore, clock: Clock) -> None:
    async with browsing(app) as browser:
        await browser.get("/count")
        clock.now += 99
        assert (await browser.get("/count")).json() == 2
        clock.now += 99
        assert (await browser.get("/read")).json() == {"n": 2}
        clock.now += 2
        assert ((await browser.get("/read")).json(), len(store)) == ({}, 0)


async def test_a_rolling_session_is_touched_after_a_tenth_of_its_life(store: CountingStore, clock: Clock) -> None:
    async with browsing(make_app(session(store, clock, rolling=True))) as browser:
        await browser.get("/count")
        store.calls.clear()
        clock.now += 9
        await browser.get("/read")
        assert store.calls == ["get"]
        for _ in range(5):
            clock.now += 90
            assert (await browser.get("/read")).json() == {"n": 1}
        assert store.calls[-2:] == ["get", "touch"]


async def test_a_session_may_have_a_life_of_its_own(app: App, clock: Clock) -> None:
    async with browsing(app) as browser:
        await browser.get("/count")
        await browser.get("/short")
        clock.now += 61
        assert (await browser.get("/read")).json() == {}


# ---- what is saved when


@pytest.mark.parametrize("path", ["/fail/count/500", "/fail/count/0"])
async def test_a_failure_saves_nothing(app: App, store: CountingStore, path: str) -> None:
    async with browsing(app, raise_app_exceptions=False) as browser:
        reply = await browser.get(path)
        assert (reply.status, "set-cookie" in reply.headers, len(store)) == (500, False, 0)
        await browser.get("/count")
        await browser.get(path)
        assert (await browser.get("/read")).json() == {"n": 1}


@pytest.mark.parametrize("path", ["/fail/logout/500", "/fail/logout/0"])
async def test_a_session_that_was_destroyed_ends_whatever_failed_after_that(app: App, store: CountingStore, path: str) -> None:
    async with browsing(app, raise_app_exceptions=False) as browser:
        await browser.get("/count")
        assert (await browser.get(path)).status == 500
        assert (browser.cookies, len(store)) == ({}, 0)


async def test_a_session_is_not_brought_back_by_a_slower_exchange(store: CountingStore, clock: Clock) -> None:
    app = make_app(session(store, clock))
    entered, go_on = anyio.Event(), anyio.Event()

    @app.get("/slow/change")
    async def slow(ctx: HTTPContext) -> None:
        ctx.session["slow"] = True
        entered.set()
        await go_on.wait()

    async with browsing(app) as browser:
        await browser.get("/login")
        copy = Browser(browser.client, browser.cookies)
        async with anyio.create_task_group() as group:
            group.start_soon(copy.get, "/slow/change")
            await entered.wait()
            await browser.get("/logout")
            go_on.set()
        assert (copy.cookies, len(store)) == ({}, 0)


async def test_a_store_that_fails_is_no_empty_session(clock: Clock) -> None:
    class Broken(MemoryStore):
        async def get(self, key: str) -> bytes | None:
            raise OSError("the store is down")

    app = make_app(session(Broken(), clock))
    async with browsing(app, raise_app_exceptions=False) as browser:
        await browser.get("/count")
        reply = await browser.get("/count")
        assert (reply.status, "set-cookie" in reply.headers) == (500, False)


async def test_an_answer_that_became_5xx_outside_carries_no_cookie(store: CountingStore, clock: Clock) -> None:
    async def failing(ctx: HTTPContext, next: Next) -> Response:
        await next()
        return Response(status=502)

    app = App(middleware=[failing, session(store, clock)])

    @app.get("/")
    async def page(ctx: HTTPContext) -> None:
        ctx.session["n"] = 1

    async with TestClient(app) as client:
        reply = await client.get("/")
        assert (reply.status, "set-cookie" in reply.headers) == (502, False)


async def test_a_change_outside_after_it_was_saved_is_an_error(store: CountingStore, clock: Clock) -> None:
    async def outside(ctx: HTTPContext, next: Next) -> Response:
        response = await next()
        with pytest.raises(SessionNotSaved, match="it was saved when everything inside"):
            ctx.session["after"] = 1
        return response

    app = App(middleware=[outside, session(store, clock)])
    app.get("/")(lambda: "page")
    async with TestClient(app) as client:
        assert (await client.get("/")).text == "page"


async def test_everything_inside_may_run_again(store: CountingStore, clock: Clock) -> None:
    async def twice(ctx: HTTPContext, next: Next) -> Response:
        await next()
        return await next()

    app = App(middleware=[twice, session(store, clock)])

    @app.get("/")
    async def page(ctx: HTTPContext) -> int:
        ctx.session["n"] = ctx.session.get("n", 0) + 1
        return int(ctx.session["n"])

    async with browsing(app) as browser:
        assert [(await browser.get("/")).json() for _ in range(2)] == [2, 4]
    assert len(store) == 1


# ---- streams and WebSockets


async def test_a_websocket_saves_what_it_changed_when_it_ends(app: App) -> None:
    async with browsing(app) as browser:
        await browser.get("/count")
        for path in ("/ws/late/count", "/ws/count"):
            async with browser.client.websocket(path, headers=browser.headers) as talk:
                await talk.receive()
        async with browser.client.sse("/sse/late/count", headers=browser.headers) as stream:
            [_ async for _ in stream]
        assert (await browser.get("/read")).json() == {"n": 4}


async def test_a_websocket_may_log_out_and_the_store_forgets(app: App, store: CountingStore) -> None:
    async with browsing(app) as browser:
        await browser.get("/login")
        async with browser.client.websocket("/ws/late/logout", headers=browser.headers) as talk:
            await talk.receive()
        assert ((await browser.get("/read")).json(), len(store)) == ({}, 0)


@pytest.mark.parametrize("act", ["login", "short"])
async def test_a_websocket_cannot_give_a_new_cookie_once_it_is_open(app: App, act: str) -> None:
    async with browsing(app) as browser:
        await browser.get("/count")
        with pytest.raises(SessionNotSaved, match="carries the cookie"):
            async with browser.client.websocket(f"/ws/late/{act}", headers=browser.headers) as talk:
                await talk.receive()


@pytest.mark.parametrize("act", ["count", "login"])
async def test_a_websocket_of_a_stranger_cannot_begin_a_session_once_it_is_open(app: App, store: CountingStore, act: str) -> None:
    async with TestClient(app) as client:
        with pytest.raises(SessionNotSaved, match="carries the cookie"):
            async with client.websocket(f"/ws/late/{act}") as talk:
                await talk.receive()
    assert len(store) == 0


async def test_a_websocket_that_removed_the_cookie_cannot_go_on(store: CountingStore, clock: Clock) -> None:
    app = make_app(session(store, clock))
    refused: list[str] = []

    @app.websocket("/ws/clear/then/set")
    async def talk(ctx: WebSocketContext) -> None:
        ctx.session.clear()
        await ctx.accept()
        with pytest.raises(SessionNotSaved) as caught:
            ctx.session["n"] = 1
        refused.append(str(caught.value))

    async with browsing(app) as browser:
        await browser.get("/count")
        async with browser.client.websocket("/ws/clear/then/set", headers=browser.headers) as talk_:
            browser.keep(talk_.headers)
    assert (len(refused), browser.cookies, len(store)) == (1, {}, 0)


async def test_a_websocket_may_begin_a_session_as_it_opens(app: App) -> None:
    async with browsing(app) as browser:
        async with browser.client.websocket("/ws/count") as talk:
            await talk.receive()
            browser.keep(talk.headers)
        assert (await browser.get("/read")).json() == {"n": 1}
        with pytest.raises(WebSocketDenied) as denied:
            async with browser.client.websocket("/ws/deny/count", headers=browser.headers):
                pass
        assert "set-cookie" in denied.value.headers
        assert (await browser.get("/read")).json() == {"n": 2}


async def test_a_client_that_leaves_does_not_undo_what_was_done(store: CountingStore, clock: Clock) -> None:
    app = make_app(session(store, clock))

    @app.websocket("/ws/until/gone")
    async def talk(ctx: WebSocketContext) -> None:
        await ctx.accept()
        ctx.session["n"] = 2
        while True:
            await ctx.send_text("more")

    async with browsing(app) as browser:
        await browser.get("/count")
        async with browser.client.websocket("/ws/until/gone", headers=browser.headers) as talk_:
            await talk_.receive()
        assert (await browser.get("/read")).json() == {"n": 2}


async def test_a_streamed_answer_refuses_what_comes_too_late(app: App) -> None:
    async with TestClient(app) as client:
        with pytest.raises(SessionNotSaved, match="not while the answer is streamed"):
            await client.get("/late/count")


@pytest.mark.parametrize("kind", ["own", "events", "wrapped", "foreign"])
async def test_it_works_on_every_server(app: App, kind: Any) -> None:
    recorder = Recorder(app, kind)
    answer = await recorder.get("/count")
    cookie = {"cookie": answer.headers["set-cookie"].partition(";")[0]}
    await recorder.stream("/sse/count", headers=cookie)
    await recorder.talk("/ws/late/count", headers=cookie)
    assert (await recorder.get("/read", headers=cookie)).text == '{"n":3}'


async def test_a_cancelled_logout_is_a_logout(store: CountingStore, clock: Clock) -> None:
    async def cancelled(ctx: Context, next: Next) -> Response:
        with anyio.CancelScope() as scope:
            ctx.stash["cancel"] = scope.cancel
            return await next()
        raise Teapot

    app = App(middleware=[cancelled, session(store, clock)])

    @app.get("/login")
    async def login(ctx: HTTPContext) -> None:
        ctx.session["user"] = 7

    @app.get("/logout")
    async def logout(ctx: HTTPContext) -> None:
        ctx.session.destroy()
        ctx.stash["cancel"]()
        await anyio.sleep_forever()

    async with browsing(app, raise_app_exceptions=False) as browser:
        await browser.get("/login")
        assert len(store) == 1
        await browser.get("/logout")
        assert len(store) == 0
