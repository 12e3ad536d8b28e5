"""`Compress`: what is compressed, what is left alone, what the head says, and that nothing is held back."""

import gzip
import os
import threading
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pagi import HTML, App, ConfigError, Context, FileResponse, HTTPContext, Next, Response, Stream, Text, when
from pagi.gateway.types import Receive, Scope, Send
from pagi.http.content_codings import best_coding
from pagi.middleware import Compress
from pagi.middleware.codings import CODINGS, Coding
from pagi.middleware.squeezed import OFF_LOOP_BYTES
from pagi.testing import Reply, TestClient
from tests.middleware.apps import RECORD, TEXT, app_of
from tests.recorder import Recorder, Server

pytestmark = pytest.mark.anyio

GZIP = {"accept-encoding": "gzip"}


def answering(response: Response, *middleware: Any) -> App:
    """An app that gives one and the same answer each time."""
    app = App(middleware=middleware or [Compress()])

    @app.get("/")
    async def answer() -> Response:
        return response

    return app


def is_squeezed(reply: Reply) -> bool:
    """The answer says that it is compressed, and is."""
    said = reply.headers.get("content-encoding")
    assert said in (None, "gzip")
    assert said is None or gzip.decompress(reply.content) is not None
    return said is not None


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.html"
    path.write_text(TEXT * 100)
    return path


# ---- whole bodies


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [("/text", 200, TEXT.encode()), ("/json", 200, None), ("/refuses", 409, None), ("/inner/text", 200, TEXT.encode())],
)
async def test_a_whole_body_is_compressed_at_once(path: str, status: int, body: bytes | None) -> None:
    async with TestClient(app_of(Compress())) as client:
        plain, reply = await client.get(path), await client.get(path, headers=GZIP)
    assert (plain.status, reply.status) == (status, status)
    assert is_squeezed(reply)
    assert gzip.decompress(reply.content) == plain.content == (body if body is not None else plain.content)
    assert len(reply.content) < len(plain.content) / 2
    assert reply.headers.get_all("content-length") == [str(len(reply.content))]
    assert reply.headers["content-type"] == plain.headers["content-type"]
    # A refusal is a page for browsers, and varies by that, too.
    assert reply.headers["vary"] == plain.headers["vary"] == ("Accept, Accept-Encoding" if status >= 400 else "Accept-Encoding")


async def test_equal_bodies_stay_equal() -> None:
    async with TestClient(app_of(Compress())) as client:
        assert (await client.get("/text", headers=GZIP)).content == (await client.get("/text", headers=GZIP)).content


async def test_an_answer_that_is_a_constant_is_never_changed_for_the_next_client() -> None:
    constant = HTML(TEXT, headers={"etag": '"a"', "content-length": str(len(TEXT))})
    async with TestClient(answering(constant)) as client:
        for _ in range(2):
            squeezed, plain = await client.get("/", headers=GZIP), await client.get("/")
            assert gzip.decompress(squeezed.content) == plain.content == TEXT.encode()
            assert (squeezed.headers["etag"], plain.headers["etag"]) == ('W/"a"', '"a"')
            assert "content-encoding" not in plain.headers


async def test_large_bodies_are_compressed_by_a_thread_and_others_on_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[bool] = []
    plain = CODINGS[0]

    def noted(body: bytes, level: int) -> bytes:
        threads.append(threading.current_thread() is threading.main_thread())
        return plain.whole(body, level)

    monkeypatch.setattr("pagi.middleware.compress.CODINGS", (Coding("gzip", noted, plain.coder),))
    for size in (OFF_LOOP_BYTES - 1, OFF_LOOP_BYTES):
        async with TestClient(answering(Text("x" * size))) as client:
            assert gzip.decompress((await client.get("/", headers=GZIP)).content) == b"x" * size
    assert threads == [True, False]


