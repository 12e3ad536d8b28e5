"""More clients than the system keeps waiting, while the loop is held up: whoever is accepted later is answered."""

import threading
import time
from contextlib import ExitStack
from pathlib import Path

from tests.faults.conftest import APP
from tests.server.child import Child, read_until, running

BACKLOGS = (1, 4, 16)
MORE = 6
"""Clients past the backlog: the system lets them wait without a place, and their own asks again after a second."""
HELD_SECONDS = 0.6


def ask(child: Child, answers: list[bytes]) -> None:
    with child.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answers.append(read_until(client, b"hello"))


def test_whoever_did_not_fit_is_answered_later(loop: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        asked: list[tuple[int, list[bytes], list[threading.Thread]]] = []
        for backlog in BACKLOGS:
            folder = tmp_path / str(backlog)
            folder.mkdir()
            child = stack.enter_context(running(folder, APP, "--loop", loop, "--backlog", str(backlog)))
            stop = stack.enter_context(child.connect())
            stop.sendall(b"GET /stop?%f HTTP/1.1\r\nHost: x\r\n\r\n" % HELD_SECONDS)
            time.sleep(0.1)
            answers: list[bytes] = []
            threads = [threading.Thread(target=ask, args=(child, answers)) for _ in range(backlog + MORE)]
            for thread in threads:
                thread.start()
            asked.append((backlog, answers, threads))
        for backlog, answers, threads in asked:
            for thread in threads:
                thread.join()
            assert len(answers) == backlog + MORE
            assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in answers)
