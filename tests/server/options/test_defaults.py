"""What an operator gets without saying anything, and what an option may not be."""

from typing import Any

import msgspec
import pytest

from pagi.http.errors import ConfigError
from pagi.server.options import KIB, MIB, server_options

DEFAULTS: dict[str, object] = {
    "host": "127.0.0.1",
    "http2": True,
    "port": 8000,
    "uds": None,
    "max_connections": 10_000,
    "interface": "auto",
    "lifespan": "auto",
    "head_seconds": 10.0,
    "keep_alive_seconds": 5.0,
    "graceful_seconds": 30.0,
    "max_head_bytes": 16 * KIB,
    "max_fields": 100,
    "early_hints": False,
    "max_body_bytes": 100 * MIB,
    "body_stall_seconds": 30.0,
    "high_water_bytes": 64 * KIB,
    "low_water_bytes": 16 * KIB,
    "write_stall_seconds": 30.0,
    "ws_max_message_bytes": 16 * MIB,
    "ws_ping_interval_seconds": 20.0,
    "ws_ping_timeout_seconds": 20.0,
    "ws_idle_seconds": 0.0,
    "sse_keepalive_seconds": 15.0,
    "sse_idle_seconds": 0.0,
}


def flat(**named: Any) -> dict[str, Any]:
    """The options as they came out, all in one."""
    groups: dict[str, dict[str, Any]] = msgspec.to_builtins(server_options(**named))
    return {name: value for group in groups.values() for name, value in group.items()}


def test_the_defaults_listen_to_this_machine_alone_and_bound_everything() -> None:
    found = flat()
    assert {name: found[name] for name in DEFAULTS} == DEFAULTS


@pytest.mark.parametrize(
    ("name", "value"), [("port", 0), ("max_connections", 0), ("max_body_bytes", 5), ("lifespan", "off"), ("loop", "trio")]
)
def test_an_option_that_is_given_wins(name: str, value: object) -> None:
    assert flat(**{name: value})[name] == value


REFUSED: dict[str, tuple[dict[str, object], str]] = {
    "an unknown name": ({"max_conections": 5}, "max_conections"),
    "a loop with a semicolon": ({"loop": "asyncio; import os"}, "asyncio; import os"),
    "a loop in quotes": ({"loop": "'trio'"}, "trio"),
    "an unknown lifespan mode": ({"lifespan": "maybe"}, "maybe"),
    "an unknown interface": ({"interface": "cgi"}, "cgi"),
    "an unknown log level": ({"log_level": "loud"}, "loud"),
    "a port over 65535": ({"port": 65536}, "port"),
    "a negative limit": ({"max_fields": -1}, "max_fields"),
    "a time in words": ({"keep_alive_seconds": "soon"}, "keep_alive_seconds"),
    "a low mark over the high one": ({"low_water_bytes": 2, "high_water_bytes": 1}, "high_water_bytes"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_an_option_may_not_be_is_refused_by_name(name: str) -> None:
    given, words = REFUSED[name]
    with pytest.raises(ConfigError, match=words):
        server_options(**given)


def test_options_cannot_be_changed_under_a_running_server() -> None:
    options = server_options()
    with pytest.raises(AttributeError):
        options.logs.access_log_format = "json"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
