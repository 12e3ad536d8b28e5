"""What a WSGI application says, as events: when the head leaves, where the body ends, and every mistake by its name."""

import sys
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from pagi.gateway.reasons import ClientGone, Reason
from pagi.gateway.types import HeaderList, Message
from pagi.gateway.wsgi.answer import MOST_JOINED_BYTES, Answer, WSGIMistake, with_length
from pagi.gateway.wsgi.file_wrapper import FileWrapper

OK = ("200 OK", [("Content-Type", "text/plain")])
HEAD: Message = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
END: Message = {"type": "http.response.body", "body": b"", "more_body": False}


def part(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


class Told:
    """Takes what an answer hands over, each time as one list."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.is_gone = False

    def deliver(self, events: list[Message]) -> None:
        self.check()
        self.told.append(events)

    def deliver_whole(self, status: int, headers: HeaderList, body: bytes) -> None:
        self.told.append((status, headers, body))

    def check(self) -> None:
        if self.is_gone:
            raise ClientGone(Reason.CLIENT_CLOSED)

    def answer(self, **terms: bool) -> Answer:
        return Answer(self.deliver, self.deliver_whole, self.check, **terms)


class Closing:
    """An iterable with a `close`, as frameworks return it."""

    def __init__(self, *blocks: bytes) -> None:
        self.blocks = blocks

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.blocks)

    def close(self) -> None: ...


@pytest.fixture
def told() -> Told:
    return Told()


# ---- bodies


@pytest.mark.parametrize("blocks", [[b"hello"], (b"hello",), [b"he", b"", b"llo"], [b"hello", b""]])
def test_a_list_is_the_whole_answer_and_left_to_the_loop(blocks: Any, told: Told) -> None:
    answer = told.answer()
    answer.start_response(*OK)
    assert answer.send_all(blocks) == (200, [(b"content-type", b"text/plain")], b"hello")
    assert told.told == []


def test_no_blocks_are_an_empty_answer(told: Told) -> None:
    answer = told.answer()
    answer.start_response("204 No Content", [])
    assert answer.send_all([]) == (204, [], b"")


def test_a_large_list_is_not_copied_into_one(told: Told) -> None:
    answer = told.answer()
    answer.start_response(*OK)
    block = b"x" * MOST_JOINED_BYTES
    assert answer.send_all([block, b"y"]) is None
    assert told.told == [[HEAD, part(block)], [part(b"y")], [END]]


def test_blocks_leave_one_by_one_as_they_come(told: Told) -> None:
    seen: list[int] = []

    def blocks() -> Iterator[bytes]:
        for block in (b"a", b"b"):
            yield block
            seen.append(len(told.told))

    answer = told.answer()
    answer.start_response(*OK)
    assert answer.send_all(blocks()) is None
    assert seen == [1, 2]
    assert told.told == [[HEAD, part(b"a")], [part(b"b")], [END]]


def test_the_head_waits_for_the_first_byte_of_the_body(told: Told) -> None:
    seen: list[int] = []

    def blocks() -> Iterator[bytes]:
        yield b""
        seen.append(len(told.told))
        yield b"a"

    answer = told.answer()
    answer.start_response(*OK)
    answer.send_all(blocks())
    assert seen == [0]
    assert told.told[0] == [HEAD, part(b"a")]


def test_a_generator_may_start_the_answer_with_its_first_block(told: Told) -> None:
    answer = told.answer()

    def blocks() -> Iterator[bytes]:
        answer.start_response(*OK)
        yield b"a"

    answer.send_all(blocks())
    assert told.told == [[HEAD, part(b"a")], [END]]


def test_an_iterable_of_nothing_is_a_whole_answer(told: Told) -> None:
    answer = told.answer()
    answer.start_response(*OK)
    answer.send_all(iter([b""]))
    assert told.told == [(200, [(b"content-type", b"text/plain")], b"")]


def test_the_declared_length_ends_the_answer_with_its_last_byte(told: Told) -> None:
    answer = told.answer()
    answer.start_response("200 OK", [("Content-Length", "3")])
    answer.send_all(Closing(b"ab", b"c"))
    assert told.told[1:] == [[part(b"c", more=False)]]


def test_an_answer_of_one_block_with_its_length_leaves_at_once(told: Told) -> None:
    answer = told.answer()
    answer.start_response("200 OK", [("Content-Length", "2")])
    answer.send_all(Closing(b"ab"))
    assert told.told == [(200, [(b"content-length", b"2")], b"ab")]


def test_a_body_over_its_length_is_refused(told: Told) -> None:
    answer = told.answer()
    answer.start_response("200 OK", [("Content-Length", "2")])
    with pytest.raises(WSGIMistake, match="the body goes on after the 2 bytes of its Content-Length"):
        answer.send_all(Closing(b"ab", b"c"))


def test_write_leaves_at_once_and_before_what_is_returned(told: Told) -> None:
    answer = told.answer()
    write = answer.start_response(*OK)
    write(b"")
    assert told.told == []
    write(b"a")
    assert told.told == [[HEAD, part(b"a")]]
    answer.send_all([b"b"])
    assert told.told[1:] == [[part(b"b")], [END]]


def test_an_application_that_yields_nothing_for_nobody_is_stopped(told: Told) -> None:
    def blocks() -> Iterator[bytes]:
        yield b""
        told.is_gone = True
        yield b""
        pytest.fail("it went on for nobody")

    answer = told.answer()
    answer.start_response(*OK)
    with pytest.raises(ClientGone):
        answer.send_all(blocks())


# ---- HEAD


def test_of_a_body_that_nobody_will_see_only_the_first_block_is_asked_for(told: Told) -> None:
    answer = told.answer(is_head=True)

    def blocks() -> Iterator[bytes]:
        answer.start_response(*OK)
        yield b"a"
        pytest.fail("it was asked for more")

    answer.send_all(blocks())
    assert told.told == [[HEAD, END]]


def test_a_file_that_nobody_will_see_is_not_read(told: Told) -> None:
    class Unread(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            pytest.fail("it was read")

    answer = told.answer(is_head=True, sends_files=True)
    answer.start_response(*OK)
    answer.send_all(FileWrapper(Unread()))
    assert told.told == [[HEAD, END]]


# ---- files


def test_a_file_of_the_system_is_handed_over_by_descriptor_place_and_size(tmp_path: Path, told: Told) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    with (tmp_path / "file").open("rb") as file:
        file.seek(4)
        answer = told.answer(sends_files=True)
        answer.start_response(*OK)
        answer.send_all(FileWrapper(file))
        ((head, body),) = told.told
        assert head == HEAD
        assert (body["offset"], body["length"], body["fh"].fileno()) == (4, 6, file.fileno())


def test_no_more_of_a_file_is_sent_than_the_length_says(tmp_path: Path, told: Told) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    with (tmp_path / "file").open("rb") as file:
        answer = told.answer(sends_files=True)
        answer.start_response("200 OK", [("Content-Length", "3")])
        answer.send_all(FileWrapper(file))
        assert told.told[0][1]["length"] == 3


def test_any_other_file_is_handed_over_to_be_read(told: Told) -> None:
    file = BytesIO(b"0123")
    answer = told.answer(sends_files=True)
    answer.start_response(*OK)
    answer.send_all(FileWrapper(file))
    assert told.told == [[HEAD, {"type": "http.response.body", "fh": file}]]


def test_where_the_server_sends_no_files_they_are_read_block_by_block(told: Told) -> None:
    answer = told.answer()
    answer.start_response(*OK)
    answer.send_all(FileWrapper(BytesIO(b"abc"), 2))
    assert told.told == [[HEAD, part(b"ab")], [part(b"c")], [END]]


def test_a_wrapper_closes_its_file_and_minds_none_that_cannot_be_closed() -> None:
    file = BytesIO()
    FileWrapper(file).close()
    assert file.closed

    class Endless:
        def read(self, size: int, /) -> bytes:
            return b""

    FileWrapper(Endless()).close()


# ---- errors of the application, in the middle


def failure() -> Any:
    try:
        raise KeyError("mine")
    except KeyError:
        return sys.exc_info()


def test_an_error_replaces_an_answer_whose_head_has_not_left(told: Told) -> None:
    answer = told.answer()
    answer.start_response(*OK)
    answer.start_response("500 Oops", [], failure())
    assert answer.send_all([b"sorry"]) == (500, [], b"sorry")


def test_an_error_after_the_head_left_is_raised_again(told: Told) -> None:
    answer = told.answer()
    answer.start_response(*OK)(b"a")
    with pytest.raises(KeyError, match="mine"):
        answer.start_response("500 Oops", [], failure())


def test_a_head_that_was_refused_may_still_be_replaced(told: Told) -> None:
    answer = told.answer()
    answer.start_response(*OK)
    told.is_gone = True
    with pytest.raises(ClientGone):
        answer.write(b"a")
    assert not answer.head_left


# ---- mistakes

Wrong = Callable[[Answer], object]

MISTAKES: list[tuple[Wrong, str]] = [
    (lambda answer: answer.start_response("OK", []), "a status must be text such as '200 OK', got 'OK'"),
    (lambda answer: answer.start_response("200\nOK", []), "a status must be text such as '200 OK'"),
    (lambda answer: answer.start_response(200, []), "a status must be text such as '200 OK', got 200"),  # type: ignore[arg-type]
    (lambda answer: answer.start_response("200 OK", {}), "headers must be a list of pairs of text (str), got dict"),  # type: ignore[arg-type]
    (lambda answer: answer.start_response("200 OK", [("a",)]), "a header must be a pair of text (str)"),  # type: ignore[list-item]
    (lambda answer: answer.start_response("200 OK", [(b"a", b"b")]), "a header must be a pair of text (str)"),  # type: ignore[list-item]
    (lambda answer: answer.start_response("200 OK", [("a", "\u20ac")]), "whose characters are bytes, got ('a', '\u20ac')"),
    (lambda answer: (answer.start_response(*OK), answer.start_response(*OK)), "start_response was called twice"),
    (lambda answer: answer.send_all([b"x"]), "before it called start_response; call it first"),
    (lambda answer: answer.send_all(iter([b"x"])), "before it called start_response; call it first"),
    (lambda answer: answer.send_all([]), "before it called start_response; call it first"),
    (lambda answer: answer.send_all(["x"]), "a block of the body must be bytes, got str; encode it"),  # type: ignore[list-item]
    (lambda answer: answer.send_all(iter(["x"])), "a block of the body must be bytes, got str; encode it"),  # type: ignore[arg-type]
    (lambda answer: answer.send_all(b"x"), "the application returned bytes, not an iterable of bytes"),  # type: ignore[arg-type]
    (lambda answer: answer.send_all("x"), "the application returned str, not an iterable of bytes; return a list with it: [body]"),  # type: ignore[arg-type]
    (lambda answer: answer.send_all(None), "the application returned NoneType, not an iterable of bytes"),  # type: ignore[arg-type]
    (lambda answer: answer.write("x"), "a block of the body must be bytes, got str; encode it"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("wrong", "message"), MISTAKES)
def test_a_mistake_is_told_with_its_remedy(wrong: Wrong, message: str, told: Told) -> None:
    with pytest.raises(WSGIMistake) as caught:
        wrong(told.answer())
    assert message in str(caught.value)


def test_a_status_may_come_without_words(told: Told) -> None:
    answer = told.answer()
    answer.start_response("404", [])
    assert answer.send_all([]) == (404, [], b"")


# ---- the length of a whole answer


@pytest.mark.parametrize(
    ("status", "headers", "lengths"),
    [
        (200, [], [b"2"]),
        (200, [(b"content-length", b"7")], [b"7"]),
        (204, [], []),
        (304, [], []),
    ],
)
def test_the_length_of_a_whole_answer_is_added_where_it_belongs(status: int, headers: HeaderList, lengths: Iterable[bytes]) -> None:
    assert [value for name, value in with_length(status, headers, b"ab") if name == b"content-length"] == lengths
