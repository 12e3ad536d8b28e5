"""Chromium over TLS: it takes HTTP/2 for the page, the event stream and the WebSocket, all on one connection."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.chromium import Opened, launched, needs_chromium
from tests.server.certificates import Authority
from tests.server.child import Child, running

pytestmark = needs_chromium

APP = '''
from pagi import App, HTTPContext, Response, SSEContext, WebSocketContext

PAGE = """<!doctype html><meta charset="utf-8"><title>three</title><link rel="icon" href="data:,">
<p id="page"></p><p id="feed"></p><p id="echo"></p>
<script>
  const say = (id, text) => { document.getElementById(id).textContent += text + " "; };
  fetch("/protocol").then((answer) => answer.text()).then((text) => say("page", text));
  const feed = new EventSource("/feed");
  feed.onmessage = (event) => say("feed", event.data);
  const socket = new WebSocket("wss://" + location.host + "/echo");
  socket.onopen = () => { for (const word of ["a", "b", "c"]) socket.send(word); };
  socket.onmessage = (event) => say("echo", event.data);
</script>"""

app = App()


@app.get("/")
async def page(ctx: HTTPContext) -> Response:
    return ctx.html(PAGE)


@app.get("/protocol")
async def protocol(ctx: HTTPContext) -> str:
    return "HTTP/" + ctx.scope["http_version"]


@app.sse("/feed")
async def feed(ctx: SSEContext):
    yield "HTTP/" + ctx.scope["http_version"]
    yield "again"
    await ctx.connection.disconnected()


@app.websocket("/echo")
async def echo(ctx: WebSocketContext) -> None:
    await ctx.accept()
    await ctx.send_text("HTTP/" + ctx.scope["http_version"])
    async for text in ctx.iter_text():
        await ctx.send_text(text.upper())
'''


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    yield from launched()


@pytest.fixture(scope="module", params=["uvloop", "asyncio", "trio"])
def child(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    """The application over TLS, on each loop."""
    folder: Path = tmp_path_factory.mktemp("browser")
    issued = Authority(folder).issue()
    app = folder / "app.py"
    app.write_text(APP)
    flags = ("--loop", str(request.param), "--ssl-certfile", str(issued.certfile), "--ssl-keyfile", str(issued.keyfile))
    with running(folder, app, *flags) as served:
        yield served


def test_page_events_and_websocket_share_one_http_2_connection(browser: Browser, child: Child) -> None:
    context: Any = browser.new_context(ignore_https_errors=True)
    try:
        opened = Opened(context.new_page())
        opened.page.goto(f"https://localhost:{child.port}/")
        expect(opened.page.locator("#page")).to_have_text("HTTP/2 ")
        expect(opened.page.locator("#feed")).to_have_text("HTTP/2 again ")
        expect(opened.page.locator("#echo")).to_have_text("HTTP/2 A B C ")
        assert opened.complaints == []
    finally:
        context.close()
    ports = set(re.findall(r"127\.0\.0\.1:(\d+)", child.stdout))
    assert len(ports) == 1, child.stdout
