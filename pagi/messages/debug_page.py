"""What went wrong, for the developer at the same machine: the exception with its frames, and the request. It runs nothing."""

import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv6Address, ip_address
from itertools import groupby
from typing import Any, cast

from pagi.gateway.forwarding import PEER
from pagi.http.errors import PeerError
from pagi.http.query import split_urlencoded
from pagi.messages.debug_style import STYLE
from pagi.messages.failures import FIRST_FRAMES, Failure, Frame, failures_of, learn_variables
from pagi.messages.masking import Masker, is_secret
from pagi.messages.page import escaped, page, policy_for
from pagi.messages.shown_values import shown_named

POLICY = policy_for(STYLE)
"""The Content-Security-Policy to send with the page."""

MOST_CHARACTERS = 1_500_000
"""Of the page. What is past it is left out, whole frames at a time."""
MOST_ROWS = 100
MOST_VALUE = 2000

_LOCAL_HOST = re.compile(rb"(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?", re.IGNORECASE)
_FORWARDED = re.compile(
    rb"(?i)forwarded|via|x-forwarded-.*|x-(?:real|client|cluster-client|original|envoy-external)-.*|(?:true-client|cf-connecting)-ip"
)
_RELATIONS = {
    "": "",
    "cause": "It was raised from this one",
    "context": "It happened while this one was being handled",
    "member": "One of the group",
}


def may_debug(scope: Mapping[str, Any]) -> bool:
    """True only for a peer on this machine that asked for it by a local name, with no proxy in between.

    A page of another site cannot pass: its requests bear its own name as Host, even if that name leads here.
    """
    client = scope.get("client")
    if not client or not _is_loopback(str(client[0])) or PEER in scope:
        return False
    headers: Iterable[tuple[bytes, bytes]] = scope.get("headers", ())
    hosts = [value for name, value in headers if name.lower() == b"host"]
    return (
        len(hosts) == 1
        and _LOCAL_HOST.fullmatch(hosts[0]) is not None
        and not any(_FORWARDED.fullmatch(name) for name, _ in scope.get("headers", ()))
    )


