"""Small questions to an app of one handler."""

from collections.abc import Callable
from typing import Any

import msgspec

from pagi import App
from pagi.testing import Reply, TestClient
from tests.recorder import Answer, Recorder


async def ask(handler: Callable[..., Any], target: str = "/", *, path: str | None = None, method: str = "GET", **request: Any) -> Answer:
    """The answer of `handler`, registered for the path of `target` where no other is given."""
    return (
        await Recorder(served(handler, path or target.partition("?")[0], method, request.pop("app", None)))
        .http(method, target, **request)
        .run()
    )


async def call(handler: Callable[..., Any], target: str = "/", app: App | None = None) -> Reply:
    """The answer of `handler` by the real server, which knows when the answer was taken."""
    async with TestClient(served(handler, target.partition("?")[0], app=app), raise_app_exceptions=False) as client:
        return await client.get(target)


def served(handler: Callable[..., Any], path: str = "/", method: str = "GET", app: App | None = None) -> App:
    """An app with one handler more."""
    app = app or App()
    app.route(path, methods=[method])(handler)
    return app


async def post(handler: Callable[..., Any], body: Any, content_type: str = "application/json", target: str = "/") -> Answer:
    """The answer to a body: of bytes, else of JSON."""
    data: bytes = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return await ask(handler, target, method="POST", body=data, headers={"content-type": content_type})


def errors(answer: Answer) -> dict[str, str]:
    """What a 422 says was wrong, by path."""
    assert answer.status == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return {error["path"]: error["message"] for error in msgspec.json.decode(answer.body)["errors"]}
