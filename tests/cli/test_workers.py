"""`pagi run --workers`: real processes, real signals, on every loop."""

import os
import re
import signal
import socket
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.cli.developing import is_alive, until
from tests.cli.supervised import APP, body, request, supervised

LOOPS = ["uvloop", "asyncio", "trio"]
TWO = ("--workers", "2")
ONE = ("--workers", "1", "--pid-file", "pid")
"""A supervisor, for its pid file, above a single worker."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project whose application says `one` and its process id."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "main.py").write_text(APP)
    return folder


# ---- serving and ending


@pytest.mark.parametrize("loop", LOOPS)
def test_all_workers_serve_and_term_drains_them(loop: str, folder: Path) -> None:
    with supervised(folder, "main:app", *TWO, "--loop", loop) as pagi:
        workers = pagi.workers()
        assert len(workers) == 2
        pagi.until(lambda: {f"one {pid}" for pid in workers} == pagi.answers(), "both workers answer")
        with pagi.connect() as client:
            client.sendall(request("/slow"))
            time.sleep(0.3)
            pagi.send(signal.SIGTERM)
            assert body(client).startswith("one ")
        assert pagi.exit_code() == 0
        assert not any(map(psutil.pid_exists, workers))
    assert pagi.output.count("lifespan ended") == 2
    assert "Traceback" not in pagi.output


def test_an_interrupt_of_the_whole_group_is_graceful_and_a_second_one_cuts(folder: Path) -> None:
    """As a terminal sends it: to the workers as well, which leave it to the supervisor."""
    with supervised(folder, "main:app", *TWO) as pagi, pagi.connect() as client:
        client.sendall(request("/stuck"))
        time.sleep(0.3)
        os.killpg(pagi.process.pid, signal.SIGINT)
        pagi.until(lambda: len(pagi.workers()) == 1, "the idle worker ends")
        time.sleep(0.3)
        assert pagi.process.poll() is None
        began = time.monotonic()
        os.killpg(pagi.process.pid, signal.SIGINT)
        assert pagi.exit_code() == 4
        assert time.monotonic() - began < 15
    assert pagi.output.count("lifespan ended") == 2
    assert "interrupted twice" in pagi.output


def test_work_cut_at_the_deadline_ends_with_4(folder: Path) -> None:
    with supervised(folder, "main:app", *TWO, "--timeout-graceful-shutdown", "0.3") as pagi, pagi.connect() as client:
        client.sendall(request("/stuck"))
        time.sleep(0.3)
        assert pagi.end() == 4
    assert pagi.output.count("lifespan ended") == 2


def test_term_while_the_workers_start_ends_all_cleanly(folder: Path) -> None:
    (folder / "main.py").write_text("print('importing', flush=True)\nimport time\ntime.sleep(60)\n")
    with supervised(folder, "main:app", *TWO, listens=False) as pagi:
        pagi.until_said("importing", 2)
        workers = pagi.workers()
        assert pagi.end() == 0
        assert not any(map(psutil.pid_exists, workers))


@pytest.mark.quiet
@pytest.mark.parametrize("loop", LOOPS)
def test_no_worker_outlives_a_supervisor_that_is_killed(loop: str, folder: Path) -> None:
    with supervised(folder, "main:app", *TWO, "--loop", loop) as pagi, pagi.connect() as client:
        client.sendall(request("/block"))
        time.sleep(0.3)
        port = pagi.port
        workers = [psutil.Process(pid) for pid in pagi.workers()]
        pagi.process.kill()
        pagi.process.wait()
        until(lambda: not any(map(is_alive, workers)), "every worker ends, the blocked one as well", seconds=2.5)
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", port))


# ---- the first start


def test_an_application_that_fails_to_load_is_exit_3_and_told_once(folder: Path) -> None:
    (folder / "main.py").write_text("def broken():\n    1 / 0\nbroken()\n")
    with supervised(folder, "main:app", "--workers", "3", listens=False) as pagi:
        assert pagi.exit_code() == 3
    assert pagi.output.count("main could not be imported: ZeroDivisionError: division by zero") == 1
    assert pagi.output.count("in broken") == 1
    assert "pagi/" not in pagi.output


def test_a_lifespan_that_fails_is_exit_3(folder: Path) -> None:
    failed = "{'type': 'lifespan.startup.failed', 'message': 'no database'}"
    (folder / "main.py").write_text(f"async def app(scope, receive, send):\n    await receive()\n    await send({failed})\n")
    with supervised(folder, "main:app", *TWO, listens=False) as pagi:
        assert pagi.exit_code() == 3
    assert "the lifespan failed to start: no database" in pagi.output
    assert "Traceback" not in pagi.output


def test_a_worker_that_is_killed_while_it_starts_is_exit_3(folder: Path) -> None:
    (folder / "main.py").write_text("import os\nos.kill(os.getpid(), 9)\n")
    with supervised(folder, "main:app", *TWO, listens=False) as pagi:
        assert pagi.exit_code() == 3
    assert "it ended before it served (SIGKILL)" in pagi.output


def test_an_application_that_is_not_there_is_exit_2(folder: Path) -> None:
    with supervised(folder, "main:ap", *TWO, listens=False) as pagi:
        assert pagi.exit_code() == 2
    assert "did you mean app?" in pagi.output


def test_an_import_that_takes_too_long_is_exit_3(folder: Path) -> None:
    (folder / "main.py").write_text("import time\ntime.sleep(60)\n")
    limits = ("--timeout-worker-boot", "0.5", "--timeout-startup", "0.5")
    with supervised(folder, "main:app", *TWO, *limits, listens=False) as pagi:
        assert pagi.exit_code() == 3
    assert "it did not serve within 1 s" in pagi.output


# ---- workers that end or stand still


def test_a_worker_that_dies_is_replaced_and_the_others_serve_on(folder: Path) -> None:
    with supervised(folder, "main:app", *TWO) as pagi:
        dead, left = sorted(pagi.workers())
        os.kill(dead, signal.SIGKILL)
        pagi.until_said(f"(pid {dead}) ended (SIGKILL), restarting in 0.5 s")
        assert pagi.ask() == f"one {left}"
        pagi.until_said("is ready after", 3)
        pagi.until(lambda: len(pagi.answers()) == 2, "two workers answer")
        assert pagi.end() == 0


def test_an_application_that_dies_at_each_start_backs_off(folder: Path) -> None:
    with supervised(folder, "main:app", *ONE) as pagi:
        pagi.write("import os\nos._exit(7)\n")
        os.kill(next(iter(pagi.workers())), signal.SIGKILL)
        pagi.until_said("trying again in 2 s")
        assert re.findall(r"(?:restarting|trying again) in ([\d.]+) s", pagi.output)[:3] == ["0.5", "1", "2"]
        pagi.write(APP.replace('"one"', '"repaired"'))
        pagi.send(signal.SIGHUP)
        pagi.until(lambda: pagi.ask().startswith("repaired"), "HUP does not wait for the next try")


@pytest.mark.parametrize("loop", LOOPS)
def test_a_blocked_loop_is_noticed_told_and_replaced(loop: str, folder: Path) -> None:
    with supervised(folder, "main:app", *ONE, "--loop", loop, "--timeout-worker-stall", "0.6") as pagi, pagi.connect() as client:
        (blocked,) = pagi.workers()
        client.sendall(request("/block"))
        pagi.until_said(f"(pid {blocked}) has been blocked for")
        pagi.until(lambda: pagi.ask() != f"one {blocked}", "another answers")
        pagi.until_said("is still silent and is killed")
        pagi.until(lambda: not psutil.pid_exists(blocked), "the blocked one is gone")
        assert "in block" in pagi.output
        assert pagi.end() == 0


def test_a_long_lifespan_start_is_not_taken_for_a_blocked_loop(folder: Path) -> None:
    slow = '        import time; time.sleep(4)\n        await send({"type": "lifespan.startup.complete"})'
    (folder / "main.py").write_text(APP.replace('        await send({"type": "lifespan.startup.complete"})', slow))
    with supervised(folder, "main:app", *TWO, "--timeout-worker-stall", "2") as pagi:
        assert "blocked" not in pagi.output
        assert pagi.output.count("is ready after") == 2


# ---- limits


def test_a_worker_that_served_enough_is_replaced_without_losing_a_request(folder: Path) -> None:
    with supervised(folder, "main:app", "--limit-max-requests", "20", "--limit-max-requests-jitter", "10", *ONE) as pagi:
        first = pagi.ask()
        for _ in range(80):
            pagi.ask()
        pagi.until_said("wishes to be replaced: as many requests have begun as max_requests allows")
        pagi.until(lambda: pagi.ask() != first, "a successor answers")
        pagi.until_said(") ended")
        assert pagi.end() == 0


@pytest.mark.parametrize("loop", LOOPS)
def test_without_workers_the_process_ends_cleanly_after_so_many(loop: str, folder: Path) -> None:
    with supervised(folder, "main:app", "--loop", loop, "--limit-max-requests", "3", "--workers", "1") as pagi:
        assert pagi.workers() == set()
        for _ in range(3):
            pagi.ask()
        assert pagi.exit_code() == 0
    assert "lifespan ended" in pagi.output


@pytest.mark.quiet
def test_connections_spread_over_the_workers(folder: Path) -> None:
    with supervised(folder, "main:app", "--workers", "4") as pagi, ExitStack() as opened:
        clients = [opened.enter_context(pagi.connect()) for _ in range(64)]  # all stay open until the last one is counted
        counts: Counter[bytes] = Counter()
        for client in clients:
            client.sendall(request(close=False))
        for client in clients:
            counts[client.recv(65536).rpartition(b" ")[2]] += 1
        print(f"\n64 connections on 4 workers: {sorted(counts.values())}")
        assert max(counts.values()) <= 64 * 0.4, counts


# ---- more and fewer


def test_ttin_and_ttou_change_the_number(folder: Path) -> None:
    with supervised(folder, "main:app", "--workers", "2") as pagi:
        two = pagi.workers()
        pagi.send(signal.SIGTTIN)
        pagi.until_said("is ready after", 3)
        assert pagi.workers() > two
        pagi.send(signal.SIGTTOU)
        pagi.until(lambda: pagi.workers() == two, "the third ends")
        pagi.send(signal.SIGTTOU)
        pagi.until(lambda: len(pagi.workers()) == 1, "the second ends")
        pagi.send(signal.SIGTTOU)
        pagi.until_said("the last worker stays")
        assert pagi.ask().startswith("one ")


# ---- one process


def test_without_workers_hup_is_a_warning(folder: Path) -> None:
    with supervised(folder, "main:app", "--workers", "1") as pagi:
        pagi.send(signal.SIGHUP)
        pagi.until_said("HUP: nothing is loaded anew without workers")
        assert pagi.ask() == f"one {pagi.process.pid}"
        assert pagi.end() == 0


def test_workers_may_come_from_the_platforms_variable(folder: Path) -> None:
    with supervised(folder, "main:app", environment={"WEB_CONCURRENCY": "3"}) as pagi:
        assert len(pagi.workers()) == 3
