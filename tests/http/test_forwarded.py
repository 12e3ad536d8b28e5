"""Chains of proxies, read from the right: tables, and what hostile clients may put at the left."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pagi.http.forwarded import MOST_HOPS, Forwarded, read_rfc7239, read_x
from pagi.http.networks import Networks

TRUSTED = Networks(["10.0.0.0/8", "fd00::/8"])
REAL = "192.0.2.9"
"""The client that our own proxy saw."""


def x(*clients: bytes, protos: tuple[bytes, ...] = (), hosts: tuple[bytes, ...] = (), prefixes: tuple[bytes, ...] = ()) -> Forwarded:
    return read_x(clients, protos, hosts, prefixes, trusts=TRUSTED.__contains__)


def rfc7239(*values: bytes) -> Forwarded:
    return read_rfc7239(values, trusts=TRUSTED.__contains__)


def client(said: Forwarded) -> object:
    """Host and port of the client; None where nothing was said of it, `hidden` where it cannot be known."""
    if said.client is None:
        return "hidden" if said.names_client else None
    return (said.client.host, said.client.port)


# ---- X-Forwarded-For


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], None),
        ([b""], None),
        ([b" , ,"], None),
        ([b"192.0.2.9"], ("192.0.2.9", 0)),
        ([b"192.0.2.9:4711"], ("192.0.2.9", 4711)),
        ([b"2001:db8::7"], ("2001:db8::7", 0)),
        ([b"2001:DB8:0::7"], ("2001:db8::7", 0)),
        ([b"[2001:db8::7]"], ("2001:db8::7", 0)),
        ([b"[2001:db8::7]:80"], ("2001:db8::7", 80)),
        ([b"::ffff:192.0.2.9"], ("192.0.2.9", 0)),
        ([b"6.6.6.6, 192.0.2.9"], ("192.0.2.9", 0)),
        ([b"6.6.6.6,192.0.2.9,\t10.0.0.1"], ("192.0.2.9", 0)),
        ([b"6.6.6.6", b"192.0.2.9", b"10.0.0.1, fd00::1"], ("192.0.2.9", 0)),
        ([b"192.0.2.9, , 10.0.0.1,"], ("192.0.2.9", 0)),
        ([b"10.0.0.2, 10.0.0.1"], ("10.0.0.2", 0)),
        ([b"garbage, 192.0.2.9"], ("192.0.2.9", 0)),
        ([b"192.0.2.9, unknown"], "hidden"),
        ([b"192.0.2.9, unknown, 10.0.0.1"], "hidden"),
        ([b"192.0.2.9, 10.0.0.1:http"], "hidden"),
        ([b"192.0.2.9:65536"], "hidden"),
        ([b"192.0.2.9:"], "hidden"),
        ([b"192.0.2.9:-1"], "hidden"),
        ([b'"192.0.2.9"'], "hidden"),
        ([b"2001:db8::7]:80"], "hidden"),
        ([b"[2001:db8::7"], "hidden"),
        ([b"fe80::1%eth0"], "hidden"),
        ([b"localhost"], "hidden"),
        ([b"\xff\xfe"], "hidden"),
    ],
)
def test_the_client_is_the_first_from_the_right_that_is_no_proxy_of_ours(lines: list[bytes], expected: object) -> None:
    assert client(x(*lines)) == expected


def test_the_part_that_was_believed_is_told() -> None:
    assert x(b"6.6.6.6, 192.0.2.9", b"10.0.0.2,10.0.0.1").chain == (b"192.0.2.9", b"10.0.0.2", b"10.0.0.1")


@pytest.mark.parametrize(
    ("values", "scheme"),
    [
        ([], None),
        ([b"https"], "https"),
        ([b"HTTPS"], "https"),
        ([b"http"], "http"),
        ([b"wss"], "https"),
        ([b"ws"], "http"),
        ([b"https, http"], "http"),
        ([b"https", b"http"], "http"),
        ([b"javascript"], None),
        ([b"https,"], "https"),
        ([b"https;"], None),
        ([b""], None),
    ],
)
def test_the_scheme_is_the_last_that_was_written(values: list[bytes], scheme: str | None) -> None:
    assert x(protos=tuple(values)).scheme == scheme


@pytest.mark.parametrize(
    ("value", "host"),
    [
        (b"example.org", b"example.org"),
        (b"example.org:8443", b"example.org:8443"),
        (b"[::1]:80", b"[::1]:80"),
        (b"evil.example, example.org", b"example.org"),
        (b"a b", None),
        (b"user@example.org", None),
        (b"example.org/path", None),
        (b"", None),
    ],
)
def test_a_host_is_one_that_a_host_field_may_hold(value: bytes, host: bytes | None) -> None:
    assert x(hosts=(value,)).host == host


@pytest.mark.parametrize(
    ("value", "prefix"),
    [
        (b"/app", "/app"),
        (b"/app/v1.2", "/app/v1.2"),
        (b"/evil, /app", "/app"),
        (b"app", None),
        (b"/app/", None),
        (b"/", None),
        (b"//evil.example", None),
        (b"/\\evil.example", None),
        (b"/app/../admin", None),
        (b"/..", None),
        (b"/.", None),
        (b"/...", "/..."),
        (b"/a%2fb", None),
        (b"/a?b", None),
        (b"/caf\xe9", None),
        (b"/app\n", None),
    ],
)
def test_a_prefix_is_a_plain_path_that_leads_nowhere_else(value: bytes, prefix: str | None) -> None:
    assert x(prefixes=(value,)).prefix == prefix


# ---- Forwarded


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], None),
        ([b""], None),
        ([b" , "], None),
        ([b"for=192.0.2.9"], ("192.0.2.9", 0)),
        ([b"For=192.0.2.9;Proto=https;by=203.0.113.43"], ("192.0.2.9", 0)),
        ([b"for=192.0.2.9; proto=https"], ("192.0.2.9", 0)),
        ([b'for="192.0.2.9:4711"'], ("192.0.2.9", 4711)),
        ([b'for="[2001:db8:cafe::17]:4711"'], ("2001:db8:cafe::17", 4711)),
        ([b'for="[2001:db8::7]"'], ("2001:db8::7", 0)),
        ([b'for="192.0.2.9:_gazonk"'], ("192.0.2.9", 0)),
        ([b"for=6.6.6.6, for=192.0.2.9"], ("192.0.2.9", 0)),
        ([b"for=6.6.6.6", b"for=192.0.2.9, for=10.0.0.1"], ("192.0.2.9", 0)),
        ([b'for=6.6.6.6,for=192.0.2.9;ext="a, b; for=7.7.7.7",for="[fd00::1]"'], ("192.0.2.9", 0)),
        ([b"for=10.0.0.2, for=10.0.0.1"], ("10.0.0.2", 0)),
        ([b"for=192.0.2.9,,for=10.0.0.1,"], ("192.0.2.9", 0)),
        ([b'for="6.6.6.6, for=192.0.2.9'], ("192.0.2.9", 0)),
        ([b'for="', b"for=192.0.2.9"], ("192.0.2.9", 0)),
        ([b'garbage " in front, for=192.0.2.9, for=10.0.0.1'], ("192.0.2.9", 0)),
        ([b"for=unknown"], "hidden"),
        ([b"for=_SEVKISEK"], "hidden"),
        ([b"for=192.0.2.9, for=_hidden, for=10.0.0.1"], "hidden"),
        ([b"for=192.0.2.9, for=unknown;proto=https"], "hidden"),
        ([b"proto=https"], "hidden"),
        ([b"for="], "hidden"),
        ([b'for=""'], "hidden"),
        ([b"for=192.0.2.9:80"], "hidden"),
        ([b"for=[2001:db8::7]"], "hidden"),
        ([b'for="2001:db8::7"'], "hidden"),
        ([b'for="192.0.2.9:99999"'], "hidden"),
        ([b"for=192.0.2.9;for=6.6.6.6"], "hidden"),
        ([b"for=192.0.2.9;FOR=192.0.2.9"], "hidden"),
        ([b"for = 192.0.2.9"], "hidden"),
        ([b"192.0.2.9"], "hidden"),
        ([b'for="192.0.2.9'], "hidden"),
        ([b'for="192.0.2.9"x'], "hidden"),
        ([b'for="192\\.0.2.9"'], "hidden"),
        ([b"for=6.6.6.6, \x00for=10.0.0.1"], "hidden"),
    ],
)
def test_the_client_is_named_by_the_first_element_from_the_right_that_no_proxy_of_ours_is_in(lines: list[bytes], expected: object) -> None:
    assert client(rfc7239(*lines)) == expected


def test_scheme_and_host_are_those_of_the_element_that_names_the_client() -> None:
    said = rfc7239(
        b"for=6.6.6.6;host=evil.example;proto=http, for=192.0.2.9;proto=https;host=example.org, for=10.0.0.1;proto=http;host=inner"
    )
    assert (said.scheme, said.host) == ("https", b"example.org")
    assert said.chain == (b"for=192.0.2.9;proto=https;host=example.org", b"for=10.0.0.1;proto=http;host=inner")


def test_an_element_that_says_neither_says_neither_even_if_others_do() -> None:
    said = rfc7239(b"for=6.6.6.6;proto=https;host=evil.example, for=192.0.2.9")
    assert (said.scheme, said.host) == (None, None)


@pytest.mark.parametrize("element", [b"for=192.0.2.9;host=a b", b'for=192.0.2.9;host="user@example.org"', b"for=192.0.2.9;proto=gopher"])
def test_a_host_or_scheme_that_cannot_be_is_not_said(element: bytes) -> None:
    said = rfc7239(element)
    assert (said.scheme, said.host) == (None, None)


# ---- what cannot be done from the left


ANYTHING = st.binary(max_size=60).map(lambda data: data.replace(b"\r", b"").replace(b"\n", b""))
SPOOFS = st.one_of(
    ANYTHING,
    st.text(alphabet='for=10.26:"\\,; []_unkownptshc', max_size=60).map(str.encode),
    st.lists(st.sampled_from([b"for=10.0.0.1", b'"', b",", b"for=6.6.6.6", b'for="', b"\\", b";", b"10.0.0.1"])).map(b"".join),
)


@given(SPOOFS)
@example(b'for="')
@example(b'for="\\')
@example(b"for=10.0.0.1,")
def test_whatever_a_client_sends_is_never_taken_for_the_address_that_our_proxy_saw(spoofed: bytes) -> None:
    real = REAL.encode()
    for said in (
        x(spoofed + b", " + real),
        x(spoofed, real),
        rfc7239(spoofed + b", for=" + real),
        rfc7239(spoofed, b"for=" + real),
        rfc7239(spoofed, b'for="' + real + b':80";ext="a,b", for=10.0.0.1'),
    ):
        assert said.client is not None
        assert said.client.host == REAL


@given(st.lists(ANYTHING, max_size=4), st.lists(ANYTHING, max_size=4))
def test_nothing_that_a_proxy_passes_on_is_an_error(first: list[bytes], second: list[bytes]) -> None:
    said = read_x(first, second, second, second, trusts=TRUSTED.__contains__)
    assert said.scheme in (None, "http", "https")
    rfc7239(*first)


@given(st.binary(max_size=80))
def test_what_is_taken_for_an_address_can_be_written_as_one(data: bytes) -> None:
    for said in (x(data), rfc7239(b'for="' + data + b'"')):
        if said.client is not None:
            assert str(said.client.address) == said.client.host
            assert 0 <= said.client.port <= 65535


PARAMETERS = st.tuples(st.sampled_from([b"a", b"secret", b"x-y"]), st.text(alphabet="a,;= :[]", max_size=8).map(str.encode))


@given(st.lists(st.lists(PARAMETERS, max_size=2, unique_by=lambda pair: pair[0]), min_size=1, max_size=5))
def test_commas_and_semicolons_in_quotes_divide_nothing(parameters: list[list[tuple[bytes, bytes]]]) -> None:
    elements = [b";".join([b"for=10.0.0.1", *(name + b'="' + value + b'"' for name, value in pairs)]) for pairs in parameters]
    assert rfc7239(b", ".join(elements)).chain == tuple(elements)


# ---- bounds


@pytest.mark.parametrize("read", [x, rfc7239])
def test_a_chain_longer_than_any_has_no_client(read: object) -> None:
    entry = b"10.0.0.1" if read is x else b"for=10.0.0.1"
    value = b", ".join([entry] * (MOST_HOPS + 1))
    said = x(value) if read is x else rfc7239(value)
    assert client(said) == "hidden"
    assert len(said.chain) <= MOST_HOPS + 1


@pytest.mark.parametrize(
    "value",
    [b"10.0.0.1," * 8000, b'"' * 64_000, b'for="' * 12_000, b'","' * 20_000, b"," * 64_000, b";" * 64_000, b"for=" + b"a" * 64_000,
     b" " * 64_000, b"=" * 64_000, b'a="' + b"\\" * 64_000, (b"/a" * 32_000) + b"/"],
    ids=lambda value: repr(value[:12]),
)  # fmt: skip
def test_the_work_is_no_more_than_the_bytes(value: bytes) -> None:
    began = time.process_time()
    x(value, protos=(value,), hosts=(value,), prefixes=(value,))
    rfc7239(value)
    rfc7239(b"for=1.2.3.4;x=" + value)
    assert time.process_time() - began < 0.25
