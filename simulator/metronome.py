"""The metronome: no engine, an exact schedule for every token, to measure the measuring with.

token k of a reply is due at received + ttft (+ spread) + k / tokens_per_s (+ jitter); with `burst` on the next common
instant of all users. The truth log says when each really left.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import Callable
from dataclasses import replace

from simulator.alarm import Alarm
from simulator.engine import Gauges, Step
from simulator.lateness_count import LatenessCount
from simulator.options import Beat
from simulator.reply import Reply
from simulator.truth import TruthLog, now_ns

SPARE_NS = 2_000_000
NO_GAUGES = Gauges(**dict.fromkeys(Gauges.__dataclass_fields__, 0))


class Metronome:
    """Plays replies by the clock; stands where a Player stands."""

    def __init__(self, beat: Beat, loop: asyncio.AbstractEventLoop, log: TruthLog, seed: int) -> None:
        self.lateness = LatenessCount()
        self.replies: dict[int, Reply] = {}
        self.headers_at_once = True
        self.headers_at_slot = False
        self.on_step: Callable[[Step, float], None] | None = None
        self._beat = beat
        self._period_ns = 1e9 / beat.tokens_per_s
        self._loop = loop
        self._log = log
        self._draw = random.Random(f"metronome:{seed}")
        self._alarm = Alarm(loop, self._ring)
        self._heap: list[tuple[int, int, Reply, bool]] = []
        self._origin_ns = now_ns()
        self._order = 0
        self._made_tokens = 0
        self._starts: dict[int, float] = {}

    def gauges(self) -> Gauges:
        """Everyone is always running."""
        return replace(NO_GAUGES, running=len(self.replies), generation_tokens_total=self._made_tokens)

    def enter(self, reply: Reply) -> None:
        """Its first token falls due `ttft` after its request arrived."""
        truth = reply.truth
        if not reply.open(at_once=True):
            return
        truth.queued_ns = truth.admitted_ns = now_ns()
        self.replies[reply.sequence.seq_id] = reply
        start_ns = truth.received_ns + self._beat.ttft_ms * 1e6
        if self._beat.ttft_spread_ms:
            start_ns += self._draw.uniform(0, self._beat.ttft_spread_ms * 1e6)
        if self._beat.burst:
            beats = -(-(start_ns - self._origin_ns) // self._period_ns)
            start_ns = self._origin_ns + beats * self._period_ns
        self._starts[reply.sequence.seq_id] = start_ns
        self._schedule(reply)
        if self._beat.role_lead_ms:
            self._push(int(start_ns - self._beat.role_lead_ms * 1e6), reply, role=True)
        self._wake()

    def leave(self, reply: Reply) -> None:
        """Its reply is over."""
        self.replies.pop(reply.sequence.seq_id, None)
        self._starts.pop(reply.sequence.seq_id, None)

    def write_truth_soon(self) -> None:
        """Write finished lines while nothing is due."""
        if self._log.pending:
            next_ns = self._heap[0][0] if self._heap else now_ns() + 2 * SPARE_NS
            self._log.write_until(min(next_ns - SPARE_NS, now_ns() + SPARE_NS))
            self._loop.call_later(0.002, self.write_truth_soon)

    def stop(self) -> None:
        """Shut down."""
        self._alarm.close()
        for reply in list(self.replies.values()):
            reply.stop()

    def _push(self, due_ns: int, reply: Reply, role: bool = False) -> None:
        self._order += 1
        heapq.heappush(self._heap, (due_ns, self._order, reply, role))

    def _schedule(self, reply: Reply) -> None:
        """Put the next token on the heap."""
        start_ns = self._starts.get(reply.sequence.seq_id)
        if start_ns is None:
            return
        due_ns = start_ns + reply.sequence.generated * self._period_ns
        if self._beat.jitter_ms:
            due_ns += self._draw.uniform(0, self._beat.jitter_ms * 1e6)
        self._push(int(due_ns), reply)

    def _wake(self) -> None:
        if self._heap:
            self._alarm.set(self._heap[0][0])

    def _ring(self) -> None:
        now = now_ns()
        heap = self._heap
        sent: list[Reply] = []
        while heap and heap[0][0] <= now:
            due_ns, _, reply, role = heapq.heappop(heap)
            if reply.over:
                continue
            self.lateness.step(now - due_ns)
            if role:
                reply.put_role()
                continue
            sequence = reply.sequence
            sequence.generated += 1
            reply.made += 1
            reply.due_ns = due_ns
            self._made_tokens += 1
            if sequence.generated >= sequence.max_tokens:
                reply.finish = "length" if sequence.max_tokens < sequence.answer_tokens else "stop"
            if reply.prepare():
                self.lateness.event(reply.put() - due_ns)
            if reply.finish is None:
                sent.append(reply)
        for reply in sent:
            self._schedule(reply)
        self._wake()
