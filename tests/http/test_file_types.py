"""Media types from file names."""

import pytest

from pagi.http.file_types import guess_type


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("index.html", "text/html"),
        ("a/b/App.MJS", "text/javascript"),
        ("backup.tar.gz", "application/gzip"),
        ("unknown.qqq", "application/octet-stream"),
        ("Makefile", "application/octet-stream"),
        ("dir.html/file", "application/octet-stream"),
        (".html", "application/octet-stream"),
        ("trailing.", "application/octet-stream"),
        ("", "application/octet-stream"),
    ],
)
def test_the_extension_decides(name: str, media_type: str) -> None:
    assert guess_type(name) == media_type


def test_the_default_can_be_chosen() -> None:
    assert guess_type("README", "text/plain") == "text/plain"
