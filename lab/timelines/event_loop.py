"""A recorded vLLM 0.1.2 timeline on the simulator's scheduler and its model of the blocked event loop."""

from __future__ import annotations

from collections.abc import Sequence as Row

from lab.timelines.recorded import Played, RecordedRequest, Timeline
from simulator.engine.blocked_loop import BlockedLoop
from simulator.engine.engine import Engine
from simulator.schedulers.sequence import Sequence
from simulator.schedulers.vllm_0_1 import V0Limits, Vllm012Scheduler


def play_vllm(timeline: Timeline) -> list[Played]:
    """Every request of a timeline."""
    new = timeline.facts["connections"] == "one a request"
    limits = V0Limits(num_blocks=timeline.facts["kv_blocks"])
    return [
        each
        for burst in timeline.bursts
        for each in _Burst(Engine(Vllm012Scheduler(limits), timeline.cost), burst, new).play()
    ]


class _Burst:
    """One burst. The last token of a recorded answer showed no text: an event that has only this one does not count."""

    def __init__(self, engine: Engine, burst: Row[RecordedRequest], new_connections: bool) -> None:
        self._engine = engine
        self._burst = burst
        self._new = new_connections
        self._sequences = [
            Sequence(place, one.prompt_tokens, one.max_tokens, one.max_tokens, True, one.sent_s)
            for place, one in enumerate(burst)
        ]
        self._loop: BlockedLoop[int] = BlockedLoop(
            lambda place: engine.submit(self._sequences[place]), self._write
        )
        self._now_s = 0.0
        self._sent = 0
        self._written: dict[int, int] = {}
        self._first_s: dict[int, float] = {}
        self._end_s: dict[int, float] = {}

    def play(self) -> list[Played]:
        """See the class."""
        while True:
            self._receive()
            if self._loop.advance(self._now_s):
                self._step()
                continue
            times = [self._burst[self._sent].sent_s] if self._sent < len(self._burst) else []
            timer_s = self._loop.next_timer_s()
            times += [timer_s] if timer_s is not None else []
            if not times:
                break
            self._now_s = max(self._now_s, min(times))
        return [
            Played(one, (self._first_s[place] - one.sent_s) * 1e3, (self._end_s[place] - one.sent_s) * 1e3)
            for place, one in enumerate(self._burst)
        ]

    def _receive(self) -> None:
        while self._sent < len(self._burst) and self._burst[self._sent].sent_s <= self._now_s:
            self._loop.arrive(self._sent, new_connection=self._new)
            self._sent += 1

    def _step(self) -> None:
        step = self._engine.step()
        outputs: list[tuple[int, bool]] = []
        if step is not None:
            self._now_s += step.duration_s
            self._receive()
            outputs = [(one.seq_id, one.finish is not None) for one in step.tokens]
        self._loop.stepped(outputs, self._now_s)

    def _write(self, place: int) -> None:
        made, written = self._sequences[place].generated, self._written.get(place, 0)
        self._written[place] = made
        if made - written > 1 or made < self._burst[place].max_tokens:
            self._first_s.setdefault(place, self._now_s)
            self._end_s[place] = self._now_s
