"""Content codings: choosing one by Accept-Encoding (RFC 9110 sections 8.4.1 and 12.5.3). Compresses nothing itself."""

from collections.abc import Iterable

from pagi.http.headers import TOKEN, parse_list
from pagi.http.media_types import parse_weight

IDENTITY = "identity"

_ALIASES = {"x-gzip": "gzip", "x-compress": "compress"}
"""RFC 9110 section 8.4.1: old names, still to be understood."""


def parse_accept_encoding(header: str) -> dict[str, float]:
    """What an Accept-Encoding field names, in lower case, and how much each is wanted, 0 to 1. `*` stands for all others.

    Malformed parts are left out; of equal names the first counts.

    >>> parse_accept_encoding("GZip, br;q=0.5, *;q=0, what is this")
    {'gzip': 1.0, 'br': 0.5, '*': 0.0}
    """
    wanted: dict[str, float] = {}
    for part in parse_list(header):
        name, *parameters = (piece.strip(" \t").lower() for piece in part.split(";"))
        if not TOKEN.fullmatch(name):
            continue
        weight: float | None = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key == "q":
                weight = parse_weight(value)
        if weight is not None:
            wanted.setdefault(_ALIASES.get(name, name), weight)
    return wanted


def best_coding(header: str | None, offers: Iterable[str]) -> str | None:
    """The most wanted of `offers`, the first of equals; None where the body should go as it is.

    Without the field every coding is acceptable, but then it is more likely that the client knows none. A client that
    names `identity` may want it more than ours; one that does not prefers any coding it names.

    >>> best_coding("gzip;q=0.5, br", ["gzip", "br"]), best_coding("gzip;q=0.5, identity", ["gzip"]), best_coding(None, ["gzip"])
    ('br', None, None)
    """
    if not header:
        return None
    wanted = parse_accept_encoding(header)
    others = wanted.get("*", 0.0)
    least = wanted.get(IDENTITY, 0.0)
    chosen, highest = None, 0.0
    for offer in offers:
        quality = wanted.get(offer, others)
        if quality > highest and quality >= least:
            chosen, highest = offer, quality
    return chosen
