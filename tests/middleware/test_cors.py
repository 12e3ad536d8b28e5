"""`CORS`: simple requests and preflights, by the Fetch standard, on every kind of answer."""

from typing import Any

import pytest

from pagi import App, ConfigError, Context, HTTPContext, Next, Response, Router, Text
from pagi.middleware import CORS
from pagi.testing import Reply, StreamDeclined, TestClient
from tests.middleware.apps import app_of, plain_asgi

pytestmark = pytest.mark.anyio

FRIEND = "https://friend.example"
STRANGER = "https://stranger.example"
PATHS = ("/text", "/pieces", "/raw", "/refuses", "/fails", "/nowhere", "/nothing", "/inner/text", "/plain/x")


def asks(origin: str = FRIEND, method: str = "PUT", **fields: str) -> dict[str, str]:
    """The fields of a preflight."""
    own = {"origin": origin, "access-control-request-method": method}
    return own | {f"access-control-request-{name.replace('_', '-')}": value for name, value in fields.items()}


def grants(reply: Reply) -> dict[str, str]:
    """The CORS fields of an answer, by what comes after `access-control-`."""
    return {name.removeprefix("access-control-"): value for name, value in reply.headers.items() if name.startswith("access-control-")}


def vary(headers: Any) -> list[str]:
    return [element.strip().lower() for value in headers.get_all("vary") for element in value.split(",")]


# ---- answers that are no preflights


async def test_every_kind_of_answer_lets_a_named_origin_read_it() -> None:
    async with TestClient(app_of(CORS([FRIEND])), raise_app_exceptions=False) as client:
        for path in PATHS:
            reply = await client.get(path, headers={"origin": FRIEND})
            assert grants(reply) == {"allow-origin": FRIEND}, path
            assert vary(reply.headers) == (["accept", "origin"] if reply.status >= 400 else ["origin"]), path
        assert grants(await client.post("/text", headers={"origin": FRIEND})) == {"allow-origin": FRIEND}
        async with client.sse("/feed", headers={"origin": FRIEND}) as feed:
            assert feed.headers["access-control-allow-origin"] == FRIEND
            assert vary(feed.headers) == ["origin"]
        with pytest.raises(StreamDeclined) as declined:
            async with client.sse("/declines", headers={"origin": FRIEND}):
                raise AssertionError("opened")
        assert declined.value.headers["access-control-allow-origin"] == FRIEND


@pytest.mark.parametrize("headers", [{}, {"origin": STRANGER}, {"origin": "null"}, {"origin": "http://testserver"}])
async def test_others_get_the_answer_without_leave_and_with_vary(headers: dict[str, str]) -> None:
    async with TestClient(app_of(CORS([FRIEND])), raise_app_exceptions=False) as client:
        for path in PATHS:
            reply = await client.get(path, headers=headers)
            assert grants(reply) == {}, path
            assert vary(reply.headers) == (["accept", "origin"] if reply.status >= 400 else ["origin"]), path
        async with client.sse("/feed", headers=headers) as feed:
            assert "access-control-allow-origin" not in feed.headers
            assert vary(feed.headers) == ["origin"]


async def test_anybody_may_where_a_star_says_so_and_caches_need_not_care() -> None:
    for cors in (CORS("*"), CORS(["*"])):
        async with TestClient(app_of(cors)) as client:
            for headers in ({}, {"origin": STRANGER}, {"origin": "null"}):
                reply = await client.get("/text", headers=headers)
                assert grants(reply) == {"allow-origin": "*"}
                assert "vary" not in reply.headers


async def test_credentials_and_exposed_fields_are_said() -> None:
    async with TestClient(app_of(CORS([FRIEND], credentials=True, expose=["x-total", "ETag"]))) as client:
        reply = await client.get("/text", headers={"origin": FRIEND})
        assert grants(reply) == {"allow-origin": FRIEND, "allow-credentials": "true", "expose-headers": "x-total, ETag"}
        assert grants(await client.get("/text", headers={"origin": STRANGER})) == {}


