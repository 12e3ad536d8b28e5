"""Forms with files through the test client, read by the multipart library."""

import io
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagi.gateway.types import Receive, Scope, Send
from pagi.http.errors import ConfigError
from pagi.testing import TestClient
from pagi.testing.multipart import multipart_form
from tests.testing.apps import answer, body_of

multipart: Any = import_module("multipart")  # has no types


def read_form(body: bytes, content_type: str) -> list[dict[str, Any]]:
    """The parts of a form, as the library sees them."""
    parser = multipart.MultipartParser(io.BytesIO(body), content_type.partition("boundary=")[2], strict=True)
    return [{"name": p.name, "filename": p.filename, "type": p.headerlist, "content": p.raw} for p in parser]


async def tells_form(scope: Scope, receive: Receive, send: Send) -> None:
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    body = await body_of(receive)
    assert int(headers["content-length"]) == len(body)
    told = [
        [p["name"], p["filename"], dict(p["type"]).get("Content-Type"), p["content"].decode()]
        for p in read_form(body, headers["content-type"])
    ]
    await answer(send, 200, msgspec.json.encode(told), b"application/json")


@pytest.mark.parametrize(
    ("file", "filename", "content_type", "content"),
    [
        (("cat.png", b"meow", "image/x-cat"), "cat.png", "image/x-cat", "meow"),
        (("cat.png", b"meow"), "cat.png", "image/png", "meow"),
        (("cat", "miaú"), "cat", "application/octet-stream", "miaú"),
        (("cat.txt", b"meow", None), "cat.txt", "text/plain", "meow"),
        (b"meow", "upload", "application/octet-stream", "meow"),
        ((None, b"meow"), None, None, "meow"),
        ((None, b"{}", "application/json"), None, "application/json", "{}"),
    ],
)
@pytest.mark.anyio
async def test_a_file_goes_out_in_each_form(file: Any, filename: str | None, content_type: str | None, content: str) -> None:
    async with TestClient(tells_form, lifespan="off") as client:
        told = (await client.post("/", files={"pet": file})).json()
    assert told == [["pet", filename, content_type, content]]


@pytest.mark.anyio
async def test_fields_go_before_files_and_names_repeat() -> None:
    async with TestClient(tells_form, lifespan="off") as client:
        reply = await client.post("/", data={"a": ["1", True], "b": None}, files=[("f", ("x", b"1")), ("f", ("y", b"2"))])
    assert [(name, filename, content) for name, filename, _, content in reply.json()] == [
        ("a", None, "1"),
        ("a", None, "true"),
        ("b", None, ""),
        ("f", "x", "1"),
        ("f", "y", "2"),
    ]


@pytest.mark.anyio
async def test_an_open_file_has_its_own_name(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    path.write_bytes(b"a,b")
    with path.open("rb") as file:
        async with TestClient(tells_form, lifespan="off") as client:
            told = (await client.put("/", files={"notes": file})).json()
    assert told == [["notes", "notes.csv", "text/csv", "a,b"]]


NO_FILES: list[tuple[Any, str]] = [
    (("a", b"1", "text/plain", {}), "4 values"),
    (("a",), "1 values"),
    (("a", 7), "got int"),
    (7, "got int"),
]


@pytest.mark.parametrize(("file", "problem"), NO_FILES)
def test_what_is_no_file_is_refused(file: Any, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        multipart_form([], {"pet": file})


@given(st.text(max_size=20), st.text(min_size=1, max_size=20), st.binary(max_size=50))
def test_any_name_and_content_stay_one_part(name: str, filename: str, content: bytes) -> None:
    name, filename = (text.encode("utf-8", "replace").decode() for text in (name, filename))
    body, content_type = multipart_form([("before", "1")], {name: (filename, content, "x/y")})
    parts = read_form(body, content_type)
    assert [part["content"] for part in parts] == [b"1", content]
    assert b"\r\n\r\n" not in body.split(b"\r\n", 5)[4]
