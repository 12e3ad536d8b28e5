"""What can go wrong in a benchmark, each with the facts to mend it."""


class BenchmarkError(Exception):
    """Raised when the benchmark cannot go on, or must not: its numbers would be wrong."""


class ServerFailed(BenchmarkError):
    """A contestant ended, or did not listen in time."""

    def __init__(self, name: str, reason: str, output: str) -> None:
        super().__init__(f"{name} {reason}; the end of its output:\n{output}")


class WrongAnswer(BenchmarkError):
    """A contestant answered, but not what it was asked for."""


class RoundFailed(BenchmarkError):
    """Some requests of a round were not answered, or answered with an error: nothing of it counts."""


class NotServed(BenchmarkError):
    """Raised when a contestant does not have what the workload is about: no failure, it just does not compete there."""
