"""Appends numbered rows to a SQLite file, as somebody who knows nothing of the server: `appender.py FILE PER_SECOND`."""

import select
import sqlite3
import sys
import time
from contextlib import closing

LAST = "the end"


def create(path: str) -> None:
    """The file, without rows."""
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("CREATE TABLE events (number INTEGER PRIMARY KEY AUTOINCREMENT, word TEXT NOT NULL)")
        file.commit()


def append(path: str, per_second: float) -> None:
    """So many rows a second, one by one, until the input ends; then the last."""
    with closing(sqlite3.connect(path, timeout=5)) as file:
        began = time.monotonic()
        number = 0
        while not over():
            number += 1
            add(file, f"event {number}")
            time.sleep(max(began + number / per_second - time.monotonic(), 0))
        add(file, LAST)


def add(file: sqlite3.Connection, word: str) -> None:
    file.execute("INSERT INTO events (word) VALUES (?)", (word,))
    file.commit()


def over() -> bool:
    """The input has ended."""
    return bool(select.select([sys.stdin], [], [], 0)[0])


if __name__ == "__main__":
    append(sys.argv[1], float(sys.argv[2]))
