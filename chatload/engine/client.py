"""One turn's exchange: sends a request on a user's connection, reads the reply, and returns a `Turn`.

Every error of a turn becomes a failed `Turn` with a code here: whatever a server does, `run_turn` does not raise.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import gevent
import msgspec

from chatload.engine.answer import Answer, kept, told
from chatload.engine.begun_replies import OpenReply
from chatload.engine.connection import Connection
from chatload.engine.reply_timing import ReplyMeter
from chatload.engine.retry_after import UNAVAILABLE, back_off_s, pause_s
from chatload.engine.stream import ReplyStream
from chatload.engine.target import Target
from chatload.engine.timeouts import TurnTimeouts
from chatload.model.endings import ending_code
from chatload.model.errors import OVERLOADED, ServerError, TurnError
from chatload.model.token_sources import exceeded_limit
from chatload.model.turn import Delta, Turn, TurnRequest
from chatload.protocols.server_errors import refusal_meaning

ERROR_BODY_BYTES = 65536
ENDLESS_FACTOR, ENDLESS_EVENTS, ENDLESS_TEXT_BYTES = 4, 250_000, 6 * 1024 * 1024
"""Limits of a reply, which is kept in memory until it ends: events per token of max_tokens, events without max_tokens,
and bytes of text. A reply beyond one of them fails as endless."""
SINGLE, MOST_SINGLE = 1.9, 8
"""If events have no more characters than this on average, they may be parts of tokens: the limit on events is then this
many times larger."""
REST_BYTES, REST_S = 65536, 1.0
"""Most bytes and time for reading a reply to its end after an error event, so that its connection can be kept."""
ENDLESS_REPLY = "an endless reply: many times the tokens asked for, or megabytes of text"
UNCOMPRESSED = (
    "a compressed stream hides when tokens come; switch it off in the server or the proxy before it"
)


class _Progress:
    """The state of a turn while it runs. `body` is the reply's, if it is to be kept.

    Defaults are class attributes, since a turn sets only few of them.
    """

    sent_ns: int | None = None
    stream: ReplyStream | None = None
    meter: ReplyMeter | None = None
    new_connection: bool = False
    retried: bool = False
    connected_ns: int | None = None
    refusals: int = 0
    sent_bytes: int = 0
    unsent: bool = False
    """Sending the request failed."""
    traceparent: bytes = b""
    body: tuple[bytes, ...] = ()
    given: int | None = None
    limit: int | None = None
    is_told: bool = False
    """The server reported the failure itself."""
    waited_s: float = 0.0


class TurnSpec(msgspec.Struct, frozen=True):
    """One turn to hold: its numbers, when it is due, and its request.

    `on_delta` is called with each delta on arrival, for which the user's greenlet wakes at every read. An exception
    from it ends the turn, a TurnError as the turn's failure. `keeps_body`: the reply's body is kept as received.
    """

    user: int
    turn: int
    due_ns: int
    request: TurnRequest
    group: str = ""
    hang_up_after: int = 0
    name: str = ""
    on_delta: Callable[[Delta], None] | None = None
    keeps_body: bool = False

    @property
    def turn_id(self) -> str:
        """An id of the turn that is the same in every process."""
        return f"{self.user}-{self.turn}"


class ChatClient:
    """Holds turns over one keep-alive connection, as one user's browser does."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._clock = target.clock
        self._connection: Connection | None = None

    def run_turn(self, spec: TurnSpec) -> tuple[Turn, str]:
        """Hold one turn: (the turn, the answer's text). Raises as `exchange` does."""
        turn, answer = self.exchange(spec)
        return turn, answer.text

    def exchange(self, spec: TurnSpec) -> tuple[Turn, Answer]:
        """Hold one turn: (the turn, the reply's content). Raises only Interrupted, with the unfinished turn, if the
        greenlet is killed."""
        progress = _Progress()
        request_id = os.urandom(16).hex()
        code: str | None = None
        detail: str | None = None
        target = self._target
        if target.tracing is not None:
            progress.traceparent = target.tracing.begin(
                request_id, spec.due_ns, spec.request.model, target.dialect.name
            )
        try:
            self._ask_until_accepted(spec, request_id, progress)
        except TurnError as error:
            code, detail = error.code, error.detail
            if isinstance(error, ServerError):
                progress.given, progress.limit = error.given, error.limit
                progress.is_told = True
        except gevent.GreenletExit as stop:
            turn = self._turn(spec, request_id, progress, "interrupted", "the run was stopped")
            self.close()
            raise Interrupted(turn) from stop
        turn = self._turn(spec, request_id, progress, code, detail)
        turn = self._target.transport.marked(turn, progress.meter.shares_first_stamp if progress.meter else 0)
        if not self._may_keep(progress, code):
            self.close()
        meter = progress.meter
        return turn, Answer(meter.text, meter.reasoning, progress.body) if meter else Answer("")

    def _may_keep(self, progress: _Progress, code: str | None) -> bool:
        """Whether the connection can be kept for the next turn: after a good reply, or an error event in a 200 one."""
        stream = progress.stream
        if stream is None or not stream.reusable:
            return False
        return code is None or (progress.is_told and stream.status == 200)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask_until_accepted(self, spec: TurnSpec, request_id: str, progress: _Progress) -> None:
        """Send the request. If the server refuses because of load and the plan is to wait, send it again after a pause.

        The pause is the server's, else `back_off_s`; all pauses together are limited by the time of a turn.
        """
        give_up_ns = self._clock.now_ns() + round(self._target.timeouts.turn_s * 1e9)
        while True:
            try:
                self._ask(spec, request_id, progress)
                return
            except TurnError as error:
                stream = progress.stream
                if not self._target.waits_on_429 or stream is None or not _is_turned_away(error, stream):
                    raise
                told_s = wait_s = pause_s(stream.status, stream.header)
                if wait_s is None or (wait_s == 0.0 and progress.refusals):  # "at once" that is refused again
                    wait_s = back_off_s(f"{spec.user} {spec.turn} {progress.refusals}", progress.refusals)
                if self._clock.now_ns() + wait_s * 1e9 > give_up_ns:
                    if told_s:
                        error.add(f"it asks for a pause of {told_s:,.0f} s, beyond the time of a turn")
                    raise
                progress.refusals += 1
                progress.waited_s += wait_s
                if not stream.reusable:
                    self.close()
                self._clock.sleep(wait_s)

    def _ask(self, spec: TurnSpec, request_id: str, progress: _Progress) -> None:
        target = self._target
        body = target.dialect.body(spec.request)
        head = target.head_for(spec.user) + b"%sX-Request-Id: %s\r\nContent-Length: %d\r\n\r\n" % (
            progress.traceparent,
            request_id.encode(),
            len(body),
        )
        connection = self._connected(progress, spec.user)
        try:
            self._exchange(connection, head + body, spec, progress)
        except TurnError as error:
            stream = progress.stream
            closed = stream is None or stream.problem is not None
            if (
                progress.unsent
            ):  # no reply was read yet: some servers refuse before they have read the whole request
                closed = not connection.answered()
            untouched = closed and (stream is None or stream.raw_reads == 0)
            if progress.new_connection or not untouched or error.code != "truncated":
                raise
            # A server may close an idle connection while we send. Without a byte of a reply it is safe to send again.
            progress.retried, progress.unsent = True, False
            self.close()
            self._exchange(self._connected(progress, spec.user), head + body, spec, progress)

    def _connected(self, progress: _Progress, user: int) -> Connection:
        """The kept connection if it is still open, else a new one."""
        if self._connection is not None and not self._connection.alive():
            self.close()
        progress.new_connection = self._connection is None
        if self._connection is None:
            target = self._target
            self._connection = target.transport.connect(target.address, target.timeouts.connect_s, user)
            progress.connected_ns = self._connection.connected_ns
        return self._connection

    def _exchange(self, connection: Connection, message: bytes, spec: TurnSpec, progress: _Progress) -> None:
        target = self._target
        stream = target.transport.watch(connection)
        progress.stream = stream
        meter = ReplyMeter(
            stream.stamps, spec.request, one_token_per_event=target.dialect.one_token_per_event
        )
        progress.meter = meter

        def stamp_sent() -> None:
            progress.sent_ns, progress.sent_bytes = self._clock.now_ns(), len(message)

        try:
            try:
                connection.send(message, stamp_sent)
            except OSError as error:
                progress.unsent = True
                raise TurnError("truncated", f"sending failed: {error.strerror or error}") from error
            sent_ns = progress.sent_ns or self._clock.now_ns()
            stream.opened = OpenReply(spec.turn_id, sent_ns, meter)
            stream.on_wake = TurnTimeouts(stream, meter, target.timeouts, sent_ns, self._clock).check
            if spec.hang_up_after or spec.on_delta is not None:
                stream.wake_at_reads = 1
            self._decode(stream, meter, spec, progress)
        finally:
            if target.cookies is not None:
                target.cookies.take(spec.user, stream.headers("set-cookie"))
            target.transport.release(stream)
            stream.forget()

    def _decode(self, stream: ReplyStream, meter: ReplyMeter, spec: TurnSpec, progress: _Progress) -> None:
        reads = stream.reads
        reads.wait()
        if not 200 <= stream.status < 300:
            raise _refusal(stream, self._target.url)
        encoding = stream.header("content-encoding")
        if encoding.lower() not in ("", "identity"):
            raise TurnError(
                "bad_wire", f"content-encoding {encoding[:40]}, which was not asked for: {UNCOMPRESSED}"
            )
        request = spec.request
        most_events = ENDLESS_FACTOR * request.max_tokens if request.max_tokens else ENDLESS_EVENTS
        body: list[bytes] = []
        deltas = self._target.dialect.deltas(kept(reads, body) if spec.keeps_body else reads, request)
        if spec.on_delta is not None:
            deltas = told(deltas, spec.on_delta)
        try:
            for delta in deltas:
                meter.add(delta)
                if (
                    meter.events > most_events and _is_endless(meter, most_events)
                ) or meter.text_bytes > ENDLESS_TEXT_BYTES:
                    raise TurnError("bad_wire", ENDLESS_REPLY)
                if spec.hang_up_after and max(meter.counted_so_far, meter.events) >= spec.hang_up_after:
                    raise TurnError("abandoned", f"hung up after {meter.events} events, as planned")
        except ServerError:
            self._read_rest(stream)
            raise
        progress.body = tuple(body)
        if meter.finish is None:
            raise TurnError(
                "truncated", f"the reply ended without a finish reason after {meter.events} events"
            )
        code = ending_code(meter.finish)
        if code is not None:
            raise TurnError(code, f"the server ended the reply with finish_reason {meter.finish!r}")

    def _read_rest(self, stream: ReplyStream) -> None:
        """Read a reply to its end after an error event, within bounds, so that the connection can be kept."""
        until_ns, most = self._clock.now_ns() + round(REST_S * 1e9), stream.bytes + REST_BYTES

        def check() -> None:
            if self._clock.now_ns() >= until_ns:
                raise TurnError("truncated", "the reply went on after its error")
            stream.check_ns = until_ns

        stream.on_wake, stream.check_ns = check, until_ns
        with suppress(TurnError):
            for _ in stream.reads:
                if stream.bytes > most:
                    break

    def _turn(
        self, spec: TurnSpec, request_id: str, progress: _Progress, code: str | None, detail: str | None
    ) -> Turn:
        stream, meter = progress.stream, progress.meter
        fields: dict[str, Any] = meter.instants() if meter else {}
        if stream is not None:
            fields |= {
                "headers_ns": stream.headers_ns,
                "first_byte_ns": stream.stamps[0] if stream.stamps else None,
                "status": stream.status or None,
                "reads": stream.raw_reads,
                "bytes": stream.bytes,
                "stamp_source": stream.stamp_source,
            }
        characters = of_system = 0
        for message in spec.request.messages:
            characters += len(message.content)
            if message.role == "system":
                of_system += len(message.content)
        if self._connection is not None and self._target.address.several:
            fields["address"] = self._connection.peer
        if progress.new_connection and self._connection is not None:
            fields |= {"connect_ms": self._connection.connect_ms, "tls_ms": self._connection.tls_ms}
        return Turn(
            turn_id=spec.turn_id,
            request_id=request_id,
            user=spec.user,
            turn=spec.turn,
            group=spec.group,
            name=spec.name,
            worker=self._target.worker,
            due_ns=spec.due_ns,
            sent_ns=progress.sent_ns,
            sent_bytes=progress.sent_bytes,
            connected_ns=progress.connected_ns,
            end_ns=stream.ended_ns if stream is not None and stream.complete else self._clock.now_ns(),
            new_connection=progress.new_connection,
            retried=progress.retried,
            asked_prompt_tokens=spec.request.asked_prompt_tokens,
            asked_tokens=spec.request.asked_tokens,
            max_tokens=exceeded_limit(spec.request.max_tokens, spec.request.extra, fields),
            refusals=progress.refusals,
            waited_ms=round(progress.waited_s * 1e3, 3) if progress.refusals else None,
            context_given=progress.given,
            context_limit=progress.limit,
            images=spec.request.images,
            image_bytes=spec.request.image_bytes,
            ok=code is None,
            code=code,
            detail=detail and self._target.key.hidden(detail),
            prompt_characters=characters,
            system_characters=of_system,
            **fields,
        )


