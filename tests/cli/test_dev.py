"""`pagi dev` with real processes: each change is served on the same port, nothing hangs, nothing is left behind."""

import json
import signal
import socket
import sys
import time
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from pagi.cli import main
from tests.cli.developing import PATIENCE_SECONDS, developing, is_alive, open_stream, until

LOOPS = ["uvloop", "asyncio", "trio"]

APP = """
from collections.abc import AsyncIterator

import anyio
from pagi import App, HTTPContext, SSEContext

app = App()

@app.get("/")
async def hello(ctx: HTTPContext) -> str:
    return "{word}"

@app.get("/stuck")
async def stuck(ctx: HTTPContext) -> str:
    with anyio.CancelScope(shield=True):
        await anyio.sleep(600)
    return "never"

@app.get("/debug")
async def debug(ctx: HTTPContext) -> str:
    return str(getattr(app, "debug", False))

@app.sse("/ticks")
async def ticks(ctx: SSEContext) -> AsyncIterator[int]:
    n = 0
    while True:
        n += 1
        yield n
        await anyio.sleep(0.02)
"""
BROWSER = "text/html,*/*;q=0.8"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project whose application says `one`."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "main.py").write_text(APP.format(word="one"))
    return folder


# ---- reloading


@pytest.mark.parametrize("loop", LOOPS)
def test_a_change_is_served_on_the_same_port_and_named(loop: str, folder: Path) -> None:
    with developing(folder, "main:app", "--loop", loop) as dev:
        port, first = dev.port, dev.child.pid
        assert dev.get().text == "one"
        dev.write("main.py", APP.format(word="two"))
        dev.until_answered("two")
        assert dev.port == port
        assert dev.child.pid != first
        assert "main.py changed, reloading" in dev.output
        assert dev.end() == 0
    assert "Traceback" not in dev.output


def test_a_change_in_a_module_that_the_application_imports_counts(folder: Path) -> None:
    (folder / "words.py").write_text("WORD = 'one'\n")
    (folder / "main.py").write_text(APP.format(word="{WORD}").replace('"{WORD}"', "WORD") + "\nfrom words import WORD\n")
    with developing(folder, "main:app") as dev:
        assert dev.get().text == "one"
        dev.write("words.py", "WORD = 'two'\n")
        dev.until_answered("two")
        dev.until_printed("words.py changed, reloading")


@pytest.mark.parametrize("loop", LOOPS)
def test_an_open_stream_does_not_hold_a_reload_up(loop: str, folder: Path) -> None:
    with developing(folder, "main:app", "--loop", loop) as dev, open_stream(dev.port, "/ticks") as stream:
        start = time.monotonic()
        dev.write("main.py", APP.format(word="two"))
        while stream.recv(65536):
            pass
        dev.until_answered("two")
        assert time.monotonic() - start < 10
        with open_stream(dev.port, "/ticks"):
            assert dev.end(signal.SIGINT) == 0


def test_work_that_ignores_every_signal_is_killed_at_the_deadline(folder: Path) -> None:
    app = APP.replace("await anyio.sleep(600)", "print('held', flush=True)\n        while True: pass")
    (folder / "main.py").write_text(app.format(word="one"))
    with developing(folder, "main:app", "--timeout-graceful-shutdown", "0.2") as dev:
        with socket.create_connection(("127.0.0.1", dev.port)) as client:
            client.sendall(b"GET /stuck HTTP/1.1\r\nHost: x\r\n\r\n")
            dev.until_printed("held")
            dev.write("main.py", app.format(word="two"))
            dev.until_answered("two")
        assert "did not end in time and was killed" in dev.output


def test_no_client_is_refused_while_the_code_is_loaded(folder: Path) -> None:
    with developing(folder, "main:app") as dev:
        dev.write("main.py", "import time\nprint('loading it', flush=True)\ntime.sleep(1)\n" + APP.format(word="two"))
        dev.until_printed("loading it")
        assert dev.get().text == "two"


# ---- lint


@pytest.mark.parametrize("args", [[], ["--no-reload"]], ids=["reloading", "once"])
def test_application_and_server_are_held_to_the_agreement(args: list[str], folder: Path) -> None:
    (folder / "main.py").write_text("async def app(scope, receive, send):\n    assert scope['type'] != 'lifespan'\n")
    with developing(folder, "main:app", *args) as dev:
        assert dev.get().status_code == 500
        dev.until_printed("LintError: the application returned, and nothing was sent yet; http.response.start is missing")


@pytest.mark.parametrize("source", ["flag", "file"])
def test_lint_may_be_declined(source: str, folder: Path) -> None:
    (folder / "main.py").write_text("async def app(scope, receive, send):\n    assert scope['type'] != 'lifespan'\n")
    if source == "file":
        (folder / "pyproject.toml").write_text("[tool.pagi.server]\nlint = false\n")
    with developing(folder, "main:app", *(["--no-lint"] if source == "flag" else [])) as dev:
        assert dev.get().status_code == 500
        dev.until_printed("the application returned without answering")
        assert "LintError" not in dev.output


