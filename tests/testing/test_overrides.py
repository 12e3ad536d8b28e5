"""Other values in the place of dependencies: before the start, and while the application runs."""

from collections.abc import AsyncIterator
from typing import Annotated

import pytest

from pagi import App, ConfigError, Depends, HTTPContext, provider
from pagi.testing import SyncTestClient, TestClient

pytestmark = pytest.mark.anyio


class Board:
    def __init__(self, name: str = "real") -> None:
        self.name = name


class Shop:
    def __init__(self, board: Board) -> None:
        self.board = board


opened: list[str] = []


@provider(scope="app")
async def board() -> AsyncIterator[Board]:
    opened.append("board")
    yield Board()


async def user(ctx: HTTPContext) -> str:
    return ctx.headers.get("x-user", "nobody")


def an_app() -> App:
    app = App(providers=[board, provider(Shop, scope="app")])

    @app.get("/board")
    async def read(board: Board) -> str:
        return board.name

    @app.get("/shop")
    async def sell(shop: Shop) -> str:
        return shop.board.name

    @app.get("/user")
    async def who(name: Annotated[str, Depends(user)]) -> str:
        return name

    return app


async def test_a_value_stands_in_for_a_provider_and_for_all_that_is_built_from_it() -> None:
    opened.clear()
    async with TestClient(an_app(), overrides={board: Board("fake")}) as client:
        assert ((await client.get("/board")).text, (await client.get("/shop")).text) == ("fake", "fake")
    assert opened == []


async def test_a_type_and_a_dependency_function_are_keys_too() -> None:
    async with TestClient(an_app(), overrides={Board: Board("typed"), user: "somebody"}) as client:
        assert ((await client.get("/board")).text, (await client.get("/user")).text) == ("typed", "somebody")


async def test_the_application_itself_is_not_changed() -> None:
    app = an_app()
    async with TestClient(app, overrides={board: Board("fake")}), TestClient(app) as untouched:
        assert (await untouched.get("/board")).text == "real"


async def test_an_override_while_it_runs_counts_from_then_on() -> None:
    async with TestClient(an_app()) as client:
        assert (await client.get("/user")).text == "nobody"
        client.override(user, "somebody")
        assert (await client.get("/user")).text == "somebody"
        client.override(user, use=lambda: "made")
        assert (await client.get("/user")).text == "made"
        client.override(Shop, Shop(Board("other")))
        assert ((await client.get("/shop")).text, (await client.get("/board")).text) == ("other", "real")


async def test_what_something_was_made_from_already_cannot_be_replaced() -> None:
    async with TestClient(an_app()) as client:
        with pytest.raises(ConfigError, match=r"board cannot be replaced any more: .*Shop was made from it at start-up"):
            client.override(board, Board("late"))
        assert (await client.get("/board")).text == "real"


async def test_none_is_a_value_and_two_answers_are_none() -> None:
    async with TestClient(an_app()) as client:
        with pytest.raises(ConfigError, match="a value, or use=function"):
            client.override(user, "a", use=lambda: "b")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]


async def test_a_foreign_application_has_nothing_to_override() -> None:
    async def foreign(scope: object, receive: object, send: object) -> None: ...

    with pytest.raises(ConfigError, match="only a pagi App"):
        TestClient(foreign, overrides={board: Board()})


def test_a_plain_test_overrides_alike() -> None:
    with SyncTestClient(an_app(), overrides={board: Board("fake")}) as client:
        assert client.get("/board").text == "fake"
        client.override(user, use=lambda: "made")
        assert client.get("/user").text == "made"
