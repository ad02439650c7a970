"""The loads and servers that the study plays: eight it was made on, and others that had no part in the choices."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chatload.analysis.window import Window, all_users_in, whole_run
from chatload.model.turn import Turn
from lab.calibration.lengths import POPULATIONS, quantile
from lab.calibration.replay import Target
from lab.coverage.loads import Arrivals, Chat, Law, always, exponential, lognormal, pareto, slower
from lab.study.capacity_cases import SEARCH_CASES, SearchCase
from lab.study.capacity_level import window as capacity_turns


@dataclass(frozen=True, slots=True)
class Case:
    """A server under a load; `window`: what its figures are taken from; `grows`: its context grows by design."""

    name: str
    words: str
    server: Target
    load: Chat | Arrivals
    window: Callable[[Sequence[Turn]], Window | None] = all_users_in
    grows: bool = False

    def play(self, seed: int, factor: float = 1.0) -> list[Turn]:
        """One run; `factor` 1.05: of a server 5 % slower."""
        server = self.server if factor == 1.0 else slower(self.server, factor)
        return self.load.play(server.playback(), random.Random(f"{self.name} {seed} {factor}"))


@dataclass(frozen=True, slots=True)
class CapacityCase:
    """One level of a capacity search: the 30 s window of turns that it is judged by."""

    name: str
    words: str
    bench: SearchCase
    users: int
    grows: bool = False

    def play(self, seed: int, factor: float = 1.0) -> list[Turn]:
        """One window of a level."""
        return capacity_turns(self.bench, self.users, f"{self.name} {seed}")

    def window(self, turns: Sequence[Turn]) -> Window | None:
        """The measured time itself."""
        load = self.bench.load
        end_s = self.users / load.rate + load.settle_s + load.measure_s
        return Window(round((end_s - load.measure_s) * 1e9), round(end_s * 1e9))


def _vllm(seats: int = 256) -> Target:
    return Target("vllm-v1@demo", {"max_num_seqs": seats})


def sharegpt(part: str) -> Law:
    """Lengths like ShareGPT's: `answers` or `prompts` of its users' messages."""
    tokens: tuple[int, ...] = getattr(POPULATIONS["user"], part)
    return lambda drawn: max(1, round(quantile(tokens, drawn.random())))


def mixed(*laws: Law) -> Law:
    """One of the laws, each as likely."""
    return lambda drawn: laws[bisect_right([1.0 / len(laws)], drawn.random())](drawn)


EIGHT = (
    Case("demo100", "100 users, 256 seats: no queue", _vllm(), Chat()),
    Case("queue100", "100 users, 64 seats: a queue comes and goes", _vllm(64), Chat()),
    Case("tail100", "answers as long as ShareGPT's", _vllm(), Chat(answer=sharegpt("answers"))),
    Case(
        "pareto100",
        "heavy-tailed prompts (Pareto 1.2, 25 to 3,500 tokens)",
        _vllm(),
        Chat(prompt=pareto(1.2, 25, 3500)),
    ),
    Case("edge30", "30 users, 20 seats", _vllm(20), Chat(users=30)),
    Case("tgi100", "100 users on TGI", Target("tgi-3@demo", {}), Chat()),
    Case("hist100", "100 users whose prompts hold the conversation", _vllm(), Chat(history=True), grows=True),
    Case("demo10", "10 users", _vllm(), Chat(users=10)),
)
"""Those the method was chosen on."""

HELD_OUT = (
    Case(
        "think100",
        "drawn think times (exponential, mean 2 s), 60 seats",
        _vllm(60),
        Chat(think_s=exponential(2.0)),
    ),
    Case(
        "seats40",
        "64 users, 40 seats, 12 turns, think 1 s or 3 s",
        _vllm(40),
        Chat(users=64, turns=12, think_s=mixed(always(1.0), always(3.0))),
    ),
    Case(
        "tgiq",
        "TGI with a small batch, heavy-tailed prompts, 12 turns",
        Target("tgi-3@demo", {"max_batch_total_tokens": 9000}),
        Chat(users=80, turns=12, prompt=pareto(1.5, 30, 1500), answer=lognormal(90, 80)),
    ),
    Case(
        "long40",
        "40 users, log-normal answers (mean 220, sd 200), think 4 s, 12 turns",
        _vllm(),
        Chat(users=40, turns=12, answer=lognormal(220, 200), think_s=always(4.0)),
    ),
    Case("lockstep", "100 users, equal answers, 64 seats", _vllm(64), Chat(answer=always(100))),
    Case("queue100x20", "queue100 with 20 turns", _vllm(64), Chat(turns=20)),
    Case("edge30x20", "edge30 with 20 turns", _vllm(20), Chat(users=30, turns=20)),
)
"""Loads that had no part in the choices."""

OPEN = (
    Case(
        "open17", "Poisson, 17 requests/s (48 at once), 256 seats", _vllm(), Arrivals(1000, 17.0), whole_run
    ),
    Case("open17half", "the same, 500 requests", _vllm(), Arrivals(500, 17.0), whole_run),
    Case(
        "bursty17",
        "gamma gaps of shape 0.25, 17 requests/s, 256 seats",
        _vllm(),
        Arrivals(1000, 17.0, 0.25),
        whole_run,
    ),
    Case(
        "open17s",
        "open17 on 64 seats: a queue now and then; every run has the same arrivals",
        _vllm(64),
        Arrivals(1000, 17.0, schedule=1),
        whole_run,
    ),
    Case(
        "open20s",
        "the same with 20 requests/s: mostly queued",
        _vllm(64),
        Arrivals(1000, 20.0, schedule=1),
        whole_run,
    ),
    Case(
        "bursty17s",
        "bursty17 on 64 seats, every run has the same arrivals",
        _vllm(64),
        Arrivals(1000, 17.0, 0.25, schedule=1),
        whole_run,
    ),
)

OTHER_ARRIVALS = (
    Case(
        "open17q", "open17s, but each run draws its own arrivals", _vllm(64), Arrivals(1000, 17.0), whole_run
    ),
    Case("open20q", "open20s, likewise", _vllm(64), Arrivals(1000, 20.0), whole_run),
    Case("bursty17q", "bursty17s, likewise", _vllm(64), Arrivals(1000, 17.0, 0.25), whole_run),
)

SWEEP = (
    Case(
        "level32",
        "a level of 32 at once, 8 rounds, equal answers as a sweep asks for",
        _vllm(),
        Chat(
            users=32,
            turns=8,
            answer=always(256),
            prompt=lognormal(32, 3),
            think_s=always(0.0),
            spawn_rate=1e9,
        ),
    ),
    Case(
        "level32v",
        "the same with drawn answers",
        _vllm(),
        Chat(users=32, turns=8, think_s=always(0.0), spawn_rate=1e9),
    ),
    Case(
        "level32q",
        "the same on 20 seats: always queued",
        _vllm(20),
        Chat(users=32, turns=8, think_s=always(0.0), spawn_rate=1e9),
    ),
    Case(
        "level8v",
        "8 at once, 12 rounds, drawn answers",
        _vllm(),
        Chat(users=8, turns=12, think_s=always(0.0), spawn_rate=1e9),
    ),
)

CAPACITY = (
    CapacityCase("seats24", "24 seats, 39 users (they hold 40)", SEARCH_CASES[0], 39),
    CapacityCase("slower45", "slower with each user, 45 users (it holds 44)", SEARCH_CASES[2], 45),
    CapacityCase("prompts40", "slow prompts, 40 users", SEARCH_CASES[3], 40),
    CapacityCase("goodput30", "TGI, small batch, 30 users", SEARCH_CASES[4], 30),
)

AnyCase = Case | CapacityCase
CASES: dict[str, AnyCase] = {
    case.name: case for case in (*EIGHT, *HELD_OUT, *OPEN, *OTHER_ARRIVALS, *SWEEP, *CAPACITY)
}
