"""What supervisor and worker say arrives whole, in order, and its end is noticed."""

import socket
from collections.abc import Iterator

import msgspec
import pytest

from pagi.server.options import server_options
from pagi.server.process.channel import MOST_UNREAD_BYTES, Ask, Beat, Channel, Failed, Order, Orders, Ready, Retire, Retiring, Status, Word

ORDERS = Orders(number=2, options=server_options(port=0, pid_file="x"), sockets=[3, 4], application=msgspec.Raw(b'{"app":"main:app"}'))


@pytest.fixture
def ends() -> Iterator[tuple[Channel[Word], Channel[Order]]]:
    """The supervisor's end and the worker's."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Channel[Word](ours, Word), Channel[Order](theirs, Order)


def test_every_order_arrives(ends: tuple[Channel[Word], Channel[Order]]) -> None:
    orders: list[Order] = [ORDERS, Ask("status"), Retire()]
    for order in orders:
        ends[0].send(order)
    heard = ends[1].receive()
    assert heard[1:] == orders[1:]
    assert isinstance(heard[0], Orders)
    assert (heard[0].number, heard[0].options, heard[0].sockets) == (2, ORDERS.options, [3, 4])
    assert bytes(heard[0].application) == b'{"app":"main:app"}'


def test_every_word_arrives(ends: tuple[Channel[Word], Channel[Order]]) -> None:
    words: list[Word] = [Ready(), Beat(), Failed("no", "why", 2), Retiring("old"), Status("status", {"connections": 1})]
    for word in words:
        ends[1].send(word)
    assert ends[0].receive() == words
    assert ends[0].receive() == []
    assert not ends[0].has_ended


def test_a_word_in_pieces_is_heard_once_it_is_whole(ends: tuple[Channel[Word], Channel[Order]]) -> None:
    text = msgspec.json.encode(Retiring("old")) + b"\n"
    for place in range(len(text)):
        assert ends[0].receive() == []
        ends[1].end.send(text[place : place + 1])
    assert ends[0].receive() == [Retiring("old")]


def test_the_last_words_are_heard_before_the_end(ends: tuple[Channel[Word], Channel[Order]]) -> None:
    ends[1].send(Failed("no"))
    ends[1].close()
    assert ends[0].receive() == [Failed("no")]
    assert ends[0].has_ended


def test_nothing_happens_when_nobody_is_there_any_more(ends: tuple[Channel[Word], Channel[Order]]) -> None:
    ends[1].close()
    ends[0].send(Retire())
    assert ends[0].receive() == []
    assert ends[0].has_ended


@pytest.mark.parametrize("nonsense", [b"hello\n", b'{"type":"nobody"}\n', b'{"type":"failed"}\n', b"\xff\n", b"[]\n"])
def test_who_talks_nonsense_is_not_listened_to(nonsense: bytes, ends: tuple[Channel[Word], Channel[Order]]) -> None:
    ends[1].send(Ready())
    ends[1].end.send(nonsense)
    assert ends[0].receive() == [Ready()]
    assert ends[0].has_ended


def test_what_the_other_end_does_not_read_yet_is_kept_in_order(ends: tuple[Channel[Word], Channel[Order]]) -> None:
    words = [Status("status", {"text": "x" * 100_000, "number": number}) for number in range(20)]
    for word in words:
        ends[1].send(word)
    heard: list[Word] = []
    while len(heard) < len(words):
        heard += ends[0].receive()
        ends[1].flush()
    assert heard == words


def test_what_nobody_ever_reads_is_given_up(ends: tuple[Channel[Word], Channel[Order]]) -> None:
    word = Status("status", {"text": "x" * (MOST_UNREAD_BYTES // 4)})
    for _ in range(8):
        ends[1].send(word)
    assert ends[1].has_ended


def test_a_line_without_end_is_given_up(ends: tuple[Channel[Word], Channel[Order]]) -> None:
    while not ends[0].has_ended:
        ends[1].end.send(b"x" * 65536)
        assert ends[0].receive() == []
