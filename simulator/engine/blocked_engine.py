"""Runs the steps of a server whose engine stands in its HTTP event loop (vLLM 0.1.2) in real time."""

from __future__ import annotations

import asyncio

from simulator.engine.blocked_loop import BlockedLoop
from simulator.engine.engine import Engine
from simulator.engine.realtime_engine import GIVE_UP_NS, RealtimeEngine, StepTokens
from simulator.ground_truth.truth_log import TruthLog, now_ns
from simulator.replies.reply import Reply


class BlockedEngine(RealtimeEngine):
    """Requests enter and events leave in the passes of engine/blocked_loop.py, which take no time."""

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop, log: TruthLog) -> None:
        super().__init__(engine, loop, log)
        self._http: BlockedLoop[int] = BlockedLoop(self._hand_over, self._wake)
        self._entering: dict[int, Reply] = {}

    def _enter(self, reply: Reply) -> None:
        """The next pass of the loop sees its bytes."""
        self._entering[reply.sequence.seq_id] = reply
        self._http.arrive(reply.sequence.seq_id, new_connection=reply.exchange.request.new_connection)
        if not self._busy:
            self._begin(now_ns())

    def leave(self, reply: Reply) -> None:
        """See RealtimeEngine."""
        self._entering.pop(reply.sequence.seq_id, None)
        self._http.forget(reply.sequence.seq_id)
        super().leave(reply)

    def _hand_over(self, key: int) -> None:
        reply = self._entering.pop(key, None)
        if reply is not None and not reply.over:
            self._submit(reply)
            reply.truth.queued_ns = max(reply.truth.received_ns, self._due_ns)  # the pass, not our lateness

    def _wake(self, key: int) -> None:
        """Its consumer writes what was made since it last did."""
        reply = self.replies.get(key)
        if reply is not None and reply.prepare():
            self.send_delay.event(max(0, reply.send_prepared() - self._due_ns))

    def _begin(self, start_ns: int) -> None:
        """Run passes until a step takes time."""
        self._due_ns = start_ns
        while self._http.advance(start_ns / 1e9):
            step = self.engine.step()
            if step is not None and step.duration_s > 0:
                self._start(step, start_ns)
                return
            ended = step.finished if step is not None else ()
            self._end(tuple((sequence, "ignored") for sequence in ended), start_ns)
        self._go_idle()
        timer_s = self._http.next_timer_s()
        if timer_s is not None:
            self._timer.set(int(timer_s * 1e9) + 1)

    def _stage(self) -> None:
        """What a stream shows is decided when its consumer wakes."""

    def _on_timer(self) -> None:
        now = now_ns()
        if not self._busy:
            self._begin(now)
        elif now < self._due_ns:
            self._timer.set(self._due_ns)
        else:
            due_ns = self._due_ns
            self.send_delay.step(now - due_ns)
            self._end(self._step_tokens, due_ns)
            if now - due_ns > GIVE_UP_NS:
                self.send_delay.resyncs += 1
                due_ns = now
            self._begin(due_ns)
            self._log_between_steps()

    def _end(self, tokens: StepTokens, due_ns: int) -> None:
        """A step has ended: its outputs are set."""
        for sequence, finish in tokens:
            reply = self.replies.get(sequence.seq_id)
            if reply is not None:
                reply.made += finish != "ignored"
                reply.due_ns = due_ns
                reply.finish = "length" if finish == "ignored" else finish or reply.finish
        self._http.stepped(
            [(sequence.seq_id, finish is not None) for sequence, finish in tokens], due_ns / 1e9
        )

    def stop(self) -> None:
        """See RealtimeEngine."""
        super().stop()
        for reply in list(self._entering.values()):
            reply.stop()
