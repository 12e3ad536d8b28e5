"""TLS on a line of memory: what is told to whom, and in which order. No loop, no socket."""

import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, cast

import pytest

from pagi.gateway.reasons import Reason
from pagi.server.runtime import Listener, Runtime
from pagi.server.transports.tls_line import RECORD_BYTES, TLSLine
from tests.server.certificates import Authority, Issued


class MemoryLine:
    """The line below: keeps what it is given, and lets it go when told."""

    sends_files = True

    def __init__(self) -> None:
        self.sent = b""
        self.calls: list[str] = []
        self.held = 0
        self.holds = False

    def hand_over(self, listener: Listener) -> None:
        """Never asked: it is told what to tell."""

    def write(self, parts: Sequence[Any]) -> None:
        data = b"".join(parts)
        assert data
        self.sent += data
        self.held += len(data) if self.holds else 0

    def buffered(self) -> int:
        return self.held

    def pause_reading(self) -> None:
        self.calls.append("pause")

    def resume_reading(self) -> None:
        self.calls.append("resume")

    def when_sent(self, fn: Callable[[], None]) -> None:
        self.calls.append("when sent")
        fn()

    def close(self, *, linger: bool = False) -> None:
        self.calls.append("close and linger" if linger else "close")

    def abort(self) -> None:
        self.calls.append("abort")


class Ear:
    """Who listens: keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[bytes | str] = []
        self.is_congested = False
        self.does: Callable[[], None] = lambda: None

    def received(self, data: bytes) -> None:
        self.told.append(data)
        self.does()

    def lost(self, reason: Reason) -> None:
        self.told.append(f"lost: {reason.value}")

    def congested(self) -> None:
        self.is_congested = True

    def drained(self) -> None:
        self.is_congested = False


class Later:
    """The one thing that is asked of a loop."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []

    def soon(self, fn: Callable[[], None]) -> None:
        self.calls.append(fn)

    def run(self) -> None:
        """The tick ends."""
        calls, self.calls = self.calls, []
        for call in calls:
            call()


