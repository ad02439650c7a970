"""The one reader of all streams, over loopback sockets: its stamps against the instants of the sends."""

from __future__ import annotations

import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import pytest
from gevent.monkey import get_original

from chatload.engine.address import Address
from chatload.engine.clock import now_ns
from chatload.engine.connection import connect
from chatload.engine.reader import Reader
from chatload.engine.stream import WAKE_AT_BYTES, ReplyStream
from chatload.engine.wall_offset import WallOffset
from chatload.model.errors import TurnError
from chatload.model.turn import Turn

MS = 1_000_000
block: Callable[[float], None] = get_original("time", "sleep")
"""Once Locust is imported, `time.sleep` lets the hub run."""
HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="kernel stamps are Linux's")


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Line:
    """A watched reply and the server's end of its connection."""

    def __init__(self, reader: Reader, listener: socket.socket) -> None:
        self.reader = reader
        address = Address(f"http://127.0.0.1:{listener.getsockname()[1]}")
        self.connection = connect(address, 5, kernel_stamps=reader.kernel_stamps)
        self.server, _ = listener.accept()
        self.server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream: ReplyStream = reader.watch(self.connection)

    def send(self, data: bytes) -> int:
        """The instant right before the send."""
        at_ns = now_ns()
        self.server.sendall(data)
        return at_ns


@contextmanager
def lines_of(reader: Reader) -> Iterator[Callable[[], Line]]:
    """Makes lines that `reader` watches; closes everything."""
    made: list[Line] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def line() -> Line:
            made.append(Line(reader, listener))
            return made[-1]

        gevent.sleep(0.01)
        yield line
        reader.close()
        for each in made:
            each.server.close()
            each.connection.close()


@pytest.fixture(params=["tick", "ready", "pause", "user"])
def lines(request: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Line]]:
    reader = Reader(kernel_stamps=request.param != "user", polls=request.param == "tick")
    if request.param == "pause":
        pausing(reader, monkeypatch)
    with lines_of(reader) as line:
        yield line


