"""One reply on its way: tokens come in from the engine, bytes go out, and the truth log hears of each write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from simulator.faults.injector import Fault
from simulator.faults.slow_writer import SlowWriter
from simulator.ground_truth.truth_log import Marks, TruthRecord, now_ns
from simulator.http.exchange import Exchange
from simulator.replies.job import Job
from simulator.replies.sse_encoder import Event
from simulator.schedulers.sequence import Sequence

LAST_CHUNK = b"0\r\n\r\n"
BREAKING = ("reset", "truncate", "error", "batch-error", "abort")
GARBLING = ("bad-json", "huge-event")


class Encoder(Protocol):
    """Tokens to bytes: SseEncoder, CumulativeEncoder, NonStreamingEncoder."""

    def opening(self) -> list[list[Event]]: ...
    def role_early(self) -> list[list[Event]]: ...
    def encode(self, first: int, count: int, finish: str | None) -> tuple[bytes, Marks]: ...
    def pack(self, groups: list[list[Event]]) -> tuple[bytes, Marks]: ...
    def error(self) -> list[list[Event]]: ...
    def broken(self, first: int) -> list[list[Event]]: ...
    def huge(self, first: int, size: int) -> list[list[Event]]: ...


class Reply:
    """State: tokens made by the engine, tokens sent to the client, and what holds the difference back."""

    def __init__(
        self,
        exchange: Exchange,
        job: Job,
        sequence: Sequence,
        encoder: Encoder,
        truth: TruthRecord,
        fault: Fault | None,
    ) -> None:
        self.exchange = exchange
        self.job = job
        self.sequence = sequence
        self.encoder = encoder
        self.truth = truth
        self.fault = fault
        self.head: Callable[[], bytes] | None = None
        self.made = 0
        self.sent = 0
        self.finish: str | None = None
        self.countdown = 0
        self.over = False
        self.last_write_ns = truth.received_ns
        self.due_ns = truth.received_ns
        self.first_token_ns: int | None = None
        self.close_after = False
        self.on_over: Callable[[Reply], None] | None = None
        self.on_batch_failure: Callable[[Reply], None] | None = None
        self._held = False
        self._struck = fault.kind if fault else None
        self._staged = b""
        self._marks: Marks = ()
        self._after: str | None = None
        self._pending_fault = fault if fault and fault.kind in (*BREAKING, *GARBLING, "stall") else None
        self._slow_writer = SlowWriter(exchange, fault.arg) if fault and fault.kind == "slow-write" else None
        exchange.on_gone = self._gone
        exchange.on_drained = self._release

    # -- writing -------------------------------------------------------------------------------

    def open(self, at_once: bool) -> bool:
        """Headers (if this server sends them now) and the events that come before the engine; False: it is over."""
        if self.over:
            return False
        if self._pending_fault and self._pending_fault.kind == "reset" and self._pending_fault.after == 0:
            self._staged, self._after = b"", "reset"
            self._break()
            return False
        data, marks = self.encoder.pack(self.encoder.opening())
        if data or at_once:
            self._write(data, marks)
        return True

    def put_role(self) -> None:
        """The role event now, ahead of its token (`--role-lead-ms`)."""
        if not self.over:
            data, marks = self.encoder.pack(self.encoder.role_early())
            if data:
                self._write(data, marks)

    def blocked(self) -> bool:
        """Held back by a fault or by a client that does not read."""
        return self._held or self.exchange.backed_up

    def send_head(self) -> None:
        """The headers, unless they are out."""
        if self.head is not None and not self.over:
            self._write(b"", ())

    def comment(self, data: bytes) -> None:
        """A keep-alive comment: only between events, never into a held or slowly written stream."""
        if not self.over and not self._held and self._slow_writer is None:
            self._write(b"%x\r\n%b\r\n" % (len(data), data), ((0, "comment"),))

    def _write(self, data: bytes, marks: Marks) -> int:
        if self.head is None and self._slow_writer is None:
            at_ns = now_ns()
            if data:
                self.exchange.send(data)
            if marks:
                self.last_write_ns = at_ns
                self.truth.writes.append(at_ns)
                self.truth.marks.append(marks)
            return at_ns
        if self.head is not None:
            data = self.head() + data
            self.head = None
            self.truth.headers_ns = now_ns()
        if self._slow_writer is not None:
            self._slow_writer.send(data, lambda: self._note(now_ns(), marks))
            return now_ns()
        at_ns = now_ns()
        self.exchange.send(data)
        self._note(at_ns, marks)
        return at_ns

    def _note(self, at_ns: int, marks: Marks) -> None:
        self.last_write_ns = at_ns
        if marks:
            self.truth.writes.append(at_ns)
            self.truth.marks.append(marks)

    # -- tokens --------------------------------------------------------------------------------

    def prepare(self) -> bool:
        """Turn what was made and not sent into bytes; False if the reply is held back."""
        if self._held or self.over:
            return False
        if self.exchange.backed_up:
            self._held = True
            return False
        count = self.made - self.sent
        if self.first_token_ns is None:
            self.first_token_ns = self.due_ns
        fault = self._pending_fault
        if fault is not None and (self.made >= fault.after or self.finish is not None):
            self._prepare_fault(fault, count)
        else:
            self._staged, self._marks = self.encoder.encode(self.sent, count, self.finish)
        self.sent = self.made
        if self.finish is not None and self._after is None:
            self._after = "finish"
        return True

    def _prepare_fault(self, fault: Fault, count: int) -> None:
        encoder, kind = self.encoder, fault.kind
        self._pending_fault = None
        if kind == "stall":
            self._staged, self._marks = encoder.encode(self.sent, count, self.finish)
            self._after = None if self.finish else "stall"
            return
        if kind == "abort":
            self.finish = "abort"
            self._staged, self._marks = encoder.encode(self.sent, count, "abort")
            return
        parts = []
        before = count - 1 if kind in GARBLING else count
        if before > 0:
            parts.append(encoder.encode(self.sent, before, None))
        if kind in GARBLING and count > 0:
            at = self.made - 1
            bad = encoder.broken(at) if kind == "bad-json" else encoder.huge(at, int(fault.arg))
            parts.append(encoder.pack(bad))
            if self.finish is not None:
                parts.append(encoder.encode(self.made, 0, self.finish))
        elif kind in ("error", "batch-error"):
            parts.append(self._prepare_error())
            if kind == "batch-error" and self.on_batch_failure is not None:
                self.on_batch_failure(self)
        else:
            self._after = kind
        self._staged = b"".join(part[0] for part in parts)
        self._marks = tuple(mark for part in parts for mark in part[1])

    def _prepare_error(self) -> tuple[bytes, Marks]:
        errors = self.encoder.error()
        self._after = "finish" if errors else "truncate"
        self.finish = "error"
        return self.encoder.pack(errors)

    def fail(self, kind: str) -> None:
        """The batch has failed: this stream ends with the error too."""
        if self.over or self._after is not None:
            return
        self.truth.fault = kind
        self._struck = kind
        self._held = False
        self._staged, self._marks = self._prepare_error()
        self.put()

    def put(self) -> int:
        """Send what was prepared; the stamp of the send."""
        if self.over:
            return now_ns()
        data = self._staged
        if self._after == "finish" and self.job.params.stream:
            data += LAST_CHUNK
        at_ns = self._write(data, self._marks)
        self._staged, self._marks = b"", ()
        if self._after is not None:
            self._then()
        return at_ns

    def _then(self) -> None:
        if self._after == "stall" and self.fault is not None:
            self._after = None
            self._held = True
            asyncio.get_running_loop().call_later(self.fault.arg, self._release)
        elif self._slow_writer is not None:
            self._slow_writer.then(self._break)
        else:
            self._break()

    def _break(self) -> None:
        """The end, tidy or not."""
        after = self._after
        if after == "finish":
            ended = f"fault:{self._struck}" if self.finish in ("error", "abort") else "complete"
            self._end(ended)
            if self.fault is not None and self.fault.kind == "idle-close":
                self.exchange.close_idle_after(self.fault.arg)
            self.exchange.finish(close=self.close_after)
        else:
            self._end(f"fault:{after}")
            if after == "reset":
                self.exchange.reset()
            else:
                self.exchange.close()

    def _release(self) -> None:
        """Nothing holds the reply back any more: send what has gathered."""
        self._held = False
        if not self.over and (self.made > self.sent or self.finish is not None) and self.prepare():
            self.put()

    # -- the end -------------------------------------------------------------------------------

    def _untie(self) -> None:
        """No cycles stay behind: the collector is off while anything is being served (simulator/process.py)."""
        self.exchange.on_gone = self.exchange.on_drained = None
        del self.encoder
        self.head = None

    def _gone(self) -> None:
        self._end("client_gone")

    def stop(self) -> None:
        """The server is shutting down."""
        if not self.over:
            self._end("stopped")
            self.exchange.close()

    def _end(self, ended: str) -> None:
        if self.over:
            return
        self.over = True
        truth = self.truth
        truth.ended = ended
        truth.end_ns = self.last_write_ns if ended == "complete" else now_ns()
        truth.finish = self.finish
        truth.tokens = self.sent
        truth.bytes_out = self.exchange.bytes_out
        self._untie()
        if self.on_over is not None:
            self.on_over(self)