class Ends:
    """A line under TLS, and the client at its other end."""

    def __init__(self, context: ssl.SSLContext, trusting: ssl.SSLContext) -> None:
        self.below, self.ear, self.later = MemoryLine(), Ear(), Later()
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = context.wrap_bio(incoming, outgoing, server_side=True)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = trusting.wrap_bio(self._in, self._out, server_hostname="localhost")
        for _ in range(3):
            for end in (self.client, server):
                with suppress(ssl.SSLWantReadError):
                    end.do_handshake()
                incoming.write(self._out.read())
                self._in.write(outgoing.read())
        self.line = TLSLine(self.below, cast(Runtime, self.later), server, incoming, outgoing)
        self.line.hand_over(self.ear)

    def seal(self, data: bytes) -> bytes:
        """What the client sends for that."""
        view = memoryview(data)
        while view:
            view = view[self.client.write(view) :]
        return self._out.read()

    def seal_end(self) -> bytes:
        """Its closing alert."""
        with suppress(ssl.SSLError):
            self.client.unwrap()
        return self._out.read()

    def opened(self) -> bytes | None:
        """What the client reads of all that was sent; None at the end of it."""
        self._in.write(self.below.sent)
        self.below.sent = b""
        data = b""
        try:
            while more := self.client.read(RECORD_BYTES):
                data += more
        except ssl.SSLWantReadError:
            return data
        except ssl.SSLZeroReturnError:
            pass
        return data or None


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def ends(request: pytest.FixtureRequest, authority: Authority, own: Issued) -> Ends:
    """Both ends, after their handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.certfile, own.keyfile)
    context.maximum_version = request.param
    return Ends(context, authority.trusted())


def test_bytes_arrive_both_ways(ends: Ends) -> None:
    ends.line.received(ends.seal(b"hello"))
    ends.line.write([b"good", b"day"])
    assert ends.ear.told == [b"hello"]
    assert ends.opened() == b"goodday"


def test_records_that_arrive_together_are_told_together(ends: Ends) -> None:
    data = bytes(range(256)) * 1000
    ends.line.received(ends.seal(data))
    assert ends.ear.told == [data]


def test_a_record_in_single_bytes_is_told_when_it_is_whole(ends: Ends) -> None:
    sealed = ends.seal(b"hello")
    for at in range(len(sealed)):
        assert ends.ear.told == []
        ends.line.received(sealed[at : at + 1])
    assert ends.ear.told == [b"hello"]


@pytest.mark.parametrize("size", [1, RECORD_BYTES - 1, RECORD_BYTES, RECORD_BYTES + 1, 1_000_000])
def test_a_write_of_any_size_arrives(ends: Ends, size: int) -> None:
    data = b"0123456789" * (size // 10 + 1)
    ends.line.write([data[:size]])
    assert ends.opened() == data[:size]


def test_openssl_is_given_no_more_than_a_record_at_once() -> None:
    # It keeps room for as much as it was ever given, for as long as the connection lives.
    given: list[int] = []

    class Measured:
        def write(self, data: bytes) -> int:
            given.append(len(data))
            return min(len(data), 4000)  # as where the peer asked for small records

    outgoing = ssl.MemoryBIO()
    outgoing.write(b"sealed")
    line = TLSLine(MemoryLine(), cast(Runtime, Later()), cast(ssl.SSLObject, Measured()), ssl.MemoryBIO(), outgoing)
    line.write([b"x" * 100_000])
    assert len(given) == 25
    assert max(given) == RECORD_BYTES


def test_nothing_becomes_no_record(ends: Ends) -> None:
    ends.line.write([b"", b""])
    assert ends.below.sent == b""


def test_a_closing_alert_is_the_end_of_input_and_answers_still_leave(ends: Ends) -> None:
    ends.line.received(ends.seal_end())
    assert ends.ear.told == [b""]
    ends.line.write([b"answer"])
    assert ends.opened() == b"answer"


def test_the_end_of_input_is_told_once(ends: Ends) -> None:
    ends.line.received(ends.seal_end())
    ends.line.received(b"")
    assert ends.ear.told == [b""]


def test_an_end_without_an_alert_is_one_as_well(ends: Ends) -> None:
    ends.line.received(b"")
    assert ends.ear.told == [b""]


def test_an_end_that_comes_with_bytes_is_told_a_little_later(ends: Ends) -> None:
    ends.line.received(ends.seal(b"last") + ends.seal_end())
    assert ends.ear.told == [b"last"]
    ends.later.run()
    assert ends.ear.told == [b"last", b""]


def test_an_end_that_comes_while_reading_is_paused_waits(ends: Ends) -> None:
    ends.ear.does = ends.line.pause_reading
    ends.line.received(ends.seal(b"last") + ends.seal_end())
    ends.later.run()
    assert ends.ear.told == [b"last"]
    ends.line.resume_reading()
    assert ends.ear.told == [b"last"]  # whoever resumes is in the middle of something
    ends.later.run()
    assert ends.ear.told == [b"last", b""]
    assert ends.below.calls == ["pause", "resume", "pause"]


def test_a_line_closed_meanwhile_is_told_no_end(ends: Ends) -> None:
    ends.line.received(ends.seal(b"last") + ends.seal_end())
    ends.line.close()
    ends.later.run()
    assert ends.ear.told == [b"last"]


@pytest.mark.parametrize("linger", [False, True])
def test_closing_sends_an_alert_and_then_closes_as_it_was_told(ends: Ends, linger: bool) -> None:
    ends.line.write([b"answer"])
    ends.line.close(linger=linger)
    ends.line.close()
    assert ends.below.calls == ["close and linger" if linger else "close"]
    assert ends.opened() == b"answer"
    assert ends.opened() is None


def test_aborting_says_nothing(ends: Ends) -> None:
    ends.line.abort()
    assert (ends.below.calls, ends.below.sent) == (["abort"], b"")


def test_a_closed_line_hears_and_writes_nothing(ends: Ends) -> None:
    ends.line.close()
    ends.below.sent = b""
    ends.line.received(ends.seal(b"more"))
    ends.line.write([b"more"])
    assert (ends.ear.told, ends.below.sent) == ([], b"")


def test_a_line_closed_while_it_tells_says_no_more(ends: Ends) -> None:
    ends.ear.does = ends.line.abort
    ends.line.received(ends.seal(b"one") + b"\x17\x03\x03\x00\x01x")
    ends.later.run()
    assert ends.ear.told == [b"one"]
    assert ends.below.calls == ["abort"]


def test_a_record_that_was_changed_ends_the_line_and_the_peer_is_told(ends: Ends) -> None:
    sealed = bytearray(ends.seal(b"hello"))
    sealed[-1] ^= 1
    ends.line.received(bytes(sealed))
    assert ends.ear.told == ["lost: read_error"]
    assert ends.below.calls == ["close and linger"]
    with pytest.raises(ssl.SSLError, match=r"(?i)bad record mac"):
        ends.opened()
    ends.line.lost(Reason.CLIENT_CLOSED)  # the other line's own end
    assert ends.ear.told == ["lost: read_error"]


def test_bytes_before_a_broken_record_are_still_told(ends: Ends) -> None:
    ends.line.received(ends.seal(b"hello") + b"GET / HTTP/1.1\r\n\r\n")
    assert ends.ear.told == [b"hello", "lost: read_error"]


def test_a_lost_line_is_told_once_with_its_reason(ends: Ends) -> None:
    ends.line.lost(Reason.WRITE_ERROR)
    ends.line.lost(Reason.CLIENT_CLOSED)
    ends.line.write([b"late"])
    ends.line.close()
    assert ends.ear.told == ["lost: write_error"]
    assert (ends.below.sent, ends.below.calls) == (b"", [])


def test_marks_are_handed_on_and_the_last_listener_is_asked(ends: Ends) -> None:
    later = Ear()
    said: list[bool] = []
    ends.line.congested()
    said.append(ends.line.is_congested)
    ends.line.hand_over(later)
    said.append(ends.line.is_congested)
    ends.line.congested()
    said.append(later.is_congested)
    ends.line.drained()
    said.append(ends.line.is_congested)
    assert said == [True, False, True, False]


class Talkative:
    """Stands for OpenSSL under a peer that asks for new keys again and again."""

    def __init__(self, outgoing: ssl.MemoryBIO) -> None:
        self._outgoing = outgoing

    def read(self, size: int) -> bytes:
        """Has an answer, and nothing to tell."""
        self._outgoing.write(b"x" * 27)
        raise ssl.SSLWantReadError


def answering() -> tuple[TLSLine, MemoryLine]:
    below, outgoing = MemoryLine(), ssl.MemoryBIO()
    tls = cast(ssl.SSLObject, Talkative(outgoing))
    line = TLSLine(below, cast(Runtime, Later()), tls, ssl.MemoryBIO(), outgoing)
    line.hand_over(Ear())
    return line, below


def test_what_openssl_answers_leaves_at_once() -> None:
    line, below = answering()
    for count in range(1, 2000):
        line.received(b"a new key, please")
        assert len(below.sent) == 27 * count
    assert below.calls == []


def test_a_peer_that_makes_us_answer_and_does_not_read_is_cut() -> None:
    line, below = answering()
    below.holds = True
    for _ in range(2000):
        line.received(b"a new key, please")
    assert below.calls == ["abort"]
    assert len(below.sent) <= 16 * 1024


def test_unsent_bytes_are_counted_as_they_were_written(ends: Ends) -> None:
    ends.below.holds = True
    ends.line.write([b"x" * 100_000])
    assert ends.below.held > 100_000
    assert ends.line.buffered() == 100_000
    ends.below.held = 0
    assert ends.line.buffered() == 0


def test_the_account_of_a_busy_line_does_not_grow(ends: Ends) -> None:
    for _ in range(1000):
        ends.line.write([b"x"])
    assert len(ends.line._account._writes) < 100  # pyright: ignore[reportPrivateUsage]


def test_files_are_not_for_a_line_that_has_to_seal_them(ends: Ends) -> None:
    assert not ends.line.sends_files