def pausing(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """All log come thick from now on, and the server's tokens are known to be far apart."""
    monkeypatch.setattr("chatload.engine.reader.DENSE_NS", 10**18)
    reader._interval.add([25_000] * 300, None)
    reader._interval.choose()


@pytest.fixture
def polling_lines() -> Iterator[Callable[[], Line]]:
    with lines_of(Reader(kernel_stamps=True, polls=True)) as line:
        yield line


def body_of(stream: ReplyStream) -> bytes:
    with gevent.Timeout(5):
        return b"".join(stream.reads)


def test_a_reply_is_read_whole_and_each_read_has_its_stamp(lines: Callable[[], Line]) -> None:
    line = lines()
    line.send(HEAD)
    sent, seen = [], []
    for number in range(5):
        sent.append(line.send(chunk(b"data: %d\n\n" % number)))
        with gevent.Timeout(5):
            while len(line.stream.stamps) + len(line.stream.unframed) <= number:
                gevent.sleep(0.001)
        seen.append(now_ns())
    line.send(END)
    assert body_of(line.stream) == b"".join(b"data: %d\n\n" % n for n in range(5))
    assert line.stream.complete
    assert line.stream.reusable
    for at_ns, stamp_ns, seen_ns in zip(sent, line.stream.stamps, seen, strict=True):
        assert at_ns - MS / 5 < stamp_ns < seen_ns + MS / 5


@LINUX
@pytest.mark.parametrize("polls", [True, False])
def test_kernel_stamps_do_not_care_how_late_the_read_is(polls: bool) -> None:
    reader = Reader(kernel_stamps=True, polls=polls)
    with lines_of(reader) as lines:
        line = lines()
        line.send(HEAD)
        gevent.sleep(0.05)
        at_ns = line.send(chunk(b"data: 1\n\n"))
        block(0.1)  # the hub is blocked: this is what is tested
        line.send(END)
        assert body_of(line.stream) == b"data: 1\n\n"
        assert line.stream.stamp_source == "kernel"
        # the last chunk came while we were blocked: kernel data merges, and then shows the later stamp
        late_ns = line.stream.stamps[0] - at_ns
        assert late_ns < 5 * MS or late_ns > 90 * MS
        turn = Turn(
            turn_id="0-1",
            request_id="r",
            user=0,
            turn=1,
            due_ns=at_ns,
            sent_ns=at_ns,
            end_ns=now_ns(),
            first_token_ns=line.stream.stamps[0],
            stamp_source="kernel",
        )
        judged = reader.marked(turn, 2)
        assert judged.marks == ("censored_first",)
        assert judged.first_token_after_ns is not None
        assert judged.first_token_after_ns <= at_ns + MS
        assert reader.marked(turn, 1).marks == ()


@LINUX
@pytest.mark.parametrize(("gap_ms", "period_s"), [(50, 0.010), (2, 0.002)])
def test_tokens_that_a_late_poll_put_under_one_stamp_leave_the_interval_as_it_is(
    gap_ms: int, period_s: float
) -> None:
    """The reader polls 50 ms late, or in time, when ten tokens of each turn share a stamp."""
    reader = Reader(kernel_stamps=True, polls=True)
    reader._interval.add([25_000] * 1000, None)
    log = reader._poll_log
    log.begin(1000 * MS)
    if log.poll((1000 + gap_ms) * MS):
        log.polled((1000 + gap_ms) * MS)
    for number in range(10):
        turn = Turn(
            turn_id=f"{number}-1",
            request_id="r",
            user=number,
            turn=1,
            due_ns=900 * MS,
            end_ns=2000 * MS,
            first_token_ns=975 * MS,
            gaps_us=(26_000, *[0] * 10, 25_000),
            coalesced=10,
        )
        reader.marked(turn, 1)
    reader._interval.choose()
    assert reader._interval.period_s == period_s
    reader.close()


def test_framing_of_any_cut_gives_the_same_body(lines: Callable[[], Line]) -> None:
    """Invariant: where the reads cut the chunks never changes the body."""
    wire = HEAD + chunk(b"data: 1\n\n") + chunk(b"data: 2\n\n") + chunk(b"data: 3\n\n") + END
    line = lines()
    for cut in range(0, len(wire) + 1, 7):
        stream = ReplyStream(line.connection, WallOffset())
        for piece in (wire[:cut], wire[cut:]):
            if piece:
                stream.feed(piece, 1)
        assert body_of(stream) == b"data: 1\n\ndata: 2\n\ndata: 3\n\n"
        assert stream.complete


@LINUX
@pytest.mark.parametrize("sizes", [[20] * 120, [20, 700] * 40, [3000] * 30, [20] * 50 + [9000] + [20] * 50])
def test_unframed_reads_keep_their_order_their_bytes_and_their_stamps(
    sizes: list[int], polling_lines: Callable[[], Line]
) -> None:
    """Invariant: framing many reads at once gives what framing each as it comes would give."""
    body, sent = [], []
    line = polling_lines()
    line.send(HEAD)
    taken = gevent.spawn(body_of, line.stream)
    for number, size in enumerate(sizes):
        gevent.sleep(0.004)
        body.append((b"data: %d " % number).ljust(size, b"x") + b"\n\n")
        sent.append((sum(map(len, body)), line.send(chunk(body[-1]))))
    line.send(END)
    assert taken.get(timeout=5) == b"".join(body)
    assert line.stream.complete
    assert line.stream.reusable
    assert line.stream.stamp_source == "kernel"
    stamps = list(line.stream.stamps)
    assert stamps == sorted(stamps)
    if max(sizes) < 1000:  # one read a send, but where the machine held us up
        late_ns = sorted(stamp - at for stamp, (_, at) in zip(stamps, sent, strict=False))
        assert len(stamps) > 0.9 * len(sizes)
        assert late_ns[len(late_ns) // 2] < MS or len(stamps) < len(sizes)


@LINUX
@pytest.mark.parametrize("events", [1, 2, 15])
def test_what_a_late_poll_finds_stays_unframed(events: int, polling_lines: Callable[[], Line]) -> None:
    """Framing it in the poll, for hundreds of streams, would make the next poll late as well."""
    line = polling_lines()
    line.send(HEAD + chunk(b"data: 0\n\n"))
    gevent.sleep(0.02)
    framed = line.stream.raw_reads
    line.stream.expect(30)  # bytes, as tokens are
    late = b"".join(chunk(b"data: %d " % number + b"x" * 400 + b"\n\n") for number in range(events))
    before_ns = line.send(late)
    line.reader._drain(line.reader._new)
    assert (line.stream.unframed, line.stream.raw_reads) == ([late], framed)
    assert before_ns - MS / 5 < line.stream.unframed_ns[0] <= now_ns()
    line.send(END)
    assert body_of(line.stream).count(b"data: ") == 1 + events


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (HEAD + chunk(b"data: 1\n\n"), "truncated"),
        (HEAD + b"5\r\nhel", "truncated"),
        (b"", "truncated"),
        (b"SSH-2.0-OpenSSH\r\n", "bad_wire"),
        (HEAD + b"zz\r\n", "bad_wire"),
    ],
)
def test_a_broken_reply_has_a_code(lines: Callable[[], Line], wire: bytes, code: str) -> None:
    line = lines()
    if wire:
        line.send(wire)
    line.server.shutdown(socket.SHUT_RDWR)
    with pytest.raises(TurnError) as caught:
        body_of(line.stream)
    assert caught.value.code == code


