"""The frame of the pages that pagi itself shows: one style in the head, no script, nothing fetched, every text escaped."""

import re
from base64 import b64encode
from hashlib import sha256

PALETTE = """
:root {
  color-scheme: light dark;
  --ground: #f6f4ef; --card: #fffdf9; --line: #e2ddd2; --ink: #20221f; --soft: #5d5f58;
  --accent: #0b6b63; --bad: #a8321f; --mark: #fbe3dc; --code: #f1eee6;
  --mono: ui-monospace, "SF Mono", "Cascadia Code", Menlo, "DejaVu Sans Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #141614; --card: #1d201e; --line: #323733; --ink: #ecebe4; --soft: #a6aaa2;
    --accent: #6fd3c6; --bad: #ff9c87; --mark: #4a2a24; --code: #171a18;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--ground); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif;
  -webkit-text-size-adjust: 100%;
}
h1, h2, h3, p { margin: 0; }
"""

# What could hide or reorder text: controls but tab and line feed, bidirectional marks, and lone surrogates, which no page can hold.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069\ud800-\udfff]")


def escaped(text: str) -> str:
    r"""Text for any place between tags or inside a quoted attribute. What would not be seen is spelled out.

    >>> print(escaped("<a b='c'>\x00"))
    &lt;a b=&#x27;c&#x27;&gt;\x00
    """
    import html  # with a table of all entities, of half a MiB: loaded by who shows a page

    return html.escape(_UNSEEN.sub(_spelled, text))


def _spelled(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape", "surrogatepass").decode("ascii")


def page(title: str, style: str, body: str) -> str:
    """A whole document. `title` is text; `style` and `body` are ready."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="robots" content="noindex">\n'
        f"<title>{escaped(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def policy_for(style: str) -> str:
    """The Content-Security-Policy under which a page of this style works, and nothing else does (CSP 3, section 2.3.1).

    >>> policy_for("p { color: red }").split("; ")[0]
    "default-src 'none'"
    """
    digest = b64encode(sha256(style.encode()).digest()).decode("ascii")
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
