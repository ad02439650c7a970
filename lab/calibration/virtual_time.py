"""Load in virtual time: engine steps and clients' waits are computed, without HTTP and without a clock.

`Playback` is the loop; `open_loop`, `fixed_concurrency` and `conversations` decide when requests are sent.
"""

from __future__ import annotations

import heapq
import random
from bisect import bisect_left
from collections.abc import Callable, Collection
from collections.abc import Sequence as Row
from dataclasses import dataclass, field

from simulator.engine.blocked_loop import BlockedLoop
from simulator.engine.engine import Engine, Sequence, Step
from simulator.engine.frontend import Frontend, FrontendCost


@dataclass(frozen=True, slots=True)
class Demand:
    """A request: prompt and answer tokens; `fixed`: ignore_eos and max_tokens make the length exact.

    `max_tokens` 0 means the answer's own length. `text`: requests with the same one begin alike, as far as they go;
    None: like no other, and not kept. `earlier`: of the prompts before it in the same conversation, growing; where it
    is given, answers are not found again: a client sends their text, which becomes other tokens than those generated.
    `blanks`: so many of its tokens, drawn by its key, show no text.
    """

    prompt_tokens: int
    answer_tokens: int
    max_tokens: int = 0
    fixed: bool = True
    text: int | None = None
    blanks: int = 0
    earlier: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Served:
    """The result of one request, in seconds since the start of the run.

    `stall_s` is the longest gap between two of its events, as the client reads them; `events`: those with text.
    """

    key: int
    sent_s: float
    first_s: float
    end_s: float
    prompt_tokens: int
    tokens: int
    finish: str
    stall_s: float
    events: int

    @property
    def ttft_s(self) -> float:
        """First token read - request sent."""
        return self.first_s - self.sent_s

    @property
    def e2e_s(self) -> float:
        """Last token read - request sent."""
        return self.end_s - self.sent_s

    @property
    def speed(self) -> float:
        """Tokens / e2e: the article's tokens/s of a request, queue and prefill included."""
        return self.tokens / self.e2e_s if self.e2e_s else 0.0


@dataclass(slots=True, eq=False)
class _Request:
    sequence: Sequence
    blank: Collection[int] = ()
    made: int = 0
    first_s: float = -1.0
    read_s: float = -1.0
    stall_s: float = 0.0
    events: int = 0


