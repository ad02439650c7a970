"""The capacity search against servers whose capacity is known: both in virtual time, on the simulator's engine.

python -m lab.study.capacity [--searches 100]

The truth of a server is the most chat users that meet the SLOs when they are watched for three quarters of an hour. A
search sees what Locust's would: the same decisions, verdicts, ramp, settling and windows, in steps of the engine.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from chatload.analysis.slo_verdict import level_verdict
from chatload.loads.capacity import CapacityLoad
from chatload.loads.level_search import Capacity, Ladder, Rules, first_turn
from chatload.model.slo import Objective, read_objectives
from chatload.model.turn import Turn
from lab.calibration.replay import Target, private_prefix
from lab.calibration.virtual_time import Demand, Playback, Served
from simulator.engine.frontend import FrontendCost
from simulator.engine.step_cost import Cost
from simulator.replies.job import draw_length

S = 1e9
LINE_TOKENS = 20
"""What a user's next line adds to a history."""
LONG_S, AGED_S = 2700.0, 200.0


@dataclass(frozen=True, slots=True)
class Bench:
    """A simulated server, what its chat users do, and the SLOs. `answer`: mean, standard deviation, most tokens."""

    name: str
    server: Target
    slo: str
    load: CapacityLoad
    prompt_tokens: int
    answer: tuple[float, float, int]

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """The SLOs, understood."""
        return read_objectives(self.slo)[0]


LOAD = CapacityLoad(
    users=1, users_per_s=1.0, ramp="even", first=8, most=1000, rate=10.0, precision=0.05, windows=4, settle_s=10.0,
    measure_s=30.0, conversation_turns=10, think_time_s=2.0, history=True, prompt="", prompts="",
)  # fmt: skip
"""The options as they are when nobody says otherwise, with histories."""


def _server(profile: str, cost: Cost, **knobs: object) -> Target:
    return Target(profile, knobs, cost, FrontendCost())


BENCHES = (
    Bench("vLLM, 24 seats: the queue", _server("vllm-v1@demo", Cost(60, 150, 150, 20, 60), max_num_seqs=24),
          "p95 ttft_ms <= 500", LOAD, 60, (30, 15, 120)),
    Bench("vLLM, the same, equal answers", _server("vllm-v1@demo", Cost(60, 150, 150, 20, 60), max_num_seqs=24),
          "p95 ttft_ms <= 500", replace(LOAD, history=False), 60, (30, 0, 120)),
    Bench("vLLM, slower with each user", _server("vllm-v1@demo", Cost(40, 1500, 150, 20, 60), max_num_seqs=256),
          "p50 felt_tokens_per_s >= 10; failed_share <= 5%", LOAD, 60, (40, 25, 160)),
    Bench("vLLM, slow prompts: a flat knee", _server("vllm-v1@demo", Cost(40, 1500, 150, 20, 600), max_num_seqs=256),
          "p90 ttft_ms <= 300", LOAD, 60, (40, 25, 160)),
    Bench("TGI, small batch: goodput", _server("tgi-3@demo", Cost(60, 400, 150, 20, 300), max_batch_total_tokens=12000),
          "goodput >= 90%; ttft_ms <= 800; felt_tokens_per_s >= 6", LOAD, 60, (40, 25, 160)),
)  # fmt: skip

SEATS = 12
OVER_HTTP = Bench(
    "vLLM, 12 seats, over HTTP", Target("vllm-v1@demo", {"max_num_seqs": SEATS}), "p50 ttft_ms <= 250",
    replace(LOAD, first=15, most=120, rate=20.0, windows=2, settle_s=1.0, measure_s=3.0, think_time_s=0.5,
            history=False),
    40, (25, 8, 2000),
)  # fmt: skip
SIMULATED = ("--max-num-seqs", str(SEATS), "--answer-tokens", "25:8")
"""The same server as a process that Locust can be sent against in less than a minute, and its knobs."""


def options(load: CapacityLoad) -> tuple[str, ...]:
    """What a person types for such a search."""
    return (
        "--first", f"{load.first}", "--most", f"{load.most}", "--rate", f"{load.rate:g}", "--precision",
        f"{load.precision:g}", "--windows", f"{load.windows}", "--settle", f"{load.settle_s:g}", "--measure",
        f"{load.measure_s:g}", "--think-time", f"{load.think_time_s:g}", "--turns", f"{load.conversation_turns}",
        "--history", "on" if load.history else "off",
    )  # fmt: skip


def window(bench: Bench, users: int, seed: str, load: CapacityLoad | None = None) -> list[Turn]:
    """The turns that were due while a level was measured, as Locust's capacity users would have held them."""
    return _Window(bench, load or bench.load, users, seed).turns


