"""`StaticFiles`: the files of one folder, with all that browsers and caches ask of them."""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import quote

from pagi.apps.file_tree import FileTree, Names, OpenFile
from pagi.apps.precompressed import squeezed
from pagi.context.http import HTTPContext
from pagi.context.ready import ReadyApp
from pagi.gateway.mounting import root_of, route_path
from pagi.gateway.types import Scope
from pagi.http.conditional import EntityTag, Verdict, evaluate, range_applies
from pagi.http.dates import http_date
from pagi.http.errors import ConfigError
from pagi.http.file_types import guess_type
from pagi.http.headers import encode_value
from pagi.http.media_types import accepts, parse_accept
from pagi.http.ranges import ByteRange, RangeNotSatisfiable, length_of, multipart, multipart_type, requested_ranges
from pagi.http.url import encode_path
from pagi.messages.open_files import FileParts, OpenFileResponse
from pagi.messages.problems import problem
from pagi.messages.response import Redirect, Response
from pagi.messages.stream import Stream

ALLOW = "GET, HEAD, OPTIONS"
PAGE = "text/html"

CacheControl = str | Callable[[str], str | None] | None
"""One value for all files, or a function of a file's path below the folder."""

_QUERY_SAFE = "%/?:@!$&'()*+,;=-._~"


