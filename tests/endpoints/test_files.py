"""Uploaded files as arguments."""

from typing import Annotated

import pytest

from pagi import App, ConfigError, File, Form, UploadFile
from pagi.testing import TestClient

pytestmark = pytest.mark.anyio

PHOTO = {"photo": ("a.png", b"\x89PNG", "image/png")}


def an_app() -> App:
    app = App()

    @app.post("/one")
    async def one(photo: Annotated[UploadFile, File()], title: Annotated[str, Form()] = "untitled") -> str:
        return f"{title} {photo.filename} {photo.size}"

    @app.post("/bytes")
    async def octets(photo: Annotated[bytes, File]) -> bytes:
        return photo

    @app.post("/many")
    async def many(photo: Annotated[list[UploadFile], File()]) -> list[str]:
        return [file.safe_name for file in photo]

    @app.post("/maybe")
    async def maybe(photo: Annotated[UploadFile | None, File()] = None) -> str:
        return "none" if photo is None else photo.filename

    return app


async def test_a_file_comes_whole_beside_the_fields_of_its_form() -> None:
    async with TestClient(an_app()) as client:
        assert (await client.post("/one", files=PHOTO, data={"title": "Me"})).text == "Me a.png 4"
        assert (await client.post("/one", files=PHOTO)).text == "untitled a.png 4"
        assert (await client.post("/bytes", files=PHOTO)).content == b"\x89PNG"


async def test_several_files_of_one_name_are_a_list() -> None:
    async with TestClient(an_app()) as client:
        reply = await client.post("/many", files=[("photo", ("../a.png", b"1")), ("photo", ("b.png", b"2"))])
        assert reply.json() == ["a.png", "b.png"]


async def test_a_file_that_is_missing_is_said_with_its_place() -> None:
    async with TestClient(an_app()) as client:
        reply = await client.post("/one", files={"other": ("a", b"1")})
        assert (reply.status, reply.json()["errors"]) == (422, [{"path": "form.photo", "message": "is required"}])
        assert (await client.post("/maybe", files={"other": ("a", b"1")})).text == "none"
        assert (await client.post("/maybe", files=PHOTO)).text == "a.png"


async def test_a_body_that_is_no_form_is_415() -> None:
    async with TestClient(an_app()) as client:
        assert (await client.post("/one", json={})).status == 415


def test_a_file_is_an_upload_or_its_octets() -> None:
    app = App()

    @app.post("/")
    async def wrong(photo: Annotated[str, File()]) -> None: ...

    with pytest.raises(ConfigError, match="photo: a file is an UploadFile, bytes, or a list of one of them"):
        app.build()


@pytest.mark.parametrize(("types", "status"), [(("application/json", "text/plain"), 415), (("text/plain", "application/json"), 200)])
async def test_of_several_content_types_the_last_one_counts(types: tuple[str, str], status: int) -> None:
    app = App()

    @app.post("/")
    async def read(body: list[int]) -> list[int]:
        return body

    async with TestClient(app) as client:
        reply = await client.post("/", content=b"[1]", headers=[("content-type", each) for each in types])
        assert reply.status == status
