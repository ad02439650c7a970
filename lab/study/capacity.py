"""Tests the capacity search on servers of known capacity, in virtual time on the simulator's engine.

python -m lab.study.capacity [--searches 100] [--arrivals]

The true capacity of a server is the largest number of chat users that meet the SLOs over 45 minutes. A search makes
the same decisions as Locust's, from the same verdicts, ramp, settling time and windows, in steps of the engine.
"""

from __future__ import annotations

import argparse
import dataclasses
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from chatload.analysis.capacity_levels import level_s, measuring_s, reply_s, settling_s
from chatload.analysis.growth import Growth, level_growth, with_growth
from chatload.analysis.slo_verdict import level_verdict
from chatload.analysis.window import Window
from chatload.loads.capacity import ARRIVALS, CapacityLoad
from chatload.loads.level_arrivals import level_arrivals
from chatload.loads.level_search import Capacity, LevelSearch, Rules, first_turn
from chatload.loads.think_time import phase_s, thinking
from chatload.model.errors import CONTEXT_FULL
from chatload.model.slo import Objective, read_objectives
from chatload.model.turn import Turn
from chatload.model.verdict import MET, UNDECIDED
from chatload.options.distribution import exponential
from lab.calibration.replay import Target
from lab.calibration.virtual_time import Demand, Playback, Served
from simulator.engine.frontend import FrontendCost
from simulator.engine.step_cost import Cost
from simulator.replies.job import draw_length

S = 1e9
LINE_TOKENS = 20
"""Tokens that a user's next message adds to the history."""
CONTEXT_LONG_S = 600.0
LONG_S, AGED_S = 2700.0, 200.0
REFUSED_S = 0.005
"""TGI 0.9.3 refuses a prompt that is too long in 5 ms."""


@dataclass(frozen=True, slots=True)
class SearchCase:
    """A simulated server, its chat users and the SLOs. `answer`: tokens, mean, standard deviation, maximum.

    `context`: prompts of more tokens are refused (0: none is). Their conversation is over and its user begins the next
    one; with `fails` they are failed turns, asked again in the next turn.
    """

    name: str
    server: Target
    slo: str
    load: CapacityLoad
    prompt_tokens: int
    answer: tuple[float, float, int]
    context: int = 0
    fails: bool = False

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """The SLOs, parsed."""
        return read_objectives(self.slo)[0]


LOAD = CapacityLoad(
    users=1,
    users_per_s=1.0,
    ramp="even",
    first=8,
    most=1000,
    rate=10.0,
    precision=0.05,
    windows=4,
    settle_s=10.0,
    measure_s=30.0,
    conversation_turns=10,
    **thinking(exponential(2.0)),
    history=True,
    prompt="",
    prompts="",
)
"""The default options, with histories."""


def _server(profile: str, cost: Cost, **options: object) -> Target:
    return Target(profile, options, cost, FrontendCost())


FEW_SEATS = _server("vllm-v1@demo", Cost(60, 150, 150, 20, 60), max_num_seqs=24)
SLOWER_PER_USER = _server("vllm-v1@demo", Cost(40, 1500, 150, 20, 60), max_num_seqs=256)
SLOW_PROMPTS = _server("vllm-v1@demo", Cost(40, 1500, 150, 20, 600), max_num_seqs=256)
SMALL_BATCH = _server("tgi-3@demo", Cost(60, 400, 150, 20, 300), max_batch_total_tokens=12000)
GOODPUT = "goodput >= 90%; ttft_ms <= 800; felt_tokens_per_s >= 6"
FELT = "p50 felt_tokens_per_s >= 10; failed_share <= 5%"
ONE_PROMPT = replace(LOAD, history=False)


def _equal_answers(users_per_s: float) -> SearchCase:
    """The hardest for users who must not fall into step: every answer is equally long."""
    name = f"vLLM, the same, equal answers, {users_per_s:,g} users/s"
    load = replace(ONE_PROMPT, rate=users_per_s)
    return SearchCase(name, FEW_SEATS, "p95 ttft_ms <= 500", load, 60, (30, 0, 120))


SEARCH_CASES = (
    SearchCase("vLLM, 24 seats: the queue", FEW_SEATS, "p95 ttft_ms <= 500", LOAD, 60, (30, 15, 120)),
    _equal_answers(10.0),
    SearchCase("vLLM, slower with each user", SLOWER_PER_USER, FELT, LOAD, 60, (40, 25, 160)),
    SearchCase(
        "vLLM, slow prompts: a flat knee", SLOW_PROMPTS, "p90 ttft_ms <= 300", LOAD, 60, (40, 25, 160)
    ),
    SearchCase("TGI, small batch: goodput", SMALL_BATCH, GOODPUT, LOAD, 60, (40, 25, 160)),
    _equal_answers(40.0),
    _equal_answers(1000.0),
)

