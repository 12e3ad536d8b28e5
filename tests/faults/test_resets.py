"""A client that vanishes by a TCP reset, at every byte of what it had to say: nothing of it stays behind."""

import psutil
import pytest

from tests.faults.conversations import CONVERSATIONS, reset
from tests.faults.remains import Life, settled
from tests.server.child import Child, read_until

KIB = 1024
ROUNDS = 3
SLACK = 256 * KIB
"""What an allocator may still take after the first rounds: one thing kept of each of 1,000 clients would be more."""


@pytest.mark.parametrize("kind", CONVERSATIONS)
def test_a_reset_before_anything_was_read_leaves_nothing_behind(kind: str, child: Child, before: Life) -> None:
    data = CONVERSATIONS[kind].data
    for count in range(len(data) + 1):
        client = child.connect()
        client.sendall(data[:count])
        reset(client)
    assert settled(child, before) == before


@pytest.mark.parametrize("kind", CONVERSATIONS)
def test_a_reset_at_every_byte_leaves_nothing_behind(kind: str, child: Child, before: Life) -> None:
    data = CONVERSATIONS[kind].data
    clients = [child.connect() for _ in range(len(data) + 1)]
    for count, client in enumerate(clients):
        client.sendall(data[:count])
    child.get("/")  # it comes last: what came before was read
    child.get("/")
    for client in clients:
        reset(client)
    assert settled(child, before) == before


@pytest.mark.parametrize("path", ["/stream", "/wait", "/fail-late", "/file?8000000"])
def test_a_reset_in_the_middle_of_an_answer_leaves_nothing_behind(path: str, child: Child, before: Life) -> None:
    for _ in range(50):
        client = child.connect()
        client.sendall(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode())
        read_until(client, b"HTTP/1.1 200 ")
        reset(client)
    assert settled(child, before) == before


def test_memory_does_not_grow_with_clients_that_vanish(child: Child) -> None:
    sizes: list[int] = []
    for _ in range(ROUNDS):
        for conversation in CONVERSATIONS.values():
            for count in range(len(conversation.data) + 1):
                client = child.connect()
                client.sendall(conversation.data[:count])
                reset(client)
        child.get("/alive")
        sizes.append(child.rss())
    print(f"\nafter each round of {sum(len(conversation.data) for conversation in CONVERSATIONS.values())} clients: {sizes}")
    assert sizes[-1] - sizes[0] <= SLACK


def test_descriptors_are_counted_and_given_back(child: Child, before: Life) -> None:
    clients = [child.connect() for _ in range(100)]
    child.get("/")
    assert psutil.Process(child.process.pid).num_fds() >= before.descriptors + 99
    for client in clients:
        reset(client)
    assert settled(child, before) == before