@dataclass(slots=True)
class Playback:
    """One run: requests to be sent, open ones, and served ones. `after` is called when one ends.

    `blocks_event_loop`: the engine takes its steps inside the server's event loop (simulator/engine/blocked_loop.py),
    and each request opens its own connection.
    """

    engine: Engine
    frontend: Frontend[_Request] = field(default_factory=lambda: Frontend(FrontendCost()))
    blocks_event_loop: bool = False
    after: Callable[[Served], None] | None = None
    served: list[Served] = field(default_factory=list)
    now_s: float = 0.0
    _due: list[tuple[float, int, Demand]] = field(default_factory=list)
    _open: dict[int, _Request] = field(default_factory=dict)
    _loop: BlockedLoop[int] = field(init=False)
    _no_frontend: bool = field(init=False)

    def __post_init__(self) -> None:
        self._no_frontend = self.frontend.cost == FrontendCost()
        self._loop = BlockedLoop(lambda key: self.engine.submit(self._open[key].sequence), self._wake)

    def send(self, at_s: float, key: int, demand: Demand) -> None:
        """Send a request at `at_s`, which is now or later."""
        heapq.heappush(self._due, (at_s, key, demand))

    def run(self) -> list[Served]:
        """Run until every request is served; one that can never run is left out."""
        while True:
            self._pass_frontend()
            wanted = not self.blocks_event_loop or self._loop.advance(self.now_s)
            step = self.engine.step() if wanted else None
            if wanted and (step is not None or self.blocks_event_loop):
                self._take(step)
            elif not self._idle():
                return self.served

    def _take(self, step: Step | None) -> None:
        """The step is over: its tokens are there, or are seen when their consumers wake."""
        tokens, finished = (step.tokens, step.finished) if step is not None else ((), ())
        if step is not None:
            self.now_s += step.duration_s
            if step.prefill_tokens:
                self.frontend.hold_outputs(self.now_s)
        self._pass_frontend()
        if not self.blocks_event_loop:
            made = [(self._open[sequence.seq_id], 1) for sequence in tokens]
            made += [(self._open[one.seq_id], 0) for one in finished if one.finish == "ignored"]
            if not self._no_frontend:
                self.frontend.output(self.now_s, made)
                return
            for request, number in made:
                self._read(request, number, self.now_s)
            return
        ended = {sequence.seq_id for sequence in finished}
        keys = dict.fromkeys(sequence.seq_id for sequence in (*tokens, *finished))
        self._loop.stepped([(key, key in ended) for key in keys], self.now_s)

    def _pass_frontend(self) -> None:
        """Hand requests that have passed the HTTP process to the engine, or to the event loop that it blocks."""
        block = self.engine.scheduler.prefix_block
        while self._due and self._due[0][0] <= self.now_s:
            sent_s, key, demand = heapq.heappop(self._due)
            request = _Request(_sequence(key, demand, sent_s, block), _blank(key, demand))
            self.frontend.arrive(sent_s, demand.prompt_tokens, request)
        entered, written = self.frontend.advance(self.now_s)
        for request in entered:
            key = request.sequence.seq_id
            self._open[key] = request
            if self.blocks_event_loop:
                self._loop.arrive(key, new_connection=True)
            else:
                self.engine.submit(request.sequence)
        for request, made, read_s in written:
            self._read(request, made, read_s)

    def _idle(self) -> bool:
        """Advance to the next arrival; False if there is none."""
        times_s = [self._due[0][0]] if self._due else []
        inside_s = self.frontend.next_s()
        if inside_s is not None:
            times_s.append(inside_s)
        if times_s:
            self.now_s = max(self.now_s, min(times_s))
        return bool(times_s)

    def _read(self, request: _Request, made: int, read_s: float) -> None:
        """The client reads an event with so many tokens."""
        before = request.made
        now = request.made = before + made
        sequence, blank = request.sequence, request.blank
        ended = now >= sequence.generated and bool(sequence.finish)
        if blank and not ended and now in blank and all(place in blank for place in range(before + 1, now)):
            return
        if request.first_s < 0:
            request.first_s = read_s
        elif read_s - request.read_s > request.stall_s:
            request.stall_s = read_s - request.read_s
        request.read_s = read_s
        request.events += 1
        if ended:
            self._written(self._open.pop(sequence.seq_id), read_s)

    def _wake(self, key: int) -> None:
        """Its consumer in the blocked loop writes what there is."""
        request = self._open[key]
        made = request.sequence.generated - request.made
        self._read(request, made, self.now_s + self.frontend.cost.send_ms / 1e3)

    def _written(self, request: _Request, end_s: float) -> None:
        sequence = request.sequence
        done = Served(
            key=sequence.seq_id,
            sent_s=sequence.arrived_s,
            first_s=request.first_s,
            end_s=end_s,
            prompt_tokens=sequence.prompt_tokens,
            tokens=sequence.generated,
            finish=sequence.finish or "",
            stall_s=request.stall_s,
            events=request.events,
        )
        self.served.append(done)
        if self.after:
            self.after(done)


def _blank(key: int, demand: Demand) -> Collection[int]:
    """Which tokens show no text: neither the first nor the last."""
    between = range(2, demand.answer_tokens)
    return set(random.Random(key).sample(between, min(demand.blanks, len(between)))) if demand.blanks else ()


