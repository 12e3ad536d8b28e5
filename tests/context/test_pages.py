"""What a browser gets of refusals and failures, and what a program gets of the same."""

import logging
from typing import Any

import pytest

from pagi import App, Context, HTTPContext, HTTPException, Next, Response, SSEContext
from pagi.middleware import RequestId
from pagi.testing import TestClient
from pagi.testing.websocket import WebSocketDenied

pytestmark = pytest.mark.anyio

BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
LOCAL: dict[str, Any] = {"base_url": "http://localhost:8000", "client": ("127.0.0.1", 50000), "raise_app_exceptions": False}


def an_app(*, debug: bool = False) -> App:
    app = App(middleware=[RequestId()])
    app.debug = debug

    @app.get("/refuses")
    async def refuses(ctx: HTTPContext) -> str:
        raise HTTPException(409, "<b>not now</b>", headers={"x-more": "yes"})

    @app.get("/fails")
    async def fails(ctx: HTTPContext) -> str:
        secret = "".join(["hunt", "er2"])  # a local that the page must mask
        raise ZeroDivisionError("<i>by zero</i>" * bool(secret))

    @app.sse("/stream")
    async def stream(ctx: SSEContext) -> Response | None:
        raise HTTPException(403)

    return app


async def test_a_browser_gets_a_page_and_a_program_problem_details() -> None:
    async with TestClient(an_app()) as client:
        page, data = await client.get("/refuses", headers=BROWSER), await client.get("/refuses")
    assert (page.status, page.headers["content-type"]) == (409, "text/html; charset=utf-8")
    assert "&lt;b&gt;not now&lt;/b&gt;" in page.text
    assert "<b>" not in page.text
    assert (page.headers["x-more"], page.headers["cache-control"]) == ("yes", "no-store")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["x-request-id"] in page.text
    assert (data.headers["content-type"], data.json()["detail"]) == ("application/problem+json", "<b>not now</b>")
    assert page.headers["vary"] == data.headers["vary"] == "Accept"


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("POST", "/refuses", 405), ("BREW", "/refuses", 501)])
async def test_what_no_handler_answers_is_a_page_too(method: str, path: str, status: int) -> None:
    async with TestClient(an_app()) as client:
        page, data = await client.request(method, path, headers=BROWSER), await client.request(method, path)
    assert (page.status, data.status) == (status, status)
    assert f'<p class="status">{status}</p>' in page.text
    assert data.json()["status"] == status


async def test_streams_and_handshakes_are_refused_with_data() -> None:
    async with TestClient(an_app()) as client:
        reply = await client.sse_decline("/stream", headers={"accept": "text/event-stream, text/html"})
        assert (reply.status, reply.json()["status"]) == (403, 403)
        with pytest.raises(WebSocketDenied) as denied:
            async with client.websocket("/nowhere", headers=BROWSER):
                pass
        assert denied.value.reply.headers["content-type"] == "application/problem+json"


async def test_a_failure_tells_strangers_nothing() -> None:
    elsewhere: dict[str, Any] = {**LOCAL, "client": ("203.0.113.9", 50000)}
    for options in (LOCAL, elsewhere):
        async with TestClient(an_app(), **options) as client:
            page, data = await client.get("/fails", headers=BROWSER), await client.get("/fails")
            assert (page.status, data.status) == (500, 500)
            assert "ZeroDivision" not in page.text + data.text


async def test_its_author_sees_all_of_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "pagi")
    async with TestClient(an_app(debug=True), **LOCAL) as client:
        page = await client.get("/fails", headers=BROWSER)
        data = await client.get("/fails")
    assert "ZeroDivisionError" in page.text
    assert "&lt;i&gt;by zero&lt;/i&gt;" in page.text
    assert "hunter2" not in page.text
    assert page.headers["cache-control"] == data.headers["cache-control"] == "no-store"
    assert data.json()["detail"] == "ZeroDivisionError: <i>by zero</i>"
    assert len([record for record in caplog.records if record.exc_info]) == 2, "each failure is logged once"


async def test_the_debug_page_is_for_this_machine_alone() -> None:
    elsewhere: dict[str, Any] = {**LOCAL, "client": ("203.0.113.9", 50000)}
    renamed: dict[str, Any] = {**LOCAL, "base_url": "http://example.org"}
    for options in (elsewhere, renamed):
        async with TestClient(an_app(debug=True), **options) as client:
            assert "ZeroDivision" not in (await client.get("/fails", headers=BROWSER)).text


async def test_middleware_sees_the_page_that_leaves() -> None:
    seen: list[str] = []

    async def watch(ctx: Context, next: Next) -> Response:
        response = await next()
        seen.append(response.headers["content-type"])
        return response

    app = App(middleware=[watch])
    async with TestClient(app) as client:
        await client.get("/nowhere", headers=BROWSER)
        await client.get("/nowhere")
    assert seen == ["text/html; charset=utf-8", "application/problem+json"]