@pytest.mark.parametrize(
    ("response", "varies"),
    [
        (Text("x" * 499), False),
        (Response(b"x" * 999), False),
        (Response(b"x" * 999, content_type="image/png"), False),
        (Response(b"x" * 999, content_type="text/event-stream"), False),
        (Response(b"x" * 999, content_type="Text/Event-Stream;charset=utf-8"), False),
        (Response(b"x" * 999, content_type="texture/x"), False),
        (Response(b"x" * 999, content_type="nonsense"), False),
        (Text("x" * 999, headers={"content-encoding": "br"}), False),
        (Text("x" * 999, headers={"content-encoding": "identity"}), False),
        (Text("x" * 999, headers={"cache-control": "public, No-Transform"}), False),
        (Text("x" * 999, headers={"content-digest": "sha-256=:x:"}), False),
        (Text("x" * 999, status=206, headers={"content-range": "bytes 0-998/5000"}), False),
        (Text("x" * 999, headers={"content-range": "bytes 0-998/5000"}), False),
        (Response(b"", status=204), False),
        (Response(b"", status=304, headers={"etag": '"a"'}), False),
        (Response(os.urandom(999), content_type="text/plain"), True),
    ],
)
async def test_what_is_left_alone(response: Response, varies: bool) -> None:
    before = (response.status, list(response.raw_headers), response.body)
    async with TestClient(answering(response)) as client:
        reply = await client.get("/", headers=GZIP)
    assert reply.headers.get("content-encoding", "").encode() == dict(before[1]).get(b"content-encoding", b"")
    assert (reply.status, reply.content) == (before[0], before[2])
    assert ("vary" in reply.headers) == varies
    assert ("content-length" in reply.headers) == (response.status not in (204, 304))


@pytest.mark.parametrize(
    "content_type",
    [
        "text/html",
        "TEXT/CSS; charset=utf-8",
        "application/json",
        "application/problem+json",
        "application/geo+json; a=b",
        "image/svg+xml",
        "text/x-own",
        "application/wasm",
    ],
)
async def test_types_that_are_worth_it(content_type: str) -> None:
    async with TestClient(answering(Response(b"x" * 999, content_type=content_type))) as client:
        assert is_squeezed(await client.get("/", headers=GZIP))


async def test_types_and_the_smallest_size_are_options() -> None:
    own = Compress(types=["application/x-own", "text/event-stream", "+cbor"], minimum_bytes=0)
    for content_type, expected in (
        ("application/x-own", True),
        ("text/event-stream", True),
        ("application/senml+cbor", True),
        ("text/html", False),
    ):
        async with TestClient(answering(Response(b"x" * 99, content_type=content_type), own)) as client:
            assert is_squeezed(await client.get("/", headers=GZIP)) == expected
    async with TestClient(answering(Response(b"", content_type="application/x-own"), own)) as client:
        assert not is_squeezed(await client.get("/", headers=GZIP))


async def test_levels_are_quick_or_small() -> None:
    table = Text("".join(f"the square of {number} is {number * number}\n" for number in range(500)))
    sizes: list[int] = []
    for level in (1, 5, 9):
        async with TestClient(answering(table, Compress(level=level))) as client:
            sizes.append(len((await client.get("/", headers=GZIP)).content))
    assert sizes == sorted(set(sizes), reverse=True)


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [(None, False), ("", False), ("gzip;q=0", False), ("br", False), ("GZIP", True), ("*", True), ("gzip;q=0.5, identity", False)],
)
async def test_only_what_the_client_accepts_is_sent_and_the_answer_varies(accepted: str | None, expected: bool) -> None:
    headers = {} if accepted is None else {"accept-encoding": accepted}
    async with TestClient(app_of(Compress())) as client:
        for path in ("/text", "/pieces"):
            reply = await client.get(path, headers=headers)
            assert is_squeezed(reply) == expected
            assert reply.headers["vary"] == "Accept-Encoding"


async def test_accept_encoding_may_come_in_several_fields() -> None:
    async with TestClient(app_of(Compress())) as client:
        fields = [("accept-encoding", "br"), ("accept-encoding", "gzip")]
        assert is_squeezed(await client.get("/text", headers=fields))


