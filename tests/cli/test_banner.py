"""The first line of the log: what is served, what is spoken, on which loop, by which processes."""

import os
from pathlib import Path
from typing import Any

import pytest

from pagi.cli.banner import banner
from pagi.cli.load import Target
from pagi.server.options import server_options

TARGET = Target("main", Path(), None, "app")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"loop": "trio"}, "HTTP/1.1 and HTTP/2, on trio, process {pid}"),
        ({"loop": "asyncio", "http2": False}, "HTTP/1.1, on asyncio, process {pid}"),
        ({"loop": "trio", "ssl_certfile": "x.pem"}, "HTTP/1.1 and HTTP/2 over TLS, on trio, process {pid}"),
        ({"loop": "trio", "workers": 4}, "HTTP/1.1 and HTTP/2, on trio, 4 workers under process {pid}"),
        ({"loop": "trio", "pid_file": "/run/x"}, "HTTP/1.1 and HTTP/2, on trio, 1 worker under process {pid}"),
        ({"loop": "trio", "workers": "auto"}, "HTTP/1.1 and HTTP/2, on trio, a worker for each CPU under process {pid}"),
    ],
)
def test_the_line_tells_what_the_options_say(options: dict[str, Any], told: str) -> None:
    assert banner(TARGET, server_options(**options)).endswith(f" serves main:app: {told.format(pid=os.getpid())}")


@pytest.mark.parametrize("installed", [True, False])
def test_the_loop_that_is_chosen_by_itself_is_named(installed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str) -> object | None:
        return object() if installed else None

    monkeypatch.setattr("importlib.util.find_spec", find)
    assert f", on {'uvloop' if installed else 'asyncio'}, " in banner(TARGET, server_options())
