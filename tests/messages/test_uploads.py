"""Uploaded files: no name that a client can think of becomes a path by accident."""

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pagi.messages.bad_body import BadBody
from pagi.messages.uploads import NAMELESS, UploadFile, safe_name

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("filename", "safe"),
    [
        ("report.pdf", "report.pdf"),
        ("Größe 日本.txt", "Größe 日本.txt"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("C:\\Users\\me\\photo.jpg", "photo.jpg"),
        ("/etc/passwd", "passwd"),
        ("dir/", NAMELESS),
        ("", NAMELESS),
        (".", NAMELESS),
        ("..", NAMELESS),
        (". .", NAMELESS),
        (".htaccess", "htaccess"),
        ("...profile", "profile"),
        ("a.txt. . ", "a.txt"),
        ("a\0.txt", "a.txt"),
        ("a\r\nb", "ab"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("a\u2028b", "a b"),
        ("e\u0301.txt", "é.txt"),
        ('a<b>:"|?*.txt', "a_b______.txt"),
        ("file.txt:stream", "file.txt_stream"),
        ("NUL", "_NUL"),
        ("con.tar.gz", "_con.tar.gz"),
        ("aux .txt", "_aux .txt"),
        ("com1.log", "_com1.log"),
        ("COM¹", "_COM¹"),
        ("console.txt", "console.txt"),
        ("x" * 300 + ".png", "x" * 251 + ".png"),
        ("é" * 200 + ".png", "é" * 125 + ".png"),
        ("a." + "b" * 300, ("a." + "b" * 300)[:255]),
    ],
)
def test_a_hostile_name_is_made_fit_for_a_directory(filename: str, safe: str) -> None:
    assert safe_name(filename) == safe
    assert UploadFile(b"", filename=filename).safe_name == safe


@given(st.text(st.characters(), max_size=400))
@settings(max_examples=400, deadline=None)
def test_any_name_ends_up_as_one_file_in_the_directory(filename: str) -> None:
    name = safe_name(filename)
    assert 0 < len(name.encode()) <= 255
    assert name == os.path.basename(name) == name.strip()
    assert not set(name) & set('/\\<>:"|?*\0')
    assert not name.startswith(".")
    assert not name.endswith(".")
    assert name.isprintable()
    assert safe_name(name) == name


async def test_the_content_is_there_in_every_form() -> None:
    upload = UploadFile("é".encode(), filename="a.txt", content_type="text/plain")
    assert (upload.data, upload.size, await upload.read(), await upload.text()) == ("é".encode(), 2, "é".encode(), "é")
    assert "a.txt" in repr(upload)
    latin = UploadFile(b"\xe9", headers={"content-type": "text/plain; charset=latin-1"})
    assert await latin.text() == "é"
    for headers in ({}, {"content-type": "text/plain; charset=klingon"}, {"content-type": "/"}):
        with pytest.raises(BadBody, match="no text"):
            await UploadFile(b"\xff", headers=headers).text()


async def test_it_is_saved_as_a_new_file_of_this_user(tmp_path: Path) -> None:
    upload = UploadFile(b"content", filename="../a.txt")
    path = await upload.save(tmp_path / upload.safe_name)
    assert path == tmp_path / "a.txt"
    assert path.read_bytes() == b"content"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_what_is_there_is_replaced_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(FileExistsError):
        await UploadFile(b"new").save(path)
    assert path.read_bytes() == b"old"
    await UploadFile(b"new").save(path, overwrite=True)
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


async def test_no_link_is_followed(tmp_path: Path) -> None:
    outside, link = tmp_path / "outside", tmp_path / "link"
    outside.write_bytes(b"precious")
    link.symlink_to(outside)
    with pytest.raises(FileExistsError):
        await UploadFile(b"x").save(link)
    await UploadFile(b"x").save(link, overwrite=True)
    assert (outside.read_bytes(), link.is_symlink()) == (b"precious", False)


@pytest.mark.parametrize("filename", ["../x", "/etc/x", "a/b", "C:\\x", "..\\x"])
async def test_the_clients_name_as_it_came_is_no_path(tmp_path: Path, filename: str) -> None:
    upload = UploadFile(b"x", filename=filename)
    for path in (tmp_path / filename, f"{tmp_path}/{filename}"):
        with pytest.raises(ValueError, match="safe_name"):
            await upload.save(path)
    assert list(tmp_path.iterdir()) == []


async def test_nothing_half_written_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space"):
        await UploadFile(b"x").save(tmp_path / "a", overwrite=True)
    assert list(tmp_path.iterdir()) == []