# ---- code that fails


def test_a_syntax_error_is_shown_until_it_is_repaired(folder: Path) -> None:
    with developing(folder, "main:app") as dev:
        dev.write("main.py", APP.format(word="two") + "\ndef (:\n")
        dev.until_printed("waiting for a change")
        assert "def (:" in dev.output
        assert "importlib" not in dev.output
        assert "pagi/cli" not in dev.output
        reply = dev.get()
        assert reply.status_code == 503
        assert "SyntaxError" in reply.json()["detail"]
        dev.write("main.py", APP.format(word="three"))
        dev.until_answered("three")


def test_a_failing_import_shows_the_developers_own_lines_here_and_in_the_browser(folder: Path) -> None:
    with developing(folder, "main:app") as dev:
        dev.write("main.py", "limit = 7\n1 / (limit - 7)\n")
        dev.until_printed("Error: main could not be imported: ZeroDivisionError")
        assert 'main.py", line 2' in dev.output
        assert "pagi/cli" not in dev.output
        reply = dev.get(accept=BROWSER)
        assert reply.headers["content-type"] == "text/html; charset=utf-8"
        assert "1 / (limit - 7)" in reply.text.replace("<mark>", "").replace("</mark>", "")


def test_the_first_version_may_fail_as_well(folder: Path) -> None:
    (folder / "main.py").write_text("import no_such_library\n")
    with developing(folder, "main:app") as dev:
        dev.until_printed("waiting for a change")
        dev.write("main.py", APP.format(word="two"))
        dev.until_answered("two")


def test_wiring_that_is_refused_is_shown_and_repaired(folder: Path) -> None:
    with developing(folder, "main:app") as dev:
        dev.write("main.py", APP.format(word="two") + "\napp.get('/')(hello)\n")
        dev.until_printed("waiting for a change")
        assert dev.get().status_code == 503
        dev.write("main.py", APP.format(word="two"))
        dev.until_answered("two")


def test_an_application_that_is_gone_for_a_while_is_waited_for(folder: Path) -> None:
    with developing(folder, "main:app") as dev:
        dev.write("main.py", "x = 1\n")
        dev.until_printed("Error: main has no attribute 'app'")
        dev.write("main.py", APP.format(word="two"))
        dev.until_answered("two")


def test_a_process_that_dies_is_told_of_and_replaced_after_a_change(folder: Path) -> None:
    with developing(folder, "main:app") as dev:
        dev.child.kill()
        dev.until_printed("the application ended by itself (SIGKILL); waiting for a change")
        assert "see the terminal" in dev.get(accept=BROWSER).text
        dev.write("main.py", APP.format(word="two"))
        dev.until_answered("two")


def test_a_lifespan_that_fails_is_waited_for(folder: Path) -> None:
    failure = "{'type': 'lifespan.startup.failed', 'message': 'no db'}"
    failing = f"async def app(scope, receive, send):\n    await receive()\n    await send({failure})\n"
    with developing(folder, "main:app") as dev:
        dev.write("main.py", failing)
        dev.until_printed("ended by itself (exit code 3)")
        assert "no db" in dev.output
        assert dev.get().status_code == 503
        dev.write("main.py", APP.format(word="two"))
        dev.until_answered("two")


# ---- the end


@pytest.mark.parametrize(("number", "loop"), [*((signal.SIGINT, loop) for loop in LOOPS), (signal.SIGTERM, "asyncio")])
def test_a_signal_ends_both_processes(number: signal.Signals, loop: str, folder: Path) -> None:
    with developing(folder, "main:app", "--loop", loop) as dev:
        child = dev.child
        assert dev.end(number) == 0
        assert not is_alive(child)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", dev.port))
    assert "Traceback" not in dev.output


