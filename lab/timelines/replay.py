"""The recorded arrivals in virtual time on the simulator's scheduler, with the recorded cost of its steps."""

from __future__ import annotations

from collections.abc import Sequence as Row
from dataclasses import dataclass

from lab.timelines.recorded import Played, RecordedRequest, Timeline
from simulator.engine.engine import Engine
from simulator.schedulers.interface import Scheduler
from simulator.schedulers.sequence import Sequence
from simulator.schedulers.tgi_0_9 import TgiLimits, TgiScheduler
from simulator.schedulers.tgi_3 import Tgi3Limits, Tgi3Scheduler, answer_limit

BEGIN = 1
"""Hash of the token that begins every prompt."""


@dataclass(frozen=True, slots=True)
class Router:
    """What the router's own work adds, in ms.

    `joins_ms`: a request sent so long after a step's end still joins the next one (negative: before it). `wakes_ms`:
    from the sending of a request that finds nothing running to its step. `sends_ms`: from a step's end to the client.
    """

    joins_ms: float
    wakes_ms: float
    sends_ms: float = 3.0


ROUTERS = {"0.9.3": Router(0.25, 0.5), "3.3.7": Router(-0.5, 0.5)}
"""By version; the README of the recordings says 1 to 3 ms from a step's end to the client."""


def play(timeline: Timeline, *, alike: bool = True) -> list[Played]:
    """Every request of a TGI timeline; `alike` False: no two prompts share more than their first token."""
    version = timeline.server.split()[-1]
    scheduler, router = _scheduler(timeline), ROUTERS[version]
    played: list[Played] = []
    for number, burst in enumerate(timeline.bursts):
        pairs = timeline.begin_alike if alike else ()
        sequences = [
            _sequence(request, number * 1000 + place, pieces=version != "0.9.3")
            for place, request in enumerate(burst)
        ]
        for first, second in pairs:
            sequences[second].prefix = (*sequences[first].prefix[:2], *sequences[second].prefix[2:])
        played += _play_burst(Engine(scheduler, timeline.cost), router, burst, sequences)
    return played


def _play_burst(
    engine: Engine, router: Router, burst: Row[RecordedRequest], sequences: Row[Sequence]
) -> list[Played]:
    now_s, place = 0.0, 0
    first_s: dict[int, float] = {}
    end_s: dict[int, float] = {}
    while len(end_s) < len(burst):
        while place < len(burst) and burst[place].sent_s <= now_s + router.joins_ms / 1e3:
            engine.submit(sequences[place])
            place += 1
        step = engine.step()
        if step is None:
            wait_ms = max(router.wakes_ms, -router.joins_ms) + 1e-6
            now_s = max(now_s, burst[place].sent_s + wait_ms / 1e3)
            continue
        now_s += step.duration_s
        for sequence in step.tokens:
            first_s.setdefault(sequence.seq_id, now_s)
        for sequence in step.finished:
            end_s[sequence.seq_id] = now_s
    return [
        Played(
            request,
            (first_s[sequence.seq_id] - request.sent_s) * 1e3 + router.sends_ms,
            (end_s[sequence.seq_id] - request.sent_s) * 1e3 + router.sends_ms,
        )
        for request, sequence in zip(burst, sequences, strict=True)
    ]


def _scheduler(timeline: Timeline) -> Scheduler:
    """As the recorded server was started."""
    flags, shard = str(timeline.facts["router_flags"]).split(), str(timeline.facts["shard"])
    given = dict(zip(flags[::2], map(int, flags[1::2]), strict=True))
    if "0.9.3" in timeline.server:
        return TgiScheduler(TgiLimits(max_batch_total_tokens=given.get("--max-batch-total-tokens", 16000)))
    chunking = "--no-chunking" not in shard
    return Tgi3Scheduler(
        Tgi3Limits(
            max_batch_total_tokens=timeline.facts["kv_tokens"],
            waiting_served_ratio=0.3 if chunking else 1.2,  # the router's own default; the launcher gives 0.3
            support_chunking=chunking,
            prefix_caching="--no-prefix-caching" not in shard,
        )
    )


def _sequence(request: RecordedRequest, number: int, *, pieces: bool) -> Sequence:
    """`pieces`: its answer is made in pieces of 1,024 tokens."""
    answer = request.max_tokens
    if pieces:
        limits = Tgi3Limits()
        answer = answer_limit(request.prompt_tokens, answer, limits.max_input_length, limits.max_total_tokens)
    first = (number + 2) << 24
    return Sequence(
        seq_id=number,
        prompt_tokens=request.prompt_tokens,
        max_tokens=answer,
        answer_tokens=answer,
        ignore_eos=True,
        arrived_s=request.sent_s,
        prefix=(BEGIN, *range(first, first + request.prompt_tokens + answer - 1)),
    )
