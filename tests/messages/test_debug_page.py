"""The debug page: who may see it, what it shows of an error, what it hides, and that it runs nothing and ends somewhere."""

import dataclasses
import re
from collections.abc import Callable
from functools import partialmethod
from typing import Any, cast

import msgspec
import pytest

from pagi.messages.debug_page import MOST_CHARACTERS, POLICY, debug_page, may_debug
from pagi.messages.masking import MASK
from tests.messages.test_error_page import ATTACKS, Reader

TAGS = {
    "html", "head", "meta", "title", "style", "body", "header", "main", "section", "div", "p", "h1", "h2", "h3", "small", "span", "b", "i",
    "mark", "details", "summary", "pre", "code", "table", "tbody", "tr", "th", "td",
}  # fmt: skip
ATTRIBUTES = {"lang", "charset", "name", "content", "class", "scope", "open", "tabindex"}


def scope(**changes: Any) -> dict[str, Any]:
    """A request from this machine."""
    return {
        "type": "http",
        "method": "GET",
        "path": "/orders",
        "query_string": b"",
        "http_version": "1.1",
        "scheme": "http",
        "client": ("127.0.0.1", 50000),
        "headers": [(b"host", b"localhost:8000")],
        **changes,
    }


def caught(function: Callable[[], object]) -> BaseException:
    """What it raises."""
    try:
        function()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def shown(function: Callable[[], object], **changes: Any) -> str:
    """The page for what it raises."""
    return debug_page(caught(function), scope(**changes), "01J9")


def texts(document: str) -> str:
    return " ".join(" ".join(Reader(document).texts).split())


def boom() -> None:
    raise ValueError("boom")


# ---- who may see it


