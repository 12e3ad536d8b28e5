"""Certificates, read from their DER, against a library that is not ours."""

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.name import _ASN1Type  # pyright: ignore[reportPrivateUsage]
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from pagi.server.wire.x509 import read_certificate, read_subject
from tests.server.certificates import Attribute, Authority

DER = serialization.Encoding.DER
KEY = ec.generate_private_key(ec.SECP256R1())
NAMED = [
    NameOID.COMMON_NAME,
    NameOID.ORGANIZATION_NAME,
    NameOID.ORGANIZATIONAL_UNIT_NAME,
    NameOID.LOCALITY_NAME,
    NameOID.STATE_OR_PROVINCE_NAME,
    NameOID.STREET_ADDRESS,
    NameOID.DOMAIN_COMPONENT,
    NameOID.USER_ID,
]
"""What `cryptography` and RFC 4514 call alike."""


def certificate(subject: x509.Name, *, serial: int = 7, until: datetime.datetime = datetime.datetime(2049, 12, 31, 23, 59, 59)) -> bytes:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(x509.Name([])).public_key(KEY.public_key())
    dated = builder.serial_number(serial).not_valid_before(datetime.datetime(2001, 2, 3, 4, 5, 6)).not_valid_after(until)
    return dated.sign(KEY, hashes.SHA256()).public_bytes(DER)


def attribute(oid: x509.ObjectIdentifier, value: str) -> Attribute:
    return x509.NameAttribute(oid, value)


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        ([], ""),
        ([attribute(NameOID.COUNTRY_NAME, "DE"), attribute(NameOID.COMMON_NAME, "Ada")], "CN=Ada,C=DE"),
        ([attribute(NameOID.COMMON_NAME, 'a,b+c"d\\e<f>g;h')], 'CN=a\\,b\\+c\\"d\\\\e\\<f\\>g\\;h'),
        ([attribute(NameOID.COMMON_NAME, "#hash")], "CN=\\#hash"),
        ([attribute(NameOID.COMMON_NAME, " both ")], "CN=\\ both\\ "),
        ([attribute(NameOID.COMMON_NAME, "Žofie 日本")], "CN=Žofie 日本"),
        ([attribute(NameOID.SERIAL_NUMBER, "12")], "serialNumber=12"),
        # RFC 4514 section 2.3 has no name for these: the number, and section 2.4 the encoding of the value.
        ([attribute(NameOID.EMAIL_ADDRESS, "a@b")], "1.2.840.113549.1.9.1=#1603614062"),
        ([attribute(x509.ObjectIdentifier("2.999.3"), "x")], "2.999.3=#0c0178"),
    ],
)
def test_a_subject_is_written_as_rfc_4514_asks(subject: list[Attribute], name: str) -> None:
    assert read_subject(certificate(x509.Name(subject))) == name


@pytest.mark.parametrize("kind", [_ASN1Type.UTF8String, _ASN1Type.BMPString, _ASN1Type.UniversalString])
def test_every_string_type_is_read(kind: _ASN1Type) -> None:
    text = "Grüße"
    assert read_subject(certificate(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text, kind)]))) == f"CN={text}"


def test_attributes_that_stand_together_are_joined() -> None:
    pair = x509.RelativeDistinguishedName([attribute(NameOID.COMMON_NAME, "Ada"), attribute(NameOID.USER_ID, "1")])
    assert read_subject(certificate(x509.Name([pair]))) in ("CN=Ada+UID=1", "UID=1+CN=Ada")


@given(
    st.lists(st.tuples(st.sampled_from(NAMED), st.text(st.characters(min_codepoint=1, exclude_categories=["Cs"]), min_size=1, max_size=30)))
)
def test_any_name_reads_as_a_library_writes_it(parts: list[tuple[x509.ObjectIdentifier, str]]) -> None:
    name = x509.Name([attribute(oid, text) for oid, text in parts])
    assert read_subject(certificate(name)) == name.rfc4514_string()


@pytest.mark.parametrize(
    "until", [datetime.datetime(2049, 12, 31, 23, 59, 59), datetime.datetime(2050, 1, 1), datetime.datetime(9999, 12, 31)]
)
def test_dates_and_serial_are_read(until: datetime.datetime) -> None:
    read = read_certificate(certificate(x509.Name([]), serial=0xFEDCBA9876543210, until=until))
    assert read.serial == 0xFEDCBA9876543210
    assert read.serial_text == "FEDCBA9876543210"
    assert read.not_before == datetime.datetime(2001, 2, 3, 4, 5, 6, tzinfo=datetime.UTC)
    assert read.not_after == until.replace(tzinfo=datetime.UTC)


def test_a_signed_certificate_is_read_whole(tmp_path: Path) -> None:
    issued = Authority(tmp_path).issue().certificate
    read = read_certificate(issued.public_bytes(DER))
    assert (read.serial, read.subject) == (issued.serial_number, "CN=localhost")
    assert (read.not_before, read.not_after) == (issued.not_valid_before_utc, issued.not_valid_after_utc)


@given(st.binary(max_size=200))
def test_anything_else_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        read_certificate(data)


def test_a_certificate_that_is_cut_short_is_a_value_error() -> None:
    der = certificate(x509.Name([attribute(NameOID.COMMON_NAME, "Ada")]))
    for size in range(len(der)):
        with pytest.raises(ValueError):
            read_certificate(der[:size])
