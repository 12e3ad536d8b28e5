"""Exception handlers: who answers which error, where, and what is logged."""

import logging
from typing import Any

import anyio
import pytest

from pagi import App, ConfigError, Context, HTTPContext, HTTPException, Next, PeerError, Response, Router, WebSocketContext
from pagi.endpoints.rescue import ExceptionHandler
from pagi.middleware import CORS
from pagi.testing import TestClient
from tests.endpoints.asking import ask, post, served
from tests.recorder import Recorder

pytestmark = pytest.mark.anyio


class Own(LookupError): ...


class Odd(PeerError):
    status = 418


def saying(text: str, status: int = 400) -> ExceptionHandler:
    """A handler that answers with this."""

    async def handler(ctx: Any, error: Exception) -> Response:
        await anyio.sleep(0)
        return Response(f"{text}: {error}", status=status)

    return handler


def raising(error: Exception) -> Any:
    """A route that fails so."""

    async def handler(ctx: Context) -> None:
        raise error

    return handler


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (Own("own"), "own: own"),
        (KeyError("key"), "lookup: 'key'"),
        (HTTPException(404), "404: 404 Not Found"),
        (HTTPException(403), "refusal: 403 Forbidden"),
        (Odd("odd"), "418: odd"),
    ],
    ids=repr,
)
async def test_the_nearest_class_or_the_status_answers(error: Exception, text: str) -> None:
    handlers: dict[Any, ExceptionHandler] = {
        LookupError: saying("lookup"),
        Own: saying("own"),
        404: saying("404"),
        418: saying("418"),
        HTTPException: saying("refusal"),
    }
    assert (await ask(raising(error), app=App(exception_handlers=handlers))).text == text


async def test_middleware_sees_the_answer_of_a_handler_and_the_exception_of_none() -> None:
    seen: list[Any] = []

    async def around(ctx: Context, next: Next) -> Response:
        try:
            response = await next()
        except Exception as error:
            seen.append(repr(error))
            raise
        seen.append(response.status)
        return response

    def app() -> App:
        return App(middleware=[around], exception_handlers={LookupError: saying("lookup", 410), Exception: saying("last", 500)})

    await ask(raising(Own("a")), app=app())
    answer = await ask(raising(ValueError("b")), app=app())
    assert seen == [410, "ValueError('b')"]
    assert answer.text == "last: b"


@pytest.mark.parametrize("caught", [Exception, 500])
async def test_the_last_answer_has_the_hooks_on_its_head_and_is_logged_once(caught: Any, caplog: pytest.LogCaptureFixture) -> None:
    app = App(middleware=[CORS(origins=["https://a.example"])], exception_handlers={caught: saying("sorry", 500)})
    answer = await ask(raising(ValueError("broken")), headers={"origin": "https://a.example"}, app=app)
    assert (answer.status, answer.text) == (500, "sorry: broken")
    assert answer.headers["access-control-allow-origin"] == "https://a.example"
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


async def test_the_typed_form_registers_a_handler() -> None:
    app = served(raising(ZeroDivisionError("x")))

    @app.on_error(ZeroDivisionError)
    def zero(ctx: HTTPContext, error: ZeroDivisionError) -> Response:
        return ctx.text("zero", status=418)

    with pytest.raises(ConfigError, match="ZeroDivisionError has an exception handler already"):
        app.on_error(ZeroDivisionError)(zero)
    assert (await Recorder(app).get("/")).status == 418
    with pytest.raises(ConfigError, match="built already"):
        app.on_error(ArithmeticError)(saying("late"))


async def test_a_handler_that_fails_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    async def failing(ctx: Context, error: Exception) -> Response:
        raise TypeError("worse")

    for caught, error in ((ValueError, ValueError("first")), (HTTPException, HTTPException(404)), (Exception, ValueError("first"))):
        caplog.clear()
        answer = await ask(raising(error), app=App(exception_handlers={caught: failing}))
        assert answer.status == 500
        assert "worse" in caplog.text


async def test_a_handler_that_refuses_refuses_so(caplog: pytest.LogCaptureFixture) -> None:
    async def hiding(ctx: Context, error: Exception) -> Response:
        raise HTTPException(404)

    assert (await ask(raising(Own()), app=App(exception_handlers={Own: hiding}))).status == 404
    assert (await ask(raising(HTTPException(403)), app=App(exception_handlers={HTTPException: hiding}))).status == 500


async def test_a_handler_that_gives_no_response_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    def forgetful(ctx: Context, error: Exception) -> Any:
        return {"error": str(error)}

    assert (await ask(raising(Own()), app=App(exception_handlers={Own: forgetful}))).status == 500
    assert "forgetful returned dict, not a Response" in caplog.text


