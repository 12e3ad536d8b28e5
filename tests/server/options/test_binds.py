"""Addresses as `bind` names them."""

import pytest

from pagi.http.errors import ConfigError
from pagi.server import server_options
from pagi.server.options.binds import BadBind, Bind, FDBind, SystemdBind, TCPBind, UnixBind, parse_bind, parse_binds


@pytest.mark.parametrize(
    ("text", "bind"),
    [
        ("127.0.0.1:8000", TCPBind("127.0.0.1", 8000)),
        ("localhost:0", TCPBind("localhost", 0)),
        (":8000", TCPBind(None, 8000)),
        ("[::1]:8000", TCPBind("::1", 8000)),
        ("[::]:65535", TCPBind("::", 65535)),
        ("[fe80::1%eth0]:80", TCPBind("fe80::1%eth0", 80)),
        ("unix:/run/app.sock", UnixBind("/run/app.sock")),
        ("unix:app.sock", UnixBind("app.sock")),
        ("/run/app.sock", UnixBind("/run/app.sock")),
        ("/run/app:80", UnixBind("/run/app:80")),
        ("./app.sock", UnixBind("./app.sock")),
        ("fd://3", FDBind(3)),
        ("fd://web.socket", FDBind("web.socket")),
        ("systemd", SystemdBind()),
        ("systemd:80", TCPBind("systemd", 80)),
    ],
)
def test_an_address_is_read(text: str, bind: Bind) -> None:
    assert parse_bind(text) == bind


@pytest.mark.parametrize("text", ["127.0.0.1:8000", ":80", "[::1]:80", "unix:/run/x", "fd://3", "fd://web", "systemd"])
def test_an_address_is_written_as_it_is_read(text: str) -> None:
    assert str(parse_bind(text)) == text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the port is missing"),
        ("8000", "the port is missing, as in ':8000'"),
        ("localhost", "the port is missing, as in 'localhost:8000'"),
        ("localhost:", "the port is missing"),
        ("localhost:http", "'http' is not a port"),
        (":65536", "'65536' is not a port"),
        (":-1", "'-1' is not a port"),
        (":+1", "'+1' is not a port"),
        (": 80", "' 80' is not a port"),
        (":٨٠", "is not a port"),
        (":1_0", "'1_0' is not a port"),
        (":999999999999999999999", "is not a port"),
        ("::1:8000", "an IPv6 address stands in brackets"),
        ("::1", "an IPv6 address stands in brackets"),
        ("[::1]", "the port is missing"),
        ("[]:80", "the brackets hold no IPv6 address"),
        ("[::1:80", "the brackets hold no IPv6 address"),
        ("[::1]80", "the brackets hold no IPv6 address"),
        ("http://127.0.0.1:80", "an IPv6 address stands in brackets"),
        ("unix:", "the path is missing"),
        ("unix:/a\0b", "a path holds no NUL"),
        ("fd://", "the number or the name of a descriptor is missing"),
    ],
)
def test_what_is_no_address_is_refused_with_the_forms_there_are(text: str, problem: str) -> None:
    with pytest.raises(BadBind) as caught:
        parse_bind(text)
    assert problem in str(caught.value)
    assert str(caught.value).startswith(f"cannot bind {text!r}: ")
    assert "unix:PATH" in str(caught.value)


def test_an_address_named_twice_is_refused() -> None:
    with pytest.raises(BadBind, match="named twice"):
        parse_binds([":80", "unix:/x", "/x"])


def test_two_free_ports_are_two_addresses() -> None:
    assert len(parse_binds(["127.0.0.1:0", "127.0.0.1:0"])) == 2


# ---- as options


def test_what_is_no_address_fails_when_the_options_are_made() -> None:
    with pytest.raises(ConfigError, match="cannot bind '80'"):
        server_options(bind=["80"])


@pytest.mark.parametrize(
    ("named", "both"),
    [
        ({"bind": [":1"], "port": 2}, "bind and port"),
        ({"bind": [":1"], "host": "::1"}, "bind and host"),
        ({"bind": [":1"], "uds": "/x"}, "bind and uds"),
        ({"bind": [":1"], "fd": 3}, "bind and fd"),
        ({"uds": "/x", "port": 8000}, "port and uds"),
        ({"uds": "/x", "fd": 3}, "uds and fd"),
    ],
)
def test_two_ways_to_say_where_to_listen_are_refused_by_name(named: dict[str, object], both: str) -> None:
    with pytest.raises(ConfigError, match=f"^{both} both say where to listen"):
        server_options(**named)


def test_host_and_port_are_one_way() -> None:
    assert server_options(host="::1", port=80).listen.port == 80


@pytest.mark.parametrize("name", ["forwarded_allow_ips", "proxy_protocol_allow_ips"])
def test_a_trusted_network_that_is_none_is_refused_by_its_option(name: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name}: 'localhost' is neither an address nor a network"):
        server_options(**{name: ["localhost"]})
