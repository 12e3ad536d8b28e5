"""Access log formats: what every atom shows, which strings are refused and why, and that no value can forge a field."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagi.http.errors import ConfigError
from pagi.server.access_log.atoms import ATOMS, NAMED
from pagi.server.access_log.ended import Ended, refused
from pagi.server.access_log.formats import OWN, PRESETS, FormatRefused, compile_format

WHEN = 1770726896
"""2026-02-10, 12:34:56 UTC."""


def ended(**other: Any) -> Ended:
    """An exchange that is over; `scope` replaces single keys, None takes one away."""
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "http_version": "1.1",
        "scheme": "http",
        "raw_path": b"/caf%C3%A9",
        "query_string": b"a=1",
        "headers": [(b"host", b"x"), (b"user-agent", b"curl/8.5"), (b"accept", b"text/html"), (b"accept", b"*/*")],
        "client": ("192.0.2.7", 5000),
        "server": ("127.0.0.1", 8000),
    } | other.pop("scope", {})
    facts: dict[str, Any] = {
        "scope": {key: value for key, value in scope.items() if value is not None},
        "method": "GET",
        "status": 200,
        "bytes_sent": 1234,
        "seconds": 1.2345678,
        "reason": None,
        "headers": [],
        "when": WHEN,
    }
    return Ended(**(facts | other))


def line(format: str, **other: Any) -> str:
    return compile_format(format).render(ended(**other))


# ---- atoms


@pytest.mark.parametrize(
    ("atom", "shown"),
    [
        ("%h", "192.0.2.7"),
        ("%l", "-"),
        ("%u", "-"),
        ("%t", "10/Feb/2026:12:34:56 +0000"),
        ("%r", "GET /caf%C3%A9?a=1 HTTP/1.1"),
        ("%m", "GET"),
        ("%U", "/caf%C3%A9"),
        ("%q", "?a=1"),
        ("%H", "HTTP/1.1"),
        ("%s", "200"),
        ("%b", "1234"),
        ("%B", "1234"),
        ("%d", "1.235"),
        ("%D", "1234567"),
        ("%T", "1"),
        ("%p", "8000"),
        pytest.param("%P", str(os.getpid()), id="%P"),
        ("%%h", "%h"),
        ("%{User-Agent}i", "curl/8.5"),
        ("%{USER-AGENT}i", "curl/8.5"),
        ("%{Accept}i", "text/html"),
        ("%{Referer}i", "-"),
        ("%{Content-Type}o", "-"),
        ("%{kind}x", "http"),
        ("%{reason}x", "-"),
        ("%{route}x", "-"),
        ("%{request_id}x", "-"),
        ("%{client}x", "192.0.2.7:5000"),
        ("%{scheme}x", "http"),
        ("%{time}x", "2026-02-10T12:34:56Z"),
        ("%{ms}x", "1234.6"),
    ],
)
def test_an_atom_shows_its_value(atom: str, shown: str) -> None:
    assert line(f"<{atom}>") == f"<{shown}>"


@pytest.mark.parametrize(
    ("atom", "facts", "shown"),
    [
        ("%h", {"scope": {"client": None}}, "unix"),
        ("%{client}x", {"scope": {"client": None}}, "unix"),
        ("%q", {"scope": {"query_string": b""}}, ""),
        ("%r", {"scope": {"query_string": b""}}, "GET /caf%C3%A9 HTTP/1.1"),
        ("%H", {"scope": {"http_version": "2"}}, "HTTP/2"),
        ("%b", {"bytes_sent": 0}, "-"),
        ("%B", {"bytes_sent": 0}, "0"),
        ("%p", {"scope": {"server": ("/run/app.sock", None)}}, "-"),
        ("%{reason}x", {"reason": "client_closed"}, "client_closed"),
        ("%{route}x", {"scope": {"pagi.route": "/{word}"}}, "/{word}"),
        ("%{request_id}x", {"scope": {"pagi.request_id": "abc"}}, "abc"),
        ("%{kind}x", {"scope": {"type": "sse"}}, "sse"),
        ("%{content-type}o", {"headers": [(b"Content-Type", b"text/html")]}, "text/html"),
        ("%{X-A}o", {"headers": [(b"x-a", b"1"), (b"x-a", b"2")]}, "1"),
    ],
)
def test_an_atom_shows_what_is_there(atom: str, facts: dict[str, Any], shown: str) -> None:
    assert line(atom, **facts) == shown


def test_a_client_that_is_unknown_is_a_dash() -> None:
    gone = ended()
    gone.scope = {**gone.scope, "client": None}
    assert compile_format("%h %{client}x").render(gone) == "- -"


def test_every_atom_is_shown_by_a_test() -> None:
    source = Path(__file__).read_text()
    assert [letter for letter in ATOMS if f'("%{letter}"' not in source] == []
    assert [word for word in NAMED if f'("%{{{word}}}x"' not in source] == []


# ---- literals and presets


def test_what_stands_between_atoms_is_kept() -> None:
    assert line("a%mb%sc\td") == "aGETb200c\td"
    assert line("100%% %s") == "100% 200"
    assert line("%m") == "GET"


@pytest.mark.parametrize(
    ("preset", "shown"),
    [
        ("clf", '192.0.2.7 - - [10/Feb/2026:12:34:56 +0000] "GET /caf%C3%A9?a=1" 200 1.235s'),
        ("common", '192.0.2.7 - - [10/Feb/2026:12:34:56 +0000] "GET /caf%C3%A9?a=1 HTTP/1.1" 200 1234'),
        ("combined", '192.0.2.7 - - [10/Feb/2026:12:34:56 +0000] "GET /caf%C3%A9?a=1 HTTP/1.1" 200 1234 "-" "curl/8.5"'),
        ("tiny", "GET /caf%C3%A9?a=1 200 1234.6ms"),
        ("text", '2026-02-10T12:34:56Z 192.0.2.7:5000 http "GET /caf%C3%A9?a=1 HTTP/1.1" 200 1234B 1234.6ms'),
    ],
)
def test_a_preset_has_its_shape(preset: str, shown: str) -> None:
    assert line(preset) == shown


def test_the_text_form_says_what_else_there_is() -> None:
    shown = line("text", reason="client_closed", scope={"pagi.route": "/{word}", "pagi.request_id": "abc"})
    assert shown.endswith(" 1234.6ms client_closed [/{word}] id=abc")


def test_the_json_form_is_one_object() -> None:
    assert json.loads(line("json")) == {
        "time": "2026-02-10T12:34:56Z",
        "client": "192.0.2.7:5000",
        "kind": "http",
        "method": "GET",
        "path": "/caf%C3%A9?a=1",
        "http_version": "1.1",
        "status": 200,
        "bytes_sent": 1234,
        "duration_ms": 1234.568,
        "reason": None,
        "route": None,
        "request_id": None,
    }


@pytest.mark.parametrize("preset", [*OWN, *PRESETS])
def test_every_preset_shows_a_request_that_was_refused(preset: str) -> None:
    shown = compile_format(preset).render(refused(("192.0.2.7", 5000), 400, 'the field "x" is bad', WHEN))
    assert "400" in shown
    assert shown.isprintable()


# ---- refusals


@pytest.mark.parametrize(
    ("format", "message"),
    [
        ("jsno", "there is no access log format 'jsno'; did you mean 'json'?"),
        ("", "there is no access log format ''; it is text, json, clf, common, combined, tiny, or a string with atoms such as %h and %s"),
        ("%h %z", "there is no access log atom '%z'; there are %h, %l, %u, %t, %r, "),
        ("%h %", "'%' at character 4 of the access log format is no atom; there are %h, "),
        ("%-", "'%-' at character 1 of the access log format is no atom"),
        ("%h %{Referer", "'%{Referer' at character 4 of the access log format has no closing brace; write %{Name}i"),
        ("%{Referer}", "'%{Referer}' at character 1 of the access log format needs a letter behind the brace: i, o or x"),
        ("%{Referer}-", "'%{Referer}' at character 1 of the access log format needs a letter behind the brace: i, o or x"),
        ("%{Referer}s", "there is no access log atom '%{Referer}s'; behind %{...} stands i for a field of the request, o for one"),
        ("%{cat}x", "there is no access log atom '%{cat}x'; of %{...}x there are kind, reason, route, "),
        ("%{a b}i", "the access log atom '%{a b}i' names no header field: 'a b' cannot be one"),
        ("%{}o", "the access log atom '%{}o' names no header field: '' cannot be one"),
        ("%(h)s", "'%(h)s' at character 1 of the access log format is another server's spelling: write %h for %(h)s"),
        ("%h\n", "the access log format holds '\\n', and a line has to stay one line; leave it out"),
    ],
)
def test_a_format_that_nothing_can_be_written_in_is_refused_with_the_reason(format: str, message: str) -> None:
    with pytest.raises(FormatRefused) as caught:
        compile_format(format)
    assert str(caught.value).startswith(message)
    assert isinstance(caught.value, ConfigError)


def test_only_a_format_that_shows_fields_of_the_answer_keeps_them() -> None:
    kept = [format for format in (*OWN, *PRESETS, "%{Server}i", "%s %{Content-Type}o") if compile_format(format).keeps_headers]
    assert kept == ["%s %{Content-Type}o"]


# ---- escaping


@pytest.mark.parametrize("preset", [*OWN, *PRESETS])
@given(hostile=st.binary(min_size=1, max_size=20), text=st.text(min_size=1, max_size=20))
def test_no_value_breaks_a_line_or_ends_a_field(preset: str, hostile: bytes, text: str) -> None:
    shown = line(
        preset,
        method=hostile.decode("latin-1"),
        reason=text,
        scope={
            "raw_path": b"/" + hostile,
            "query_string": hostile,
            "client": (text, 1),
            "headers": [(b"referer", hostile), (b"user-agent", hostile)],
            "pagi.route": text,
            "pagi.request_id": text,
        },
    )
    assert re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029]", shown) is None
    if preset == "json":
        assert json.loads(shown)["path"] == f"/{hostile.decode('latin-1')}?{hostile.decode('latin-1')}"
    else:
        bare = re.sub(r"\\\\|\\\"", "", shown)
        assert bare.count('"') == line(preset).count('"')


@given(st.text(alphabet="%{}hixo-A \t", max_size=12))
def test_every_string_is_either_a_format_or_refused(format: str) -> None:
    try:
        compiled = compile_format(format)
    except FormatRefused:
        return
    assert isinstance(compiled.render(ended()), str)
