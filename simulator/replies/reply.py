"""One reply: takes tokens from the engine, sends bytes, and records each write for the truth log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from simulator.faults.injector import Fault
from simulator.faults.slow_writer import SlowWriter
from simulator.ground_truth.truth_log import Marks, TruthRecord, now_ns
from simulator.http.exchange import Exchange
from simulator.replies.encoder import Encoder
from simulator.replies.job import Job
from simulator.schedulers.sequence import Sequence

WHOLE = 1 << 30
LAST_CHUNK = b"0\r\n\r\n"
BREAKING = ("reset", "truncate", "error", "batch-error", "engine-dies", "abort")
CORRUPTING = ("bad-json", "huge-event")


class Reply:
    """Tokens made by the engine, tokens sent to the client, and whether sending is held back.

    Sending takes two calls, so that the bytes are ready when they are due: `prepare`, then `send_prepared`.
    """

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
        self.over = False
        self.last_write_ns = truth.received_ns
        self.due_ns = truth.received_ns
        self.first_token_ns: int | None = None
        self.close_after = False
        self.on_over: Callable[[Reply], None] | None = None
        self.on_batch_failure: Callable[[Reply], None] | None = None
        self.on_engine_death: Callable[[Reply], None] | None = None
        self.on_error: Callable[[Exchange, Exception], None] | None = None
        self._held = False
        self._fault_kind = fault.kind if fault else None
        self.event_tokens = WHOLE if self._fault_kind == "merged" else 1
        self._staged = b""
        self._marks: Marks = ()
        self._next_action: str | None = None
        self._pending_fault = fault if fault and fault.kind in (*BREAKING, *CORRUPTING, "stall") else None
        self._slow_writer = SlowWriter(exchange, fault.arg) if fault and fault.kind == "slow-write" else None
        exchange.on_gone = self._gone
        exchange.on_drained = self._release

    # -- writing -------------------------------------------------------------------------------

    def open(self, at_once: bool) -> bool:
        """Send the headers, if `at_once`, and the events that come before the engine; False if the reply is over."""
        if self.over:
            return False
        if self._pending_fault and self._pending_fault.kind == "reset" and self._pending_fault.after == 0:
            self._staged, self._next_action = b"", "reset"
            self._break()
            return False
        data, marks = self.encoder.pack(self.encoder.opening())
        if data or at_once:
            self._write(data, marks)
        return True

    def send_role(self) -> None:
        """Send the role event ahead of its token (`--role-lead-ms`)."""
        if not self.over:
            data, marks = self.encoder.pack(self.encoder.role_early())
            if data:
                self._write(data, marks)

    def blocked(self) -> bool:
        """True while a fault, or a client that does not read, holds the reply back."""
        return self._held or self.exchange.backed_up

    def send_head(self) -> None:
        """Send the headers if they are not sent yet."""
        if self.head is not None and not self.over:
            self._write(b"", ())

    def comment(self, data: bytes) -> None:
        """Send a keep-alive comment; not to a client that does not read, nor while the reply is written slowly."""
        if not self.over and not self.exchange.backed_up and self._slow_writer is None:
            self._write(self.encoder.chunk(data), ((0, "comment"),))

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
            self._slow_writer.send(data, lambda: self._record(now_ns(), marks))
            return now_ns()
        at_ns = now_ns()
        self.exchange.send(data)
        self._record(at_ns, marks)
        return at_ns

    def _record(self, at_ns: int, marks: Marks) -> None:
        self.last_write_ns = at_ns
        if marks:
            self.truth.writes.append(at_ns)
            self.truth.marks.append(marks)

    # -- tokens --------------------------------------------------------------------------------

    def prepare(self) -> bool:
        """Encode the tokens that were made and not sent; False if the reply is held back or over."""
        if self._held or self.over:
            return False
        try:
            return self._encode()
        except Exception as error:  # noqa: BLE001 - an error in one reply must not stop the engine for all
            self.break_off(error)
            return False

    def break_off(self, error: Exception) -> None:
        """The simulator itself failed: end this reply, as far as it got."""
        if not self.over:
            exchange, on_error = self.exchange, self.on_error
            self.truth.status = self.truth.status if self.truth.headers_ns else 500
            self._end("internal error")
            if on_error is not None:
                on_error(exchange, error)

    def _encode(self) -> bool:
        if self.finish is None and self.made - self.sent < self.event_tokens:
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
        if self.finish is not None and self._next_action is None:
            self._next_action = "finish"
        return True

    def _prepare_fault(self, fault: Fault, count: int) -> None:
        encoder, kind = self.encoder, fault.kind
        self._pending_fault = None
        if kind == "stall":
            self._staged, self._marks = encoder.encode(self.sent, count, self.finish)
            self._next_action = None if self.finish else "stall"
            return
        if kind == "abort":
            self.finish = "abort"
            self._staged, self._marks = encoder.encode(self.sent, count, "abort")
            return
        parts = []
        before = count - 1 if kind in CORRUPTING else count
        if before > 0:
            parts.append(encoder.encode(self.sent, before, None))
        if kind in CORRUPTING and count > 0:
            at = self.made - 1
            bad = encoder.cut_event(at) if kind == "bad-json" else encoder.huge_event(at, int(fault.arg))
            parts.append(encoder.pack(bad))
            if self.finish is not None:
                parts.append(encoder.encode(self.made, 0, self.finish))
        elif kind == "engine-dies":
            encoder.engine_died = True
            parts.append(self._prepare_error())
            if self.on_engine_death is not None:
                self.on_engine_death(self)
        elif kind in ("error", "batch-error"):
            parts.append(self._prepare_error())
            if kind == "batch-error" and self.on_batch_failure is not None:
                self.on_batch_failure(self)
        else:
            self._next_action = kind
        self._staged = b"".join(part[0] for part in parts)
        self._marks = tuple(mark for part in parts for mark in part[1])

    def _prepare_error(self) -> tuple[bytes, Marks]:
        errors = self.encoder.error()
        self._next_action = "finish" if errors else "truncate"
        self.finish = "error"
        return self.encoder.pack(errors)

    def fail(self, kind: str) -> None:
        """The batch has failed: end this stream with the server's error."""
        if self.over or self._next_action is not None:
            return
        self.truth.fault = kind
        self._fault_kind = kind
        self._held = False
        self.encoder.engine_died = kind == "engine-dies"
        staged, marks = self._staged, self._marks  # of a step that has not ended: counted, so sent
        data, more = self._prepare_error()
        self._staged, self._marks = staged + data, marks + more
        self.send_prepared()

    def interrupt(self) -> None:
        """Break off for another request (ServerSpec.interrupts)."""
        if self.over or self._next_action is not None:
            return
        self._next_action = "interrupted"
        data, marks = self.encoder.pack(self.encoder.interrupted())
        self._staged, self._marks = self._staged + data, self._marks + marks
        self.send_prepared()

    def abort(self, why: str) -> None:
        """End this stream with `finish_reason: "abort"` and a complete message, as a server that shuts down."""
        if self.over or self._next_action is not None:
            return
        self.finish, self._fault_kind, self._next_action = "abort", why, "finish"
        data, marks = self.encoder.encode(self.sent, self.made - self.sent, "abort")
        self._staged, self._marks = self._staged + data, self._marks + marks
        self.sent = self.made
        self.send_prepared()

    def send_prepared(self) -> int:
        """Send the prepared bytes; returns the instant right before the send, in ns."""
        if self.over:
            return now_ns()
        data = self._staged
        if self._next_action == "finish" and self.job.params.stream:
            data += LAST_CHUNK
        at_ns = self._write(data, self._marks)
        self._staged, self._marks = b"", ()
        if self._next_action is not None:
            self._then()
        return at_ns

    def _then(self) -> None:
        if self._next_action == "stall" and self.fault is not None:
            self._next_action = None
            self._held = True
            asyncio.get_running_loop().call_later(self.fault.arg, self._release)
        elif self._slow_writer is not None:
            self._slow_writer.then(self._break)
        else:
            self._break()

    def _break(self) -> None:
        """End the reply: finish, reset or close, by `_next_action`."""
        after = self._next_action
        if after == "finish":
            ended = f"fault:{self._fault_kind}" if self.finish in ("error", "abort") else "complete"
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
        """Stop holding the reply back and send the tokens made meanwhile."""
        self._held = False
        if not self.over and (self.made > self.sent or self.finish is not None) and self.prepare():
            self.send_prepared()

    # -- the end -------------------------------------------------------------------------------

    def _drop_references(self) -> None:
        """Break reference cycles: the garbage collector is off while requests are served (process.py)."""
        self.exchange.on_gone = self.exchange.on_drained = None
        del self.encoder
        self.head = None

    def _gone(self) -> None:
        self._end("client_gone")

    def stop(self) -> None:
        """Close the reply because the server shuts down."""
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
        truth.reasoning_tokens = min(self.sent, self.job.answer.reasoning)
        truth.bytes_out = self.exchange.bytes_out
        self._drop_references()
        if self.on_over is not None:
            self.on_over(self)
