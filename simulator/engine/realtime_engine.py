"""Runs the engine's steps in real time: the bytes of a step are made while it runs and sent when it ends.

Step n+1 begins when step n was due to end, however late its events were sent, so delays do not add up. Where the
profile has an HTTP process (engine/frontend.py), requests reach the engine through it, and a step's tokens leave
one after the other when it has written them, while the next step runs.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from simulator.engine.engine import Engine, Sequence, Step
from simulator.engine.frontend import Frontend, FrontendCost
from simulator.engine.timer import AbsoluteTimer
from simulator.ground_truth.send_delay import SendDelayHistogram
from simulator.ground_truth.truth_log import TruthLog, now_ns
from simulator.replies.reply import Reply

SPARE_NS = 1_000_000
IDLE_SLICE_NS = 2_000_000
GIVE_UP_NS = 2_000_000_000
SLICE_NS = 200_000
"""The events of an HTTP process leave so far apart from each other at least, or together."""
StepTokens = tuple[tuple[Sequence, str | None], ...]
"""The sequences that get a token in a step, each with its finish reason if it is the last."""


class RealtimeEngine:
    """An engine and the replies that get its tokens."""

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop, log: TruthLog) -> None:
        self.engine = engine
        self.prefix_block = engine.scheduler.prefix_block
        self.send_delay = SendDelayHistogram()
        self.replies: dict[int, Reply] = {}
        self.headers_at_slot = False
        self.headers_at_once = True
        self.on_step: Callable[[Step, float], None] | None = None
        self._loop = loop
        self.gauges = engine.gauges
        self._log = log
        self._timer = AbsoluteTimer(loop, self._on_timer)
        self._busy = self._frozen = False
        self._step_number = 0
        self._due_ns = 0
        self._staged: list[Reply] = []
        self._blocked: list[Reply] = []
        self._step_tokens: StepTokens = ()
        self._frontend: Frontend[Reply] | None = None
        self._frontend_timer = AbsoluteTimer(loop, self._pass_frontend)
        self._written: deque[tuple[int, Reply, int]] = deque()
        self._send_timer = AbsoluteTimer(loop, self._send_written)

    def set_frontend(self, cost: FrontendCost, seed: int) -> None:
        """Put an HTTP process with these costs between clients and engine; call it before the first request."""
        if cost != FrontendCost():
            self._frontend = Frontend(cost, seed)

    # -- in and out ----------------------------------------------------------------------------

    def enter(self, reply: Reply) -> None:
        """A request has arrived: send it through the HTTP process, if there is one, to the engine."""
        if self._frontend is None:
            self._enter(reply)
            return
        arrived_s = reply.truth.received_ns / 1e9
        self._frontend.arrive(arrived_s, reply.sequence.prompt_tokens, reply)
        self._pass_frontend()

    @property
    def has_frontend(self) -> bool:
        """Whether events pass an HTTP process that leaves several tokens in one when it is at its limit."""
        return self._frontend is not None

    def _pass_frontend(self) -> None:
        """Move requests that the HTTP process has finished to the engine, and take the events that it has written."""
        if self._frontend is None:
            return
        entered, written = self._frontend.advance(now_ns() / 1e9)
        self._written.extend((int(read_s * 1e9), reply, tokens) for reply, tokens, read_s in written)
        for reply in entered:
            self._enter(reply)
        self._await_frontend()

    def _await_frontend(self) -> None:
        """Wake up when the HTTP process has more to do and when the next event leaves, SLICE_NS from now at least."""
        assert self._frontend is not None
        next_s = self._frontend.next_s()
        soonest_ns = now_ns() + SLICE_NS
        if next_s is not None:
            self._frontend_timer.set(max(int(next_s * 1e9) + 1, soonest_ns))
        if self._written:
            self._send_timer.set(max(self._written[0][0], soonest_ns))

    def _enter(self, reply: Reply) -> None:
        """To the engine."""
        self._submit(reply)
        if not self._busy:
            self._begin(now_ns())

    def _submit(self, reply: Reply) -> None:
        if not reply.open(self.headers_at_once):
            return
        reply.truth.queued_ns = now_ns()
        self.replies[reply.sequence.seq_id] = reply
        self.engine.submit(reply.sequence)

    def leave(self, reply: Reply) -> None:
        """Its reply is over, or its client has gone: free seat and KV blocks at once."""
        if self._frontend is not None:
            self._frontend.forget(reply)
        if self.replies.pop(reply.sequence.seq_id, None) is not None and reply.sequence.finish is None:
            self.engine.abort(reply.sequence)
            if not self._busy and self.replies:
                self._begin(now_ns())

    # -- steps ---------------------------------------------------------------------------------

    def _begin(self, start_ns: int) -> None:
        if self._frozen:
            return
        try:
            step = self.engine.step()
            while step is not None and step.duration_s <= 0 and not step.finished and not step.tokens:
                step = self.engine.step()
        except Exception as error:  # noqa: BLE001 - else every client would wait for ever
            for reply in list(self.replies.values()):
                reply.break_off(error)
            self._go_idle()
            return
        if step is None:
            self._go_idle()
        else:
            self._start(step, start_ns)

    def _start(self, step: Step, start_ns: int) -> None:
        """The step runs from now until it is due."""
        self._busy = True
        self._step_number += 1
        self._due_ns = start_ns + int(step.duration_s * 1e9)
        if self.on_step is not None:
            self.on_step(step, step.duration_s)
        if step.prefill_tokens and self._frontend is not None:
            self._frontend.hold_outputs(self._due_ns / 1e9)
        self._note_admission(step, start_ns)
        self._step_tokens = tuple((sequence, sequence.finish) for sequence in step.tokens)
        ignored = [sequence for sequence in step.finished if sequence.finish == "ignored"]
        self._step_tokens += tuple((sequence, "ignored") for sequence in ignored)
        self._stage()
        self._timer.set(self._due_ns)

    def _stage(self) -> None:
        """Make the bytes of the running step."""
        if self._frontend is None:
            self._staged = self._prepare(self._step_tokens, self._due_ns)

    def _go_idle(self) -> None:
        """The engine has nothing to do."""
        self._busy = False
        self.write_truth_soon()

    def write_truth_soon(self) -> None:
        """Write finished truth lines now if the engine is idle; else it happens between steps."""
        if not self._busy and self._log.pending:
            self._log.write_until(now_ns() + IDLE_SLICE_NS)
            self._loop.call_later(0.002, self.write_truth_soon)

    def _note_admission(self, step: Step, start_ns: int) -> None:
        replies = self.replies
        for sequence in step.prefilled:
            reply = replies.get(sequence.seq_id)
            if reply is not None and reply.truth.admitted_ns is None:
                # A late event loop begins the step when it was due, before requests came that it takes in now.
                reply.truth.admitted_ns = max(start_ns, reply.truth.queued_ns or 0)
                if self.headers_at_slot:
                    reply.send_head()
        for sequence in step.preempted:
            reply = replies.get(sequence.seq_id)
            if reply is not None:
                reply.truth.preempted += 1

    def _prepare(self, tokens: StepTokens, due_ns: int) -> list[Reply]:
        """Encode these tokens; returns the replies that have bytes to send."""
        replies = self.replies
        staged: list[Reply] = []
        for sequence, finish in tokens:
            reply = replies.get(sequence.seq_id)
            if reply is None:
                continue
            if finish == "ignored":
                reply.finish = "length"
                if reply.prepare():
                    staged.append(reply)
                continue
            if reply.blocked():
                self._blocked.append(reply)
                continue
            reply.made += 1
            reply.due_ns = due_ns
            if finish is not None:
                reply.finish = finish
            if reply.prepare():
                staged.append(reply)
        return staged

    def _queue_tokens(self) -> None:
        """The step has ended: its tokens go to the HTTP process, in the order in which the engine put them out."""
        frontend = self._frontend
        if frontend is None:
            return
        found = ((self.replies.get(one.seq_id), finish) for one, finish in self._step_tokens)
        made = [(reply, 0 if finish == "ignored" else 1) for reply, finish in found if reply is not None]
        frontend.output(self._due_ns / 1e9, made)
        self._pass_frontend()

    def _send_written(self) -> None:
        """Send the events that have left the HTTP process by now."""
        now = now_ns()
        while self._written and self._written[0][0] <= now:
            leaves_ns, reply, tokens = self._written.popleft()
            if reply.over:
                continue
            reply.made += tokens
            reply.due_ns = leaves_ns
            ended = reply.sequence.finish
            if ended is not None and reply.made >= reply.sequence.generated:
                reply.finish = "length" if ended == "ignored" else ended
            if reply.prepare():
                self.send_delay.event(max(0, reply.send_prepared() - leaves_ns))
        self._pass_frontend()

    def _on_timer(self) -> None:
        if not self._busy:
            return
        due_ns = self._due_ns
        now = now_ns()
        if now < due_ns:
            self._timer.set(due_ns)
            return
        self.send_delay.step(now - due_ns)
        add = self.send_delay.event
        self._queue_tokens()
        staged, self._staged = self._staged, []
        for reply in staged:
            add(reply.send_prepared() - due_ns)
        if self._blocked and self._frontend is None:
            self._send_blocked()
        if now - due_ns > GIVE_UP_NS:
            self.send_delay.resyncs += 1
            due_ns = now
        self._begin(due_ns)
        self._log_between_steps()

    def _log_between_steps(self) -> None:
        """Write finished truth lines while the step runs."""
        if self._log.pending and self._due_ns - now_ns() > 2 * SPARE_NS:
            self._log.write_until(self._due_ns - SPARE_NS)

    def _send_blocked(self) -> None:
        """Give replies that were held back when the step was planned their token, now that it has ended."""
        blocked, self._blocked = self._blocked, []
        for reply in blocked:
            reply.made += 1
            if reply.sequence.generated <= reply.made:
                reply.finish = reply.finish or reply.sequence.finish
            if reply.prepare():
                reply.send_prepared()

    def freeze(self) -> None:
        """Make no more tokens; replies stay open."""
        self._frozen, self._busy = True, False
        for timer in (self._timer, self._frontend_timer, self._send_timer):
            timer.cancel()

    def stop(self) -> None:
        """Shut down; open replies break off and are logged as stopped."""
        self._busy = False
        for timer in (self._timer, self._frontend_timer, self._send_timer):
            timer.close()
        for reply in list(self.replies.values()):
            reply.stop()
