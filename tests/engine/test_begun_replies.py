"""First tokens of replies that still come in are told once, and few users are woken for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

from chatload.engine.begun_replies import MOST_WOKEN, OpenReply, begun
from chatload.engine.connection import Connection
from chatload.engine.stream import ReplyStream
from tests.engine.exchange import DONE, ROLE, STOP, Exchange, token
from tests.engine.scripted import MS, Wire, reply


@dataclass
class Stream:
    """A stream of so many reads, and whether its first token is known."""

    number: int
    reads: int = 1
    first_ns: int | None = None
    woken: int = 0
    stamps: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        meter = SimpleNamespace(first_token_ns=self.first_ns)
        self.meter, self.opened = meter, OpenReply(f"{self.number}-1", 5 * MS, meter)

    @property
    def unframed(self) -> range:
        return range(self.reads)

    def wake(self) -> None:
        self.woken += 1


def test_each_first_token_is_told_once() -> None:
    streams = [Stream(0, first_ns=12 * MS), Stream(1, first_ns=7 * MS), Stream(2)]
    assert begun(streams) == {"0-1": 7.0, "1-1": 2.0}
    streams[2].meter.first_token_ns = 9 * MS
    assert begun(streams) == {"2-1": 4.0}
    assert begun(streams) == {}


def test_few_are_woken_and_only_for_what_has_come_since() -> None:
    streams = [Stream(number, reads=0) for number in range(3)] + [Stream(number) for number in range(30)]
    begun(streams)
    assert [one.woken for one in streams] == [0] * 3 + [1] * MOST_WOKEN + [0] * (30 - MOST_WOKEN)
    for _ in range(9):
        begun(streams)
    assert [one.woken for one in streams] == [0] * 3 + [1] * 30, "nothing came since"
    streams[5].reads = 3
    begun(streams)
    assert streams[5].woken == 2
    many = [Stream(number) for number in range(30)]
    assert begun(many, ended=MOST_WOKEN) == {}
    assert sum(one.woken for one in many) == 0, "as many ended, and told theirs"
    begun(many, ended=MOST_WOKEN - 3)
    assert sum(one.woken for one in many) == 3
    known = Stream(99, first_ns=7 * MS)
    begun([known])
    assert known.woken == 0


def test_a_reply_that_runs_tells_its_first_token_by_the_second_look() -> None:
    """Two tokens of a slow reply have come: too few for its greenlet to have decoded them by itself."""
    exchange = Exchange(Wire([reply(ROLE, token("a"), token("b"), STOP, DONE, every_ms=300)]))
    watch, streams = exchange.script.watch, []

    def watched(connection: Connection) -> ReplyStream:
        streams.append(watch(connection))
        return streams[-1]

    exchange.script.watch = watched  # type: ignore[method-assign]
    looks: list[dict[str, float]] = []
    for ms in (50, 850, 950, 1000):
        exchange.clock.later(ms / 1e3, lambda: looks.append(begun(streams)))
    held = exchange.turn()
    assert held.ok and held.first_token_ns is not None and held.sent_ns is not None
    assert looks == [{}, {}, {held.turn_id: (held.first_token_ns - held.sent_ns) / MS}, {}]
