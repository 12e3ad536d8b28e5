"""Routes as a table for people and as JSON for programs. What the rows hold is somebody else's business."""

from collections.abc import Sequence

import click
import msgspec

from pagi.server.process.log_lines import escaped

KIND_COLOURS = {"http": "green", "sse": "magenta", "websocket": "cyan", "mount": "yellow"}
HEAD = ("KIND", "METHODS", "PATH", "NAME", "HANDLER")
GAP = "  "
INDENT = "    "


class Row(msgspec.Struct, frozen=True):
    """One route: what reaches it, and what runs."""

    kind: str
    methods: list[str]
    path: str
    name: str | None
    handler: str
    middleware: list[str]
    """In the order in which they run."""
    dependencies: list[str]


def render_json(rows: Sequence[Row]) -> str:
    """The rows as JSON, one list, indented.

    >>> print(render_json([]))
    []
    """
    return msgspec.json.format(msgspec.json.encode(rows), indent=2).decode()


def render_table(rows: Sequence[Row], width: int, colour: bool) -> str:
    """The rows in the given order, what runs under each; in columns where they fit into `width`, else one below the other.

    >>> print(render_table([Row("http", ["GET"], "/", None, "main.hello", ["main.timing"], [])], 60, colour=False))
    KIND  METHODS  PATH  NAME  HANDLER
    http  GET      /           main.hello
        runs main.timing
    """
    cells = [_cells(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(HEAD, *cells, strict=True)]
    fits = sum(widths) + len(GAP) * (len(widths) - 1) <= width
    lines = [_styled(_in_columns(HEAD, widths), colour, bold=True)] if fits else []
    for row, texts in zip(rows, cells, strict=True):
        kind, *rest = texts
        shown = _styled(kind, colour, fg=KIND_COLOURS.get(row.kind))
        if fits:
            lines.append(f"{shown}{_in_columns(texts, widths)[len(kind) :]}")
        else:
            lines += [f"{shown} {' '.join(filter(None, rest[:2]))}", *(f"{INDENT}{text}" for text in rest[2:] if text)]
        lines += _wrapped("runs", row.middleware, width) + _wrapped("needs", row.dependencies, width)
    return "\n".join(lines)


def _cells(row: Row) -> tuple[str, ...]:
    return tuple(map(escaped, (row.kind, ",".join(row.methods), row.path, row.name or "", row.handler)))


def _in_columns(texts: Sequence[str], widths: Sequence[int]) -> str:
    return GAP.join(text.ljust(width) for text, width in zip(texts, widths, strict=True)).rstrip()


def _wrapped(word: str, names: Sequence[str], width: int) -> list[str]:
    """`word` and the names, on as many lines as they need; a name is never broken."""
    lines: list[str] = []
    line = f"{INDENT}{word}"
    for number, name in enumerate(map(escaped, names), 1):
        piece = f"{name}," if number < len(names) else name
        if number > 1 and len(line) + 1 + len(piece) > width:
            lines.append(line)
            line = f"{INDENT}{' ' * len(word)}"
        line += f" {piece}"
    return [*lines, line] if names else []


def _styled(text: str, colour: bool, *, fg: str | None = None, bold: bool | None = None) -> str:
    return click.style(text, fg=fg, bold=bold) if colour else text