def _is_loopback(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


def debug_page(error: BaseException, scope: Mapping[str, Any], request_id: str | None = None) -> str:
    """The page of an exception that nobody caught. Ask `may_debug` first: it shows source and variables.

    What stands under a secret's name (headers, cookies, query, variables, fields of them) is masked, and so are the same
    values wherever else they appear.
    """
    masker = Masker()
    headers = [(_latin(name), _latin(value)) for name, value in list(scope.get("headers", ()))[:MOST_ROWS]]
    query = _query(scope)
    for name, value in (*headers, *query):
        if is_secret(name):
            masker.learn(value)
    learn_variables(error, masker)
    failures = failures_of(error, masker)
    first = failures[0]
    asked = [f"{scope.get('method', scope.get('type', ''))} {scope.get('path', '')}", *([f"request {request_id}"] if request_id else [])]
    told = "".join(f"<span>{escaped(masker.text(text)[:MOST_VALUE])}</span>" for text in asked)
    head = f'<header><div class="wide"><p class="asked">{told}</p><h1>{escaped(first.kind)}</h1>{_message(first)}</div></header>'
    parts = [head, '<main class="wide">']
    size = len(head)
    for failure in failures:
        part = _failure(failure, is_first=failure is first, room=MOST_CHARACTERS - size)
        size += len(part)
        parts.append(part)
    parts += [_request(scope, headers, query, masker), "</main>"]
    return page(f"{first.kind}: {first.message[:100]}", STYLE, "\n".join(parts))


# ---- exceptions


def _message(failure: Failure) -> str:
    texts = [failure.message, *failure.notes]
    return "".join(f'<p class="message">{escaped(text)}</p>' for text in texts if text)


def _failure(failure: Failure, *, is_first: bool, room: int) -> str:
    title = "" if is_first else f"<h2><small>{_RELATIONS[failure.relation]}</small> {escaped(failure.kind)}</h2>{_message(failure)}"
    opened = next((frame for frame in reversed(failure.frames) if frame.is_own), failure.frames[-1] if failure.frames else None)
    parts: list[str] = []
    number = 0
    for is_own, group in groupby(failure.frames, key=lambda frame: frame.is_own or frame is opened):
        frames = list(group)
        if failure.left_out and number <= FIRST_FRAMES < number + len(frames):
            parts.append(f'<p class="gap">{failure.left_out} more calls are not shown</p>')
        number += len(frames)
        shown = [_frame(frame, is_open=frame is opened) for frame in frames]
        if not is_own:
            count = f"{len(frames)} calls" if len(frames) > 1 else "1 call"
            shown = [f'<details class="library"><summary>{count} in {escaped(_packages(frames))}</summary>', *shown, "</details>"]
        room -= sum(map(len, shown))
        if room < 0:
            parts.append('<p class="gap">The rest is left out: the page has grown too long</p>')
            break
        parts += shown
    return f'<section class="failure{" inner" if failure.depth else ""}">{title}{"".join(parts)}</section>'


def _packages(frames: list[Frame]) -> str:
    """The packages that a stretch of frames runs through, each once."""
    names = dict.fromkeys(frame.module.split(".", 1)[0] or frame.file for frame in frames)
    return ", ".join(list(names)[:4])


def _frame(frame: Frame, *, is_open: bool) -> str:
    summary = (
        f'<summary><span class="function">{escaped(frame.function)}</span> '
        f'<span class="place">{escaped(frame.file)}<b>:{frame.line}</b></span></summary>'
    )
    lines = "".join(_line(number, text, frame) for number, text in frame.source)
    source = f'<pre class="source" tabindex="0"><code>{lines}</code></pre>' if lines else '<p class="gap">its source is not there</p>'
    variables = ""
    if frame.variables:
        variables = f'<details class="variables"><summary>Variables</summary>{_table(frame.variables)}</details>'
    return f'<details class="frame"{" open" if is_open else ""}>{summary}{source}{variables}</details>'


def _line(number: int, text: str, frame: Frame) -> str:
    if number != frame.line:
        return f'<span class="line"><i>{number}</i>{escaped(text)}\n</span>'
    written = escaped(text)
    if frame.span is not None:
        start, end = frame.span
        written = f"{escaped(text[:start])}<mark>{escaped(text[start:end])}</mark>{escaped(text[end:])}"
    return f'<span class="line here"><i>{number}</i>{written}\n</span>'


# ---- the request


def _request(scope: Mapping[str, Any], headers: list[tuple[str, str]], query: list[tuple[str, str]], masker: Masker) -> str:
    facts = {
        "type": scope.get("type"),
        "HTTP version": scope.get("http_version"),
        "scheme": scope.get("scheme"),
        "client": scope.get("client"),
        "root path": scope.get("root_path"),
        "route": scope.get("pagi.route"),
    }
    tables = {
        "Path parameters": [(str(name), shown_named(str(name), value, masker)) for name, value in _mapping(scope.get("path_params"))],
        "Query": [(name, _shown_text(name, value, masker)) for name, value in query],
        "Headers": [(name, _shown_text(name, value, masker)) for name, value in headers],
        "Exchange": [(name, _shown_text(name, _fact(value), masker)) for name, value in facts.items() if value],
    }
    shown = "".join(f"<h3>{title}</h3>{_table(rows[:MOST_ROWS])}" for title, rows in tables.items() if rows)
    return f'<section class="request"><h2>Request</h2>{shown}</section>'


def _fact(value: object) -> str:
    return ":".join(map(str, cast("tuple[object, ...]", value))) if isinstance(value, (list, tuple)) else str(value)


def _mapping(value: object) -> list[tuple[object, object]]:
    return list(cast("Mapping[object, object]", value).items()) if isinstance(value, Mapping) else []


def _query(scope: Mapping[str, Any]) -> list[tuple[str, str]]:
    try:
        return split_urlencoded(scope.get("query_string", b""))[:MOST_ROWS]
    except PeerError:
        return [("", "(more fields than are allowed)")]


def _shown_text(name: str, value: str, masker: Masker) -> str:
    """A text from the request, without the quotes that a variable's value has."""
    return shown_named(name, value, masker) if is_secret(name) else masker.text(value)[:MOST_VALUE]


def _latin(value: bytes) -> str:
    return value[: 2 * MOST_VALUE].decode("latin-1")


def _table(rows: Iterable[tuple[str, str]]) -> str:
    cells = "".join(f'<tr><th scope="row">{escaped(name[:200])}</th><td>{escaped(value)}</td></tr>' for name, value in rows)
    return f"<table><tbody>{cells}</tbody></table>"
