"""Forms as handlers meet them: urlencoded and multipart alike, on requests and event streams."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from pagi import App, HTTPContext, Request, SSEContext
from pagi.gateway.types import Message
from pagi.messages.form_limits import FormLimits, TooManyParts
from pagi.messages.forms import FormData
from pagi.messages.multipart_parts import PartTooLarge
from pagi.messages.request import BadBody
from pagi.messages.uploads import UploadFile
from tests.messages.naive_multipart import Written, write
from tests.recorder import Recorder
from tests.server.live import served

pytestmark = pytest.mark.anyio

MULTIPART = "multipart/form-data; boundary=xYzZY"
URLENCODED = "application/x-www-form-urlencoded"


def request(body: bytes, content_type: str | None = MULTIPART) -> Request:
    incoming: Iterator[Message] = iter(
        [{"type": "http.request", "body": body[:7], "more_body": True}, {"type": "http.request", "body": body[7:]}]
    )

    async def receive() -> Message:
        return next(incoming)

    headers = [] if content_type is None else [(b"content-type", content_type.encode())]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)


async def test_fields_and_files_are_told_apart_and_keep_their_order() -> None:
    parts: list[Written] = [
        ("a", None, None, "é".encode()),
        ("f", "1.txt", "text/plain", b"one"),
        ("a", None, None, b""),
        ("f", "2.bin", None, b"\xff"),
    ]
    form = await request(write(parts)).form()
    assert isinstance(form, FormData)
    assert [name for name, _ in form.items()] == ["a", "f", "a", "f"]
    assert (form.get_all("a"), form.get_text("a"), form["a"]) == (["é", ""], "", "")
    assert [(name, file.filename, file.content_type, file.data) for name, file in form.files] == [
        ("f", "1.txt", "text/plain", b"one"),
        ("f", "2.bin", "application/octet-stream", b"\xff"),
    ]
    assert form.texts == [("a", "é"), ("a", "")]
    last = form.get_file("f")
    assert last is not None
    assert (last.filename, last.headers["content-disposition"]) == ("2.bin", 'form-data; name="f"; filename="2.bin"')
    assert [file.filename for file in form.get_files("f")] == ["1.txt", "2.bin"]
    assert (form.get_file("a"), form.get_file("x"), form.get_text("f"), form.get_text("x")) == (None, None, None, None)


async def test_a_file_input_in_which_nothing_was_chosen_is_left_out() -> None:
    form = await request(write([("f", "", "application/octet-stream", b""), ("g", "", None, b"x"), ("h", "empty.txt", None, b"")])).form()
    assert [(name, file.filename, file.size) for name, file in form.files] == [("g", "", 1), ("h", "empty.txt", 0)]
    assert "f" not in form


async def test_an_urlencoded_form_has_the_same_shape() -> None:
    form = await request(b"a=1&a=%C3%A9", URLENCODED).form()
    assert (form.get_all("a"), form.files, form.get_text("a")) == (["1", "é"], [], "é")


async def test_a_form_is_read_once() -> None:
    asked = request(write([("f", "1.txt", None, b"one")]))
    assert await asked.form() is await asked.form()
    assert (await asked.body()).startswith(b"--xYzZY")
    with pytest.raises(PartTooLarge):
        await asked.form(limits=FormLimits(max_file_bytes=2))


@pytest.mark.parametrize(
    ("content_type", "status", "reason"),
    [
        (None, 415, "'no type'"),
        ("text/plain", 415, "got 'text/plain'"),
        ("multipart/mixed; boundary=xYzZY", 415, "multipart/mixed"),
        ("multipart/form-data; boundary", 415, "a form was expected"),
        ("multipart/form-data", 400, "without its boundary"),
        ('multipart/form-data; boundary=""', 400, "without its boundary"),
        ("multipart/form-data; boundary=other", 400, "does not start with its boundary"),
        (f"multipart/form-data; boundary={'x' * 71}", 400, "1 to 70"),
    ],
)
async def test_what_is_no_form_is_refused(content_type: str | None, status: int, reason: str) -> None:
    with pytest.raises(BadBody, match=reason) as caught:
        await request(write([]), content_type).form()
    assert caught.value.status == status


@pytest.mark.parametrize("content_type", ['Multipart/Form-Data; charset=utf-8; BOUNDARY="xYzZY"', "multipart/form-data;boundary=xYzZY"])
async def test_the_boundary_is_found_however_it_is_written(content_type: str) -> None:
    assert (await request(write([("a", None, None, b"1")]), content_type).form())["a"] == "1"


async def test_text_is_utf_8_or_refused() -> None:
    with pytest.raises(BadBody, match="field 'a' is no text in UTF-8") as caught:
        await request(write([("a", None, None, b"ok\xff")])).form()
    assert caught.value.status == 400
    with pytest.raises(BadBody, match="in 'windows-1252'; send UTF-8") as caught:
        await request(write([("_charset_", None, None, b"windows-1252")])).form()
    assert caught.value.status == 415
    assert (await request(write([("_charset_", None, None, b"UTF-8")])).form())["_charset_"] == "UTF-8"


async def test_an_empty_form_has_no_fields() -> None:
    assert len(await request(write([])).form()) == 0
    assert len(await request(b"", URLENCODED).form()) == 0


async def test_both_types_have_one_limit_of_fields() -> None:
    for body, content_type in ((write([("a", None, None, b"")] * 3), MULTIPART), (b"a&a&a", URLENCODED)):
        with pytest.raises(TooManyParts, match="more than 2 fields") as caught:
            await request(body, content_type).form(limits=FormLimits(max_fields=2))
        assert caught.value.status == 413


def forms() -> App:
    app = App()

    @app.post("/form")
    async def form(ctx: HTTPContext) -> list[Any]:
        return [
            [name, *([value.filename, value.content_type, value.size] if isinstance(value, UploadFile) else [value])]
            for name, value in (await ctx.request.form()).items()
        ]

    @app.sse("/feed", methods=["POST"])
    async def feed(ctx: SSEContext) -> AsyncIterator[str]:
        file = (await ctx.sse.form()).get_file("f")
        yield file.data.decode() if file else "none"

    return app


async def test_a_handler_reads_forms_and_mistakes_are_answered() -> None:
    body = write([("a", None, None, b"1"), ("f", "x", None, b"data")])
    recorder = Recorder(forms())
    assert (await recorder.post("/form", body=body, headers={"content-type": MULTIPART})).text == (
        '[["a","1"],["f","x","application/octet-stream",4]]'
    )
    assert (await recorder.post("/form", body=body[:-9], headers={"content-type": MULTIPART})).status == 400
    assert (await recorder.post("/form", body=body, headers={"content-type": "text/csv"})).status == 415


async def test_a_stream_reads_its_form_before_it_starts() -> None:
    exchange = Recorder(forms()).http(
        "POST",
        "/feed",
        headers={"accept": "text/event-stream", "content-type": MULTIPART},
        body=write([("f", "x", None, b"data")]),
    )
    assert (await exchange.run()).data == ["data"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
async def test_what_curl_sends_is_read(tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("big.bin", 'quo"te.txt', "日本.txt")}
    for file in files.values():
        file.write_bytes(b"x")
    files["big.bin"].write_bytes(bytes(range(256)) * 2000)
    fields = ["-F", "a=1 & é", "-F", "a=2", "-F", 'json={"k":1};type=application/json', "-F", "named=@-;filename=../../etc/passwd"]
    for name in files:
        escaped = name.replace('"', '\\"')
        fields += ["-F", f'f=@"{escaped}"']
    async with served(forms()) as server:
        url = f"http://127.0.0.1:{server.port}/form"
        done = await anyio.run_process(["curl", "-sS", "--max-time", "10", *fields, url], input=b"stdin", cwd=tmp_path)
        plain = await anyio.run_process(["curl", "-sS", "--max-time", "10", "--data-urlencode", "a=1 & é", url])
    assert plain.stdout.decode() == '[["a","1 & é"]]'
    assert done.stdout.decode() == (
        '[["a","1 & é"],["a","2"],["json","{\\"k\\":1}"],["named","../../etc/passwd","application/octet-stream",5],'
        '["f","big.bin","application/octet-stream",512000],["f","quo\\"te.txt","text/plain",1],["f","日本.txt","text/plain",1]]'
    )
