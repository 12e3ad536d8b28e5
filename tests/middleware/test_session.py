"""Sessions in a signed cookie, as clients see them: on every kind of exchange, and whatever cookie they send."""

import gc
import json
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pagi import App, ConfigError, Context, HTTPContext, Next, Redirect, Response, SSEContext, Text, WebSocketContext
from pagi.context.session import SessionNotSaved
from pagi.middleware import Session
from pagi.middleware.session import DAY_SECONDS, NestedSession
from pagi.middleware.signed_cookie import decode_payload, encode_payload
from pagi.testing import TestClient, WebSocketClosed, WebSocketDenied
from tests.browser import Browser
from tests.clock import Clock
from tests.middleware.sessions import OLD_SECRET, SECRET, Teapot, make_app
from tests.recorder import Recorder

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def browsing(app: App, **options: Any) -> AsyncGenerator[Browser]:
    async with TestClient(app, **options) as client:
        yield Browser(client)


def session(**options: Any) -> Session:
    values: dict[str, Any] = {"secret": SECRET, **options}
    return Session(**values)


async def test_a_session_goes_from_request_to_request() -> None:
    async with browsing(make_app(session())) as browser:
        assert [(await browser.get("/count")).json() for _ in range(3)] == [1, 2, 3]
        assert (await browser.get("/read")).json() == {"n": 3}


async def test_a_stranger_who_only_looks_gets_no_cookie() -> None:
    async with browsing(make_app(session())) as browser:
        reply = await browser.get("/read")
        assert ("set-cookie" in reply.headers, "cache-control" in reply.headers) == (False, False)
        assert reply.headers["vary"] == "Cookie"


async def test_an_answer_that_does_not_depend_on_the_session_is_left_alone() -> None:
    async with browsing(make_app(session(rolling=True))) as browser:
        await browser.get("/count")
        reply = await browser.get("/nothing")
        assert {"set-cookie", "cache-control", "vary"}.isdisjoint(reply.headers.keys())


async def test_a_change_sets_the_cookie_once_and_keeps_the_answer_out_of_caches() -> None:
    async with browsing(make_app(session())) as browser:
        reply = await browser.get("/count")
        [field] = reply.headers.get_all("set-cookie")
        assert field.startswith("session=")
        assert field.endswith(f"; Path=/; Max-Age={14 * DAY_SECONDS}; HttpOnly; SameSite=Lax")
        assert (reply.headers["cache-control"], reply.headers["vary"]) == ("no-store", "Cookie")
        assert "set-cookie" not in (await browser.get("/read")).headers


async def test_the_application_has_its_say_about_caches() -> None:
    async def private(ctx: HTTPContext, next: Next) -> Response:
        response = await next()
        response.headers["cache-control"] = "private"
        response.headers.vary("Accept")
        return response

    app = App(middleware=[session(), private])

    @app.get("/")
    async def page(ctx: HTTPContext) -> str:
        ctx.session["a"] = 1
        return "page"

    async with browsing(app) as browser:
        reply = await browser.get("/")
        assert (reply.headers["cache-control"], reply.headers["vary"]) == ("private", "Accept, Cookie")


async def test_what_is_changed_in_place_is_saved() -> None:
    async with browsing(make_app(session())) as browser:
        for path in ("/list", "/grow", "/grow"):
            await browser.get(path)
        assert (await browser.get("/read")).json() == {"list": [0, 1]}


@pytest.mark.parametrize("path", ["/clear", "/logout"])
async def test_a_session_left_empty_takes_its_cookie_along(path: str) -> None:
    async with browsing(make_app(session())) as browser:
        await browser.get("/count")
        reply = await browser.get(path)
        assert reply.headers["set-cookie"].startswith("session=; Path=/; Max-Age=0; ")
        assert reply.headers["cache-control"] == "no-store"
        assert browser.cookies == {}
        assert "set-cookie" not in (await browser.get(path)).headers


async def test_regenerate_issues_the_cookie_anew() -> None:
    clock = Clock()
    async with browsing(make_app(session(clock=clock))) as browser:
        await browser.get("/login")
        clock.now += 1
        before = browser.cookies["session"]
        await browser.get("/login")
        assert browser.cookies["session"] != before
        assert (await browser.get("/read")).json() == {"user": 7}


# ---- how long it lives


async def test_it_ends_when_its_time_is_over() -> None:
    clock = Clock()
    async with browsing(make_app(session(max_age=100, clock=clock))) as browser:
        await browser.get("/count")
        clock.now += 100
        assert (await browser.get("/read")).json() == {"n": 1}
        clock.now += 1
        reply = await browser.get("/read")
        assert reply.json() == {}
        assert browser.cookies == {}, "what is not valid any more is removed where it is looked at"


