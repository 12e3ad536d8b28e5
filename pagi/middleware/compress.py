"""`Compress`: answers squeezed for clients that take it. Whole bodies at once, streams piece by piece, nothing held back."""

from collections.abc import Sequence
from functools import partial

import anyio.to_thread

from pagi.context.context import Context
from pagi.context.http import HTTPContext
from pagi.context.next import KINDS, Kind, Middleware, Next
from pagi.gateway.types import HeaderList
from pagi.http.content_codings import best_coding
from pagi.http.errors import ConfigError
from pagi.http.headers import MutableHeaders, parse_list
from pagi.messages.files import FileResponse
from pagi.messages.response import Response, whole
from pagi.messages.stream import Stream
from pagi.middleware.codings import CODINGS, Coding
from pagi.middleware.kinds import ContextClasses
from pagi.middleware.squeezed import OFF_LOOP_BYTES, Squeezed

TYPES = (
    "text/*",
    "+json",
    "+xml",
    "application/javascript",
    "application/json",
    "application/jsonl",
    "application/rtf",
    "application/toml",
    "application/vnd.apple.mpegurl",
    "application/vnd.ms-fontobject",
    "application/wasm",
    "application/x-javascript",
    "application/x-ndjson",
    "application/xml",
    "application/yaml",
    "font/otf",
    "font/ttf",
    "image/bmp",
)
"""What is worth the work. Images, sound, video and archives are compressed already."""

EVENT_STREAM = b"text/event-stream"

_NO_CONTENT = frozenset({204, 205, 206, 304})
"""Answers without content, or with a part of it, whose offsets count the bytes as they are."""

_SETTLED = frozenset({b"content-encoding", b"content-range", b"content-digest", b"repr-digest", b"digest", b"content-md5"})
"""Fields that fix the bytes of the body: it was encoded, cut or summed up as it is."""

_UNTRUE = frozenset({b"content-length", b"accept-ranges"})
"""Fields that speak of the body before it was compressed. A range of what is compressed on the fly is no range of the file."""

_ACCEPT_ENCODING = "Accept-Encoding"


