"""A refusal as a page, for whoever came with a browser. It says what the problem details say, and no more."""

from pagi.http.media_types import accepts, parse_accept
from pagi.messages.page import PALETTE, escaped, page, policy_for

PAGE_TYPES = ("text/html", "application/xhtml+xml")
DATA_TYPES = ("application/problem+json", "application/json")

STYLE = (
    PALETTE
    + """
body { display: grid; min-height: 100vh; min-height: 100dvh; place-items: center; padding: 1.5rem; }
main { width: 100%; max-width: 36rem; padding: clamp(1.75rem, 6vw, 3rem); background: var(--card);
  border: 1px solid var(--line); border-radius: 1.25rem; overflow-wrap: anywhere; }
.status { color: var(--accent); font: 600 clamp(3.5rem, 16vw, 5.5rem)/1 var(--mono); letter-spacing: -0.06em; }
.fault .status { color: var(--bad); }
h1 { margin-top: 1.1rem; font-size: clamp(1.4rem, 5vw, 1.8rem); line-height: 1.25; letter-spacing: -0.015em; }
.detail { margin-top: 0.6rem; color: var(--soft); font-size: 1.05rem; white-space: pre-line; }
.request { margin-top: 1.75rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--soft); font-size: 0.875rem; }
code { font-family: var(--mono); color: var(--ink); }
"""
)

POLICY = policy_for(STYLE)
"""The Content-Security-Policy to send with the page."""

MOST_DETAIL = 2000
"""Characters of a detail, or of a request id."""


def wants_html(accept: str | None) -> bool:
    """True for an Accept field as browsers send it: it names HTML, and wants no JSON more. Ranges such as `*/*` name nothing.

    >>> wants_html("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
    True
    >>> wants_html("*/*"), wants_html("application/json, text/html;q=0.5"), wants_html(None)
    (False, False, False)
    """
    if not accept:
        return False
    named = {part.range.essence: part.quality for part in reversed(parse_accept(accept))}
    page_quality = max(named.get(essence, 0.0) for essence in PAGE_TYPES)
    return page_quality > 0 and page_quality >= max(accepts(accept, essence) for essence in DATA_TYPES)


def error_page(status: int, title: str, detail: str | None, request_id: str | None = None) -> str:
    """The page of a refusal or failure. All texts are escaped; `request_id` is what to name when asking for help.

    >>> "<h1>Not Found</h1>" in error_page(404, "Not Found", None)
    True
    """
    parts = [
        '<main class="fault">' if status >= 500 else "<main>",
        f'<p class="status">{status}</p>',
        f"<h1>{escaped(title)}</h1>",
    ]
    if detail:
        parts.append(f'<p class="detail">{escaped(_cut(detail))}</p>')
    if request_id:
        parts.append(f'<p class="request">Request <code>{escaped(_cut(request_id))}</code></p>')
    return page(f"{status} {title}", STYLE, "\n".join([*parts, "</main>"]))


def _cut(text: str) -> str:
    return text if len(text) <= MOST_DETAIL else f"{text[:MOST_DETAIL]} …"