def test_a_long_answer_wakes_its_user_before_it_is_whole(lines: Callable[[], Line]) -> None:
    line = lines()
    line.send(HEAD + chunk(b"x" * 2000) * (WAKE_AT_BYTES // 2000 + 1))
    reads = line.stream.reads
    with gevent.Timeout(5):
        assert next(reads)
    assert not line.stream.complete


@LINUX
def test_a_reply_flows_once_its_reads_come_one_after_the_other(polling_lines: Callable[[], Line]) -> None:
    line = polling_lines()
    flowing = []
    for pause_s, text in [(0.0, b"role"), (0.25, b"first"), (0.02, b"second"), (0.25, b"third")]:
        gevent.sleep(pause_s)
        line.send((HEAD if text == b"role" else b"") + chunk(b"data: " + text + b"\n\n"))
        gevent.sleep(0.02)
        flowing.append(line.stream.is_streaming)
    line.send(END)
    assert body_of(line.stream).count(b"data: ") == 4
    assert flowing == [False, False, True, True]


@LINUX
def test_a_late_poll_is_not_over_before_new_replies_are_read(polling_lines: Callable[[], Line]) -> None:
    """Else what comes between the late poll and the read would hide that others waited before it."""
    line = polling_lines()
    line.send(HEAD)
    gevent.sleep(0.05)
    line.send(chunk(b"data: 1\n\n"))
    block(0.05)  # the hub is blocked: this is what is tested
    line.send(chunk(b"data: 2\n\n"))
    line.reader._on_poll()
    line.stream.frame()
    assert line.reader.quality.poll_log.gap_at(line.stream.stamps[-1], now_ns()) is not None


@LINUX
def test_the_end_of_the_last_reply_is_a_poll_as_well(polling_lines: Callable[[], Line]) -> None:
    line = polling_lines()
    reader = line.reader
    gevent.sleep(0.01)
    began_ns = now_ns()
    line.send(HEAD + chunk(b"data: 1\n\n"))
    block(0.05)  # the hub is blocked: this is what is tested
    line.send(END)
    reader._drain(reader._new)
    assert line.stream.complete
    assert len(reader.open_streams) == 0
    polling_lines()  # the log begin anew with it
    gap = reader.quality.poll_log.gap_at(line.stream.stamps[0], now_ns())
    assert gap is not None
    assert gap[0] <= began_ns


@LINUX
def test_a_connection_that_breaks_takes_no_other_s_bytes_with_it(polling_lines: Callable[[], Line]) -> None:
    """All reads of a poll are made before any of them is taken in, the broken one's among them."""
    made = [polling_lines() for _ in range(4)]
    reader = made[0].reader
    for number, line in enumerate(made):
        if number in (1, 2):
            line.server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            line.server.close()
        else:
            line.send(HEAD + chunk(b"data: %d\n\n" % number) + END)
    reader._drain(reader._new)
    for number, line in enumerate(made):
        if number in (1, 2):
            with pytest.raises(TurnError, match="connection reset after 0 body bytes"):
                body_of(line.stream)
        else:
            assert body_of(line.stream) == b"data: %d\n\n" % number
    assert len(reader.open_streams) == 0


@LINUX
def test_a_longer_tick_loses_no_read(polling_lines: Callable[[], Line]) -> None:
    line = polling_lines()
    line.reader._interval.add([25_000] * 300, None)
    line.send(HEAD)
    for number in range(20):
        gevent.sleep(0.02)
        line.send(chunk(b"data: %d\n\n" % number))
    line.send(END)
    assert body_of(line.stream).count(b"data: ") == 20
    assert line.stream.is_streaming
    assert line.reader.quality.poll_log.period_ns == 10 * MS
    ticks_seen = len(line.reader.quality.poll_log._late_ms)
    assert 20 < ticks_seen < 150  # 0.4 s: about 40 of 10 ms, and 200 of 2 ms


@LINUX
def test_where_reads_are_dense_the_next_one_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(kernel_stamps=True, polls=False)
    with lines_of(reader) as line:
        first, second = line(), line()
        first.send(HEAD)
        reader._on_ready()
        reader._on_ready()
        assert (reader._ready.active, reader._pause.active) == (True, False), "nothing is known of the server"
        pausing(reader, monkeypatch)
        first.send(chunk(b"data: 1\n\n"))
        reader._on_ready()
        assert (reader._ready.active, reader._pause.active) == (False, True)
        second.send(HEAD)
        reader._on_pause()
        assert second.stream.headers_ns is not None
        assert (reader._ready.active, reader._pause.active) == (False, True), "there was something: go on"
        reader._on_pause()
        assert (reader._ready.active, reader._pause.active) == (True, False), "there was nothing: wait for it"
        reader._on_ready()
        first.send(END)
        second.send(END)
        reader._on_pause()
        assert len(reader.open_streams) == 0
        assert (reader._ready.active, reader._pause.active) == (False, False)


def test_released_streams_are_read_no_more(lines: Callable[[], Line]) -> None:
    line = lines()
    reader = line.reader
    assert len(reader.open_streams) == 1
    reader.release(line.stream)
    reader.release(line.stream)
    assert len(reader.open_streams) == 0
    line.send(HEAD)
    gevent.sleep(0.01)
    assert line.stream.headers_ns is None


@LINUX
def test_a_step_of_the_wall_clock_is_seen_and_marks_the_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    from chatload.engine import wall_offset as module

    reader = Reader(kernel_stamps=True, polls=True)
    began = now_ns()
    real, real_time_ns = module.wall_offset_ns, time.time_ns
    monkeypatch.setattr(module, "wall_offset_ns", lambda: real() + 50 * MS)
    monkeypatch.setattr(module.time, "time_ns", lambda: real_time_ns() + 50 * MS)
    turn = Turn(
        turn_id="0-1",
        request_id="r",
        user=0,
        turn=1,
        due_ns=began,
        sent_ns=began,
        end_ns=now_ns(),
        first_token_ns=began,
        stamp_source="kernel",
    )
    assert reader.marked(turn, 1).marks == ("clock_step",)
    after = now_ns()
    later = Turn(
        turn_id="0-2",
        request_id="r",
        user=0,
        turn=2,
        due_ns=after,
        sent_ns=after,
        end_ns=after + 1,
        first_token_ns=after,
        stamp_source="kernel",
    )
    assert reader.marked(later, 1).marks == ()
    reader.close()
