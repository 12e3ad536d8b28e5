"""Addresses, and lists of those that are trusted."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagi.http.networks import Networks, read_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8::0001", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::FFFF:c000:0201", "192.0.2.1"),
        ("::", "::"),
    ],
)
def test_an_address_has_one_form(text: str, address: str) -> None:
    assert str(read_address(text)) == address


@pytest.mark.parametrize(
    "text",
    ["", " 192.0.2.1", "192.0.2.1 ", "192.0.2", "192.0.2.256", "0192.0.2.1", "3221225985", "0x7f.1", "localhost", "[::1]", "::1%1",
     "1::2::3", "192.0.2.1\0", "١٩٢.0.2.1", "1" * 5000, ":" * 5000],
)  # fmt: skip
def test_what_is_no_address_is_none(text: str) -> None:
    assert read_address(text) is None


@given(st.text(max_size=60))
def test_any_text_can_be_asked(text: str) -> None:
    assert Networks(["10.0.0.0/8"]).has_peer(text) in (True, False)


@pytest.mark.parametrize(
    ("entries", "host", "trusted"),
    [
        (["127.0.0.1"], "127.0.0.1", True),
        (["127.0.0.1"], "127.0.0.2", False),
        (["127.0.0.1"], "::ffff:127.0.0.1", True),
        (["::ffff:127.0.0.1"], "127.0.0.1", True),
        (["::1"], "0:0:0:0:0:0:0:1", True),
        (["10.0.0.0/8"], "10.255.255.255", True),
        (["10.0.0.0/8"], "11.0.0.0", False),
        (["10.0.0.0/8"], "::ffff:10.0.0.1", True),
        (["::ffff:10.0.0.0/104"], "10.1.1.1", True),
        (["::ffff:10.0.0.0/104"], "11.1.1.1", False),
        (["2001:db8::/32"], "2001:db8:ffff::1", True),
        (["::/0"], "192.0.2.1", False),
        (["0.0.0.0/0"], "192.0.2.1", True),
        (["fe80::/10"], "fe80::1%eth0", True),
        (["unix"], None, True),
        (["127.0.0.1"], None, False),
        (["*"], None, True),
        (["*"], "192.0.2.1", True),
        ([], "127.0.0.1", False),
        ([], None, False),
    ],
)
def test_a_peer_is_trusted_by_its_address(entries: list[str], host: str | None, trusted: bool) -> None:
    assert Networks(entries).has_peer(host) is trusted


def test_everybody_may_connect_but_names_nobody_further_away() -> None:
    """Else every entry of a chain would be trusted, and its left end believed, which the client writes."""
    assert ip_address("192.0.2.1") not in Networks(["*"])


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("localhost", "neither an address nor a network"),
        ("", "neither an address nor a network"),
        ("10.0.0.0/33", "neither an address nor a network"),
        ("10.0.0.1/8", "the network is 10.0.0.0/8"),
        ("127.0.0.1 ", "neither an address nor a network"),
        ("UNIX", "neither an address nor a network"),
        ("*.example.org", "neither an address nor a network"),
        ("127.0.0.1:80", "neither an address nor a network"),
    ],
)
def test_an_entry_that_names_nobody_is_refused(entry: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Networks([entry])
