"""Sends every token on a fixed schedule, without an engine, to test a load generator's measurements.

Token k of a reply is due at received + ttft (+ spread) + k / tokens_per_s (+ jitter); with `burst` at the next
instant that all replies share. The truth log says when each really left.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from simulator.engine.engine import Gauges, Step
from simulator.engine.timer import AbsoluteTimer
from simulator.ground_truth.send_delay import SendDelayHistogram
from simulator.ground_truth.truth_log import TruthLog, now_ns
from simulator.replies.reply import Reply

SPARE_NS = 2_000_000
NO_GAUGES = Gauges(**dict.fromkeys(Gauges.__dataclass_fields__, 0))


@dataclass(frozen=True, slots=True)
class FixedRateSchedule:
    """When tokens are due (see the module), and what carries them.

    `ttft_spread_ms`, `jitter_ms`: most of a uniform delay. `role_lead_ms`: the role event comes so long before
    the first token. `event_bytes`: padding of each text. `wire`: see ServerSpec.fixed_rate_wire.
    """

    ttft_ms: float = 100.0
    ttft_spread_ms: float = 0.0
    tokens_per_s: float = 40.0
    jitter_ms: float = 0.0
    role_lead_ms: float = 0.0
    burst: bool = False
    event_bytes: int = 0
    wire: str = "openai"


class FixedRateEngine:
    """The replies and the heap of their next tokens; has the interface of a RealtimeEngine."""

    prefix_block = 0
    has_frontend = False

    def __init__(
        self, schedule: FixedRateSchedule, loop: asyncio.AbstractEventLoop, log: TruthLog, seed: int
    ) -> None:
        self.send_delay = SendDelayHistogram()
        self.replies: dict[int, Reply] = {}
        self.headers_at_once = True
        self.headers_at_slot = False
        self.on_step: Callable[[Step, float], None] | None = None
        self._schedule = schedule
        self._period_ns = 1e9 / schedule.tokens_per_s
        self._loop = loop
        self._log = log
        self._draw = random.Random(f"fixed-rate:{seed}")
        self._timer = AbsoluteTimer(loop, self._on_timer)
        self._heap: list[tuple[int, int, Reply, bool]] = []
        self._origin_ns = now_ns()
        self._order = 0
        self._made_tokens = 0
        self._starts: dict[int, float] = {}

    def gauges(self) -> Gauges:
        """Every open request counts as running."""
        return replace(NO_GAUGES, running=len(self.replies), generation_tokens_total=self._made_tokens)

    def enter(self, reply: Reply) -> None:
        """Schedule the first token of a request that has arrived."""
        truth = reply.truth
        if not reply.open(at_once=True):
            return
        truth.queued_ns = truth.admitted_ns = now_ns()
        self.replies[reply.sequence.seq_id] = reply
        start_ns = truth.received_ns + self._schedule.ttft_ms * 1e6
        if self._schedule.ttft_spread_ms:
            start_ns += self._draw.uniform(0, self._schedule.ttft_spread_ms * 1e6)
        if self._schedule.burst:
            beats = -(-(start_ns - self._origin_ns) // self._period_ns)
            start_ns = self._origin_ns + beats * self._period_ns
        self._starts[reply.sequence.seq_id] = start_ns
        self._push_next(reply)
        if self._schedule.role_lead_ms:
            self._push(int(start_ns - self._schedule.role_lead_ms * 1e6), reply, role=True)
        self._wake()

    def leave(self, reply: Reply) -> None:
        """Forget a reply that is over."""
        self.replies.pop(reply.sequence.seq_id, None)
        self._starts.pop(reply.sequence.seq_id, None)

    def write_truth_soon(self) -> None:
        """Write finished truth lines while no token is due."""
        if self._log.pending:
            next_ns = self._heap[0][0] if self._heap else now_ns() + 2 * SPARE_NS
            self._log.write_until(min(next_ns - SPARE_NS, now_ns() + SPARE_NS))
            self._loop.call_later(0.002, self.write_truth_soon)

    def freeze(self) -> None:
        """Send no more tokens; replies stay open."""
        self._heap.clear()

    def stop(self) -> None:
        """Shut down; open replies break off and are logged as stopped."""
        self._timer.close()
        for reply in list(self.replies.values()):
            reply.stop()

    def _push(self, due_ns: int, reply: Reply, role: bool = False) -> None:
        self._order += 1
        heapq.heappush(self._heap, (due_ns, self._order, reply, role))

    def _push_next(self, reply: Reply) -> None:
        """Schedule the next token."""
        start_ns = self._starts.get(reply.sequence.seq_id)
        if start_ns is None:
            return
        due_ns = start_ns + reply.sequence.generated * self._period_ns
        if self._schedule.jitter_ms:
            due_ns += self._draw.uniform(0, self._schedule.jitter_ms * 1e6)
        self._push(int(due_ns), reply)

    def _wake(self) -> None:
        if self._heap:
            self._timer.set(self._heap[0][0])

    def _on_timer(self) -> None:
        now = now_ns()
        heap = self._heap
        sent: list[Reply] = []
        while heap and heap[0][0] <= now:
            due_ns, _, reply, role = heapq.heappop(heap)
            if reply.over:
                continue
            self.send_delay.step(now - due_ns)
            if role:
                reply.send_role()
                continue
            sequence = reply.sequence
            sequence.generated += 1
            reply.made += 1
            reply.due_ns = due_ns
            self._made_tokens += 1
            if sequence.generated >= sequence.max_tokens:
                reply.finish = "length" if sequence.max_tokens < sequence.answer_tokens else "stop"
            if reply.prepare():
                self.send_delay.event(reply.send_prepared() - due_ns)
            if reply.finish is None:
                sent.append(reply)
        for reply in sent:
            self._push_next(reply)
        self._wake()
