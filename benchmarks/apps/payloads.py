"""The bytes that every contestant answers with, so that all are asked for the same."""

import os
from pathlib import Path

MIB = 1024 * 1024

PLAINTEXT = "Hello, World!"
MESSAGE = {"message": "Hello, World!"}
MESSAGE_BYTES = b'{"message":"Hello, World!"}'

LAYERS = 5
AREAS = 200
"""Routes of the routes workload: `/area1/{id}` and so on."""

CHUNK = b"0123456789abcdef" * 4
CHUNKS = 100

EVENT_TEXTS = tuple(f'{{"price":{1000 + number},"symbol":"PAGI","volume":{number}}}' for number in range(100))
"""One burst: what each subscriber gets after one trigger."""

EVENT_BYTES = tuple(f"data: {text}\n\n".encode() for text in EVENT_TEXTS)
HELLO_EVENT = "hello"

FILE_VARIABLE = "BENCH_FILE"
"""Environment variable with the path of the file to serve: `MIB` bytes, made by the benchmark for the length of its run."""

LARGE_FILE_MIB = 100
LARGE_FILE_VARIABLE = "BENCH_LARGE_FILE"
"""Likewise, of `LARGE_FILE_MIB`."""


def file_of(variable: str) -> Path:
    """The file that this variable of the environment names.

    Raises:
        RuntimeError: the variable is missing, because the application was not started by the benchmark.
    """
    path = os.environ.get(variable)
    if path is None:
        raise RuntimeError(f"{variable} is not set; start this application through benchmarks/run.py")
    return Path(path)


def served_file() -> Path:
    """The file of the file workload."""
    return file_of(FILE_VARIABLE)


def large_file() -> Path:
    """That of the workload of a large one."""
    return file_of(LARGE_FILE_VARIABLE)