class StaticFiles(ReadyApp):
    """Serves the files below `directory`: `app.mount("/static", StaticFiles("public"))`.

    Nothing outside the folder is ever served, in whatever way a path is written; `file_tree` says how that is made sure. What is
    not served is answered with 404, for whatever reason.

    Args:
        directory: where the files are. It may be replaced while the application runs.
        index: the page of a folder, answered under the folder's path with a slash; None for none.
        fallback: a file below `directory` that answers where a browser asks for a page that is not there: the shell of a single
            page app. Scripts, images and the like that are missing stay missing.
        cache_control: value of Cache-Control, or a function that gives one for the path of a file below the folder.
        precompressed: where `app.js.br`, `app.js.zst` or `app.js.gz` lies beside `app.js`, clients get the one they accept.
        follow_symlinks: also serve what symbolic links lead to, as long as it lies below the folder.
        dotfiles: also serve what has a name, or lies in a folder with a name, that begins with a dot. `/.well-known/` is served anyway.
        check: the folder and the fallback must be there already.

    Raises:
        ConfigError: they are not, or an option cannot be what it is.
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        index: str | None = "index.html",
        fallback: str | None = None,
        cache_control: CacheControl = None,
        precompressed: bool = False,
        follow_symlinks: bool = False,
        dotfiles: bool = False,
        check: bool = True,
    ) -> None:
        self._tree = FileTree(directory, follow_symlinks=follow_symlinks, dotfiles=dotfiles)
        if check and not os.path.isdir(self._tree.root):
            raise ConfigError(f"StaticFiles: there is no folder {self._tree.root}; make it, or say check=False if it comes later")
        self._index = None if index is None else self._names("index", index)
        if self._index is not None and len(self._index) > 1:
            raise ConfigError(f"StaticFiles: index is one name, the same in every folder, got {index!r}")
        self._fallback = None if fallback is None else self._names("fallback", fallback)
        if check and self._fallback is not None:
            shell = self._tree.open(self._fallback)
            if shell is None:
                raise ConfigError(f"StaticFiles: the fallback {fallback!r} is no file in {self._tree.root} that may be served")
            shell.close()
        if isinstance(cache_control, str):
            encode_value("cache-control", cache_control)
        self._cache_control = cache_control
        self._precompressed = precompressed

    def _names(self, option: str, path: str) -> Names:
        names = self._tree.names_of(f"/{path}")
        if not names or path.endswith("/"):
            raise ConfigError(f"StaticFiles: {option} is the path of a file below the folder, got {path!r}")
        return names

    async def respond(self, ctx: HTTPContext[Any]) -> Response:
        """The file of this path, a part of it, or why there is none."""
        if ctx.method == "OPTIONS":
            return Response(status=204, headers={"allow": ALLOW})
        if ctx.method not in ("GET", "HEAD"):
            return problem(405, f"these are files; {ALLOW} are served", {"allow": ALLOW})
        names = self._tree.names_of(route_path(ctx.scope), ctx.scope.get("raw_path") or b"")
        if names is None:
            return problem(404)
        is_folder = ctx.path.endswith("/")
        file = None if is_folder else self._tree.open(names)
        if file is None and self._index is not None:
            file = self._tree.open(names + self._index)
            if file is not None and not is_folder:
                file.close()
                return Redirect(_with_slash(ctx.scope), status=308)
        if file is not None:
            return self._answer(ctx, file)
        if self._fallback is None:
            return problem(404)
        file = self._tree.open(self._fallback) if _wants_page(ctx, names) else None
        response = problem(404) if file is None else self._answer(ctx, file)
        response.headers.vary("Accept")
        return response

    def _answer(self, ctx: HTTPContext[Any], file: OpenFile) -> Response:
        """The answer with an open file, which is closed after it, whatever becomes of it."""
        name, coding = "/".join(file.names), None
        try:
            if self._precompressed:
                beside = squeezed(self._tree, file, ", ".join(ctx.headers.get_all("accept-encoding")))
                if beside is not None:
                    file.close()
                    file, coding = beside
            response = self._of_file(ctx, file, name, coding)
        except BaseException:
            file.close()
            raise
        if response.is_whole:
            file.close()
        else:
            ctx.after_response(response.aclose)  # a middleware may answer something else
        return response

    def _of_file(self, ctx: HTTPContext[Any], file: OpenFile, name: str, coding: str | None) -> Response:
        """The answer with `file`, or without it. What it is goes by `name`: the file itself may be a coded form of it."""
        found = file.found
        etag = EntityTag(f"{found.st_mtime_ns:x}-{found.st_size:x}" + (f"-{coding}" if coding else ""))
        modified = _modified(found)
        fields = [("etag", str(etag))]
        cache_control = self._cache_control(name) if callable(self._cache_control) else self._cache_control
        if cache_control is not None:
            fields.append(("cache-control", cache_control))
        if self._precompressed:
            fields.append(("vary", "Accept-Encoding"))
        verdict = evaluate(ctx.method, ctx.headers, etag=etag, last_modified=modified)
        if verdict is Verdict.NOT_MODIFIED:
            return Response(status=304, headers=fields)
        if verdict is Verdict.FAILED:
            return problem(412)
        if modified is not None:
            fields.append(("last-modified", http_date(modified)))
        fields += [("accept-ranges", "bytes"), ("x-content-type-options", "nosniff")]
        if coding is not None:
            fields.append(("content-encoding", coding))
        ranges = None
        if ctx.method == "GET" and range_applies(ctx.headers, etag=etag, last_modified=modified):
            try:
                ranges = requested_ranges(ctx.headers.get_all("range"), found.st_size)
            except RangeNotSatisfiable as error:
                return problem(416, headers={"content-range": error.content_range, "accept-ranges": "bytes"})
        return _delivery(file, os.path.join(self._tree.root, *file.names), ranges, _type_of(name), fields)


def _delivery(
    opened: OpenFile, path: str, ranges: list[ByteRange] | None, content_type: str, fields: list[tuple[str, str]]
) -> OpenFileResponse | Stream:
    """An open file, or the parts of it that were asked for."""
    file, size = opened.file, opened.found.st_size
    if ranges is None:
        return OpenFileResponse(file, path=path, length=size, headers=fields, content_type=content_type)
    if len(ranges) > 1:
        boundary = token_hex(16)
        pieces = multipart(ranges, size, content_type, boundary)
        fields.append(("content-length", str(length_of(pieces))))
        return Stream(FileParts(file, pieces), status=206, headers=fields, content_type=multipart_type(boundary))
    offset, length = ranges[0]
    fields.append(("content-range", ranges[0].content_range(size)))
    return OpenFileResponse(file, path=path, offset=offset, length=length, status=206, headers=fields, content_type=content_type)


def _type_of(name: str) -> str:
    """The Content-Type of a file. Text is UTF-8: nothing else is, these days."""
    content_type = guess_type(name)
    return f"{content_type}; charset=utf-8" if content_type.startswith("text/") else content_type


def _modified(found: os.stat_result) -> datetime | None:
    """When a file changed, and never later than now (RFC 9110 section 8.8.2.1); None where that is no date."""
    try:
        return datetime.fromtimestamp(min(found.st_mtime, time.time()), UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _with_slash(scope: Scope) -> str:
    """The path of a folder as it should have been asked for. It begins with one slash: with two it would name a host."""
    path = "/" + encode_path(f"{root_of(scope)}{route_path(scope).rstrip('/')}/").lstrip("/")
    query: bytes = scope.get("query_string") or b""
    return f"{path}?{quote(query, safe=_QUERY_SAFE)}" if query else path


def _wants_page(ctx: HTTPContext[Any], names: Names) -> bool:
    """Somebody goes to a page: they name HTML, as browsers do for a page alone, or take it and ask for nothing that looks like a file."""
    accept = ", ".join(ctx.headers.get_all("accept")) or None
    if accepts(accept, PAGE) <= 0:
        return False
    names_page = any(part.range.essence == PAGE for part in parse_accept(accept))
    return names_page or not names or "." not in names[-1]