@pytest.mark.parametrize(("path", "loop"), [*(("/ticks", loop) for loop in LOOPS), ("/stuck", "asyncio")])
def test_no_orphan_is_left_when_the_parent_is_killed(path: str, loop: str, folder: Path) -> None:
    with developing(folder, "main:app", "--loop", loop) as dev, socket.create_connection(("127.0.0.1", dev.port)) as client:
        child = dev.child
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream, */*\r\n\r\n".encode())
        dev.process.kill()
        dev.process.wait()
        until(lambda: not is_alive(child), "the child ends", seconds=10)


def test_a_child_that_is_still_importing_ends_with_its_parent(folder: Path) -> None:
    (folder / "main.py").write_text("print('importing', flush=True)\nimport time\ntime.sleep(600)\n")
    with developing(folder, "main:app", listens=False) as dev:
        dev.until_printed("importing")
        child = dev.child
        dev.process.kill()
        dev.process.wait()
        until(lambda: not is_alive(child), "the child ends", seconds=10)


# ---- what it is told


def test_the_banner_says_what_is_served_where_and_what_is_watched(folder: Path) -> None:
    with developing(folder, "main:app", "--reload-include", "*.html") as dev:
        assert dev.output.startswith(
            f"pagi dev main:app\n  http://127.0.0.1:{dev.port}\n  watching *.py *.html in {folder}; Ctrl-C ends it\n"
        )
        assert "\x1b" not in dev.output


def test_the_application_comes_from_the_settings(folder: Path) -> None:
    (folder / "pyproject.toml").write_text('[tool.pagi]\napp = "main:app"\n')
    with developing(folder) as dev:
        assert dev.get().text == "one"


def test_only_the_files_that_are_asked_for_count(folder: Path) -> None:
    (folder / "tests").mkdir()
    with developing(folder, "main:app", "--reload-include", "*.html", "--reload-exclude", "tests") as dev:
        dev.write("notes.txt", "x")
        (folder / "tests" / "test_a.py").write_text("x = 1\n")
        dev.write("page.html", "x")
        dev.until_printed("page.html changed, reloading")
        dev.until_printed("listening on", times=2)
        assert dev.output.count("reloading") == 1


def test_another_folder_is_watched_instead(folder: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    with developing(folder, "main:app", "--reload-dir", str(shared)) as dev:
        dev.write("main.py", APP.format(word="two"))
        (shared / "words.py").write_text("x = 1\n")
        dev.until_printed(f"{shared}/words.py changed, reloading")
        dev.until_answered("two")
        assert dev.output.count("reloading") == 1


def test_variables_are_read_anew_from_the_file(folder: Path) -> None:
    (folder / "main.py").write_text("import os\n" + APP.replace('"{word}"', 'os.environ["WORD"]'))
    (folder / "dev.env").write_text("WORD=one\n")
    with developing(folder, "main:app", "--env-file", "dev.env") as dev:
        assert dev.get().text == "one"
        dev.write("dev.env", "WORD=two\n")
        dev.until_answered("two")


def test_a_pagi_application_is_told_that_it_may_show_its_errors(folder: Path) -> None:
    with developing(folder, "main:app") as dev:
        assert dev.get("/debug").text == "True"


def test_without_reload_there_is_one_process_that_may_show_its_errors(folder: Path) -> None:
    with developing(folder, "main:app", "--no-reload", listens=False) as dev:
        dev.until_printed("listening on")
        assert psutil.Process(dev.process.pid).children() == []
        with socket.create_connection(("127.0.0.1", dev.port), timeout=PATIENCE_SECONDS) as client:
            client.sendall(b"GET /debug HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            data = b""
            while more := client.recv(65536):
                data += more
        assert data.endswith(b"True")
        assert dev.end() == 0


def test_the_watching_process_imports_nothing_of_the_application(folder: Path) -> None:
    (folder / "main.py").write_text(
        "import os\nfrom pathlib import Path\nPath(f'imported-by-{os.getpid()}').touch()\n" + APP.format(word="one")
    )
    with developing(folder, "main:app") as dev:
        assert [path.name for path in folder.glob("imported-by-*")] == [f"imported-by-{dev.child.pid}"]


def test_the_application_may_read_the_commands_arguments(folder: Path) -> None:
    (folder / "main.py").write_text("import sys\n" + APP.replace('"{word}"', "sys.argv[1]"))
    with developing(folder, "main:app") as dev:
        assert dev.get().text == "dev"


# ---- refusals


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "which application? There are three ways to name it:"),
        (["mian:app"], "there is no module 'mian'"),
        (["main:zzz"], "main has no attribute 'zzz'; name one: main:app"),
        (["mian.py"], "there is no file"),
    ],
)
def test_an_application_that_is_not_there_to_begin_with_is_exit_2(args: list[str], said: str, folder: Path) -> None:
    with developing(folder, *args, listens=False) as dev:
        assert dev.process.wait(PATIENCE_SECONDS) == 2
        assert said in dev.output


def test_a_taken_port_is_exit_3(folder: Path) -> None:
    with developing(folder, "main:app") as dev:
        (folder / "pyproject.toml").write_text(f"[tool.pagi.server]\nport = {dev.port}\n")
        second = folder.parent / "second"
        second.mkdir()
        (second / "main.py").write_text(APP.format(word="one"))
        result = CliRunner().invoke(main, ["dev", "main:app", "--app-dir", str(second), "--port", str(dev.port)])
        assert result.exit_code == 3
        assert "--port 0 for a free one" in result.stderr


def test_without_the_extra_the_remedy_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    result = CliRunner().invoke(main, ["dev", "main:app", "--port", "0"])
    assert result.exit_code == 3
    assert "pip install 'pagi-web[reload]'" in result.stderr


def test_the_reply_while_nothing_can_be_served_is_kept_by_nobody(folder: Path) -> None:
    (folder / "main.py").write_text("1 / 0\n")
    with developing(folder, "main:app") as dev:
        reply = dev.get()
        assert reply.headers["cache-control"] == "no-store"
        assert json.loads(reply.content)["status"] == 503
