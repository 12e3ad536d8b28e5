"""`pagi check`: says what is in an application that is in order, and why another cannot be built; nothing is served."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pagi.cli import main

APP = """
from pagi import App, Context, HTTPContext, Next, Response, Router, SSEContext, WebSocketContext, only

async def timing(ctx: Context, next: Next) -> Response:
    return await next()

async def no_store(ctx: HTTPContext, next: Next) -> Response:
    return await next()

router = Router(prefix="/api", middleware=[timing])

@router.get("/a", middleware=[no_store])
async def a(ctx: HTTPContext) -> str:
    return "a"

@router.post("/a")
async def b(ctx: HTTPContext) -> str:
    return "b"

@router.sse("/ticks")
async def ticks(ctx: SSEContext):
    yield 1

async def legacy(scope, receive, send): ...

app = App(routers=[router], middleware=[timing])

@app.websocket("/ws")
async def ws(ctx: WebSocketContext) -> None: ...

app.mount("/legacy", legacy)
"""


def check(*args: str) -> Result:
    return CliRunner().invoke(main, ["check", *args])


def test_what_is_in_order_is_summed_up(folder: Path) -> None:
    (folder / "main.py").write_text(APP)
    result = check("main:app")
    assert result.exit_code == 0
    assert result.stdout == (
        "main:app is in order: 2 http routes, 1 event stream route, 1 websocket route, 1 router, 1 mount, 3 middleware\n"
    )


def test_an_empty_application_is_in_order(folder: Path) -> None:
    (folder / "main.py").write_text("from pagi import App\napp = App()\n")
    assert check("main:app").stdout == "main:app is in order: no routes, no middleware\n"


def test_an_application_of_another_kind_has_nothing_to_build(raw_app: Path) -> None:
    result = check("main:app")
    assert result.exit_code == 0
    assert "an ASGI application, and none of pagi's" in result.stdout


def test_the_application_may_come_from_the_settings(folder: Path) -> None:
    (folder / "main.py").write_text(APP)
    (folder / "pyproject.toml").write_text("[tool.pagi]\napp = 'main:app'\n")
    assert check().exit_code == 0


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (APP + "\n@app.get('/api/a')\nasync def c(ctx: HTTPContext) -> str: ...\n", "/api/a"),
        (APP.replace("middleware=[timing])\n\n@app", "middleware=[no_store])\n\n@app"), "no_store"),
        (APP + "\n@app.get('/d')\nasync def d(ctx: HTTPContext, thing: object) -> str: ...\n", "thing"),
    ],
    ids=["two handlers for a path", "unguarded routes", "a parameter that nothing provides"],
)
def test_wiring_that_cannot_work_is_exit_3_without_a_traceback(source: str, said: str, folder: Path) -> None:
    (folder / "main.py").write_text(source)
    result = check("main:app")
    assert result.exit_code == 3
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_code_that_fails_is_exit_3_with_its_own_lines(folder: Path) -> None:
    (folder / "main.py").write_text("x = 1\n1 / 0\n")
    result = check("main:app")
    assert result.exit_code == 3
    assert 'main.py", line 2' in result.stderr
    assert "pagi/cli" not in result.stderr


@pytest.mark.parametrize(
    ("args", "said"), [([], "pagi check main:app"), (["mian:app"], "there is no module 'mian'"), (["x:app", "--port", "1"], "--port")]
)
def test_wrong_usage_is_exit_2(args: list[str], said: str, folder: Path) -> None:
    result = check(*args)
    assert result.exit_code == 2
    assert said in result.stderr
