"""Multipart forms as browsers write them, for tests."""

from collections.abc import Iterable

Written = tuple[str, str | None, str | None, bytes]
"""Name, file name, type, data."""


def quoted(text: str) -> str:
    """A name between quotes, by the HTML standard (section 4.10.21.8)."""
    for char, escape in (("\r", "%0D"), ("\n", "%0A"), ('"', "%22")):
        text = text.replace(char, escape)
    return f'"{text}"'


def write(parts: Iterable[Written], boundary: str = "xYzZY", *, end: bytes = b"--\r\n") -> bytes:
    """A whole form."""
    body = b""
    for name, filename, kind, data in parts:
        head = f"--{boundary}\r\nContent-Disposition: form-data; name={quoted(name)}"
        if filename is not None:
            head += f"; filename={quoted(filename)}"
        if kind is not None:
            head += f"\r\nContent-Type: {kind}"
        body += head.encode() + b"\r\n\r\n" + data + b"\r\n"
    return body + b"--" + boundary.encode() + end
