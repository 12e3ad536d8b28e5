"""Where the application is, as its clients see it: scheme, host, the prefix of a proxy, and the address they come from."""

from urllib.parse import urlsplit

from pagi.http.errors import ConfigError
from pagi.http.url import DEFAULT_PORTS
from pagi.server.exchanges.scope import Peer


class Origin:
    """The one place a client talks to.

    Raises:
        ConfigError: `base_url` is more or less than a scheme and a host.
    """

    def __init__(self, base_url: str, root_path: str, client: tuple[str, int]) -> None:
        url = urlsplit(base_url)
        if url.scheme not in DEFAULT_PORTS or not url.hostname or url.path not in ("", "/"):
            raise ConfigError(f"base_url is a scheme and a host, like http://testserver, got {base_url!r}")
        self.scheme = url.scheme
        self.host = url.netloc
        """The Host field."""
        self.name = url.hostname
        """The host without its port."""
        self.root_path = root_path
        self.peer = Peer(client, (url.hostname, url.port or DEFAULT_PORTS[url.scheme]), url.scheme)

    @property
    def url(self) -> str:
        """Scheme and host, without a slash at the end."""
        return f"{self.scheme}://{self.host}"

    @property
    def is_secure(self) -> bool:
        return self.scheme == "https"

    def path_of(self, target: str) -> str:
        """The path of a request target as it stands in the address bar: with the prefix that the proxy takes off."""
        return self.root_path + target.partition("?")[0]