ACCEPTED = st.one_of(
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40),
    st.lists(
        st.sampled_from(["gzip", "GZIP", "x-gzip", "br", "*", "identity", "deflate", "", ";"]).flatmap(
            lambda name: st.sampled_from([name, name + ";q=0", name + ";q=0.5", name + " ; Q=1", name + ";q=", name + ";q=x"])
        ),
        max_size=5,
    ).map(", ".join),
)


@settings(max_examples=60, deadline=None)
@given(accepted=ACCEPTED, path=st.sampled_from(["/text", "/pieces", "/small"]))
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_whatever_is_accepted_the_body_is_the_same_once_decoded(backend: str, accepted: str, path: str) -> None:
    async def ask() -> None:
        recorder = Recorder(app_of(Compress()))
        plain, answer = await recorder.get(path), await recorder.get(path, headers={"accept-encoding": accepted})
        says_gzip = answer.headers.get("content-encoding") == "gzip"
        assert says_gzip == (path != "/small" and best_coding(accepted, ["gzip"]) == "gzip")
        assert (gzip.decompress(answer.body) if says_gzip else answer.body) == plain.body
        assert answer.headers.get("vary") == plain.headers.get("vary") == (None if path == "/small" else "Accept-Encoding")

    anyio.run(ask, backend=backend)


async def test_vary_joins_what_is_there() -> None:
    async with TestClient(answering(Text(TEXT, headers={"vary": "Origin"}))) as client:
        assert (await client.get("/", headers=GZIP)).headers.get_all("vary") == ["Origin, Accept-Encoding"]
        assert (await client.get("/")).headers.get_all("vary") == ["Origin, Accept-Encoding"]


# ---- HEAD, and conditional answers


async def test_head_says_what_get_would(page: Path) -> None:
    async with TestClient(app_of(Compress(), file=page)) as client:
        for path in ("/text", "/json", "/small", "/stepped", "/file"):
            for headers in ({}, GZIP):
                get, head = await client.get(path, headers=headers), await client.head(path, headers=headers)
                assert head.content == b""
                for field in ("content-encoding", "vary", "content-type", "content-length", "etag", "last-modified"):
                    assert head.headers.get(field) == get.headers.get(field), (path, field)


async def test_a_strong_etag_becomes_weak_only_where_the_body_changed() -> None:
    for etag, squeezed in (('"a"', 'W/"a"'), ('W/"a"', 'W/"a"')):
        async with TestClient(answering(Text(TEXT, headers={"etag": etag}))) as client:
            assert (await client.get("/", headers=GZIP)).headers["etag"] == squeezed
            assert (await client.get("/")).headers["etag"] == etag


async def test_a_304_keeps_the_etag_that_the_client_has() -> None:
    unchanged = Response(b"", status=304, headers={"etag": '"a"'})
    async with TestClient(answering(unchanged)) as client:
        for held, etag, vary in (
            ('W/"a"', 'W/"a"', "Accept-Encoding"),
            ('"b", W/"a"', 'W/"a"', "Accept-Encoding"),
            ('"a"', '"a"', None),
            ("*", '"a"', None),
        ):
            reply = await client.get("/", headers={**GZIP, "if-none-match": held})
            assert (reply.status, reply.headers["etag"], reply.headers.get("vary")) == (304, etag, vary)


async def test_what_is_compressed_is_not_offered_in_ranges() -> None:
    async with TestClient(answering(Text(TEXT, headers={"accept-ranges": "bytes"}))) as client:
        assert "accept-ranges" not in (await client.get("/", headers=GZIP)).headers
        assert (await client.get("/")).headers["accept-ranges"] == "bytes"


# ---- streams


@pytest.fixture(params=["own", "events", "wrapped", "foreign"])
def server(request: pytest.FixtureRequest) -> Server:
    """Every server an app may find itself on."""
    value: Server = request.param
    return value


async def test_each_piece_of_a_stream_can_be_read_when_it_arrives(server: Server) -> None:
    answer = await Recorder(app_of(Compress()), server).get("/pieces", headers=GZIP)
    decoder = zlib.decompressobj(31)
    arrived = [decoder.decompress(body).decode() for event in answer.events if (body := event.get("body"))]
    assert arrived == [f"piece {number}\n" for number in range(5)] + [""]
    assert decoder.eof
    assert (answer.headers["content-encoding"], answer.headers["content-type"]) == ("gzip", "text/plain; charset=utf-8")


