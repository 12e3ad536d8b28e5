"""What proxies say of the client they speak for: X-Forwarded-*, and Forwarded (RFC 7239). Read from the right, hop by hop.

Every proxy adds at the right, so the right is what our own proxy wrote, and the left is what the client may have made up. An
entry is read only while everything to the right of it was written by trusted proxies; what lies further left is never looked at.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import TypeAlias

import msgspec

from pagi.http.networks import Address, read_address
from pagi.http.url import valid_host

MOST_HOPS = 32
"""Trusted proxies in one chain. A longer one is no chain: its client is unknown."""

Trusts: TypeAlias = Callable[[Address], bool]

_SCHEMES = {b"http": "http", b"https": "https", b"ws": "http", b"wss": "https"}

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
# No backslash in quotes: nothing that is read here needs one, and so a list can be read from its right end.
_QUOTED = rb'"[\t !#-\[\]-~\x80-\xff]*"'
_PAIR = re.compile(rb"[ \t]*(" + _TOKEN + rb")=(" + _TOKEN + rb"|" + _QUOTED + rb")[ \t]*")
# One element of a list that was turned round, and the comma before it.
_LAST_ELEMENT = re.compile(rb'((?:[^",]|"[^"]*")*)(,|\Z)')

_PORT = r"(?P<port>[0-9]{1,5})"
_NODE = re.compile(rf"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<v4>[0-9.]+))(?::(?:{_PORT}|_[0-9A-Za-z._-]+))?")
_X_NODE = re.compile(rf"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<v4>[0-9.]+))(?::{_PORT})?")
_PREFIX = re.compile(rb"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9\-._~!$&'()*+,;=:@]+)+")


class Node(msgspec.Struct, frozen=True, gc=False):
    """An address in a chain, and the port, where one was told; else 0."""

    address: Address
    host: str
    """The address as text, in its one canonical form: nobody passes for another by spelling it differently."""
    port: int = 0


class Forwarded(msgspec.Struct, frozen=True, gc=False):
    """What was said of the request. None: that was not said, or not in a form that can be read."""

    names_client: bool = False
    """Something was said of who the client is."""
    client: Node | None = None
    """None although `names_client`: hidden (`unknown`, `_token`), or what was said is no address."""
    chain: tuple[bytes, ...] = ()
    """The entries that were believed, as they were written: from the client's to that of the nearest proxy."""
    scheme: str | None = None
    """`http` or `https`."""
    host: bytes | None = None
    prefix: str | None = None
    """Path that a proxy took from the front of the target: `/app`."""


NOTHING = Forwarded()


def read_x(
    clients: Sequence[bytes], protos: Sequence[bytes] = (), hosts: Sequence[bytes] = (), prefixes: Sequence[bytes] = (), *, trusts: Trusts
) -> Forwarded:
    """What X-Forwarded-For, -Proto, -Host and -Prefix say: the values of each, in the order of their lines.

    Of the last three only the rightmost entry is read. Most proxies set them anew, some add to them, and nothing tells how their
    entries belong to those of the first: further left there may be what the client made up.

    >>> said = read_x([b"6.6.6.6, 192.0.2.9, 10.0.0.2"], [b"https"], trusts=lambda address: str(address) == "10.0.0.2")
    >>> said.client.host, said.chain, said.scheme
    ('192.0.2.9', (b'192.0.2.9', b'10.0.0.2'), 'https')
    """
    node: Node | None = None
    chain: tuple[bytes, ...] = ()
    if len(clients) == 1 and b"," not in clients[0] and clients[0]:
        chain, node = (clients[0],), _x_node(clients[0])  # what nearly always comes
    else:
        for entry in _from_the_right(clients):
            chain = (entry, *chain)
            node = _x_node(entry) if len(chain) <= MOST_HOPS else None
            if node is None or not trusts(node.address):
                break
    host, prefix = _last(hosts), _last(prefixes)
    return Forwarded(
        bool(chain),
        node,
        chain,
        _SCHEMES.get(_last(protos).lower()),
        host if host and valid_host(host) else None,
        prefix.decode() if prefix and _PREFIX.fullmatch(prefix) else None,
    )


