"""Files in a form, as a browser writes them (RFC 7578; the HTML standard's escapes in names)."""

import secrets
from collections.abc import Mapping, Sequence
from posixpath import basename
from typing import IO, TypeAlias

from pagi.http.errors import ConfigError
from pagi.http.file_types import guess_type

FileContent: TypeAlias = bytes | str | IO[bytes]
FileInput: TypeAlias = FileContent | tuple[str | None, FileContent] | tuple[str | None, FileContent, str | None]
"""The content alone, or behind its file name, or between name and content type. A name of None makes it an ordinary field."""
FilesInput: TypeAlias = Mapping[str, FileInput] | Sequence[tuple[str, FileInput]]

_ESCAPES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


def multipart_form(fields: Sequence[tuple[str, str]], files: FilesInput) -> tuple[bytes, str]:
    """The body, and its content type with the boundary: fields first, then files, each in the order given.

    Raises:
        ConfigError: a file is none of the forms of `FileInput`.
    """
    boundary = secrets.token_hex(16)
    parts = [_part(f'name="{_escaped(name)}"', None, value.encode()) for name, value in fields]
    for name, file in files.items() if isinstance(files, Mapping) else files:
        parts.append(_file_part(name, file))
    lines = b"".join(b"--%s\r\n%s\r\n" % (boundary.encode(), part) for part in parts)
    return lines + b"--%s--\r\n" % boundary.encode(), f"multipart/form-data; boundary={boundary}"


def _file_part(name: str, file: FileInput) -> bytes:
    head = f'name="{_escaped(name)}"'
    if not isinstance(file, tuple):
        filename = basename(str(getattr(file, "name", ""))) or "upload"
        return _part(f'{head}; filename="{_escaped(filename)}"', guess_type(filename), _read(name, file))
    if not 2 <= len(file) <= 3:
        raise ConfigError(f"file {name!r} is given by {len(file)} values; give (filename, content) or (filename, content, content_type)")
    content, content_type = _read(name, file[1]), file[2] if len(file) == 3 else None
    if file[0] is None:
        return _part(head, content_type, content)
    return _part(f'{head}; filename="{_escaped(file[0])}"', content_type or guess_type(file[0]), content)


def _read(name: str, content: object) -> bytes:
    read = getattr(content, "read", None)
    if callable(read):
        content = read()
    if isinstance(content, str):
        content = content.encode()
    if not isinstance(content, bytes):
        raise ConfigError(f"the content of file {name!r} is bytes, text or a file opened for bytes, got {type(content).__name__}")
    return content


def _part(disposition: str, content_type: str | None, content: bytes) -> bytes:
    typed = f"content-type: {content_type}\r\n" if content_type else ""
    return f"content-disposition: form-data; {disposition}\r\n{typed}\r\n".encode() + content


def _escaped(name: str) -> str:
    return name.translate(_ESCAPES)