def _is_endless(meter: ReplyMeter, most_events: int) -> bool:
    """Whether a reply with more than `most_events` events is endless: events of single characters may be more."""
    return meter.characters > SINGLE * most_events or meter.events > MOST_SINGLE * most_events


class Interrupted(gevent.GreenletExit):
    """The user was stopped in the middle of a turn; `turn` is the unfinished turn."""

    def __init__(self, turn: Turn) -> None:
        super().__init__()
        self.turn = turn


def _is_turned_away(error: TurnError, stream: ReplyStream) -> bool:
    """Whether the server refused because of load: by a 429, 503 or 529, or by an error event (TGI, in a 200 reply)."""
    return error.code in ("http_429", OVERLOADED) or (
        error.code == "http_5xx" and stream.status in UNAVAILABLE
    )


def _refusal(stream: ReplyStream, url: str) -> TurnError:
    """The failure of a reply that is not 2xx, with the server's words, and with the URL if the route does not exist."""
    status = stream.status
    if 300 <= status < 400:
        where = re.split(r"[?#]", stream.header("location"))[0]
        where = re.sub("//[^/]*@", "//", where)
        told = (
            f"redirected to {where}; give the address that answers itself" if where else "without a Location"
        )
        return TurnError("http_3xx", f"HTTP {status}: {told}")
    body = bytearray()
    for data in stream.reads:
        body += data
        if len(body) > ERROR_BODY_BYTES:
            break
    encoding = stream.header("content-encoding")
    words = " ".join(body.decode("utf-8", "replace").split())
    meaning = refusal_meaning(status, bytes(body))
    if encoding.lower() not in ("", "identity"):
        words = f"its words are compressed ({encoding[:40]})"
    asked = f" to POST {url}" if status in (404, 405, 501) and url else ""
    return ServerError(f"HTTP {status}{asked}: {words}", meaning.code, meaning.given, meaning.limit)