class Compress:
    """Compresses answers with gzip where the client accepts it, and says `Vary: Accept-Encoding` wherever it might have.

    Whole bodies are compressed at once, large ones in a worker thread. A stream is compressed piece by piece and flushed after
    each, so that every piece can be read when it arrives. Files are compressed as they are read.

    Left alone is what is encoded already, small, of another type, or forbids it by `Cache-Control: no-transform`; so are
    ranges, answers without content, and what has left when it gets here: answers of mounted ASGI applications, WebSockets, and
    event streams. Those are many small writes over hours, where a compressor costs 64 KiB for each client and
    proxies are known to hold compressed events back. Whoever wants it for a `Stream` of that type names it in `types`.

    A page that shows secrets (a CSRF token, say) beside text from the request can be guessed from its compressed length (BREACH).
    Have it answer `Cache-Control: no-transform`, or leave it out: `when(lambda ctx: ctx.path != "/account", Compress())`.

    A strong ETag becomes weak: it named the bytes that no longer leave.

    Args:
        minimum_bytes: smaller bodies go as they are, where that is known.
        level: 1 (quick) to 9 (small).
        types: media types, `text/*` for all of a kind, `+json` for all of a syntax.

    Raises:
        ConfigError: an option is none of these.
    """

    def __init__(self, *, minimum_bytes: int = 500, level: int = 5, types: Sequence[str] = TYPES) -> None:
        if minimum_bytes < 0:
            raise ConfigError(f"Compress: minimum_bytes must not be negative, got {minimum_bytes}")
        if not 1 <= level <= 9:
            raise ConfigError(f"Compress: level is 1 (quick) to 9 (small), got {level}")
        if isinstance(types, str):
            raise ConfigError(f"Compress: types is a list, write [{types!r}]")
        for each in types:
            kind, slash, subtype = each.partition("/")
            if not (each.startswith("+") and len(each) > 1 and not slash) and not (kind and kind != "*" and subtype):
                raise ConfigError(f"Compress: types has media types, 'text/*' or '+json', not {each!r}")
        named = [each.lower().encode() for each in types]
        self._types = frozenset(named)
        self._groups = tuple(each.removesuffix(b"*") for each in named if each.endswith(b"/*"))
        self._syntaxes = tuple(each for each in named if each.startswith(b"+"))
        self._minimum = max(minimum_bytes, 1)
        self._level = level

    def kinds(self, classes: ContextClasses) -> frozenset[Kind]:
        """Every kind: on WebSockets and event streams there is nothing for it to do."""
        return frozenset(KINDS)

    def for_kind(self, kind: Kind, classes: ContextClasses) -> Middleware | None:
        """Steps aside for sessions and streams, which then keep no frame of it."""
        return self if kind == "http" else None

    async def __call__(self, ctx: Context, next: Next) -> Response:
        """Runs what is inside, and compresses its answer."""
        response = await next()
        if not isinstance(ctx, HTTPContext) or response.is_sent:
            return response
        if response.status in _NO_CONTENT:
            return _revalidated(ctx, response) if response.status == 304 else response
        if response.is_whole:
            if len(response.body) < self._minimum or not self._suits(response.raw_headers):
                return response
            return await self._whole(ctx, response)
        return await self._in_parts(ctx, response)

    async def _whole(self, ctx: HTTPContext, response: Response) -> Response:
        body, coding = response.body, _accepted(ctx)
        if coding is not None:
            if len(body) < OFF_LOOP_BYTES:
                squeezed = coding.whole(body, self._level)
            else:
                squeezed = await anyio.to_thread.run_sync(coding.whole, body, self._level)
            if len(squeezed) < len(body):
                # A new answer: the one that came may be a constant, and the next client may take no gzip.
                headers = list(response.raw_headers)
                _say(headers, coding)
                return whole(squeezed, headers, response.status)
        response.headers.vary(_ACCEPT_ENCODING)
        return response

    async def _in_parts(self, ctx: HTTPContext, response: Response) -> Response:
        is_typed = any(name == b"content-type" for name, _ in response.raw_headers)
        if isinstance(response, FileResponse):
            if not self._suits(response.raw_headers):
                return response
            await response.prepare()
        elif not isinstance(response, Stream) or (is_typed and not self._suits(response.raw_headers)):
            return response
        length = response.headers.get("content-length")
        if length is not None and length.isdecimal() and int(length) < self._minimum:
            return response
        coding = _accepted(ctx)
        if is_typed and coding is None:
            response.headers.vary(_ACCEPT_ENCODING)
            return response
        return Squeezed(response, partial(self._settle, coding), self._level, is_settled=is_typed)

    def _settle(self, coding: Coding | None, raw_headers: HeaderList) -> Coding | None:
        """What an answer is compressed with, now that its type is known; its fields are made to say so."""
        if not self._suits(raw_headers):
            return None
        if coding is None:
            MutableHeaders(raw_headers).vary(_ACCEPT_ENCODING)
        else:
            _say(raw_headers, coding)
        return coding

    def _suits(self, raw_headers: HeaderList) -> bool:
        """By its fields, an answer could be compressed."""
        content_type = b""
        for name, value in raw_headers:
            if name == b"content-type":
                content_type = value
            elif name in _SETTLED or (name == b"cache-control" and b"no-transform" in value.lower()):
                return False
        essence = content_type.partition(b";")[0].strip().lower()
        if essence in self._types:
            return True
        return essence != EVENT_STREAM and (essence.startswith(self._groups) or essence.endswith(self._syntaxes))


def _accepted(ctx: HTTPContext) -> Coding | None:
    """The coding that this client wants most, of those we have."""
    chosen = best_coding(", ".join(ctx.headers.get_all("accept-encoding")), [coding.name for coding in CODINGS])
    return next((coding for coding in CODINGS if coding.name == chosen), None)


def _say(raw_headers: HeaderList, coding: Coding) -> None:
    """Makes the fields of an answer those of its compressed form."""
    raw_headers[:] = [(name, _weak(value) if name == b"etag" else value) for name, value in raw_headers if name not in _UNTRUE]
    raw_headers.append((b"content-encoding", coding.name.encode()))
    MutableHeaders(raw_headers).vary(_ACCEPT_ENCODING)


def _weak(etag: bytes) -> bytes:
    return etag if etag.startswith(b"W/") else b"W/" + etag


def _revalidated(ctx: HTTPContext, response: Response) -> Response:
    """A 304 with the fields that its 200 had (RFC 9110 section 15.4.5): who asks by a weak form of the ETag has it from here."""
    etag = response.headers.get("etag")
    held = [element for value in ctx.headers.get_all("if-none-match") for element in parse_list(value)]
    if etag is None or f"W/{etag}" not in held:
        return response
    headers = [(name, _weak(value) if name == b"etag" else value) for name, value in response.raw_headers]
    MutableHeaders(headers).vary(_ACCEPT_ENCODING)
    return whole(b"", headers, response.status)