async def test_a_stream_that_waits_holds_nothing_back() -> None:
    app = App(middleware=[Compress()])
    asked = anyio.Event()

    @app.get("/")
    async def pieces() -> AsyncIterator[str]:
        nonlocal asked
        for number in range(4):
            yield f"piece {number}"
            await asked.wait()
            asked = anyio.Event()

    decoder = zlib.decompressobj(31)
    async with TestClient(app) as client, client.stream("GET", "/", headers=GZIP) as reply:
        body = reply.aiter_bytes()
        with anyio.fail_after(20):
            for number in range(4):
                text = b""
                while len(text) < len("piece 0"):
                    text += decoder.decompress(await anext(body))
                assert text.decode() == f"piece {number}"
                asked.set()
            assert decoder.decompress(b"".join([piece async for piece in body])) == b""
    assert decoder.eof
    assert reply.is_complete


@pytest.mark.parametrize("chunk", [b"bytes\n" * 99, "text\n" * 99])
async def test_a_stream_of_no_named_type_is_judged_by_its_first_piece(chunk: str | bytes) -> None:
    async def pieces() -> AsyncIterator[Any]:
        yield chunk
        yield chunk

    app = App(middleware=[Compress()])

    @app.get("/")
    async def stream(ctx: HTTPContext) -> Stream:
        return ctx.stream(pieces())

    async with TestClient(app) as client:
        reply = await client.get("/", headers=GZIP)
        head = await client.head("/", headers=GZIP)
    assert is_squeezed(reply) == isinstance(chunk, str)
    assert ("vary" in reply.headers) == isinstance(chunk, str)
    assert "content-encoding" not in head.headers, "of a stream that never began nothing is known"


async def test_a_stream_that_says_its_length_loses_it() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"x" * 999

    for length, expected in ((999, True), (499, False)):

        async def short() -> AsyncIterator[bytes]:
            yield b"x" * 499

        source = pieces() if length == 999 else short()
        stream = Stream(source, content_type="text/plain", headers={"content-length": str(length)})
        async with TestClient(answering(stream)) as client:
            reply = await client.get("/", headers=GZIP)
        assert is_squeezed(reply) == expected
        assert reply.headers.get("content-length") == (None if expected else "499")


async def test_a_refusal_before_the_first_piece_is_an_ordinary_answer() -> None:
    app = App(middleware=[Compress()])

    @app.get("/")
    async def pieces() -> AsyncIterator[str]:
        if app:
            raise LookupError("lost it")
        yield ""

    async with TestClient(app, raise_app_exceptions=False) as client:
        reply = await client.get("/", headers=GZIP)
    assert (reply.status, reply.headers.get("content-encoding")) == (500, None)


async def test_a_stream_that_breaks_off_has_no_clean_end() -> None:
    app = App(middleware=[Compress()])

    @app.get("/")
    async def pieces() -> AsyncIterator[str]:
        yield "piece"
        raise LookupError("lost it")

    async with TestClient(app, raise_app_exceptions=False) as client, client.stream("GET", "/", headers=GZIP) as reply:
        decoder = zlib.decompressobj(31)
        assert decoder.decompress(await reply.read()) == b"piece"
    assert not reply.is_complete
    assert not decoder.eof


async def test_leaving_a_compressed_stream_closes_the_generator() -> None:
    closed = anyio.Event()
    app = App(middleware=[Compress()])

    @app.get("/")
    async def pieces() -> AsyncIterator[str]:
        try:
            while True:
                yield "piece\n" * 100
                await anyio.sleep(0.001)
        finally:
            closed.set()

    async with TestClient(app) as client:
        async with client.stream("GET", "/", headers=GZIP) as reply:
            await anext(reply.aiter_bytes())
        with anyio.fail_after(20):
            await closed.wait()