async def test_statuses_of_the_app_itself_are_answered_too() -> None:
    handlers: dict[Any, ExceptionHandler] = {
        404: saying("lost", 404),
        405: saying("not so", 405),
        403: saying("foreign", 403),
        406: saying("no", 406),
    }
    app = App(exception_handlers=handlers)

    @app.get("/")
    async def index() -> str:
        return "x"

    @app.sse("/feed")
    async def feed() -> None: ...

    @app.websocket("/chat")
    async def chat(ctx: WebSocketContext) -> None: ...

    recorder = Recorder(app)
    assert (await recorder.get("/nowhere")).text == "lost: 404 Not Found"
    assert (await recorder.post("/")).text.startswith("not so: 405 POST is not served here")
    assert (await recorder.get("/feed", headers={"accept": "text/plain"})).text.startswith("no: 406")
    assert (await recorder.talk("/chat", headers={"origin": "https://evil.example"})).text.startswith("foreign: 403")
    plain = served(index)
    assert (await Recorder(plain).post("/")).headers["allow"] == "GET, HEAD, OPTIONS"


async def test_what_is_wrong_with_a_body_has_a_status_to_be_caught_by() -> None:
    async def handler(body: int) -> None: ...

    app = App(exception_handlers={415: saying("which type", 415), 400: saying("broken", 400)})
    served(handler, method="POST", app=app)
    recorder = Recorder(app)
    assert (await recorder.post("/", body=b"1", headers={"content-type": "text/plain"})).text.startswith("which type")
    assert (await recorder.post("/", body=b"{", headers={"content-type": "application/json"})).text.startswith("broken")
    assert (await post(handler, b"1")).status == 204


@pytest.mark.parametrize("key", [200, 399, 600, "ValueError", BaseException, KeyboardInterrupt, None], ids=repr)
def test_other_keys_are_refused(key: Any) -> None:
    with pytest.raises(ConfigError, match="exception handlers are for exception classes and statuses from 400 to 599"):
        App(exception_handlers={key: saying("x")}).build()


def test_a_handler_can_be_called() -> None:
    with pytest.raises(ConfigError, match="which cannot be called"):
        App(exception_handlers={ValueError: "sorry"}).build()  # type: ignore[dict-item]


# ---- mounted


async def test_the_handlers_of_a_mounted_app_go_before_those_around_however_near() -> None:
    inner = App(exception_handlers={LookupError: saying("inner lookup")})
    outer = App(exception_handlers={KeyError: saying("outer key"), ValueError: saying("outer value"), 404: saying("outer 404")})
    router = Router()
    for path, error in (("/key", KeyError("k")), ("/value", ValueError("v")), ("/none", HTTPException(404))):
        inner.get(path)(raising(error))
        router.get(path)(raising(error))
    outer.mount("/in", inner)
    outer.mount("/router", router)
    recorder = Recorder(outer)
    assert (await recorder.get("/in/key")).text == "inner lookup: 'k'"
    assert (await recorder.get("/router/key")).text == "outer key: 'k'"
    for prefix in ("/in", "/router"):
        assert (await recorder.get(f"{prefix}/value")).text == "outer value: v"
        assert (await recorder.get(f"{prefix}/none")).text.startswith("outer 404")
        assert (await recorder.get(f"{prefix}/lost")).text.startswith("outer 404")


async def test_the_last_answer_is_that_of_the_app_that_failed(caplog: pytest.LogCaptureFixture) -> None:
    silent, inner = App(), App(exception_handlers={Exception: saying("inner", 500)})
    outer = App(exception_handlers={500: saying("outer", 500)})
    for app in (silent, inner, outer):
        app.get("/")(raising(ValueError("v")))
    outer.mount("/silent", silent)
    outer.mount("/in", inner)
    recorder = Recorder(outer)
    assert (await recorder.get("/")).text == "outer: v"
    assert (await recorder.get("/silent/")).text == "outer: v"
    assert (await recorder.get("/in/")).text == "inner: v"
    assert len(caplog.records) == 3


async def test_a_handshake_and_a_stream_are_answered_by_the_same_handlers() -> None:
    app = App(exception_handlers={Own: saying("own", 403)})
    app.websocket("/chat")(raising(Own("o")))
    app.sse("/feed")(raising(Own("o")))
    async with TestClient(app) as client:
        assert (await client.websocket_denial("/chat")).text == "own: o"
        assert (await client.sse_decline("/feed")).text == "own: o"
