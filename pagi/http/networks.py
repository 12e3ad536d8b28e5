"""Addresses of peers, and lists of those that are trusted. It asks no resolver: names are no addresses."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address

EVERYBODY = "*"
UNIX = "unix"


def read_address(text: str) -> Address | None:
    """The address that a text is; None where it is none, or names the zone of a network card. IPv4 within IPv6 is IPv4.

    >>> read_address("::ffff:192.0.2.1"), read_address("fe80::1%eth0"), read_address("010.0.0.1")
    (IPv4Address('192.0.2.1'), None, None)
    """
    if len(text) > 45 or "%" in text:  # the longest is an IPv6 address that ends in an IPv4 one
        return None
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


class Networks:
    """Who is trusted: addresses, networks in CIDR notation, `unix` for peers on Unix sockets, `*` for every peer.

    >>> trusted = Networks(["10.0.0.0/8", "unix"])
    >>> trusted.has_peer("10.1.2.3"), trusted.has_peer("192.0.2.1"), trusted.has_peer(None)
    (True, False, True)

    Raises:
        ValueError: an entry is none of these.
    """

    __slots__ = ("_addresses", "_networks", "has_everybody", "has_unix")

    def __init__(self, entries: Iterable[str]) -> None:
        self.has_everybody = self.has_unix = False
        self._addresses: set[Address] = set()
        self._networks: list[IPv4Network | IPv6Network] = []
        for entry in entries:
            if entry == EVERYBODY:
                self.has_everybody = True
            elif entry == UNIX:
                self.has_unix = True
            elif (address := read_address(entry)) is not None:
                self._addresses.add(address)
            else:
                self._networks.append(_network(entry))

    def has_peer(self, host: str | None) -> bool:
        """Whether a peer is trusted, by its address as the system says it; None is a peer on a Unix socket."""
        if self.has_everybody:
            return True
        if host is None:
            return self.has_unix
        address = read_address(host.partition("%")[0])  # the zone says where a peer was met, and belongs to no network
        return address is not None and address in self

    def __contains__(self, address: Address) -> bool:
        """Whether an address is named. `*` names none: it trusts whoever connects, not whom they speak of."""
        return address in self._addresses or any(address in network for network in self._networks)


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is neither an address nor a network such as 10.0.0.0/8, nor `unix` or `*`") from None
    if str(network.network_address) != str(ip_address(text.partition("/")[0])):
        raise ValueError(f"{text!r} names one address in a network; the network is {network}")
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    if mapped is not None and network.prefixlen >= 96:
        return IPv4Network((mapped, network.prefixlen - 96))
    return network