class _Window:
    """One level: ramped, settled, measured, drained."""

    def __init__(self, bench: Bench, load: CapacityLoad, users: int, seed: str) -> None:
        self._bench, self._load, self._seed = bench, load, seed
        self._drawn = random.Random(seed)
        self._end_s = users / load.rate + load.settle_s + load.measure_s
        self._asked: dict[int, tuple[int, int, float]] = {}
        self._conversations = 0
        self.turns: list[Turn] = []
        self._play: Playback = bench.server.playback()
        self._play.after = self._served
        for lane in range(users):
            begins = first_turn(lane, load.conversation_turns)
            known = sum(self._answer() + LINE_TOKENS for _ in range(1, begins)) if load.history else 0
            self._begin(lane / load.rate, begins, known)
        self._play.run()

    def _answer(self) -> int:
        mean, spread, most = self._bench.answer
        return min(most, draw_length(self._drawn, mean, spread))

    def _begin(self, at_s: float, turn: int, known_tokens: int) -> None:
        self._conversations += 1
        self._ask(at_s, self._conversations, turn, self._bench.prompt_tokens + known_tokens)

    def _ask(self, at_s: float, user: int, turn: int, prompt_tokens: int) -> None:
        if at_s >= self._end_s:
            return
        key, answer = len(self._asked), self._answer()
        self._asked[key] = (user, turn, at_s)
        owner = hash((self._seed, user, 0 if self._load.history else turn))
        prefix = private_prefix(owner, prompt_tokens + answer)
        self._play.send(at_s, key, Demand(prompt_tokens, answer, prefix=prefix))

    def _served(self, done: Served) -> None:
        user, number, due_s = self._asked[done.key]
        if due_s >= self._end_s - self._load.measure_s:
            self.turns.append(_turn(user, number, due_s, done))
        next_s = done.end_s + self._load.think_time_s
        if number >= self._load.conversation_turns:
            self._begin(next_s, 1, 0)
        elif self._load.history:
            self._ask(next_s, user, number + 1, done.prompt_tokens + done.tokens + LINE_TOKENS)
        else:
            self._ask(next_s, user, number + 1, self._bench.prompt_tokens)


def _turn(user: int, number: int, due_s: float, done: Served) -> Turn:
    """What chatload would have measured of it, had it measured without error."""
    due_ns, first_ns, end_ns = round(due_s * S), round(done.first_s * S), round(done.end_s * S)
    return Turn(
        turn_id=f"{user}-{number}", request_id="", user=user, turn=number, due_ns=due_ns, sent_ns=due_ns,
        first_token_ns=first_ns, last_token_ns=end_ns, end_ns=end_ns, tokens=done.tokens, first_event_tokens=1,
        ok=True,
    )  # fmt: skip


def true_capacity(bench: Bench, low: int, high: int, long_s: float = LONG_S) -> int:
    """The most users, from `low` (which must meet them) to below `high`, that meet the SLOs over `long_s`."""
    load = replace(bench.load, settle_s=AGED_S, measure_s=long_s)
    while high - low > 1:
        middle = (low + high) // 2
        if level_verdict(window(bench, middle, "truth", load), bench.objectives)[1]:
            low = middle
        else:
            high = middle
    return low


@dataclass(frozen=True, slots=True)
class Searched:
    """What one search found, in how many windows."""

    found: Capacity
    windows: int

    def covers(self, truth: int) -> bool:
        """True when the truth is inside the interval."""
        low, high = self.found.interval
        return (low is None or low <= truth) and (high is None or truth <= high)


def search(bench: Bench, seed: int) -> Searched:
    """One search as `locustfiles/capacity.py` makes it."""
    load = bench.load
    ladder = Ladder(Rules(load.first, load.most, load.precision, load.windows))
    measured: dict[int, list[Turn]] = {}
    windows = 0
    while (users := ladder.next_users) is not None:
        windows += 1
        turns = window(bench, users, f"{seed} {windows}")
        pooled = measured.setdefault(users, [])
        pooled += [replace(turn, group=str(windows)) for turn in turns]
        verdict, passed, _ = level_verdict(pooled, bench.objectives)
        ladder.measured(users, verdict, passed)
    return Searched(ladder.found, windows)


def told(bench: Bench, truth: int, searches: Sequence[Searched]) -> str:
    """A row of docs/capacity.md."""
    n = len(searches)
    errors = sorted(one.found.users / truth - 1 for one in searches)
    near = sum(abs(error) <= 0.1 for error in errors)
    inside = sum(one.covers(truth) for one in searches)
    footed = sum(one.found.surely_met is not None and one.found.surely_missed is not None for one in searches)
    windows = sum(one.windows for one in searches) / n
    return (
        f"| {bench.name} | `{bench.slo}` | {truth} | {near} of {n} | {sum(errors) / n:+.1%} | "
        f"{errors[0]:+.0%} … {errors[-1]:+.0%} | {inside} of {n} | {footed} of {n} | {windows:.1f} |"
    )


def main(argv: Sequence[str]) -> int:
    """Every bench: its truth, and what searches say of it."""
    parser = argparse.ArgumentParser(prog="python -m lab.study.capacity", description=__doc__)
    parser.add_argument("--searches", type=int, default=100, help="searches of each server (100)")
    count = parser.parse_args(argv).searches
    for bench in BENCHES:
        truth = true_capacity(bench, 1, 160)
        sys.stdout.write(told(bench, truth, [search(bench, seed) for seed in range(count)]) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
