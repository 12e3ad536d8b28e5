"""Where a redirect leads, and what is asked there (RFC 9110 section 15.4), on the one host that a client talks to."""

from urllib.parse import quote, urljoin, urlsplit

from pagi.http.errors import PagiError
from pagi.http.url import same_origin
from pagi.testing.origin import Origin
from pagi.testing.reply import Reply, ReplyHead
from pagi.testing.request import OutgoingRequest

MOST_REDIRECTS = 20
REDIRECTS = (301, 302, 303, 307, 308)


class RedirectNotFollowed(PagiError):
    """Raised where a redirect was to be followed and cannot be: it leads away from the application, or there are too many."""

    def __init__(self, reply: Reply, problem: str) -> None:
        super().__init__(f"the redirect {reply.status_code} to {reply.headers.get('location')!r} is not followed: {problem}")
        self.reply = reply
        """The redirect itself; those before it are its `history`."""


def is_redirect(head: ReplyHead) -> bool:
    """Whether the answer sends the client elsewhere."""
    return head.status_code in REDIRECTS and "location" in head.headers


def redirected(request: OutgoingRequest, reply: Reply, origin: Origin) -> OutgoingRequest:
    """What is asked next. 301, 302 and 303 become GET (HEAD stays HEAD), 307 and 308 are the same request at another place.

    Raises:
        RedirectNotFollowed: it leads away from the application, there are too many, or the body cannot be sent again.
    """
    if len(reply.history) >= MOST_REDIRECTS:
        raise RedirectNotFollowed(reply, f"it is number {len(reply.history) + 1} in a row, and {MOST_REDIRECTS} are followed")
    # Text on the wire is bytes: what a location holds beyond ASCII is escaped as it came.
    location = quote(reply.headers["location"].encode("latin-1"), safe="%/?:@!$&'()*+,;=-._~[]#")
    root_path = origin.root_path
    try:
        url = urlsplit(urljoin(f"{origin.url}{root_path}{request.target}", location))
    except ValueError as error:
        raise RedirectNotFollowed(reply, f"it is no URL ({error})") from error
    there = f"{url.scheme}://{url.netloc}"
    if not same_origin(there, origin.scheme, origin.host):
        raise RedirectNotFollowed(reply, f"it leads to {there}, and the application is tested as {origin.url} (base_url)")
    path = url.path or "/"
    if root_path:
        if not f"{path}/".startswith(f"{root_path}/"):
            raise RedirectNotFollowed(reply, f"its path lies outside {root_path} (root_path), where the application is")
        path = path.removeprefix(root_path) or "/"  # what the proxy in front takes off
    target = f"{path}?{url.query}" if url.query else path
    if reply.status_code not in (307, 308):
        return request.moved(target, "HEAD" if request.method == "HEAD" else "GET", with_body=False)
    if request.pieces is not None:
        raise RedirectNotFollowed(reply, "it wants the body again, which came in pieces that are spent; give it as bytes")
    return request.moved(target, request.method, with_body=True)