LAX = "p95 ttft_ms <= 5000"
"""Met for a while on a server that does not keep up."""
ARRIVING = SearchCase(
    "vLLM, 24 seats, arriving conversations",
    FEW_SEATS,
    LAX,
    replace(LOAD, counts=ARRIVALS, first=20, most=2000, history=False),
    60,
    (30, 15, 120),
)
"""In conversations a minute; not among the cases of docs/capacity.md, whose truths are numbers of users."""

WITH_HISTORY = SearchCase(
    "TGI 0.9.3, histories of up to 1,200 tokens",
    _server("tgi-0.9.3@demo", Cost(10, 60, 50, 8, 60), max_batch_total_tokens=16000),
    "p95 ttft_ms <= 400; failed_share <= 1%",
    LOAD,
    60,
    (100, 40, 300),
)
CONTEXTS = (0, 1400, 1200, 1024, 600)
"""Limits of a prompt, in tokens; 0 is never reached, 1,400 rarely."""
FAILING = 1024
"""The one that is measured with refused turns as failures, too."""

SEATS = 12
OVER_HTTP = SearchCase(
    name="vLLM, 12 seats, over HTTP",
    server=Target("vllm-v1@demo", {"max_num_seqs": SEATS}),
    slo="p50 ttft_ms <= 250",
    load=replace(
        ONE_PROMPT,
        first=15,
        most=120,
        rate=20.0,
        windows=2,
        settle_s=1.0,
        measure_s=3.0,
        **thinking(exponential(0.5)),
    ),
    prompt_tokens=40,
    answer=(25, 8, 2000),
)
SIMULATED = ("--max-num-seqs", str(SEATS), "--answer-tokens", "25:8")
"""The simulator's arguments for the same server; Locust's search against it takes less than a minute."""


def options(load: CapacityLoad) -> tuple[str, ...]:
    """The command-line options of such a search."""
    text = (
        f"--first {load.first} --most {load.most} --rate {load.rate:g} --precision {load.precision:g} "
        f"--windows {load.windows} --settle {load.settle_s:g} --measure {load.measure_s:g} "
        f"--turns {load.conversation_turns} --history {'on' if load.history else 'off'}"
    )
    return (*text.split(), "--think-time", load.think_time.text)


def window(case: SearchCase, users: int, seed: str, load: CapacityLoad | None = None) -> list[Turn]:
    """The turns that fell due while a level was measured, as Locust's capacity users would send them."""
    return _Window(case, load or case.load, users, seed).turns


def window_and_growth(
    case: SearchCase, level: int, seed: str, load: CapacityLoad | None = None, took_s: float = 0.0
) -> tuple[list[Turn], Growth]:
    """The same of a level of arriving conversations, and whether they pile up."""
    played = _Window(case, load or case.load, level, seed, took_s)
    return played.turns, played.growth


class _Window:
    """One level: ramp, settling, measurement, drain."""

    def __init__(
        self, case: SearchCase, load: CapacityLoad, users: int, seed: str, took_s: float = 0.0
    ) -> None:
        self._case, self._load, self._seed = case, load, seed
        self._drawn = random.Random(seed)
        self._end_s = load.ramp_s(users) + load.settle_s + load.measure_s
        self._asked: dict[int, tuple[int, int, float]] = {}
        self._conversations = 0
        self.turns: list[Turn] = []
        self._every: list[Turn] = []
        self._play: Playback = case.server.playback()
        self._play.after = self._served
        if load.arrives:
            for at_s, begins in level_arrivals(load, users, self._end_s, seed, took_s):
                known = sum(self._answer() + LINE_TOKENS for _ in range(1, begins)) if load.history else 0
                self._begin(at_s, begins, known)
        for number in range(0 if load.arrives else users):
            begins = first_turn(number, load.conversation_turns)
            known = sum(self._answer() + LINE_TOKENS for _ in range(1, begins)) if load.history else 0
            phase = phase_s(load.think_time, f"{seed} {number}")
            self._begin(number / load.rate + phase, begins, known)
        self._play.run()

    @property
    def growth(self) -> Growth:
        """How many were there at the beginning of the measurement, and at its end."""
        end_ns = round(self._end_s * S)
        measured = Window(end_ns - round(self._load.measure_s * S), end_ns)
        return level_growth(self._every, self._load.conversation_turns, measured)

    def _answer(self) -> int:
        mean, spread, most = self._case.answer
        return min(most, draw_length(self._drawn, mean, spread))

    def _begin(self, at_s: float, turn: int, known_tokens: int) -> None:
        self._conversations += 1
        self._ask(at_s, self._conversations, turn, self._case.prompt_tokens + known_tokens)

    def _ask(self, at_s: float, user: int, turn: int, prompt_tokens: int) -> None:
        if at_s >= self._end_s:
            return
        if 0 < self._case.context < prompt_tokens:
            self._refused(at_s, user, turn, prompt_tokens)
            return
        key, answer = len(self._asked), self._answer()
        self._asked[key] = (user, turn, at_s)
        owner = hash((self._seed, user, 0 if self._load.history else turn))
        self._play.send(at_s, key, Demand(prompt_tokens, answer, text=owner))

    def _refused(self, at_s: float, user: int, turn: int, prompt_tokens: int) -> None:
        """A turn that does not fit the context."""
        left = 1 + self._load.conversation_turns - turn
        refused = _refused_turn(user, turn, at_s, 0 if self._case.fails else left)
        self._every.append(refused)
        if at_s >= self._end_s - self._load.measure_s:
            self.turns.append(refused)
        if not self._case.fails:
            self._begin(at_s, 1, 0)
            return
        next_s = at_s + REFUSED_S + self._load.think_time.drawn(f"think {self._seed} {user} {turn}")
        if left > 1:
            self._ask(next_s, user, turn + 1, prompt_tokens)
        else:
            self._begin(next_s, 1, 0)

    def _served(self, done: Served) -> None:
        user, number, due_s = self._asked[done.key]
        self._every.append(_turn(user, number, due_s, done))
        if due_s >= self._end_s - self._load.measure_s:
            self.turns.append(self._every[-1])
        next_s = done.end_s + self._load.think_time.drawn(f"think {self._seed} {user} {number}")
        if number >= self._load.conversation_turns and self._load.arrives:
            return
        if number >= self._load.conversation_turns:
            self._begin(next_s, 1, 0)
        elif self._load.history:
            self._ask(next_s, user, number + 1, done.prompt_tokens + done.tokens + LINE_TOKENS)
        else:
            self._ask(next_s, user, number + 1, self._case.prompt_tokens)


