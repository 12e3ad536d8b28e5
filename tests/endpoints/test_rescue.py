"""Exception handlers: which one answers, to what, and on which kind."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from pagi import App, ConfigError, Context, HTTPException, Next, Response, Text, WebSocketContext
from tests.recorder import Answer, Recorder

pytestmark = pytest.mark.anyio


class Lost(LookupError):
    """An error of an author's own."""


async def own_page(ctx: Context, error: HTTPException) -> Response:
    return Text(f"{ctx.type}: {error}", status=error.status, headers=error.headers)


def saying(text: str) -> Any:
    def handler(ctx: Context, error: Exception) -> Response:
        return Text(text, status=400)

    return handler


def failing_with(error: Exception, **handlers: Any) -> Recorder:
    app = App(**handlers)

    @app.get("/")
    async def page() -> str:
        raise error

    @app.websocket("/")
    async def chat() -> None:
        raise error

    @app.sse("/")
    async def feed() -> AsyncIterator[str]:
        if error:
            raise error
        yield ""

    return Recorder(app)


async def on_every_kind(recorder: Recorder, target: str = "/") -> list[Answer]:
    return [await recorder.get(target), await recorder.talk(target), await recorder.stream(target)]


async def test_a_status_or_a_class_has_a_handler_on_every_kind() -> None:
    def found(ctx: Context, error: Lost) -> Response:
        return Text(f"{ctx.type}: {error}", status=410)

    answers = await on_every_kind(failing_with(Lost("gone"), exception_handlers={LookupError: found}))
    assert [(answer.status, answer.text) for answer in answers] == [(410, f"{kind}: gone") for kind in ("http", "websocket", "sse")]
    answers = await on_every_kind(failing_with(HTTPException(402, "pay"), exception_handlers={402: own_page}))
    assert [(answer.status, answer.text) for answer in answers] == [(402, f"{kind}: 402 pay") for kind in ("http", "websocket", "sse")]


async def test_the_nearest_class_answers() -> None:
    handlers: dict[Any, Any] = {Exception: saying("any"), LookupError: saying("lookup"), Lost: saying("lost")}
    assert (await failing_with(Lost(), exception_handlers=handlers).get("/")).text == "lost"
    assert (await failing_with(KeyError(), exception_handlers=handlers).get("/")).text == "lookup"
    assert (await failing_with(ValueError(), exception_handlers=handlers).get("/")).text == "any"


async def test_what_leads_nowhere_and_a_method_that_is_not_served_have_the_apps_answer() -> None:
    recorder = failing_with(Lost(), exception_handlers={404: own_page, 405: own_page, 501: own_page})
    answers = await on_every_kind(recorder, "/nowhere")
    assert [(answer.status, answer.text) for answer in answers] == [
        (404, "http: 404 Not Found"),
        (404, "websocket: 404 Not Found"),
        (404, "http: 404 Not Found"),
    ]
    refused = await recorder.post("/")
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert refused.text.startswith("http: 405 POST is not served here")
    assert (await recorder.http("BREW", "/").run()).text.startswith("http: 501 ")


async def test_a_stream_alone_that_is_not_accepted_and_a_foreign_origin_have_the_apps_answer() -> None:
    app = App(exception_handlers={HTTPException: own_page})

    @app.sse("/feed")
    async def feed() -> AsyncIterator[str]:
        yield "a"

    @app.websocket("/chat")
    async def chat(ctx: WebSocketContext) -> None:
        await ctx.accept()

    recorder = Recorder(app)
    page = await recorder.get("/feed", headers={"accept": "text/html"})
    assert (page.status, page.text[:9], page.headers["vary"]) == (406, "http: 406", "Accept")
    foreign = await recorder.talk("/chat", headers={"origin": "https://evil.example"})
    assert (foreign.status, foreign.text[:14]) == (403, "websocket: 403")


async def test_middleware_sees_the_answer_of_a_handler_and_the_error_of_the_outermost_one() -> None:
    seen: list[object] = []

    async def watch(ctx: Context, next: Next) -> Response:
        try:
            response = await next()
        except Exception as error:
            seen.append(type(error))
            raise
        seen.append(response.status)
        return response

    handlers: dict[Any, Any] = {Lost: saying("lost"), 500: saying("sorry")}
    assert (await failing_with(Lost(), middleware=[watch], exception_handlers=handlers).get("/")).text == "lost"
    assert (await failing_with(ValueError(), middleware=[watch], exception_handlers=handlers).get("/")).text == "sorry"
    assert seen == [400, ValueError]


async def test_a_handler_may_be_given_by_a_decorator_once_for_each_class() -> None:
    app = App()

    @app.on_error(Lost)
    async def found(ctx: Context, error: Lost) -> Response:
        return Text("found", status=410)

    @app.get("/")
    async def page() -> str:
        raise Lost

    assert (await Recorder(app).get("/")).text == "found"
    with pytest.raises(ConfigError):
        app.on_error(Lost)(found)


async def test_a_handler_that_returns_no_response_is_an_error_that_names_it(caplog: pytest.LogCaptureFixture) -> None:
    def nothing(ctx: Context, error: Lost) -> None: ...

    wrong: Any = nothing
    assert (await failing_with(Lost(), exception_handlers={Lost: wrong}).get("/")).status == 500
    assert "nothing returned NoneType, not a Response" in caplog.text


@pytest.mark.parametrize("caught", [200, 600, int, "404", None])
def test_what_is_no_error_has_no_handler(caught: Any) -> None:
    app = App(exception_handlers={caught: own_page})
    with pytest.raises(ConfigError, match="exception classes and statuses from 400 to 599"):
        app.build()
