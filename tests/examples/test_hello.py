"""The smallest example, asked over a real socket."""

from collections.abc import Callable

import httpx2

from tests.examples.servers import ExampleServer


def test_it_says_hello(serve: Callable[[str], ExampleServer]) -> None:
    reply = httpx2.get(serve("hello").url)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert reply.text == "Hello from pagi!\n"


def test_it_greets_by_name(serve: Callable[[str], ExampleServer]) -> None:
    assert httpx2.get(f"{serve('hello').url}/hello/Zo%C3%AB").json() == {"hello": "Zoë"}


def test_it_ends_cleanly_when_asked(serve: Callable[[str], ExampleServer]) -> None:
    server = serve("hello")
    assert httpx2.get(server.url).status_code == 200
    server.terminate()
    assert server.wait() == 0
    assert "Traceback" not in server.output
