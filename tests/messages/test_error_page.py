"""The page of a refusal: who gets it, what it says, and that nothing in it can be more than text."""

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagi.messages.error_page import POLICY, error_page, wants_html

ATTACKS = [
    "<script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "<!-- --><iframe src=//evil.example>",
    "&lt;b&gt;",
    "]]><b>",
    "\x00<b\x00>",
    "\u202e<b>\u2066",
    "\ud800<b>",
]
"""Texts that would be more than text, were one place left unescaped."""

FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7"


class Reader(HTMLParser):
    """Every tag, attribute and text of a page."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


TAGS = {"html", "head", "meta", "title", "style", "body", "main", "p", "h1", "code"}
ATTRIBUTES = {"lang", "charset", "name", "content", "class"}


@pytest.mark.parametrize(
    ("accept", "wants"),
    [
        (FIREFOX, True),
        (CHROME, True),
        ("text/html", True),
        ("TEXT/HTML, */*;q=0.1", True),
        ("application/xhtml+xml", True),
        ("text/html, application/json", True),
        (None, False),
        ("", False),
        ("*/*", False),
        ("text/*", False),
        ("application/json", False),
        ("application/json, text/plain, */*", False),
        ("application/json, text/html;q=0.9", False),
        ("application/problem+json, text/html;q=0.9", False),
        ("text/html;q=0, */*", False),
        ("text/html;q=0.5, */*;q=0.8", False),
        ("text/event-stream", False),
        ("text/html;;;q", False),
        ("nonsense", False),
    ],
)
def test_browsers_get_the_page_and_clients_of_an_api_do_not(accept: str | None, wants: bool) -> None:
    assert wants_html(accept) is wants


@given(st.text(max_size=200))
def test_no_accept_field_is_too_strange(accept: str) -> None:
    assert wants_html(accept) in (True, False)


def test_it_says_status_title_detail_and_request() -> None:
    texts = " ".join(Reader(error_page(404, "Not Found", "There is no order 7.", "01J9")).texts)
    for said in ("404", "Not Found", "There is no order 7.", "01J9"):
        assert said in texts


def test_without_detail_and_request_it_has_no_place_for_them() -> None:
    document = error_page(404, "Not Found", None)
    assert 'class="detail"' not in document
    assert 'class="request"' not in document


def test_a_failure_looks_different_from_a_refusal() -> None:
    assert 'class="fault"' in error_page(500, "Internal Server Error", None)
    assert 'class="fault"' not in error_page(404, "Not Found", None)


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("place", ["title", "detail", "request_id"])
def test_what_stands_in_any_field_stays_text(place: str, attack: str) -> None:
    fields = {"title": "Bad Request", "detail": "x", "request_id": "y", place: attack}
    document = error_page(400, fields["title"], fields["detail"], fields["request_id"])
    page = Reader(document)
    assert page.tags <= TAGS
    assert page.attributes <= ATTRIBUTES
    document.encode()  # whatever came in, the page can be sent
    assert not re.search("[\x00\u202e\u2066]", document)


@given(st.text(max_size=300))
def test_any_detail_is_shown_as_text(detail: str) -> None:
    document = error_page(400, "Bad Request", detail)
    assert Reader(document).tags <= TAGS
    document.encode()


def test_a_very_long_detail_is_cut() -> None:
    assert len(error_page(400, "Bad Request", "<" * 10**6)) < 20_000


def test_its_policy_allows_its_own_style_and_nothing_else() -> None:
    style = error_page(404, "Not Found", None).split("<style>")[1].split("</style>")[0]
    digest = b64encode(sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}';" in POLICY
    assert POLICY.startswith("default-src 'none'; ")


def test_it_fetches_nothing() -> None:
    document = error_page(404, "Not Found", "x", "y")
    assert not re.search(r"url\(|@import|https?:|src=|href=", document)
