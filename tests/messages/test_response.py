"""Response values: what they carry, what they refuse, and how they go out."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from pagi import HTML, JSON, App, FileResponse, HTTPException, Redirect, Response, ResponseBuilder, SentResponse, Stream, Text
from pagi.gateway.types import Message
from pagi.http.headers import InvalidHeader
from pagi.messages.problems import problem
from pagi.messages.response import AlreadySent
from pagi.messages.stream import NotAChunk
from tests.recorder import Recorder, Server

pytestmark = pytest.mark.anyio

TEXT = ("content-type", "text/plain; charset=utf-8")


def fields(response: Response) -> list[tuple[str, str]]:
    return [(name.decode(), value.decode()) for name, value in response.raw_headers]


async def delivered(response: Response) -> list[Message]:
    events: list[Message] = []

    async def send(event: Message) -> None:
        events.append(event)

    await response.deliver(send, response.status, response.raw_headers)
    return events


def test_a_type_is_only_a_default() -> None:
    assert fields(Response("a")) == [TEXT]
    assert fields(Response(b"a")) == [("content-type", "application/octet-stream")]
    assert fields(Response(b"")) == []
    assert fields(Response("a", headers={"Content-Type": "text/css"})) == [("content-type", "text/css")]
    assert fields(Response("a", headers={"content-type": "a/b"}, content_type="text/css")) == [("content-type", "text/css")]
    assert fields(HTML("<p>")) == [("content-type", "text/html; charset=utf-8")]
    assert fields(Text("")) == [TEXT]
    assert fields(JSON([1])) == [("content-type", "application/json")]
    assert fields(JSON([1], headers={"content-type": "application/ld+json"})) == [("content-type", "application/ld+json")]


def test_a_status_is_within_bounds() -> None:
    for status in (99, 101, 199, 600, 0, -1):
        with pytest.raises(ValueError, match="within 200 and 599"):
            Response(status=status)
        with pytest.raises(ValueError, match="within 200 and 599"):
            HTTPException(status)


def test_header_injection_is_refused() -> None:
    for headers in ({"x": "a\r\nb: c"}, {"x": "\0"}, {"x y": "a"}):
        with pytest.raises(InvalidHeader):
            Response(headers=headers)
    with pytest.raises(InvalidHeader):
        Redirect("/a\r\nset-cookie: b=c")


def test_headers_are_changed_in_place() -> None:
    response = Text("a", headers=[("x-a", "1"), ("x-a", "2")])
    response.headers["X-A"] = "3"
    response.headers.add("x-b", "4")
    assert fields(response) == [TEXT, ("x-a", "3"), ("x-b", "4")]


def test_a_redirect_has_a_status_of_redirects() -> None:
    assert fields(Redirect("/a?b", status=303)) == [("location", "/a?b")]
    assert fields(Redirect("/é?a=%20&b#c")) == [("location", "/%C3%A9?a=%20&b#c")]
    with pytest.raises(InvalidHeader):
        Redirect("/é\r\nx: y")
    with pytest.raises(ValueError, match="redirect"):
        Redirect("/a", status=200)


async def test_a_length_is_added_where_a_body_may_be() -> None:
    assert dict((await delivered(Text("ab")))[0]["headers"])[b"content-length"] == b"2"
    for status in (204, 304):
        assert (await delivered(Response(status=status)))[0]["headers"] == []
    own = Response("ab", headers={"content-length": "2"})
    assert [name for name, _ in (await delivered(own))[0]["headers"]].count(b"content-length") == 1


async def test_a_response_can_be_sent_again_and_again() -> None:
    response = Text("ab")
    assert await delivered(response) == await delivered(response)
    assert fields(response) == [TEXT]


def test_a_problem_says_what_it_is() -> None:
    assert msgspec.json.decode(problem(404).body) == {"type": "about:blank", "title": "Not Found", "status": 404}
    assert msgspec.json.decode(problem(599, "odd").body)["title"] == "Error"
    assert problem(304).body == b""
    assert str(HTTPException(404)) == "404 Not Found"
    assert str(HTTPException(404, "no such user")) == "404 no such user"


def test_what_left_cannot_be_changed() -> None:
    sent = SentResponse(201, [(b"x-a", b"1")])
    assert (sent.status, sent.headers["x-a"], sent.is_sent) == (201, "1", True)
    for change in (
        lambda: setattr(sent, "status", 200),
        lambda: setattr(sent, "body", b""),
        lambda: sent.headers.set("x-a", "2"),
        lambda: sent.headers.add("x-a", "2"),
        lambda: sent.headers.remove("x-a"),
        lambda: sent.headers.vary("x-a"),
        lambda: sent.headers.set_default("x-b", "2"),
    ):
        with pytest.raises(AlreadySent, match="on_response_start"):
            change()


async def two() -> AsyncIterator[Any]:
    yield "a"
    yield b"b"


async def test_a_stream_goes_out_piece_by_piece() -> None:
    stream = Stream(two())
    await stream.prefetch()
    await stream.prefetch()
    events = await delivered(stream)
    assert [event.get("body") for event in events] == [None, b"a", b"b", b""]
    assert events[0]["headers"] == [(b"content-type", b"text/plain; charset=utf-8")]


@pytest.mark.parametrize("server", ["own", "wrapped"])
async def test_a_stream_is_the_same_with_the_servers_plain_calls(server: Server) -> None:
    app = App()

    @app.get("/")
    async def pieces() -> AsyncIterator[Any]:
        for piece in ("a", b"b", "", bytearray(b"c"), "\u00e9"):
            yield piece

    answer = await Recorder(app, server).get("/")
    assert (answer.status, answer.text) == (200, "abc\u00e9")
    assert answer.raw_headers == [(b"content-type", b"text/plain; charset=utf-8")]
    assert answer.events[-1] == {"type": "http.response.body", "body": b""}
    assert bool(answer.of("chunk")) is (server == "own")


async def test_a_stream_of_nothing_is_an_empty_body() -> None:
    stream = Stream([b""], content_type="text/css")
    await stream.prefetch()
    assert [event.get("body") for event in await delivered(stream)] == [None, b""]
    assert fields(stream) == [("content-type", "text/css")]


async def test_a_stream_takes_bytes_and_text_only() -> None:
    numbers: Any = [1]
    with pytest.raises(NotAChunk, match="got int"):
        await Stream(numbers).prefetch()


async def test_a_file_knows_its_type_length_and_age(tmp_path: Any) -> None:
    path = tmp_path / "a.css"
    path.write_bytes(b"0123456789")
    response = FileResponse(path, offset=2, length=100, download_as="é.css")
    await response.prepare()
    events = await delivered(response)
    named = dict(events[0]["headers"])
    assert (named[b"content-length"], named[b"content-disposition"]) == (b"8", b"attachment; filename*=UTF-8''%C3%A9.css")
    assert named[b"content-type"].startswith(b"text/css")
    assert b"last-modified" in named
    assert events[1] == {"type": "http.response.body", "file": str(path), "offset": 2, "length": 8}


async def test_an_empty_file_is_an_empty_body(tmp_path: Any) -> None:
    (tmp_path / "a").write_bytes(b"")
    response = FileResponse(tmp_path / "a")
    await response.prepare()
    assert (await delivered(response))[1] == {"type": "http.response.body", "body": b""}


async def test_a_file_that_cannot_be_sent_says_why(tmp_path: Any) -> None:
    (tmp_path / "a").write_bytes(b"0")
    for response, why in (
        (FileResponse(tmp_path / "b"), "No such file"),
        (FileResponse(tmp_path), "no regular file"),
        (FileResponse(tmp_path / "a", offset=2), "lies past its 1 bytes"),
        (FileResponse("a\0b"), "null"),
    ):
        with pytest.raises(Exception, match=why):
            await response.prepare()
    with pytest.raises(ValueError, match="negative"):
        FileResponse("a", offset=-1)


def test_the_builder_finishes_with_a_value() -> None:
    builder = ResponseBuilder().status(201).header("x-a", "1").cookie("c", "v", httponly=False, samesite=None)
    response = builder.json({"a": 1})
    assert (response.status, response.body) == (201, b'{"a":1}')
    assert fields(response) == [("content-type", "application/json"), ("x-a", "1"), ("set-cookie", "c=v; Path=/")]
    assert builder.text("a", status=200, headers={"content-type": "text/x"}).headers["content-type"] == "text/x"
    assert builder.octets(b"a").body == b"a"
    assert builder.html("<p>").headers["content-type"] == "text/html; charset=utf-8"
    assert ResponseBuilder().empty().status == 204
    assert builder.redirect("/x").headers["x-a"] == "1"
    assert ResponseBuilder().content_type("text/a").content_type("text/b").text("x").headers["content-type"] == "text/b"
    assert ResponseBuilder().delete_cookie("c").empty().headers["set-cookie"].startswith("c=; Path=/; Max-Age=0")


def test_what_a_finisher_is_given_counts_more_than_what_was_set() -> None:
    builder = ResponseBuilder().status(201).content_type("a/b")
    for response in (
        builder.text("a", status=202, headers={"content-type": "text/css"}),
        builder.stream(["a"], status=202, content_type="text/css"),
        builder.file("a", status=202, content_type="text/css"),
    ):
        assert (response.status, fields(response)) == (202, [("content-type", "text/css")])
    with pytest.raises(ValueError, match="within 200 and 599"):
        builder.stream(["a"], status=99)


def test_json_keeps_the_order_of_its_keys() -> None:
    assert JSON({"b": 1, "a": "é"}).body == '{"b":1,"a":"é"}'.encode()


def test_a_misspelt_option_is_an_error() -> None:
    wrong: dict[str, Any] = {"stauts": 201}
    for make in (Response, Text, JSON, HTML, ResponseBuilder().text, ResponseBuilder().json):
        with pytest.raises(TypeError, match="stauts"):
            make("a", **wrong)


async def test_a_subclass_may_deliver_in_its_own_way() -> None:
    class Teapot(Response):
        async def deliver(self, send: Any, status: int, raw_headers: Any) -> None:
            await super().deliver(send, 418, [*raw_headers, (b"x-kettle", b"on")])

    app = App()

    @app.get("/")
    async def tea() -> Response:
        return Teapot("short and stout")

    answer = await Recorder(app).get("/")
    assert (answer.status, answer.headers["x-kettle"], answer.text) == (418, "on", "short and stout")
