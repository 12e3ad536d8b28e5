"""What certificates say of themselves (X.509, RFC 5280), read from their DER. Trusts its input: OpenSSL has parsed it before."""

import datetime
from collections.abc import Iterator

import msgspec

VERSION = 0xA0
UTC_TIME = 0x17
LONG = 0x80
"""The length's first byte, from here on, counts bytes of length."""

DESCRIPTORS = {
    "2.5.4.3": "CN",
    "2.5.4.4": "sn",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "STREET",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.12": "title",
    "2.5.4.42": "givenName",
    "2.5.4.43": "initials",
    "2.5.4.46": "dnQualifier",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
}
"""The names of attributes that RFC 4514 section 3 gives, and some of RFC 4519. Any other is written by its number, as section 2.3 asks."""

ENCODINGS = {0x0C: "utf-8", 0x13: "utf-8", 0x14: "latin-1", 0x16: "utf-8", 0x1A: "utf-8", 0x1C: "utf-32-be", 0x1E: "utf-16-be"}
"""How the string types of X.520 write their characters. Where only ASCII may stand, what stands there against the rule is UTF-8."""


class Certificate(msgspec.Struct, frozen=True):
    """What a person asks of a certificate."""

    serial: int
    subject: str
    """The distinguished name (RFC 4514)."""
    not_before: datetime.datetime
    not_after: datetime.datetime

    @property
    def serial_text(self) -> str:
        """The serial number as `openssl x509 -serial` writes it.

        >>> day = datetime.datetime(2030, 1, 1)
        >>> Certificate(0xBEEF, "", day, day).serial_text
        'BEEF'
        """
        text = f"{self.serial:X}"
        return text if len(text) % 2 == 0 else f"0{text}"


def read_certificate(der: bytes) -> Certificate:
    """Reads a certificate.

    Raises:
        ValueError: this is none.
    """
    serial, _, _, validity, _ = _fields(der)
    begin, end = _parts(validity)
    return Certificate(int.from_bytes(serial, signed=True), read_subject(der), _time(begin[0], begin[1]), _time(end[0], end[1]))


def read_subject(der: bytes) -> str:
    """Who the certificate is for: the distinguished name as text (RFC 4514), its last part first.

    Raises:
        ValueError: this is no certificate.
    """
    *_, rdns = _fields(der)
    parts = ["+".join(_attribute(content) for _, content, _ in _parts(rdn)) for _, rdn, _ in _parts(rdns)]
    return ",".join(reversed(parts))


def _fields(der: bytes) -> list[bytes]:
    """Serial number, algorithm, issuer, validity and subject (RFC 5280 section 4.1)."""
    (_, certificate, _), *_ = _parts(der)
    (_, to_be_signed, _), *_ = _parts(certificate)
    fields = [content for tag, content, _ in _parts(to_be_signed) if tag != VERSION]
    if len(fields) < 6:
        raise ValueError("this is no certificate")
    return fields[:5]


def _attribute(content: bytes) -> str:
    (_, oid, _), (tag, value, whole) = _parts(content)
    number = _dotted(oid)
    name = DESCRIPTORS.get(number)
    if name is None or tag not in ENCODINGS:
        return f"{name or number}=#{whole.hex()}"
    return f"{name}={_escaped(value.decode(ENCODINGS[tag], 'replace'))}"


def _escaped(text: str) -> str:
    """RFC 4514 section 2.4."""
    escaped = "".join("\\00" if c == "\0" else f"\\{c}" if c in '"+,;<>\\' else c for c in text)
    if escaped.startswith((" ", "#")):
        escaped = f"\\{escaped}"
    if escaped.endswith(" ") and len(text) > 1:
        escaped = f"{escaped[:-1]}\\ "
    return escaped


def _dotted(oid: bytes) -> str:
    numbers: list[int] = []
    number = 0
    for byte in oid:
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(number)
            number = 0
    if not numbers:
        raise ValueError("this is no object identifier")
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))


def _time(tag: int, content: bytes) -> datetime.datetime:
    text = content.decode("ascii")
    if tag == UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text  # RFC 5280 section 4.1.2.5.1
    return datetime.datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=datetime.UTC)


def _parts(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """The elements that stand side by side: tag, content, and the whole of it.

    Raises:
        ValueError: one is cut short.
    """
    at = 0
    while at < len(data):
        start = at
        header = data[at : at + 2]
        if len(header) < 2:
            raise ValueError("DER is cut short")
        size = header[1]
        at += 2
        if size >= LONG:
            width = size - LONG
            size = int.from_bytes(data[at : at + width])
            at += width
        if at + size > len(data):
            raise ValueError("DER is cut short")
        yield header[0], data[at : at + size], data[start : at + size]
        at += size