def _turn(user: int, number: int, due_s: float, done: Served) -> Turn:
    """The turn as chatload would record it, without measurement error."""
    due_ns, first_ns, end_ns = round(due_s * S), round(done.first_s * S), round(done.end_s * S)
    return Turn(
        turn_id=f"{user}-{number}",
        request_id="",
        user=user,
        turn=number,
        due_ns=due_ns,
        sent_ns=due_ns,
        first_token_ns=first_ns,
        last_token_ns=end_ns,
        end_ns=end_ns,
        tokens=done.tokens,
        first_event_tokens=1,
        ok=True,
    )


def _refused_turn(user: int, number: int, due_s: float, not_held: int) -> Turn:
    """A turn whose prompt does not fit, as chatload would record it."""
    due_ns = round(due_s * S)
    end_ns = due_ns + round(REFUSED_S * S)
    return Turn(
        turn_id=f"{user}-{number}",
        request_id="",
        user=user,
        turn=number,
        due_ns=due_ns,
        sent_ns=due_ns,
        end_ns=end_ns,
        ok=False,
        code=CONTEXT_FULL,
        not_held=not_held,
    )


def true_capacity(case: SearchCase, low: int, high: int, long_s: float = LONG_S, seed: str = "truth") -> int:
    """The most users, from `low` (which must meet them) to below `high`, that meet the SLOs over `long_s`."""
    load = replace(case.load, settle_s=AGED_S, measure_s=long_s)
    while high - low > 1:
        middle = (low + high) // 2
        turns, grown = window_and_growth(case, middle, seed, load)
        if level_verdict(turns, case.objectives)[0] == MET and not (load.arrives and grown.grows):
            low = middle
        else:
            high = middle
    return low


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The capacity that one search found, and the number of its windows."""

    found: Capacity
    windows: int

    def covers(self, truth: int) -> bool:
        """True when the truth is inside the interval."""
        low, high = self.found.interval
        return (low is None or low <= truth) and (high is None or truth <= high)


def search(case: SearchCase, seed: int, *, sees_growth: bool = True) -> SearchResult:
    """One search, as `locustfiles/capacity.py` makes it; without `sees_growth` one that looks at the SLOs only."""
    load = case.load
    levels = LevelSearch(Rules(load.first, load.most, load.precision, load.windows, load.arrives))
    measured: dict[int, list[Turn]] = {}
    growths: dict[int, Growth] = {}
    windows, took_s = 0, 0.0
    if load.arrives:  # the warm-up tells how long replies take
        took_s = reply_s(window(case, load.first, f"{seed} warm-up", load))
    while (users := levels.next_users) is not None:
        windows += 1
        needed_s = level_s(case.load, users, load.measure_s, took_s)
        level = replace(load, settle_s=settling_s(load, took_s), measure_s=needed_s)
        turns, grown = window_and_growth(case, users, f"{seed} {windows}", level, took_s)
        growths[users] = growths.get(users, Growth()) + grown
        load = replace(load, measure_s=measuring_s(case.load.measure_s, turns))
        took_s = min(took_s, reply_s(turns) or took_s)
        pooled = measured.setdefault(users, [])
        pooled += [replace(turn, group=str(windows)) for turn in turns]
        verdict, sure, _ = level_verdict(pooled, case.objectives)
        if load.arrives and sees_growth:
            verdict, sure = with_growth(verdict, sure, growths[users])
        levels.measured(users, verdict if sure else UNDECIDED, verdict == MET)
    return SearchResult(levels.found, windows)


def table_row(case: SearchCase, truth: int, searches: Sequence[SearchResult]) -> str:
    """A row of docs/capacity.md."""
    n = len(searches)
    errors = sorted(one.found.users / truth - 1 for one in searches)
    near = sum(abs(error) <= 0.1 for error in errors)
    inside = sum(one.covers(truth) for one in searches)
    bounded = sum(
        one.found.surely_met is not None and one.found.surely_missed is not None for one in searches
    )
    windows = sum(one.windows for one in searches) / n
    return (
        f"| {case.name} | `{case.slo}` | {truth} | {near} of {n} | {sum(errors) / n:+.1%} | "
        f"{errors[0]:+.0%} … {errors[-1]:+.0%} | {inside} of {n} | {bounded} of {n} | {windows:.1f} |"
    )


def arrivals_row(case: SearchCase, searches: int, longs: int = 6) -> str:
    """A row of the table of arrivals: the truth is from the least to the most that so many long runs give."""
    truths = [true_capacity(case, 20, 120, seed=f"truth {number}") for number in range(longs)]
    found = [search(case, seed) for seed in range(searches)]
    answers = [one.found.users for one in found]
    low, high = min(truths), max(truths)
    inside = sum(any(one.covers(truth) for truth in (low, high)) for one in found)
    return (
        f"| `{case.slo}` | {low} to {high} | {sum(answers) / searches:.1f} | {min(answers)} … {max(answers)} | "
        f"{inside} of {searches} | {sum(one.windows for one in found) / searches:.1f} |"
    )


def context_row(case: SearchCase, unlimited: int, searches: int) -> str:
    """A row of the table of short contexts; `unlimited` is the truth without one."""
    truth = true_capacity(case, 0, 80, CONTEXT_LONG_S)
    found = [search(case, seed) for seed in range(searches)]
    users = [one.found.users for one in found]
    own, other = (sum(one.covers(known) for one in found) for known in (truth, unlimited))
    limit = f"{case.context:,}" if case.context else "none"
    turns = [turn for number in range(4) for turn in window(case, max(1, truth), f"window {number}")]
    early = "–" if case.fails else f"{ended_early(turns, case.load.conversation_turns):.0%}"
    return (
        f"| {limit} | `{'fail' if case.fails else 'end'}` | {early} | {truth} | "
        f"{min(users)} … {max(users)} | {own} of {searches} | {other} of {searches} | "
        f"{sum(one.windows for one in found) / searches:.1f} |"
    )


def ended_early(turns: Sequence[Turn], last: int) -> float:
    """The share of conversations that met the limit before turn `last`, among those that ended."""
    early = sum(turn.code == CONTEXT_FULL for turn in turns)
    whole = sum(turn.ok and turn.turn == last for turn in turns)
    return early / max(1, early + whole)


def main(argv: Sequence[str]) -> int:
    """Print a row per case: the true capacity, and how near the searches came."""
    parser = argparse.ArgumentParser(prog="python -m lab.study.capacity", description=__doc__)
    parser.add_argument("--searches", type=int, default=100, help="searches of each server (100)")
    parser.add_argument("--only", default="", help="only servers with this in their name")
    parser.add_argument("--arrivals", action="store_true", help="searches in arrivals (about 5 min for 14)")
    parser.add_argument(
        "--context", action="store_true", help="searches with short contexts (about 10 min for 5)"
    )
    given = parser.parse_args(argv)
    count = given.searches
    if given.context:
        unlimited = true_capacity(WITH_HISTORY, 1, 80, CONTEXT_LONG_S)
        for limit, fails in (*((limit, False) for limit in CONTEXTS), (FAILING, True)):
            case = dataclasses.replace(WITH_HISTORY, context=limit, fails=fails)
            sys.stdout.write(context_row(case, unlimited, count) + "\n")
            sys.stdout.flush()
        return 0
    if given.arrivals:
        for slo in ("p95 ttft_ms <= 500", LAX):
            sys.stdout.write(arrivals_row(dataclasses.replace(ARRIVING, slo=slo), count) + "\n")
            sys.stdout.flush()
        return 0
    for case in (case for case in SEARCH_CASES if given.only in case.name):
        truth = true_capacity(case, 1, 160)
        sys.stdout.write(table_row(case, truth, [search(case, seed) for seed in range(count)]) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