@pytest.mark.parametrize("client", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", [b"localhost", b"LocalHost:8000", b"127.0.0.1:1", b"[::1]:8000", b"[::1]"])
def test_a_developer_at_the_same_machine_may_see_it(client: str, host: bytes) -> None:
    assert may_debug(scope(client=(client, 1), headers=[(b"host", host)]))


@pytest.mark.parametrize(
    "client",
    [None, (), ("192.168.1.5", 1), ("0.0.0.0", 1), ("::ffff:10.0.0.1", 1), ("localhost", 1), ("", None), ("127.0.0.1.evil.example", 1)],
)
def test_a_peer_elsewhere_or_unknown_may_not(client: Any) -> None:
    assert not may_debug(scope(client=client))


@pytest.mark.parametrize(
    "host",
    [
        b"",
        b"example.org",
        b"localhost.example.org",
        b"127.0.0.1.nip.io",
        b"127.0.0.2",
        b"0.0.0.0:8000",
        b"localhost:",
        b"localhost:8000:1",
        b"::1",
        b"[::1",
        b"localhost\n",
        b"localhost,evil.example",
        b"user@localhost",
        b"evil.example#localhost",
        b"localhost.",
    ],
)
def test_another_host_may_not_even_if_its_name_leads_here(host: bytes) -> None:
    assert not may_debug(scope(headers=[(b"host", host)]))


def test_no_host_or_two_of_them_may_not() -> None:
    assert not may_debug(scope(headers=[]))
    assert not may_debug(scope(headers=[(b"host", b"localhost"), (b"Host", b"localhost")]))


@pytest.mark.parametrize(
    "name",
    [b"forwarded", b"via", b"x-forwarded-for", b"X-Forwarded-Host", b"x-real-ip", b"cf-connecting-ip", b"true-client-ip", b"x-client-ip"],
)
def test_whoever_comes_through_a_proxy_may_not(name: bytes) -> None:
    assert not may_debug(scope(headers=[(b"host", b"localhost"), (name, b"127.0.0.1")]))


def test_whoever_came_with_forwarding_fields_may_not_even_if_the_server_took_them_out() -> None:
    assert not may_debug({**scope(), "pagi.peer": ("127.0.0.1", 5000)})


def test_a_scope_that_lacks_everything_may_not() -> None:
    assert not may_debug({})


# ---- what it shows


def test_it_names_error_request_place_and_line() -> None:
    page = texts(shown(boom))
    for said in ("ValueError", "boom", "GET /orders", "request 01J9", "test_debug_page.py", 'raise ValueError("boom")', "localhost:8000"):
        assert said in page


def test_the_chain_is_told_from_the_last_error_to_the_first() -> None:
    def chained() -> None:
        try:
            try:
                raise KeyError("first")
            except KeyError as error:
                raise RuntimeError("second") from error
        except RuntimeError:
            raise OSError("third")

    page = texts(shown(chained))
    assert page.index("third") < page.index("while this one was being handled") < page.index("It was raised from this one")
    assert page.index("RuntimeError") < page.rindex("KeyError")


def test_a_context_that_was_suppressed_is_not_shown() -> None:
    def quiet() -> None:
        try:
            raise KeyError("first")
        except KeyError:
            raise OSError("second") from None

    assert shown(quiet).count("<h2>") == 1, "only that of the request"


def test_the_members_of_a_group_are_shown_with_their_causes() -> None:
    inner = ValueError("inner")
    inner.__cause__ = KeyError("its cause")
    page = texts(debug_page(ExceptionGroup("both", [inner, OSError("other")]), scope()))
    for said in ("both (2 sub-exceptions)", "inner", "its cause", "other"):
        assert said in page


def test_an_error_that_causes_itself_is_shown_once() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    assert texts(debug_page(first, scope())).count("second") == 1


def test_notes_are_shown() -> None:
    error = ValueError("boom")
    error.add_note("while the basket was priced")
    assert "while the basket was priced" in texts(debug_page(error, scope()))


def test_the_part_of_the_line_that_failed_is_marked() -> None:
    def lookup() -> object:
        rows: dict[str, dict[str, int]] = {"a": {}}
        return rows["a"]["b"]

    assert "<mark>rows[&quot;a&quot;][&quot;b&quot;]</mark>" in shown(lookup)


def test_the_place_of_a_syntax_error_is_shown() -> None:
    assert "this is no python" in texts(shown(lambda: compile("x = 1\nthis is no python\n", "shop.py", "exec")))


def test_only_the_applications_last_frame_is_open_and_libraries_are_gathered() -> None:
    document = shown(lambda: msgspec.json.decode(b"{"))
    assert document.count('<details class="frame" open>') == 1
    document = shown(lambda: re.compile("("))
    assert 'class="library"' in document
    assert "calls in re" in texts(document)


def test_the_variables_of_the_application_are_shown_and_those_of_libraries_are_not() -> None:
    def looking() -> None:
        basket = ["apples", "pears"]
        re.compile("(" + basket[0])

    document = shown(looking)
    assert "[&#x27;apples&#x27;, &#x27;pears&#x27;]" in document
    assert '<th scope="row">basket</th>' in document
    assert '<th scope="row">pattern</th>' not in document, "that is a variable of re.compile"


def test_a_websocket_has_a_page_too() -> None:
    assert "websocket /chat" in texts(debug_page(caught(boom), {"type": "websocket", "path": "/chat", "headers": []}))


# ---- what it hides


@dataclasses.dataclass
class Account:
    name: str
    password: str


class Key(msgspec.Struct):
    id: int
    api_key: str


class Opaque:
    def __repr__(self) -> str:
        return "<Opaque token='hidden-8'>"


SECRETS: dict[str, object] = {
    "password": "hidden-1",
    "headers": [(b"authorization", b"Bearer hidden-2"), (b"accept", b"*/*")],
    "settings": {"db": {"passwd": "hidden-3"}, "debug": True},
    "account": Account("ada", "hidden-4"),
    "many": [Key(1, "hidden-5")],
    "pairs": [("token", "hidden-6")],
    "url": "redis://me:hidden-7@host/0",
    "opaque": Opaque(),
    "seen": "copy of hidden-header-1 and hidden-cookie-1",
}


def fail_with(
    password: object,
    headers: object,
    settings: object,
    account: object,
    many: object,
    pairs: object,
    url: object,
    opaque: object,
    seen: object,
) -> None:
    raise ValueError("refused: password='hidden-9', Bearer hidden-header-1")


def test_no_secret_is_on_the_page() -> None:
    document = shown(
        lambda: fail_with(**SECRETS),
        headers=[(b"authorization", b"Bearer hidden-header-1"), (b"cookie", b"sid=hidden-cookie-1"), (b"x-api-key", b"hidden-header-2")],
        query_string=b"token=hidden-query-1&after=3",
        path_params={"token": "hidden-path-1"},
    )
    # The source is the developer's own, and names what its literals are for; all else is looked through.
    assert re.findall(r"hidden-[a-z0-9-]+", re.sub(r"<pre.*?</pre>", "", document, flags=re.DOTALL)) == []
    assert document.count(MASK) >= 10
    for said in ("ada", "debug", "*/*", "after"):
        assert said in document


def test_the_environment_is_not_on_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_VARIABLE", "never-to-be-shown")
    assert "never-to-be-shown" not in shown(boom)


# ---- that it runs nothing, and ends somewhere


PLACES: dict[str, Callable[[str], str]] = {
    "message": lambda attack: debug_page(ValueError(attack), scope()),
    "note": lambda attack: debug_page(_noted(attack), scope()),
    "type": lambda attack: debug_page(type(attack.replace("\x00", "").replace("\ud800", ""), (ValueError,), {})("x"), scope()),
    "variable": lambda attack: shown(lambda: _hold(attack)),
    "repr": lambda attack: shown(lambda: _hold(type("Odd", (), {"__repr__": partialmethod(_same, attack)})())),
    "path": lambda attack: shown(boom, path=attack),
    "method": lambda attack: shown(boom, method=attack),
    "route": lambda attack: shown(boom, **{"pagi.route": attack}),
    "header": lambda attack: shown(boom, headers=[(b"x-a", attack.encode("utf-8", "replace"))]),
    "header name": lambda attack: shown(boom, headers=[(attack.encode("utf-8", "replace"), b"x")]),
    "query": lambda attack: shown(boom, query_string=b"a=" + attack.encode("utf-8", "replace")),
    "query name": lambda attack: shown(boom, query_string=attack.encode("utf-8", "replace") + b"=a"),
    "path parameter": lambda attack: shown(boom, path_params={attack: attack}),
    "client": lambda attack: shown(boom, client=(attack, 1)),
    "request id": lambda attack: debug_page(ValueError("x"), scope(), attack),
    "source": lambda attack: shown(lambda: _run(attack)),
    "file": lambda attack: shown(lambda: exec(compile("1 / 0", attack.replace("\x00", "").replace("\ud800", ""), "exec"))),
}


def _same(_: object, text: str) -> str:
    return text


def _noted(note: str) -> Exception:
    error = ValueError("x")
    error.add_note(note)
    return error


def _hold(held: object) -> None:
    raise ValueError("x")


def _run(text: str) -> None:
    error = SyntaxError("x")
    error.filename, error.lineno, error.text = "nowhere.py", 1, text
    raise error


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("place", PLACES)
def test_what_stands_in_any_field_stays_text(place: str, attack: str) -> None:
    document = PLACES[place](attack)
    page = Reader(document)
    assert page.tags <= TAGS
    assert page.attributes <= ATTRIBUTES
    document.encode()
    assert not re.search("[\x00\u202e\u2066]", document)


def test_it_needs_no_script_and_fetches_nothing() -> None:
    assert not re.search(r"<script|url\(|@import|src=|href=|<form|javascript:", shown(boom))
    assert "script-src" not in POLICY
    assert POLICY.startswith("default-src 'none'; ")


class Raises:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __repr__(self) -> str:
        raise self.error


class NoText:
    def __repr__(self) -> str:
        return cast("str", 7)


class BadMessage(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no message either")


@pytest.mark.parametrize(
    "held",
    [Raises(ValueError()), Raises(SystemExit()), Raises(RecursionError()), NoText(), 10**5000, "\ud800"],
    ids=["error", "exit", "recursion", "no text", "number", "surrogate"],
)
def test_a_value_that_cannot_be_told_is_said_to_be_so(held: object) -> None:
    document = shown(lambda: _hold(held))
    document.encode()
    assert "held" in texts(document)


def test_an_interrupt_is_not_swallowed_by_a_value() -> None:
    with pytest.raises(KeyboardInterrupt):
        shown(lambda: _hold(Raises(KeyboardInterrupt())))


def test_an_error_that_cannot_tell_its_message_has_a_page() -> None:
    assert "its message cannot be told: RuntimeError" in texts(debug_page(BadMessage(), scope()))


def _cyclic() -> list[object]:
    cycle: list[object] = []
    cycle += [cycle, {"again": cycle}]
    return cycle


@pytest.mark.parametrize(
    "held",
    [
        "x" * 10**7,
        b"x" * 10**7,
        list(range(10**6)),
        dict.fromkeys(range(10000), "y" * 1000),
        [[[["deep"] * 100] * 100] * 100] * 100,
        _cyclic(),
    ],
    ids=["text", "bytes", "list", "dict", "nested", "cycle"],
)
def test_a_huge_value_is_cut(held: object) -> None:
    assert len(shown(lambda: _hold(held))) < 60_000


def test_a_deep_recursion_shows_its_first_and_last_calls() -> None:
    def deeper(n: int) -> int:
        return deeper(n + 1)

    document = shown(lambda: deeper(0))
    assert re.search(r"\d{3} more calls are not shown", document)
    assert len(document) < 400_000


def test_a_long_chain_and_a_wide_group_end() -> None:
    error: Exception = ValueError("first")
    for number in range(200):
        following = ValueError(f"number {number}")
        following.__cause__ = error
        error = following
    assert len(debug_page(error, scope())) < 60_000
    assert len(debug_page(ExceptionGroup("many", [ValueError(str(n)) for n in range(10_000)]), scope())) < 60_000


def test_a_huge_request_is_cut() -> None:
    headers = [(b"x-%d" % n, b"y" * 100_000) for n in range(1000)]
    document = shown(boom, headers=headers, query_string=b"&".join(b"a%d=%b" % (n, b"z" * 5000) for n in range(900)), path="/" * 10**6)
    assert len(document) < MOST_CHARACTERS


def test_a_query_with_too_many_fields_is_said_to_be_so() -> None:
    assert "more fields than are allowed" in texts(shown(boom, query_string=b"&" * 5000))