def read_rfc7239(values: Sequence[bytes], *, trusts: Trusts) -> Forwarded:
    """What the Forwarded fields say. Scheme and host are those of the element that names the client.

    >>> said = read_rfc7239([b'for="[2001:db8::7]:4711";proto=https;host=example.org'], trusts=lambda address: False)
    >>> said.client.host, said.client.port, said.scheme, said.host
    ('2001:db8::7', 4711, 'https', b'example.org')
    """
    said = NOTHING
    for element in _elements_from_the_right(values):
        pairs = _pairs(element) if len(said.chain) < MOST_HOPS else None
        if pairs is None:
            return Forwarded(names_client=True, chain=said.chain)
        node = _node(pairs.get(b"for", b""))
        host = pairs.get(b"host", b"")
        said = Forwarded(
            True,
            node,
            (element, *said.chain),
            _SCHEMES.get(pairs.get(b"proto", b"").lower()),
            host if host and valid_host(host) else None,
        )
        if node is None or not trusts(node.address):
            break
    return said


def _from_the_right(values: Sequence[bytes]) -> Iterator[bytes]:
    """The entries of a list of plain words, last first; empty ones are none. No more of it is split than is asked for."""
    for value in reversed(values):
        end = len(value)
        while end >= 0:
            comma = value.rfind(b",", 0, end)
            if entry := value[comma + 1 : end].strip(b" \t"):
                yield entry
            end = comma


def _last(values: Sequence[bytes]) -> bytes:
    """The rightmost entry; empty where there is none."""
    if values and values[-1] and b"," not in values[-1]:
        return values[-1]
    return next(_from_the_right(values), b"")


def _elements_from_the_right(values: Sequence[bytes]) -> Iterator[bytes]:
    """The elements of Forwarded lists, last first; empty ones are none, and commas in quotes divide nothing.

    A quote that a client left open would swallow what our proxy wrote behind it, were it read from the left. Read from the right it
    is only met when all that follows was believed; it is given as an element that cannot be read, the last one.
    """
    for value in reversed(values):
        backwards, at, comma = value[::-1], 0, b","
        while comma:
            element = _LAST_ELEMENT.match(backwards, at)
            if element is None:
                yield b'"'
                return
            comma, at = element[2], element.end()
            if found := element[1][::-1].strip(b" \t"):
                yield found


def _pairs(element: bytes) -> dict[bytes, bytes] | None:
    """The parameters of one element, names in lower case; None if it cannot be read, or names one twice (RFC 7239 section 4)."""
    pairs: dict[bytes, bytes] = {}
    at = 0
    while True:
        pair = _PAIR.match(element, at)
        if pair is None:
            return None
        name = pair[1].lower()
        if name in pairs:
            return None
        pairs[name] = pair[2].strip(b'"')
        at = pair.end()
        if at == len(element):
            return pairs
        if element[at] != 0x3B:
            return None
        at += 1


def _node(value: bytes) -> Node | None:
    """An address with an optional port (RFC 7239 section 6)."""
    node = _NODE.fullmatch(value.decode("latin-1"))
    return None if node is None else _made(node["v6"] or node["v4"], node["port"])


@lru_cache(maxsize=1024)
def _x_node(entry: bytes) -> Node | None:
    """An address as proxies write it in X-Forwarded-For: with a port or without, IPv6 then in brackets."""
    text = entry.decode("latin-1")
    if (address := read_address(text)) is not None:
        return Node(address, str(address))
    node = _X_NODE.fullmatch(text)
    return None if node is None else _made(node["v6"] or node["v4"], node["port"])


def _made(host: str, port: str | None) -> Node | None:
    address = read_address(host)
    number = int(port or 0)
    return Node(address, str(address), number) if address is not None and number <= 65535 else None