def _prefix(demand: Demand, block: int) -> Row[int]:
    """Hashes of the beginnings of a text that only `demand.text` has."""
    if demand.text is None or not block:
        return ()
    first = hash(("text", demand.text)) << 24
    if demand.earlier is not None:
        return _prefix_of_turn(first, demand.earlier, demand.prompt_tokens, demand.answer_tokens, block)
    return range(first, first + (demand.prompt_tokens + demand.answer_tokens) // block)


def _prefix_of_turn(first: int, earlier: Row[int], prompt: int, answer: int, block: int) -> list[int]:
    """A block is that of the earliest prompt that fills it; those with generated tokens are of this turn alone."""
    turn = len(earlier)
    owners = [bisect_left(earlier, end) for end in range(block, prompt + 1, block)]
    generated = (prompt + answer) // block - len(owners)
    return [first + (owner << 16) + place for place, owner in enumerate([*owners, *[turn + 128] * generated])]


def _sequence(key: int, demand: Demand, sent_s: float, block: int) -> Sequence:
    return Sequence(
        seq_id=key,
        prompt_tokens=demand.prompt_tokens,
        max_tokens=demand.max_tokens or demand.answer_tokens,
        answer_tokens=demand.answer_tokens,
        ignore_eos=demand.fixed,
        arrived_s=sent_s,
        prefix=_prefix(demand, block),
    )


def open_loop(play: Playback, demands: Row[Demand], due_s: Row[float]) -> list[Served]:
    """Demand i is sent at due_s[i], whatever the server does; all at once if the due times are equal."""
    for key, (at_s, demand) in enumerate(zip(due_s, demands, strict=True)):
        play.send(at_s, key, demand)
    return play.run()


def fixed_concurrency(play: Playback, demands: Row[Demand], level: int) -> list[Served]:
    """`level` requests always open, no think time, until all demands were sent."""
    waiting = list(enumerate(demands))

    def next_one(done: Served | None) -> None:
        if waiting:
            key, demand = waiting.pop(0)
            play.send(done.end_s if done else 0.0, key, demand)

    play.after = next_one
    for _ in range(level):
        next_one(None)
    return play.run()


def conversations(
    play: Playback, turns: Row[Row[Demand]], start_s: Row[float], think_s: float
) -> list[Served]:
    """User u begins at start_s[u] and sends the next turn `think_s` after the last one ended.

    A request's key is u · 1000 + turn.
    """

    def next_turn(done: Served) -> None:
        user, turn = divmod(done.key, 1000)
        if turn + 1 < len(turns[user]):
            play.send(done.end_s + think_s, done.key + 1, turns[user][turn + 1])

    play.after = next_turn
    for user, begins_s in enumerate(start_s):
        play.send(begins_s, user * 1000, turns[user][0])
    return play.run()


@dataclass(frozen=True, slots=True)
class Summary:
    """The article's figures of a run: requests/s, all tokens/s, mean and lowest speed per request, TTFT."""

    requests_per_s: float
    output_tokens_per_s: float
    total_tokens_per_s: float
    average_speed: float
    lowest_speed: float
    ttft_p50_s: float
    ttft_max_s: float


def summarise(served: Row[Served]) -> Summary:
    """Rates over first sent .. last end; speeds as Served.speed says; p50 is the middle of the sorted."""
    wall_s = max(one.end_s for one in served) - min(one.sent_s for one in served)
    tokens = sum(one.tokens for one in served)
    speeds = [one.speed for one in served]
    ttft_s = sorted(one.ttft_s for one in served)
    return Summary(
        requests_per_s=len(served) / wall_s,
        output_tokens_per_s=tokens / wall_s,
        total_tokens_per_s=(tokens + sum(one.prompt_tokens for one in served)) / wall_s,
        average_speed=sum(speeds) / len(speeds),
        lowest_speed=min(speeds),
        ttft_p50_s=(ttft_s[(len(ttft_s) - 1) // 2] + ttft_s[len(ttft_s) // 2]) / 2,
        ttft_max_s=ttft_s[-1],
    )
