"""Binding: what a handler may ask for, and how it is told at build what it may not."""

import enum
import functools
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from pagi import App, ConfigError, Context, HTTPContext, Request, Stash, WebSocketContext
from tests.recorder import Recorder

pytestmark = pytest.mark.anyio


class Color(enum.StrEnum):
    RED = "red"


def app_with(path: str, handler: Callable[..., Any]) -> App:
    app = App()
    app.get(path)(handler)
    return app


async def ask(path: str, handler: Callable[..., Any], target: str) -> tuple[int, str]:
    answer = await Recorder(app_with(path, handler)).get(target)
    return answer.status, answer.text


async def test_the_context_is_given_by_its_type_whatever_its_name() -> None:
    async def typed(c: HTTPContext) -> str:
        return c.method

    async def base(c: Context) -> str:
        return c.type

    async def generic(c: HTTPContext[dict[str, Any]]) -> str:
        return c.path

    assert await ask("/", typed, "/") == (200, "GET")
    assert await ask("/", base, "/") == (200, "http")
    assert await ask("/", generic, "/") == (200, "/")


async def test_the_context_may_stand_anywhere() -> None:
    async def last(n: str, c: HTTPContext) -> str:
        return n + c.method

    async def named(*, n: str, c: HTTPContext) -> str:
        return n + c.method

    async def alone(*, c: HTTPContext) -> str:
        return c.method

    async def twice(a: HTTPContext, b: Context, n: str) -> str:
        return f"{a is b} {n}"

    assert await ask("/{n}", last, "/x") == (200, "xGET")
    assert await ask("/{n}", named, "/x") == (200, "xGET")
    assert await ask("/{n}", alone, "/x") == (200, "GET")
    assert await ask("/{n}", twice, "/x") == (200, "True x")


async def test_ctx_without_annotation_is_the_context() -> None:
    async def bare(ctx: Any) -> str:
        return str(ctx.method)

    del bare.__annotations__["ctx"]
    assert await ask("/", bare, "/") == (200, "GET")


async def test_the_request_and_the_stash_are_given_by_type() -> None:
    async def doors(request: Request, stash: Stash) -> str:
        stash["a"] = 1
        return f"{request.method} {stash['a']}"

    assert await ask("/", doors, "/") == (200, "GET 1")


async def test_path_parameters_are_converted_by_their_annotation() -> None:
    async def number(n: int) -> str:
        return repr(n)

    async def truth(n: bool) -> str:
        return repr(n)

    async def color(n: Color) -> str:
        return repr(n)

    async def identity(n: uuid.UUID) -> str:
        return repr(n)

    assert await ask("/{n}", number, "/5") == (200, "5")
    assert await ask("/{n}", truth, "/yes") == (200, "True")
    assert await ask("/{n}", color, "/red") == (200, "<Color.RED: 'red'>")
    assert (await ask("/{n}", identity, f"/{uuid.UUID(int=5)}"))[0] == 200


async def test_a_misfit_is_422_and_names_the_parameter() -> None:
    async def number(n: int) -> int:
        return n

    status, text = await ask("/{n}", number, "/five")
    assert status == 422
    assert "path.n" in text


async def test_a_typed_parameter_arrives_as_its_type_and_alone() -> None:
    async def number(ctx: HTTPContext, n: int) -> str:
        return f"{n!r} {ctx.path_params}"

    assert await ask("/{n:int}/{other}", number, "/5/x") == (200, "5 {'n': 5, 'other': 'x'}")


async def test_a_wrapped_handler_keeps_its_signature() -> None:
    def noted(handler: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(handler)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            return await handler(*args, **kwargs)

        return wrapper

    @noted
    async def number(n: int) -> int:
        return n + 1

    assert await ask("/{n}", number, "/5") == (200, "6")


async def test_methods_and_callables_are_handlers_too() -> None:
    class Greeter:
        async def greet(self, name: str) -> str:
            return f"hi {name}"

        async def __call__(self, name: str) -> str:
            return f"ho {name}"

    assert await ask("/{name}", Greeter().greet, "/ann") == (200, "hi ann")
    assert await ask("/{name}", Greeter(), "/ann") == (200, "ho ann")
    assert await ask("/{name}", functools.partial(Greeter().greet), "/ann") == (200, "hi ann")


async def test_a_parameter_with_a_default_may_go_unfilled() -> None:
    async def page(limit: int = 10) -> int:
        return limit

    assert await ask("/", page, "/") == (200, "10")


class Stranger:
    pass


async def wants_stranger(s: Stranger) -> None: ...
async def wants_nothing_known(s: Any) -> None: ...
async def wants_everything(*args: Any) -> None: ...
async def wants_positions(n: str, /) -> None: ...
async def wants_text(n: str) -> None: ...
async def wants_socket(ctx: WebSocketContext) -> None: ...
async def wants_list(n: Stranger) -> None: ...


del wants_nothing_known.__annotations__["s"]


@pytest.mark.parametrize(
    ("path", "handler", "problem"),
    [
        ("/", wants_stranger, "s is annotated Stranger and can be given nothing"),
        ("/", wants_nothing_known, "s has no annotation"),
        ("/", wants_everything, "cannot be filled"),
        ("/{n}", wants_positions, "positional-only"),
        ("/{n:int}", wants_text, "gives int"),
        ("/", wants_socket, "WebSocketContext was asked for, but this route's context is HTTPContext"),
        ("/{n}", wants_list, "nothing here knows how Stranger is decoded"),
    ],
)
async def test_what_cannot_be_given_fails_the_build(path: str, handler: Callable[..., Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        app_with(path, handler).build()
    assert handler.__name__ in str(caught.value)


async def test_an_annotation_that_only_the_checker_sees_fails_with_its_name() -> None:
    async def hidden(n: Any) -> None: ...

    hidden.__annotations__["n"] = "Nowhere"

    with pytest.raises(ConfigError, match=r"Nowhere.*TYPE_CHECKING"):
        app_with("/{n}", hidden).build()
