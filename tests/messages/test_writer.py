"""A pushed answer: its head waits for the first piece, its block ends its body, and HEAD has none of it."""

from collections.abc import Callable
from typing import Any, cast

import anyio
import pytest

from pagi import App, Context, HTTPContext, HTTPException, Next, Reason, Response
from pagi.messages.response import AlreadySent
from pagi.messages.stream import NotAChunk
from pagi.messages.writer import WriterClosed
from tests.recorder import Answer, Recorder, Server

pytestmark = pytest.mark.anyio

TEXT = "text/plain; charset=utf-8"


@pytest.fixture(params=["own", "wrapped", "foreign"])
def server(request: pytest.FixtureRequest) -> Server:
    """With the server's plain calls for streams, with events alone, and without the handles."""
    return cast("Server", request.param)


def pushing(handler: Callable[..., Any], server: Server = "own", **options: Any) -> Recorder:
    app = App(**options)
    app.get("/")(handler)
    return Recorder(app, server)


def bodies(answer: Answer) -> list[bytes]:
    return [event["body"] for event in answer.events if "body" in event]


async def test_pieces_go_out_as_they_are_written(server: Server) -> None:
    counted: list[tuple[int, bool]] = []

    async def push(ctx: HTTPContext) -> None:
        async with ctx.writer() as out:
            for piece in ("a", b"\xff", "", "é"):
                await out.write(piece)
                counted.append((out.bytes_written, out.is_closed))
        counted.append((out.bytes_written, out.is_closed))

    answer = await pushing(push, server).get("/")
    assert (answer.status, answer.headers["content-type"]) == (200, TEXT)
    assert [body for body in bodies(answer) if body] == [b"a", b"\xff", "é".encode()]
    assert bodies(answer)[-1] == b""
    assert counted == [(1, False), (2, False), (2, False), (4, False), (4, True)]


async def test_the_type_is_that_of_the_first_piece_unless_it_is_given() -> None:
    async def push(ctx: HTTPContext) -> None:
        async with ctx.writer(content_type=ctx.query.get("type")) as out:
            await out.write(b"a")

    recorder = pushing(push)
    assert (await recorder.get("/")).headers["content-type"] == "application/octet-stream"
    assert (await recorder.get("/?type=text/csv")).headers["content-type"] == "text/csv"


async def test_what_was_set_on_the_builder_is_in_the_head() -> None:
    async def push(ctx: HTTPContext) -> None:
        ctx.response.status(202).header("x-a", "1").content_type("a/b").cookie("c", "v")
        async with ctx.writer() as out:
            await out.write("a")

    answer = await pushing(push).get("/")
    assert (answer.status, answer.headers["x-a"], answer.headers["content-type"]) == (202, "1", "a/b")
    assert answer.headers["set-cookie"].startswith("c=v;")


async def test_hooks_and_middleware_see_what_left() -> None:
    seen: list[tuple[int, bool]] = []

    async def watch(ctx: Context, next: Next) -> Response:
        ctx.on_response_start(lambda head: head.headers.set("x-hook", "1"))
        response = await next()
        seen.append((response.status, response.is_sent))
        return response

    async def push(ctx: HTTPContext) -> None:
        async with ctx.writer(status=201) as out:
            await out.write("a")

    answer = await pushing(push, middleware=[watch]).get("/")
    assert answer.headers["x-hook"] == "1"
    assert seen == [(201, True)]


async def test_nothing_written_is_an_empty_body(server: Server) -> None:
    async def push(ctx: HTTPContext) -> None:
        async with ctx.writer():
            pass

    answer = await pushing(push, server).get("/")
    assert (answer.status, answer.body) == (200, b"")


async def test_a_refusal_before_the_first_piece_is_an_ordinary_answer(server: Server) -> None:
    async def push(ctx: HTTPContext) -> None:
        async with ctx.writer():
            raise HTTPException(404)

    assert (await pushing(push, server).get("/")).status == 404


async def test_a_failure_after_the_head_left_leaves_the_body_without_an_end(server: Server) -> None:
    async def push(ctx: HTTPContext) -> None:
        async with ctx.writer() as out:
            await out.write("a")
            raise RuntimeError("no")

    exchange = pushing(push, server).http("GET", "/")
    with pytest.raises(RuntimeError, match="no"):
        await exchange.run()
    assert exchange.events[-1]["body"] == b"a"


async def test_the_head_can_be_sent_before_there_is_a_piece(server: Server) -> None:
    async def push(ctx: HTTPContext) -> None:
        async with ctx.writer(status=201) as out:
            await out.start()
            assert ctx.has_left
            await out.start()

    assert (await pushing(push, server).get("/")).status == 201


async def test_writing_after_the_end_is_refused_and_sends_nothing() -> None:
    async def push(ctx: HTTPContext) -> None:
        async with ctx.writer() as out:
            await out.write("ab")
            await out.close()
            await out.close()
            with pytest.raises(WriterClosed, match="after 2 bytes"):
                await out.write("c")
            with pytest.raises(WriterClosed):
                await out.start()

    assert (await pushing(push).get("/")).body == b"ab"


async def test_only_bytes_and_text_are_written() -> None:
    number: Any = 5

    async def push(ctx: HTTPContext) -> None:
        async with ctx.writer() as out:
            with pytest.raises(NotAChunk, match="got int"):
                await out.write(number)
            assert not ctx.has_left

    await pushing(push).get("/")


async def test_an_answer_has_one_writer() -> None:
    async def push(ctx: HTTPContext) -> None:
        async with ctx.writer() as one:
            await one.write("a")
            with pytest.raises(AlreadySent, match="one writer"):
                async with ctx.writer() as other:
                    await other.write("b")

    assert (await pushing(push).get("/")).body == b"a"


async def test_a_value_returned_beside_a_writer_is_an_error() -> None:
    async def push(ctx: HTTPContext) -> str:
        async with ctx.writer() as out:
            await out.write("a")
        return "b"

    with pytest.raises(AlreadySent):
        await pushing(push).http("GET", "/").run()


async def test_head_ends_the_block_at_the_first_piece(server: Server) -> None:
    steps: list[str] = []

    async def push(ctx: HTTPContext) -> None:
        async with ctx.writer(content_type="text/csv") as out:
            for _ in range(3):
                steps.append("write")
                await out.write("a")
        steps.append("after")

    answer = await pushing(push, server).http("HEAD", "/").run()
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "text/csv", b"")
    assert steps == ["write", "after"]


async def test_a_client_that_left_ends_the_writing() -> None:
    ended: list[type[BaseException] | None] = []

    async def push(ctx: HTTPContext) -> None:
        try:
            async with ctx.writer() as out:
                await out.write("a")
                exchange.leave(Reason.CLIENT_CLOSED)
                await out.write("b")
        except OSError as gone:
            ended.append(type(gone))
            raise

    exchange = pushing(push).http("GET", "/")
    await exchange.run()
    assert [kind.__name__ for kind in ended if kind] == ["ClientGone"]


async def test_a_block_that_waits_is_ended_when_the_client_is_gone_for_good() -> None:
    ended: list[str] = []

    async def push(ctx: HTTPContext) -> None:
        async with ctx.writer() as out:
            await out.write("a")
            try:
                await anyio.sleep_forever()
            finally:
                ended.append("block")
        ended.append("never")

    exchange = pushing(push).http("GET", "/")
    async with anyio.create_task_group() as group:
        group.start_soon(exchange.run)
        await anyio.wait_all_tasks_blocked()
        exchange.leave()
        exchange.handle.abandon()
    assert ended == ["block"]
