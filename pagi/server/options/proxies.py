"""Whose word counts about a client: of proxies in front of the server."""

from typing import Annotated, Literal

import msgspec

from pagi.server.options.flag import Flag


class ProxyOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What proxies in front of the server may say about the client."""

    proxy_headers: Annotated[
        bool,
        Flag("--proxy-headers", help="Take the client from the forwarding fields of trusted proxies, and drop those of everybody else."),
    ] = False
    forwarded: Annotated[
        Literal["x", "rfc7239"], Flag("--forwarded", help="The fields that are read: x is X-Forwarded-*, rfc7239 is Forwarded.")
    ] = "x"
    forwarded_fields: Annotated[
        tuple[Literal["for", "proto", "host", "prefix"], ...],
        Flag("--forwarded-fields", help="What is believed of them: for, proto, host, prefix. Name only what your proxy sets by itself."),
    ] = ("for", "proto")
    forwarded_allow_ips: Annotated[
        tuple[str, ...],
        Flag("--forwarded-allow-ips", help="Addresses and networks of trusted proxies; unix is every Unix socket, * is everybody."),
    ] = ("127.0.0.1", "::1", "unix")
    proxy_protocol: Annotated[
        bool, Flag("--proxy-protocol", help="Each connection begins with a PROXY protocol header, version 1 or 2; others are closed.")
    ] = False
    proxy_protocol_allow_ips: Annotated[
        tuple[str, ...],
        Flag("--proxy-protocol-allow-ips", help="Who may send that header; whoever else connects is closed unanswered."),
    ] = ("127.0.0.1", "::1", "unix")
