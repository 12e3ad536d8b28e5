"""The context of a request and its answer."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Never, cast

from pagi.context.context import Context, Settled, Site, StateT
from pagi.gateway.types import Receive, Scope, Send
from pagi.messages.builder import ResponseBuilder
from pagi.messages.files import FileResponse
from pagi.messages.opening import Opening
from pagi.messages.request import Request
from pagi.messages.response import HTML_TYPE, JSON_TYPE, TEXT_TYPE, HeadersLike, Response, checked_status, whole
from pagi.messages.stream import Chunks, Stream
from pagi.messages.writer import Writer, writing


class HTTPContext(Context[StateT]):
    """One request and its answer."""

    __slots__ = ("builder",)

    builder: ResponseBuilder | None
    """`response`, once somebody asked for it."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, path_params: dict[str, Any], site: Site) -> None:
        self.scope = scope
        self.receive = receive
        self.path_params = path_params
        self.site = site
        self.raw_send = send
        self._opening = self.channel = self.hooks = self.background = self._stash = self.builder = None
        self.made = self.exits = self.failure = None

    def _open(self) -> Opening:
        if self._opening is None:
            self._opening = Request(self.scope, self.receive)
        return self._opening

    @property
    def request(self) -> Request:
        """The request: head and body."""
        return cast("Request", self._open())

    req = request

    @property
    def method(self) -> str:
        """The method, in upper case."""
        return cast("str", self.scope["method"])

    @method.setter
    def method(self, value: Never) -> None:
        raise Settled("method")

    @property
    def response(self) -> ResponseBuilder:
        """Builds an answer. What is set on it goes into the short forms and plain results of the handler too."""
        if self.builder is None:
            self.builder = ResponseBuilder(self.site.encode)
        return self.builder

    resp = response

    def text(self, text: str, *, status: int | None = None, headers: HeadersLike | None = None) -> Response:
        """An answer of plain text."""
        if self.builder is None and headers is None:
            return whole(text.encode(), [TEXT_TYPE], 200 if status is None else checked_status(status))
        return self.response.text(text, status=status, headers=headers)

    def html(self, text: str, *, status: int | None = None, headers: HeadersLike | None = None) -> Response:
        """A page. The text goes out as it is: escape what came from users."""
        if self.builder is None and headers is None:
            return whole(text.encode(), [HTML_TYPE], 200 if status is None else checked_status(status))
        return self.response.html(text, status=status, headers=headers)

    def json(self, value: Any, *, status: int | None = None, headers: HeadersLike | None = None) -> Response:
        """An answer of JSON.

        Raises:
            TypeError: the value holds something that has no JSON form.
        """
        if self.builder is None and headers is None:
            return whole(self.site.encode(value), [JSON_TYPE], 200 if status is None else checked_status(status))
        return self.response.json(value, status=status, headers=headers)

    def redirect(self, url: str, *, status: int = 302, headers: HeadersLike | None = None) -> Response:
        """Sends the client to `url`: 303 after a form, 307 or 308 where the method must stay."""
        return self.response.redirect(url, status=status, headers=headers)

    def file(
        self, path: str | Path, *, download_as: str | None = None, content_type: str | None = None, status: int | None = None
    ) -> FileResponse:
        """A file of this machine, to be shown, or to be saved under the name `download_as`."""
        return self.response.file(path, download_as=download_as, content_type=content_type, status=status)

    def stream(self, chunks: Chunks, *, content_type: str | None = None, status: int | None = None) -> Stream:
        """An answer whose body comes piece by piece."""
        return self.response.stream(chunks, content_type=content_type, status=status)

    def writer(self, *, content_type: str | None = None, status: int | None = None) -> AbstractAsyncContextManager[Writer]:
        """Pushes an answer: `async with ctx.writer() as out: await out.write("a")`. The handler returns nothing then.

        The head leaves with the first piece; the type is plain text if that is text, else octets, unless it is given.
        """
        head = self.response.head(content_type=content_type, status=status)
        return writing(self.send, head, self.connection, head_only=self.method == "HEAD")
