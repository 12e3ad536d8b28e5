"""Routes as a table and as JSON: everything is there, in any width, with and without colour."""

import json
import re

import pytest

from pagi.cli.routes_table import Row, render_json, render_table

ROWS = [
    Row("http", ["GET", "HEAD"], "/api/rooms/{room}", "room", "shop.rooms.show",
        ["shop.timing", "Session", "only(HTTPContext, no_store)"], ["current_user"]),
    Row("sse", ["GET"], "/feed", None, "shop.Feed", [], []),
    Row("websocket", [], "/chat", "chat", "shop.Chat", ["shop.timing"], []),
]  # fmt: skip
COLOUR = re.compile("\x1b\\[[0-9;]*m")


def test_a_wide_table_has_a_line_for_each_route_and_what_runs_below() -> None:
    assert render_table(ROWS, 100, colour=False).splitlines() == [
        "KIND       METHODS   PATH               NAME  HANDLER",
        "http       GET,HEAD  /api/rooms/{room}  room  shop.rooms.show",
        "    runs shop.timing, Session, only(HTTPContext, no_store)",
        "    needs current_user",
        "sse        GET       /feed                    shop.Feed",
        "websocket            /chat              chat  shop.Chat",
        "    runs shop.timing",
    ]


def test_a_narrow_table_puts_things_below_each_other() -> None:
    assert render_table(ROWS[:1], 34, colour=False).splitlines() == [
        "http GET,HEAD /api/rooms/{room}",
        "    room",
        "    shop.rooms.show",
        "    runs shop.timing, Session,",
        "         only(HTTPContext, no_store)",
        "    needs current_user",
    ]


@pytest.mark.parametrize("width", [1, 20, 60, 200])
def test_no_width_loses_anything(width: int) -> None:
    words = set(re.findall(r"[\w./{}()]+", render_table(ROWS, width, colour=False)))
    for row in ROWS:
        assert {row.kind, row.path, row.handler, *row.methods} <= words


def test_colour_adds_nothing_but_colour() -> None:
    coloured = render_table(ROWS, 100, colour=True)
    assert COLOUR.search(coloured)
    assert COLOUR.sub("", coloured) == render_table(ROWS, 100, colour=False)


def test_controls_in_a_path_do_not_reach_the_terminal() -> None:
    row = Row("http", ["GET"], "/\x1b[2J", "\n", "\x07", ["\r"], ["\x9b"])
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", render_table([row], 100, colour=False))


def test_no_routes_are_a_head_without_rows() -> None:
    assert render_table([], 100, colour=False) == "KIND  METHODS  PATH  NAME  HANDLER"


def test_json_holds_every_field() -> None:
    assert json.loads(render_json(ROWS))[0] == {
        "kind": "http",
        "methods": ["GET", "HEAD"],
        "path": "/api/rooms/{room}",
        "name": "room",
        "handler": "shop.rooms.show",
        "middleware": ["shop.timing", "Session", "only(HTTPContext, no_store)"],
        "dependencies": ["current_user"],
    }
