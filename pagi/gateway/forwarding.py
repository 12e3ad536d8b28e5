"""What proxies say of the client, put into a scope: for the server, and for whatever runs before an application under another one."""

from collections.abc import Collection, MutableMapping
from typing import Any, Literal

from pagi.gateway.types import HeaderList
from pagi.http.forwarded import Forwarded, read_rfc7239, read_x
from pagi.http.networks import Networks

PEER = "pagi.peer"
"""In scopes whose forwarding fields were looked at: who is at the other end of the connection; None on a Unix socket."""

_FIELDS = {b"x-forwarded-for": "for", b"x-forwarded-proto": "proto", b"x-forwarded-host": "host", b"x-forwarded-prefix": "prefix"}
_SAY_THE_SAME = {
    *_FIELDS, b"forwarded", b"forwarded-for", b"x-forwarded", b"x-forwarded-by", b"x-forwarded-port", b"x-forwarded-protocol",
    b"x-forwarded-scheme", b"x-forwarded-server", b"x-forwarded-ssl", b"x-real-ip",
}  # fmt: skip
"""All the fields that say who the client is and what it asked for. A client may have sent through a proxy what that does not set."""


class Forwarding:
    """Reads one family of forwarding fields in scopes, and leaves nothing there that was not believed.

    What is named in `fields` (for, proto, host, prefix) is believed of a trusted peer: `client`, `scheme`, the Host field and
    `root_path` with the path are then what the proxy says, and of its fields that part stays which says so. Fields of the other family
    are taken out, and those that are not believed; of a stranger all of them, `X-Forwarded-User` and its like included. So an
    application that reads them by itself, even from their left end, is not deceived.
    """

    __slots__ = ("_believed", "_fields", "_is_rfc7239", "networks")

    def __init__(self, family: Literal["x", "rfc7239"], fields: Collection[str], networks: Networks) -> None:
        self._is_rfc7239 = family == "rfc7239"
        self._fields = frozenset(fields)
        self.networks = networks
        read = [b"forwarded"] if self._is_rfc7239 else [name for name, field in _FIELDS.items() if field in self._fields]
        self._believed = frozenset(read)

    def trusts(self, host: str | None) -> bool:
        """Whether this peer may speak of others; None is a peer on a Unix socket."""
        return self.networks.has_peer(host)

    def believe(self, scope: MutableMapping[str, Any]) -> None:
        """The scope came from a trusted proxy: it becomes what the proxy says."""
        found, headers = _parted(scope["headers"])
        if not found:
            return
        scope[PEER] = scope.get("client")
        scope["headers"] = headers
        values: dict[bytes, list[bytes]] = {}
        for name, value in found:
            if name in self._believed:
                values.setdefault(name, []).append(value)
            elif name not in _SAY_THE_SAME and _plain(name) not in _SAY_THE_SAME:
                headers.append((name, value))
        if values:
            said = self._read(values)
            headers += self._kept(said)
            self._apply(scope, said)

    def doubt(self, scope: MutableMapping[str, Any]) -> None:
        """The scope came from a stranger: whatever it says of others is taken out."""
        found, others = _parted(scope["headers"])
        if found:
            scope[PEER] = scope.get("client")
            scope["headers"] = others

    def _read(self, values: dict[bytes, list[bytes]]) -> Forwarded:
        trusts = self.networks.__contains__
        if self._is_rfc7239:
            return read_rfc7239(values[b"forwarded"], trusts=trusts)
        get = values.get
        return read_x(
            get(b"x-forwarded-for", ()),
            get(b"x-forwarded-proto", ()),
            get(b"x-forwarded-host", ()),
            get(b"x-forwarded-prefix", ()),
            trusts=trusts,
        )

    def _kept(self, said: Forwarded) -> HeaderList:
        """The fields, as far as they were believed."""
        if self._is_rfc7239:
            return [(b"forwarded", b", ".join(said.chain))] if said.chain else []
        kept: HeaderList = []
        if said.chain:
            kept.append((b"x-forwarded-for", b", ".join(said.chain)))
        if said.scheme is not None:
            kept.append((b"x-forwarded-proto", said.scheme.encode()))
        if said.host is not None:
            kept.append((b"x-forwarded-host", said.host))
        if said.prefix is not None:
            kept.append((b"x-forwarded-prefix", said.prefix.encode()))
        return kept

    def _apply(self, scope: MutableMapping[str, Any], said: Forwarded) -> None:
        fields = self._fields
        if said.names_client and "for" in fields:
            if said.client is not None:
                scope["client"] = (said.client.host, said.client.port)
            else:
                scope.pop("client", None)  # not the proxy's own: what is allowed to that is not for a client nobody knows
        if said.scheme is not None and "proto" in fields:
            scope["scheme"] = {"http": "ws", "https": "wss"}[said.scheme] if scope["type"] == "websocket" else said.scheme
        if said.host is not None and "host" in fields:
            scope["headers"] = [(b"host", said.host), *(pair for pair in scope["headers"] if pair[0] != b"host")]
        if said.prefix is not None:
            scope["root_path"] = said.prefix + scope["root_path"]
            scope["path"] = said.prefix + scope["path"]
            scope["raw_path"] = said.prefix.encode() + scope["raw_path"]


def _parted(headers: HeaderList) -> tuple[HeaderList, HeaderList]:
    """The forwarding fields, and a fresh list of the others; that one is to be had where there are any."""
    # Hardly any other name lies here, and to compare is the cheapest way to leave the others out.
    found = [pair for pair in headers if pair[0] >= b"x" or b"forwarded" <= pair[0] < b"fp"]
    if not found:
        return found, found
    found = [pair for pair in found if _plain(pair[0]).startswith((b"x-forwarded", b"forwarded", b"x-real-ip"))]
    names = {pair[0] for pair in found}
    return found, [pair for pair in headers if pair[0] not in names]


def _plain(name: bytes) -> bytes:
    """The name as a gateway within the application (CGI, WSGI) would understand it: to that `_` and `-` are the same."""
    return name.replace(b"_", b"-")