async def test_without_rolling_looking_does_not_prolong_it() -> None:
    clock = Clock()
    async with browsing(make_app(session(max_age=100, clock=clock))) as browser:
        await browser.get("/count")
        clock.now += 90
        assert "set-cookie" not in (await browser.get("/read")).headers


async def test_a_rolling_session_is_issued_anew_after_a_tenth_of_its_life() -> None:
    clock = Clock()
    async with browsing(make_app(session(max_age=100, rolling=True, clock=clock))) as browser:
        await browser.get("/count")
        clock.now += 9
        assert "set-cookie" not in (await browser.get("/read")).headers
        for _ in range(5):
            clock.now += 90
            assert (await browser.get("/read")).json() == {"n": 1}


async def test_a_session_may_have_a_life_of_its_own() -> None:
    clock = Clock()
    async with browsing(make_app(session(max_age=1000, clock=clock))) as browser:
        await browser.get("/count")
        assert "Max-Age=60;" in (await browser.get("/short")).headers["set-cookie"]
        clock.now += 59
        assert (await browser.get("/count")).json() == 2
        clock.now += 59
        assert (await browser.get("/read")).json() == {"n": 2}
        clock.now += 2
        assert (await browser.get("/read")).json() == {}


# ---- whatever cookie is sent


async def cookie_of(app: App, path: str = "/count") -> str:
    async with browsing(app) as browser:
        await browser.get(path)
        [value] = browser.cookies.values()
        return value


Spoil = Callable[[str], str]

