"""Simulated servers with chat users and SLOs, whose capacity is searched in virtual time and over HTTP."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from chatload.loads.capacity import ARRIVALS, CapacityLoad
from chatload.loads.think_time import thinking
from chatload.model.slo import Objective, read_objectives
from chatload.options.distribution import exponential
from lab.calibration.replay import Target
from simulator.engine.frontend import FrontendCost
from simulator.engine.step_cost import Cost


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
