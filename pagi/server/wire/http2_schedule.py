"""Whose turn it is to send (RFC 9218 section 10). Knows nothing of bytes and windows: it is told who has some and may send them."""

from collections import deque
from heapq import heapify, heappop, heappush

from pagi.server.wire.http2_priority import LEVELS
from pagi.server.wire.http2_streams import Place, Stream


class _Level:
    """The streams of one urgency.

    Those that are of use only as a whole, and whose end is known, go one after another. They are one party among the others, which take
    turns: so a stream without end keeps nobody waiting for ever.
    """

    __slots__ = ("parties", "sequence")

    def __init__(self) -> None:
        self.sequence: list[tuple[int, Stream]] = []
        self.parties: deque[Stream | None] = deque()
        """None is `sequence`, while it has any."""


class Schedule:
    """The streams that have something to send and may."""

    __slots__ = ("_levels", "size")

    def __init__(self) -> None:
        self._levels: list[_Level | None] = [None] * LEVELS
        self.size = 0

    def add(self, stream: Stream) -> None:
        """The stream has something to send, behind all who wait already."""
        if stream.place is not Place.NOWHERE:
            return
        self.size += 1
        level = self._levels[stream.urgency]
        if level is None:
            level = self._levels[stream.urgency] = _Level()
        if stream.ends and not stream.incremental:
            stream.place = Place.SEQUENCE
            if not level.sequence:
                level.parties.append(None)
            heappush(level.sequence, (stream.stream_id, stream))
        else:
            stream.place = Place.ROTATION
            level.parties.append(stream)

    def discard(self, stream: Stream) -> None:
        """The stream has nothing to send any more, or may not."""
        if stream.place is Place.NOWHERE:
            return
        self.size -= 1
        level = self._level(stream)
        if stream.place is Place.ROTATION:
            level.parties.remove(stream)
        else:
            level.sequence.remove((stream.stream_id, stream))
            heapify(level.sequence)
            if not level.sequence:
                level.parties.remove(None)
        stream.place = Place.NOWHERE

    def move(self, stream: Stream, urgency: int, incremental: bool) -> None:
        """The client changed its mind about the stream."""
        waits = stream.place is not Place.NOWHERE
        self.discard(stream)
        stream.urgency = urgency
        stream.incremental = incremental
        if waits:
            self.add(stream)

    def end_known(self, stream: Stream) -> None:
        """The stream will get nothing more: it may go with those that are sent as a whole."""
        if stream.place is Place.ROTATION and not stream.incremental:
            self.discard(stream)
            self.add(stream)

    def next(self) -> Stream | None:
        """Whose turn it is. `took_turn` must follow before the next call."""
        for level in self._levels:
            if level is not None and level.parties:
                return level.parties[0] or level.sequence[0][1]
        return None

    def took_turn(self, stream: Stream, is_done: bool) -> None:
        """The stream that `next` gave has sent a frame. If it is done it waits no longer."""
        level = self._level(stream)
        parties = level.parties
        if is_done:
            self.size -= 1
            if stream.place is Place.SEQUENCE:
                heappop(level.sequence)
                if level.sequence:
                    parties.rotate(-1)
                else:
                    parties.popleft()
            else:
                parties.popleft()
            stream.place = Place.NOWHERE
        elif len(parties) > 1:
            parties.rotate(-1)

    def _level(self, stream: Stream) -> _Level:
        level = self._levels[stream.urgency]
        assert level is not None, "a stream waits where its urgency is"
        return level