SPOILT: dict[str, Spoil] = {
    "no value": lambda value: "session=",
    "half of it": lambda value: f"session={value[: len(value) // 2]}",
    "a changed value": lambda value: f"session=X{value[1:]}",
    "a changed signature": lambda value: f"session={value[:-2]}AA",
    "the name of another": lambda value: f"Session={value}; other={value}",
    "two that differ": lambda value: f"session={value}; session=x",
    "two that differ, the other way": lambda value: f"session=x; session={value}",
    "not base64": lambda value: "session=!!!.!!!.!!!",
    "not ASCII": lambda value: f"session=\xe9{value}",
    "a zip bomb's head": lambda value: "session=.eJztwTEBAAAAwqD1T20ND6AAAAAAAAAAAAAA.aaaaaa." + "A" * 43,
    "very long": lambda value: "session=" + "A" * 9000 + value[value.index(".") :],
    "nothing but semicolons": lambda value: ";" * 500,
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
async def test_a_cookie_that_is_not_ours_makes_a_new_session(spoil: Spoil, caplog: pytest.LogCaptureFixture) -> None:
    app = make_app(session())
    value = await cookie_of(app)
    async with TestClient(app) as client:
        with caplog.at_level(logging.DEBUG, "pagi"):
            reply = await client.get("/count", headers={"cookie": spoil(value)})
    assert (reply.status, reply.json()) == (200, 1)
    told = [record for record in caplog.records if record.name == "pagi.middleware"]
    assert {record.levelno for record in told} <= {logging.DEBUG}
    assert not any(value[:20] in record.getMessage() for record in told)
    assert reply.headers["set-cookie"].startswith("session=")


@pytest.mark.parametrize("text", ["", "x", "null", "[]", "[1]", '[{"n":"x"},"y"]', '{"data":{}}', "[{},null,1", "[" * 2000])
async def test_what_we_signed_in_another_form_makes_a_new_session(text: str) -> None:
    made = session()
    field = made.cookie.issue(encode_payload(text.encode()), max_age=60, scheme="http")
    async with TestClient(make_app(made)) as client:
        assert (await client.get("/count", headers={"cookie": field.partition(";")[0]})).json() == 1


async def test_the_same_cookie_twice_is_one() -> None:
    app = make_app(session())
    value = await cookie_of(app)
    async with TestClient(app) as client:
        headers = [("cookie", f"session={value}"), ("cookie", f"session={value}")]
        assert (await client.get("/count", headers=headers)).json() == 2


async def test_a_cookie_with_another_name_of_the_same_secret_is_not_taken() -> None:
    value = await cookie_of(make_app(session(cookie="first")))
    async with TestClient(make_app(session(cookie="second"))) as client:
        assert (await client.get("/read", headers={"cookie": f"second={value}"})).json() == {}


async def test_secrets_are_rotated_and_then_taken_out() -> None:
    value = await cookie_of(make_app(session(secret=OLD_SECRET)))
    async with TestClient(make_app(session(secret=[SECRET, OLD_SECRET]))) as client:
        browser = Browser(client, {"session": value})
        assert (await browser.get("/count")).json() == 2
    for secret, old, new in ((SECRET, {}, {"n": 2}), (OLD_SECRET, {"n": 1}, {})):
        async with TestClient(make_app(session(secret=secret))) as client:
            assert (await Browser(client, {"session": value}).get("/read")).json() == old
            assert (await Browser(client, browser.cookies).get("/read")).json() == new


# ---- flags and wiring


@pytest.mark.parametrize(
    ("options", "base_url", "attributes"),
    [
        ({}, "http://testserver", "; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"),
        ({}, "https://testserver", "; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Lax"),
        ({"secure": True, "cookie": "__Host-id"}, "http://testserver", "; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Lax"),
        ({"samesite": "strict", "httponly": False}, "http://testserver", "; Path=/; Max-Age=60; SameSite=Strict"),
        (
            {"path": "/shop", "domain": "example.org"},
            "http://testserver",
            "; Path=/shop; Domain=example.org; Max-Age=60; HttpOnly; SameSite=Lax",
        ),
    ],
)
async def test_the_cookie_has_the_attributes_that_were_asked_for(options: dict[str, Any], base_url: str, attributes: str) -> None:
    async with browsing(make_app(session(max_age=60, **options)), base_url=base_url) as browser:
        field = (await browser.get("/count")).headers["set-cookie"]
        assert field[field.index(";") :] == attributes
        removal = (await browser.get("/logout")).headers["set-cookie"]
        assert removal[removal.index(";") :] == attributes.replace("Max-Age=60", "Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"secret": "short"}, "5 characters"),
        ({"secret": []}, "no secret"),
        ({"cookie": "__Host-session"}, "__Host- needs secure=True"),
        ({"samesite": "none"}, "secure=True"),
        ({"max_age": 0}, "max_age is a number of seconds above 0, got 0"),
    ],
)
def test_a_session_that_could_not_work_is_refused_when_it_is_made(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        session(**options)


def test_the_secret_does_not_show() -> None:
    assert SECRET not in repr(session())


async def test_a_session_that_does_not_fit_says_by_how_much(caplog: pytest.LogCaptureFixture) -> None:
    async with browsing(make_app(session()), raise_app_exceptions=False) as browser:
        reply = await browser.get("/large")
    assert (reply.status, "set-cookie" in reply.headers) == (500, False)
    assert "cookie 'session' would be 5," in caplog.text
    assert "at most 4,093; the largest value is 'large' (4,002 bytes as JSON). Keep less in it, or keep sessions in a store" in caplog.text


async def test_two_session_middlewares_around_one_handler_are_an_error(caplog: pytest.LogCaptureFixture) -> None:
    app = App(middleware=[session(cookie="outer"), session(cookie="inner")])
    app.get("/")(lambda: "page")
    async with TestClient(app, raise_app_exceptions=False) as client:
        assert (await client.get("/")).status == 500
    assert NestedSession("outer", "inner").args[0] in caplog.text


async def test_one_session_middleware_at_two_levels_is_one() -> None:
    once = session()
    inner = make_app(once)
    app = App(middleware=[once])
    app.mount("/inner", inner)
    async with browsing(app) as browser:
        for n in (1, 2):
            reply = await browser.get("/inner/count")
            assert (reply.json(), len(reply.headers.get_all("set-cookie"))) == (n, 1)


async def test_everything_inside_may_run_again() -> None:
    runs: list[int] = []

    async def retry(ctx: HTTPContext, next: Next) -> Response:
        try:
            return await next()
        except Teapot:
            return await next()

    app = App(middleware=[retry, session()])

    @app.get("/")
    async def flaky(ctx: HTTPContext) -> None:
        runs.append(1)
        ctx.session["runs"] = len(runs)
        if len(runs) == 1:
            raise Teapot

    @app.get("/read")
    async def read(ctx: HTTPContext) -> Any:
        return ctx.session["runs"]

    async with browsing(app) as browser:
        assert (await browser.get("/")).status == 204
        assert (await browser.get("/read")).json() == 2


# ---- failures


@pytest.mark.parametrize("status", [500, 503])
async def test_an_answer_of_5xx_saves_nothing(status: int) -> None:
    async with browsing(make_app(session())) as browser:
        await browser.get("/count")
        assert "set-cookie" not in (await browser.get(f"/fail/count/{status}")).headers
        assert (await browser.get("/read")).json() == {"n": 1}


async def test_a_refusal_saves_what_was_done_before_it() -> None:
    async with browsing(make_app(session())) as browser:
        assert (await browser.get("/fail/count/403")).status == 403
        assert (await browser.get("/read")).json() == {"n": 1}


async def test_an_error_that_nobody_caught_saves_nothing_and_still_ends_what_was_destroyed() -> None:
    async with browsing(make_app(session()), raise_app_exceptions=False) as browser:
        await browser.get("/count")
        reply = await browser.get("/fail/count/0")
        assert (reply.status, "set-cookie" in reply.headers, reply.headers["vary"]) == (500, False, "Accept, Cookie")
        assert (await browser.get("/fail/logout/0")).status == 500
        assert browser.cookies == {}


async def test_who_answers_an_error_outside_is_told_that_nothing_is_saved() -> None:
    told: list[str] = []

    async def sorry(ctx: Context, next: Next) -> Response:
        try:
            return await next()
        except Teapot:
            with pytest.raises(SessionNotSaved) as caught:
                ctx.session["flash"] = "sorry"
            told.append(str(caught.value))
            return Redirect("/")

    app = App(middleware=[sorry])
    app.mount("/", make_app(session()))
    async with browsing(app) as browser:
        reply = await browser.get("/fail/count/0")
    assert (reply.status, "set-cookie" in reply.headers) == (302, False)
    assert "something inside the Session middleware failed" in told[0]


# ---- streams and WebSockets


async def test_all_kinds_share_one_session() -> None:
    async with browsing(make_app(session())) as browser:
        await browser.get("/count")
        async with browser.client.sse("/sse/count", headers=browser.headers) as stream:
            assert (await stream.receive()).data == 2
            assert (stream.headers["vary"], stream.headers["cache-control"]) == ("Cookie", "no-store")
            browser.keep(stream.headers)
        async with browser.client.websocket("/ws/count", headers=browser.headers) as talk:
            assert await talk.receive_json() == 3
            browser.keep(talk.headers)
        assert (await browser.get("/read")).json() == {"n": 3}


async def test_a_denied_handshake_carries_the_cookie_too() -> None:
    async with browsing(make_app(session())) as browser:
        with pytest.raises(WebSocketDenied) as denied:
            async with browser.client.websocket("/ws/deny/count"):
                pass
        browser.keep(denied.value.headers)
        assert (await browser.get("/read")).json() == {"n": 1}


async def test_the_answer_to_a_handshake_says_nothing_of_caches() -> None:
    async with TestClient(make_app(session())) as client:
        async with client.websocket("/ws/count") as talk:
            assert ("set-cookie" in talk.headers, "cache-control" in talk.headers, "vary" in talk.headers) == (True, False, False)


async def test_a_handshake_over_tls_gets_a_secure_cookie() -> None:
    async with TestClient(make_app(session()), base_url="https://testserver") as client:
        async with client.websocket("/ws/count") as talk:
            assert "; Secure;" in talk.headers["set-cookie"]


LATE = "the head of the answer, which carries the cookie, has left"


@pytest.mark.parametrize("act", ["count", "login", "logout", "clear", "short"])
async def test_a_change_after_the_head_left_is_an_error_where_it_is_made(act: str) -> None:
    app = make_app(session())
    async with TestClient(app, raise_app_exceptions=True) as client:
        with pytest.raises(SessionNotSaved, match=LATE):
            await client.get(f"/late/{act}")
        with pytest.raises(SessionNotSaved, match=LATE):
            async with client.sse(f"/sse/late/{act}") as stream:
                [_ async for _ in stream]
        with pytest.raises(SessionNotSaved, match=LATE):
            async with client.websocket(f"/ws/late/{act}") as talk:
                await talk.receive()


async def test_a_failed_change_closes_the_websocket_with_1011() -> None:
    async with TestClient(make_app(session()), raise_app_exceptions=False) as client:
        async with client.websocket("/ws/late/count") as talk:
            with pytest.raises(WebSocketClosed) as closed:
                await talk.receive()
    assert closed.value.code == 1011


async def test_reading_after_the_head_left_is_fine() -> None:
    async with browsing(make_app(session())) as browser:
        await browser.get("/count")
        async with browser.client.websocket("/ws/late/read", headers=browser.headers) as talk:
            assert await talk.receive_json() == {"n": 1}


async def test_a_change_in_place_after_the_head_left_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    app = App(middleware=[session()])

    @app.websocket("/")
    async def talk(ctx: WebSocketContext) -> None:
        ctx.session["list"] = []
        await ctx.accept()
        ctx.session["list"].append(1)

    await Recorder(app).talk("/")
    assert f"/ changed the inside of a session value too late, and it is lost: {LATE}" in caplog.text


# ---- where it stands


@pytest.mark.parametrize("kind", ["own", "events", "wrapped", "foreign"])
async def test_it_works_on_every_server(kind: Any) -> None:
    recorder = Recorder(make_app(session()), kind)
    cookie: dict[str, str] = {}
    for n, ask in enumerate((recorder.get, recorder.get), 1):
        answer = await ask("/count", headers=cookie)
        cookie = {"cookie": answer.headers["set-cookie"].partition(";")[0]}
        assert answer.text == str(n)
    answer = await recorder.stream("/sse/count", headers=cookie)
    assert "set-cookie" in answer.headers
    handshake = await recorder.talk("/ws/count", headers=cookie)
    [accept] = handshake.of("websocket.accept")
    assert [name for name, _ in accept["headers"]] == [b"set-cookie"]


async def test_mounted_apps_and_their_contexts_find_the_same_session() -> None:
    def wrap(app: Any) -> Any:
        async def plain(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope}, receive, send)

        return plain

    inner = App(asgi_middleware=[wrap])

    @inner.get("/")
    async def page(ctx: HTTPContext) -> Any:
        ctx.session["n"] = ctx.session.get("n", 0) + 1
        return ctx.session["n"]

    async def outside(ctx: Context, next: Next) -> Response:
        response = await next()
        seen.append(ctx.session["n"])
        return response

    seen: list[int] = []
    app = App(middleware=[session(), outside], asgi_middleware=[wrap])
    app.mount("/inner", inner)
    async with browsing(app) as browser:
        assert [(await browser.get("/inner")).json() for _ in range(2)] == [1, 2]
    assert seen == [1, 2]