class Watched:
    """An iterator of one piece, that notes its end."""

    def __init__(self) -> None:
        self.pieces = [b"x" * 999]
        self.is_closed = False

    def __aiter__(self) -> "Watched":
        return self

    async def __anext__(self) -> bytes:
        if not self.pieces:
            raise StopAsyncIteration
        return self.pieces.pop()

    async def aclose(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_what_a_stream_holds_is_given_back(method: str) -> None:
    source = Watched()
    async with TestClient(answering(Stream(source, content_type="text/plain"))) as client:
        assert (await client.request(method, "/", headers=GZIP)).headers["content-encoding"] == "gzip"
    assert source.is_closed
    assert bool(source.pieces) == (method == "HEAD")


async def test_large_pieces_come_through_whole() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for letter in b"abc":
            yield bytes([letter]) * (OFF_LOOP_BYTES + 1)

    async with TestClient(answering(Stream(pieces(), content_type="text/plain"))) as client:
        reply = await client.get("/", headers=GZIP)
    assert gzip.decompress(reply.content) == b"".join(bytes([letter]) * (OFF_LOOP_BYTES + 1) for letter in b"abc")


# ---- files


async def test_a_file_is_compressed_as_it_is_read(page: Path) -> None:
    async with TestClient(app_of(Compress(), file=page)) as client:
        plain, reply = await client.get("/file"), await client.get("/file", headers=GZIP)
    assert gzip.decompress(reply.content) == plain.content == page.read_bytes()
    assert len(reply.content) < len(plain.content) / 10
    assert "content-length" not in reply.headers
    assert plain.headers["content-length"] == str(page.stat().st_size)
    assert reply.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert reply.headers["last-modified"] == plain.headers["last-modified"]


async def test_a_file_answer_that_is_a_constant_serves_both_sorts_of_clients(page: Path) -> None:
    async with TestClient(answering(FileResponse(page, headers={"etag": '"a"'}))) as client:
        for _ in range(2):
            squeezed, plain = await client.get("/", headers=GZIP), await client.get("/")
            assert gzip.decompress(squeezed.content) == plain.content == page.read_bytes()
            assert (squeezed.headers["etag"], plain.headers["etag"]) == ('W/"a"', '"a"')


@pytest.mark.parametrize("sort", ["small", "image", "range", "part"])
async def test_files_that_are_left_alone(sort: str, page: Path, tmp_path: Path) -> None:
    small, image = tmp_path / "small.txt", tmp_path / "image.png"
    small.write_bytes(b"x" * 499)
    image.write_bytes(b"x" * 999)
    responses = {
        "small": FileResponse(small),
        "image": FileResponse(image),
        "range": FileResponse(page, status=206, offset=10, length=999, headers={"content-range": "bytes 10-1008/9999"}),
        "part": FileResponse(page, length=100),
    }
    async with TestClient(answering(responses[sort])) as client:
        plain, reply = await client.get("/"), await client.get("/", headers=GZIP)
    assert reply.content == plain.content
    assert reply.headers["content-length"] == str(len(plain.content))
    assert "content-encoding" not in reply.headers
    assert "vary" not in reply.headers


async def test_a_missing_file_is_an_error_as_ever(tmp_path: Path) -> None:
    async with TestClient(app_of(Compress(), file=tmp_path / "missing.txt"), raise_app_exceptions=False) as client:
        for reply in (await client.get("/file", headers=GZIP), await client.head("/file", headers=GZIP)):
            assert reply.status == 500
            assert "content-encoding" not in reply.headers


async def test_a_file_that_shrank_meanwhile_has_no_clean_end(page: Path) -> None:
    response = FileResponse(page)
    await response.prepare()
    page.write_bytes(b"short")
    async with TestClient(answering(response), raise_app_exceptions=False) as client:
        reply = await client.get("/", headers=GZIP)
    assert not reply.is_complete


# ---- what is not for it


async def test_what_left_already_is_left_alone() -> None:
    async with TestClient(app_of(Compress())) as client:
        for path in ("/raw", "/plain/x"):
            reply = await client.get(path, headers=GZIP)
            assert reply.text == TEXT
            assert "content-encoding" not in reply.headers
            assert "vary" not in reply.headers


async def test_a_304_that_left_already_is_left_alone() -> None:
    async def plain(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 304, "headers": [(b"etag", b'"a"')]})
        await send({"type": "http.response.body", "body": b""})

    app = App(middleware=[Compress()])
    app.mount("/plain", plain)
    async with TestClient(app) as client:
        reply = await client.get("/plain", headers={**GZIP, "if-none-match": 'W/"a"'})
    assert (reply.status, reply.headers["etag"]) == (304, '"a"')