@pytest.mark.parametrize(
    "origin",
    [
        "http://friend.example",
        "https://friend.example:8443",
        "https://friend.example.evil.example",
        "https://evilfriend.example",
        "https://sub.friend.example",
        "HTTPS://friend.example",
        "https://friend.example/",
        "https://friend.example, https://friend.example",
        "https://friend.example evil",
    ],
)
async def test_origins_are_compared_as_they_are(origin: str) -> None:
    async with TestClient(app_of(CORS([FRIEND]))) as client:
        assert grants(await client.get("/text", headers={"origin": origin})) == {}
        assert (await client.options("/text", headers=asks(origin))).status == 403


async def test_two_origins_are_none() -> None:
    async with TestClient(app_of(CORS([FRIEND]))) as client:
        reply = await client.get("/text", headers=[("origin", FRIEND), ("origin", FRIEND)])
        assert grants(reply) == {}


async def test_null_is_allowed_only_by_name() -> None:
    async with TestClient(app_of(CORS([FRIEND, "null"]))) as client:
        assert grants(await client.get("/text", headers={"origin": "null"})) == {"allow-origin": "null"}
    async with TestClient(app_of(CORS([FRIEND], origin_regex=".*"))) as client:
        assert grants(await client.get("/text", headers={"origin": "null"})) == {}


async def test_a_pattern_must_match_the_whole_origin() -> None:
    async with TestClient(app_of(CORS(origin_regex=r"https://[a-z0-9-]+\.friend\.example", credentials=True))) as client:
        allowed = await client.get("/text", headers={"origin": "https://a-1.friend.example"})
        assert grants(allowed) == {"allow-origin": "https://a-1.friend.example", "allow-credentials": "true"}
        for origin in ("https://a.friend.example.evil.example", "xhttps://a.friend.example", "https://afriend.example"):
            assert grants(await client.get("/text", headers={"origin": origin})) == {}


async def test_a_pattern_is_not_tried_on_what_is_longer_than_any_origin() -> None:
    assert CORS(origin_regex=r"https://[a.]*").allows("https://" + "a" * 504)
    assert not CORS(origin_regex=r"https://[a.]*").allows("https://" + "a" * 505)


async def test_what_the_handler_said_is_replaced_not_doubled() -> None:
    app = App(middleware=[CORS([FRIEND])])

    @app.get("/")
    async def loose() -> Text:
        return Text("x", headers={"access-control-allow-origin": "*", "vary": "Accept, origin"})

    async with TestClient(app) as client:
        reply = await client.get("/", headers={"origin": FRIEND})
    assert reply.headers.get_all("access-control-allow-origin") == [FRIEND]
    assert reply.headers.get_all("vary") == ["Accept, origin"]


async def test_websockets_are_left_alone() -> None:
    cors = CORS([FRIEND, "http://testserver"])

    async def by_hand(ctx: Context, next: Next) -> Response:
        return await cors(ctx, next)

    for middleware in (cors, by_hand):
        app = app_of(middleware)
        async with TestClient(app) as client, client.websocket("/echo", headers={"origin": "http://testserver"}) as ws:
            assert "vary" not in ws.headers
            assert "access-control-allow-origin" not in ws.headers


# ---- preflights


async def test_a_preflight_is_answered_wherever_something_is() -> None:
    async with TestClient(app_of(CORS([FRIEND]))) as client:
        for path in ("/text", "/feed", "/inner/text", "/plain/x", "/nowhere"):
            reply = await client.options(path, headers=asks(headers="content-type"))
            assert (reply.status, reply.content) == (204, b""), path
            assert grants(reply) == {
                "allow-origin": FRIEND,
                "allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
                "allow-headers": "authorization, content-type, last-event-id",
                "max-age": "600",
            }
            assert "content-length" not in reply.headers
            assert set(vary(reply.headers)) >= {"origin", "access-control-request-method", "access-control-request-headers"}