async def test_a_plain_asgi_application_that_is_mounted_answers_with_the_cookie() -> None:
    async def plain(scope: Any, receive: Any, send: Any) -> None:
        scope["pagi.session"]["n"] = 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"plain"})

    app = App(middleware=[session()])
    app.mount("/plain", plain)
    async with TestClient(app) as client:
        reply = await client.get("/plain")
        assert (reply.text, "set-cookie" in reply.headers) == ("plain", True)


async def test_404_and_405_pass_through_it() -> None:
    async def guest(ctx: Context, next: Next) -> Response:
        ctx.session["guest"] = True
        return await next()

    app = App(middleware=[session(), guest])
    app.get("/")(lambda: "page")
    async with TestClient(app) as client:
        for method, path, status in (("GET", "/nowhere", 404), ("POST", "/", 405)):
            client.cookies.clear()
            reply = await client.request(method, path)
            assert (reply.status, "set-cookie" in reply.headers) == (status, True)


async def test_a_middleware_outside_may_still_change_it() -> None:
    async def outside(ctx: HTTPContext, next: Next) -> Response:
        response = await next()
        ctx.session["after"] = 1
        return response

    app = App(middleware=[outside, session()])

    @app.get("/")
    async def page(ctx: HTTPContext) -> Any:
        return dict.fromkeys(ctx.session)

    async with browsing(app) as browser:
        await browser.get("/")
        assert (await browser.get("/")).json() == {"after": None}


async def test_the_values_can_be_read_by_the_client_and_are_what_the_docs_say() -> None:
    value = await cookie_of(make_app(session()))
    assert json.loads(decode_payload(value.partition(".")[0])) == [{"n": 1}, None]


async def test_an_exchange_leaves_no_ring_behind() -> None:
    recorder = Recorder(make_app(session()))
    exchange = recorder.http("GET", "/count")
    await exchange.run()
    gc.collect()
    gc.disable()
    try:
        alive = sum(type(each).__name__ in ("Visit", "Arrival") for each in gc.get_objects())
        for _ in range(5):
            await recorder.get("/count")
        assert sum(type(each).__name__ in ("Visit", "Arrival") for each in gc.get_objects()) <= alive
    finally:
        gc.enable()


def test_it_serves_every_kind() -> None:
    app = App(middleware=[session()])
    app.get("/a")(lambda: "a")

    @app.websocket("/b")
    async def b(ctx: WebSocketContext) -> None: ...

    @app.sse("/c")
    async def c(ctx: SSEContext) -> Response:
        return Text("c")

    app.build()