async def test_event_streams_and_websockets_are_left_alone() -> None:
    async with TestClient(app_of(Compress())) as client:
        async with client.sse("/feed", headers=GZIP) as feed:
            assert "content-encoding" not in feed.headers
            assert [(await feed.receive()).text.split()[1] for _ in range(3)] == ["0", "1", "2"]
        async with client.websocket("/echo", headers=GZIP) as ws:
            await ws.send_text(TEXT)
            assert await ws.receive_text() == TEXT
        async with client.websocket("/plain/x") as ws:
            await ws.send_text(TEXT)
            assert await ws.receive_text() == TEXT


async def test_two_of_them_compress_once() -> None:
    async with TestClient(app_of(Compress(), Compress())) as client:
        for path in ("/text", "/pieces"):
            reply = await client.get(path, headers=GZIP)
            assert reply.headers.get_all("content-encoding") == ["gzip"]
            assert not gzip.decompress(reply.content).startswith(b"\x1f\x8b")


async def test_a_secret_page_can_stay_out() -> None:
    guarded = when(lambda ctx: ctx.path != "/text", Compress())
    async with TestClient(app_of(guarded)) as client:
        assert not is_squeezed(await client.get("/text", headers=GZIP))
        assert is_squeezed(await client.get("/json", headers=GZIP))


async def test_middleware_outside_still_sees_a_response() -> None:
    async def note(ctx: Context, next: Next) -> Response:
        response = await next()
        if not response.is_sent:
            response.headers["x-seen"] = str(response.status)
        return response

    async with TestClient(app_of(note, Compress())) as client:
        for path in ("/text", "/pieces"):
            reply = await client.get(path, headers=GZIP)
            assert (reply.headers["x-seen"], is_squeezed(reply)) == ("200", True)


async def test_many_at_once_never_mix() -> None:
    app = App(middleware=[Compress()])

    @app.get("/{name}")
    async def pieces(name: str) -> AsyncIterator[str]:
        for _ in range(20):
            yield name * 100
            await anyio.lowlevel.checkpoint()

    async with TestClient(app) as client:

        async def ask(name: str) -> None:
            reply = await client.get(f"/{name}", headers=GZIP)
            assert gzip.decompress(reply.content).decode() == name * 2000

        async with anyio.create_task_group() as group:
            for number in range(30):
                group.start_soon(ask, f"n{number}")


# ---- construction


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"minimum_bytes": -1}, "negative"),
        ({"level": 0}, "1 .* to 9"),
        ({"level": 10}, "got 10"),
        ({"types": "text/*"}, r"write \['text/\*'\]"),
        ({"types": ["text"]}, "not 'text'"),
        ({"types": ["*/*"]}, r"not '\*/\*'"),
        ({"types": ["+"]}, r"not '\+'"),
        ({"types": ["/html"]}, "not '/html'"),
    ],
)
def test_what_could_not_work_is_refused_at_once(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        Compress(**options)


def test_every_coding_decodes_what_was_fed_after_each_flush() -> None:
    (coding,) = CODINGS
    for is_long_lived in (False, True):
        coder, decoder = coding.coder(6, is_long_lived), zlib.decompressobj(31)
        for piece in (b"a", b"b" * 100_000, os.urandom(5000), str(RECORD).encode()):
            assert decoder.decompress(coder.feed(piece) + coder.flush()) == piece
        decoder.decompress(coder.end())
        assert decoder.eof