async def test_the_handler_does_not_run_for_a_preflight() -> None:
    ran: list[str] = []
    app = App(middleware=[CORS([FRIEND])])

    @app.options("/own")
    async def own(ctx: HTTPContext) -> Response:
        ran.append(ctx.method)
        return Text("own")

    async with TestClient(app) as client:
        assert (await client.options("/own", headers=asks())).status == 204
        assert ran == []
        reply = await client.options("/own", headers={"origin": FRIEND})
    assert (reply.text, grants(reply), ran) == ("own", {"allow-origin": FRIEND}, ["OPTIONS"])


async def test_options_that_is_no_preflight_is_answered_as_ever() -> None:
    async with TestClient(app_of(CORS([FRIEND]))) as client:
        for headers in ({}, {"origin": FRIEND}, {"access-control-request-method": "PUT"}):
            reply = await client.options("/text", headers=headers)
            assert (reply.status, reply.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
            assert "access-control-allow-methods" not in reply.headers


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        (asks(STRANGER), "origin 'https://stranger.example' is not allowed"),
        (asks("null"), "origin 'null' is not allowed"),
        (asks(method="DELETE"), "method 'DELETE' is not allowed, only GET, PUT"),
        (asks(method="put"), "method 'put' is not allowed"),
        (asks(headers="x-a"), "request headers 'x-a' are not allowed, only content-type, x-b"),
        (asks(headers="x-b,X-A , content-type,x-c"), "request headers 'x-a', 'x-c' are not allowed"),
        (asks(headers=",".join(f"x-{n}" for n in range(9))), "'x-4' and 4 more are not allowed"),
        (asks(private_network="true"), "may not reach this private network"),
        (asks(method="LOCK", headers="x-a"), "method 'LOCK' is not allowed, only GET, PUT; request headers 'x-a'"),
    ],
)
async def test_a_refused_preflight_says_what_is_not_allowed(fields: dict[str, str], detail: str) -> None:
    async with TestClient(app_of(CORS([FRIEND], methods=["GET", "PUT"], headers=["Content-Type", "x-b"]))) as client:
        reply = await client.options("/text", headers=fields)
    assert reply.status == 403
    assert reply.headers["content-type"] == "application/problem+json"
    assert detail in reply.json()["detail"]
    assert "origin" in vary(reply.headers)
    assert ("access-control-allow-origin" in reply.headers) == (fields["origin"] == FRIEND)
    assert "access-control-allow-private-network" not in reply.headers


async def test_a_refusal_is_bounded_whatever_was_asked() -> None:
    async with TestClient(app_of(CORS([FRIEND]))) as client:
        for fields in (asks("x" * 9000), asks(method="M" * 9000), asks(headers=",".join("h" * 999 for _ in range(9)))):
            reply = await client.options("/text", headers=fields)
            assert (reply.status, len(reply.content) < 4000) == (403, True)


async def test_stars_allow_what_is_asked_except_authorization() -> None:
    async with TestClient(app_of(CORS("*", methods="*", headers="*", expose="*"))) as client:
        reply = await client.options("/text", headers=asks(STRANGER, "PROPFIND", headers="x-a,x-b"))
        assert reply.status == 204
        assert grants(reply)["allow-methods"] == grants(reply)["allow-headers"] == "*"
        assert (await client.options("/text", headers=asks(STRANGER, headers="authorization"))).status == 403
    async with TestClient(app_of(CORS("*", headers=["*", "authorization"]))) as client:
        assert (await client.options("/text", headers=asks(STRANGER, headers="authorization,x-a"))).status == 204


async def test_the_private_network_is_opened_only_when_it_is_asked_for_and_allowed() -> None:
    async with TestClient(app_of(CORS([FRIEND], private_network=True))) as client:
        asked = await client.options("/text", headers=asks(private_network="true"))
        plain = await client.options("/text", headers=asks())
    assert (asked.status, asked.headers.get("access-control-allow-private-network")) == (204, "true")
    assert "access-control-allow-private-network" not in plain.headers


