"""One of several visitors who share a test client: each keeps cookies of its own, in the place of the client's."""

from pagi.http.headers import Headers
from pagi.testing import Reply, TestClient


class Browser:
    """Sends the cookies it was given with each request, and keeps or drops what the answer says."""

    def __init__(self, client: TestClient, cookies: dict[str, str] | None = None) -> None:
        self.client = client
        self.cookies = dict(cookies or {})

    @property
    def headers(self) -> dict[str, str]:
        """What the next request sends."""
        return {"cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} if self.cookies else {}

    def keep(self, headers: Headers) -> None:
        """Does what the Set-Cookie fields of an answer ask for."""
        for field in headers.get_all("set-cookie"):
            pair, *attributes = field.split("; ")
            name, _, value = pair.partition("=")
            if "Max-Age=0" in attributes:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value

    async def get(self, path: str, headers: dict[str, str] | None = None) -> Reply:
        """A request and its answer."""
        self.client.cookies.clear()
        reply = await self.client.get(path, headers={**self.headers, **(headers or {})})
        self.keep(reply.headers)
        return reply