async def test_without_headers_and_max_age_neither_field_is_sent() -> None:
    async with TestClient(app_of(CORS([FRIEND], headers=[], max_age=None))) as client:
        reply = await client.options("/text", headers=asks())
    assert set(grants(reply)) == {"allow-origin", "allow-methods"}


async def test_a_router_that_has_it_sees_preflights_and_its_neighbours_do_not() -> None:
    shared = Router("/shared", middleware=[CORS([FRIEND])])
    own = Router("/own")
    for router in (shared, own):

        @router.get("/x")
        async def x() -> str:
            return "x"

    shared.mount("/plain", plain_asgi)
    async with TestClient(App(routers=[shared, own])) as client:
        assert (await client.options("/shared/x", headers=asks())).headers["access-control-allow-origin"] == FRIEND
        assert (await client.options("/shared/plain/y", headers=asks())).headers["access-control-allow-origin"] == FRIEND
        assert grants(await client.options("/own/x", headers=asks())) == {}
        assert grants(await client.get("/own/x", headers={"origin": FRIEND})) == {}
        other = await client.request("POST", "/shared/x", headers={"origin": FRIEND})
        assert (other.status, grants(other)) == (405, {"allow-origin": FRIEND})


# ---- construction


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "no origin is allowed"),
        ({"origins": FRIEND}, r"write \['https://friend.example'\]"),
        ({"origins": ["*", FRIEND]}, "has '\\*'"),
        ({"origins": "*", "origin_regex": "https://x"}, "has '\\*'"),
        ({"origins": "*", "credentials": True}, "origins is '\\*'"),
        ({"origins": ["*"], "credentials": True}, "origins is '\\*'"),
        ({"origins": [FRIEND], "credentials": True, "methods": "*"}, "methods is '\\*'"),
        ({"origins": [FRIEND], "credentials": True, "headers": ["x-a", "*"]}, "headers is '\\*'"),
        ({"origins": [FRIEND], "credentials": True, "expose": "*"}, "expose is '\\*'"),
        ({"origin_regex": ".*", "credentials": True}, "matches any host"),
        ({"origin_regex": r"https?://.+", "credentials": True}, "matches any host"),
        ({"origin_regex": "("}, "no pattern"),
        ({"origins": ["friend.example"]}, "is no origin"),
        ({"origins": [""]}, "is no origin"),
        ({"origins": ["https://"]}, "is no origin"),
        ({"origins": ["https://*.friend.example"]}, "origin_regex"),
        ({"origins": ["https://münchen.example"]}, "xn--"),
        ({"origins": ["https://u:p@friend.example"]}, "is no origin"),
        ({"origins": ["https://friend.example/"]}, "write 'https://friend.example'"),
        ({"origins": ["https://friend.example/path"]}, "write 'https://friend.example'"),
        ({"origins": ["https://Friend.example"]}, "write 'https://friend.example'"),
        ({"origins": ["https://friend.example:443"]}, "write 'https://friend.example'"),
        ({"origins": ["http://friend.example:80"]}, "write 'http://friend.example'"),
        ({"origins": [FRIEND], "methods": "GET"}, r"write \['GET'\]"),
        ({"origins": [FRIEND], "methods": ["GET, PUT"]}, "not one name"),
        ({"origins": [FRIEND], "headers": ["x a"]}, "not one name"),
        ({"origins": [FRIEND], "expose": ["x\r\na"]}, "not one name"),
        ({"origins": [FRIEND], "max_age": -1}, "negative"),
    ],
)
def test_what_could_not_work_is_refused_at_once(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        CORS(**options)


@pytest.mark.parametrize(
    "origin", ["http://localhost:3000", "http://127.0.0.1:8000", "http://[::1]:8080", "https://friend.example:80", "app://-", "null"]
)
def test_what_browsers_send_is_an_origin(origin: str) -> None:
    assert CORS([origin]).allows(origin)


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(TypeError):
        CORS([FRIEND], allow_origins=["*"])  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
