"""Step times and the HTTP process: sums small enough to do in one's head."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from simulator.build import build_server
from simulator.engine.engine import Engine
from simulator.engine.frontend import Frontend, FrontendCost
from simulator.engine.host_noise import QUIET, HostNoise, NoiseSource
from simulator.engine.profiles import without_client
from simulator.engine.realtime_engine import RealtimeEngine
from simulator.engine.step_cost import Cost
from simulator.ground_truth.truth_log import TruthLog
from simulator.options import parse_options
from simulator.schedulers.interface import Plan
from simulator.schedulers.sequence import Sequence
from simulator.schedulers.vllm_v1 import V1Limits, VllmV1Scheduler


def plan(decodes: int = 0, context: int = 0, prompt: int = 0, cached: int = 0) -> Plan:
    made = Plan(decoding=[Sequence(i, 1, 1, 1) for i in range(decodes)], decode_context=context)
    if prompt:
        made.prefill(Sequence(99, prompt + cached, 1, 1), prompt, cached)
    return made


def test_a_decode_step_is_a_plus_b_per_sequence_plus_c_per_token() -> None:
    cost = Cost(step_ms=10.0, per_sequence_us=500.0, per_context_token_ns=1000.0)
    assert cost.step_s(plan(4, 3000)) == pytest.approx(0.010 + 0.002 + 0.003)


def test_a_prompt_adds_its_own_and_its_attention() -> None:
    """100 tokens after 50 cached: they attend to 100 · 50 + 100 · 101 / 2 = 10,050 tokens."""
    cost = Cost(10.0, 500.0, 0.0, prefill_ms=5.0, per_prefill_token_us=100.0, per_attended_token_ns=100.0)
    assert cost.step_s(plan(2, 0, prompt=100, cached=50)) == pytest.approx(
        0.010 + 0.001 + 0.005 + 0.010 + 0.001005
    )


@pytest.mark.parametrize(
    ("decodes", "prompt", "expected_ms"),
    [(16, 0, 6.0), (17, 0, 9.0), (1, 39, 9.0), (1, 40, 25.0), (0, 5000, 55.0)],
)
def test_the_host_sets_the_least_time_of_a_step(decodes: int, prompt: int, expected_ms: float) -> None:
    """max_num_seqs 20: full graphs to 16, piecewise to 40 tokens, then eager; a long prompt hides it all."""
    cost = Cost(
        step_ms=5.0,
        per_sequence_us=0.0,
        per_context_token_ns=0.0,
        per_prefill_token_us=10.0,
        host_full_ms=6.0,
        host_piecewise_ms=9.0,
        host_eager_ms=25.0,
        graphs=True,
    ).with_seats(20)
    assert cost.step_s(plan(decodes, 0, prompt)) * 1e3 == pytest.approx(expected_ms)


def test_requests_that_come_together_share_the_process() -> None:
    """10 callbacks of 1 ms each: alone one enters after 10 ms, three together in their order after 28 to 30."""
    front: Frontend[str] = Frontend(FrontendCost(per_request_ms=10.0, request_callbacks=10))
    for name in "abc":
        front.arrive(0.0, 0, name)
    assert front.advance(0.0279)[0] == []
    assert [front.advance(at_s)[0] for at_s in (0.0281, 0.0291, 0.0301)] == [["a"], ["b"], ["c"]]
    front.arrive(1.0, 0, "d")
    assert front.advance(1.0099)[0] == []
    assert front.advance(1.0101)[0] == ["d"]
    assert front.next_s() is None


def entered_after_ms(streams: int) -> float:
    """How long a request takes to the engine while each of so many streams gets a token every 10 ms."""
    front: Frontend[str] = Frontend(
        FrontendCost(per_request_ms=2.0, request_callbacks=20, per_event_us=100.0)
    )
    for step in range(100):
        front.output(step * 0.01, [(f"stream {number}", 1) for number in range(streams)])
        if step == 10:
            front.arrive(0.1001, 0, "new")
        for part in range(100):
            if "new" in front.advance(step * 0.01 + part * 1e-4)[0]:
                return (step * 0.01 + part * 1e-4 - 0.1001) * 1e3
    raise AssertionError("never")


def test_a_request_waits_in_each_callback_for_the_streams_and_for_many_rounds_at_the_limit() -> None:
    """2 ms of work: alone 2 ms; behind a step's events of 5 ms; at the limit of 100 streams 20 rounds of 10 ms."""
    assert entered_after_ms(0) == pytest.approx(2.0, abs=0.2)
    assert entered_after_ms(50) == pytest.approx(7.0, abs=0.3)
    assert 150 < entered_after_ms(110) < 300


def test_an_idle_process_takes_a_request_when_it_arrives() -> None:
    front: Frontend[str] = Frontend(
        FrontendCost(receive_ms=2.0, per_request_ms=1.0, per_prompt_token_us=10.0)
    )
    front.arrive(1.0, 100, "a")
    assert front.next_s() == pytest.approx(1.002)
    assert front.advance(1.0039)[0] == []
    assert front.advance(1.0041)[0] == ["a"]


def written(front: Frontend[str]) -> list[tuple[str, int, float]]:
    return [(name, tokens, round(read_s, 6)) for name, tokens, read_s in front.advance(1e9)[1]]


def test_the_streams_of_a_step_are_written_one_after_the_other() -> None:
    """Once all their tokens are taken in."""
    front: Frontend[str] = Frontend(FrontendCost(send_ms=1.0, per_token_us=20.0, per_event_us=100.0))
    front.output(1.0, [(name, 1) for name in "abc"])
    assert written(front) == [("a", 1, 1.00116), ("b", 1, 1.00126), ("c", 1, 1.00136)]


def test_a_process_at_its_limit_leaves_several_tokens_in_an_event() -> None:
    """Three streams take 9 ms to write, a step takes 4: c has its second token when its turn comes at 10."""
    front: Frontend[str] = Frontend(FrontendCost(per_event_us=3000.0))
    found = []
    for step in range(1, 7):
        front.output(step * 0.004, [(name, 1) for name in "abc"])
        found += front.advance(step * 0.004)[1]
    found += front.advance(1.0)[1]
    assert [name for name, _tokens, _read_s in found] == list("abcabcabca")
    assert [tokens for _name, tokens, _read_s in found] == [1, 1, 2, 2, 2, 2, 2, 3, 2, 1]
    assert [one.read_s for one in found] == pytest.approx([0.004 + 0.003 * place for place in range(1, 11)])


def test_where_taking_tokens_in_takes_longer_than_a_step_each_event_holds_more_than_the_one_before() -> None:
    """200 streams of 60 us are 12 ms, a step takes 10: in slices of 128 outputs, between which events are written."""
    front: Frontend[int] = Frontend(FrontendCost(per_token_us=60.0, per_event_us=10.0))
    held = []
    for step in range(1, 300):
        front.output(step * 0.01, [(stream, 1) for stream in range(200)])
        held += [one.tokens for one in front.advance(step * 0.01)[1] if one.request == 0]
    assert held[0] == 1
    assert held == sorted(held)
    assert 4 < held[-1] < 40


def test_outputs_apart_wait_for_the_launch_of_prompts_and_requests_for_neither() -> None:
    front: Frontend[str] = Frontend(FrontendCost(per_request_ms=1.0, per_event_us=2000.0, outputs_apart=True))
    front.hold_outputs(0.050)
    front.output(0.0, [("a", 1)])
    front.arrive(0.0, 0, "new")
    assert front.advance(0.0011) == (["new"], [])
    assert written(front) == [("a", 1, 0.052)]
    together: Frontend[str] = Frontend(FrontendCost(per_event_us=2000.0))
    together.hold_outputs(0.050)  # vLLM's engine is another process
    together.output(0.0, [("a", 1)])
    assert written(together) == [("a", 1, 0.002)]


def test_what_was_made_for_a_client_that_has_gone_is_not_written() -> None:
    front: Frontend[str] = Frontend(FrontendCost(per_event_us=100.0))
    front.output(1.0, [("a", 1), ("b", 1)])
    front.forget("b")
    assert written(front) == [("a", 1, 1.0001)]


def test_the_noise_of_a_host_is_that_of_its_seed_and_a_quiet_one_has_none() -> None:
    noise = HostNoise(step_sd_ms=1.0, prompt_jitter_ms=5.0)
    one, same, other = (NoiseSource(noise, seed) for seed in (1, 1, 2))
    drawn = [one.extra_s(0.01, prompts=True) for _ in range(20)]
    assert drawn == [same.extra_s(0.01, prompts=True) for _ in range(20)]
    assert drawn != [other.extra_s(0.01, prompts=True) for _ in range(20)]
    assert {NoiseSource(QUIET).extra_s(0.01, prompts=True) for _ in range(20)} == {0.0}


def test_a_host_stalls_so_often_in_a_second_of_steps_and_so_long() -> None:
    """10,000 steps of 10 ms are 100 s: some 50 stalls of 20 ms in the mean."""
    source = NoiseSource(HostNoise(stalls_per_s=0.5, stall_ms=20.0))
    extra = [source.extra_s(0.01, prompts=False) for _ in range(10_000)]
    stalls = [each for each in extra if each]
    assert 30 < len(stalls) < 75
    assert sum(stalls) / len(stalls) == pytest.approx(0.02, rel=0.3)
    assert max(stalls) <= 0.04


def test_only_steps_with_prompts_have_the_noise_of_prompts_and_more_stalls_the_rarer_they_are() -> None:
    noise = HostNoise(prompt_jitter_ms=4.0, prompt_stalls_per_s=1.0, prompt_stall_ms=30.0)

    def stalls(decodes_between: int) -> int:
        source = NoiseSource(noise)
        found = []
        for _ in range(1000):
            assert {source.extra_s(0.01, prompts=False) for _ in range(decodes_between)} <= {0.0}
            found.append(source.extra_s(0.01, prompts=True))
        return sum(each > 0.004 for each in found)  # a stall of less than 4 ms does not show

    assert 0 < stalls(0) < 25  # 1 - exp(-0.01) of them
    assert 330 < stalls(49) < 420  # 1 - exp(-0.5) = 39 %


def test_the_delays_of_prompts_have_a_tail() -> None:
    """A quarter has one, 2 ms in the mean; of these 5 % take more than three times the mean. No decode has any."""
    source = NoiseSource(HostNoise(prompt_delay_share=0.25, prompt_delay_ms=2.0))
    drawn = [source.extra_s(0.01, prompts=True) for _ in range(16_000)]
    delays = [each for each in drawn if each]
    assert len(delays) == pytest.approx(4000, rel=0.06)
    assert sum(delays) / len(delays) == pytest.approx(0.002, rel=0.1)
    assert sum(each > 0.006 for each in delays) / len(delays) == pytest.approx(0.05, abs=0.015)
    assert source.extra_s(0.01, prompts=False) == 0.0


def test_a_client_on_the_servers_host_takes_of_each_event_what_is_drawn_for_a_spell() -> None:
    cost = FrontendCost(per_event_us=100.0, client_event_us=50.0)

    def event_us(frontend: FrontendCost, seed: int) -> list[float]:
        front: Frontend[str] = Frontend(frontend, seed)
        found = []
        for number in range(400):
            front.output(number / 2, [("a", 1)])
            (event,) = front.advance(number / 2 + 0.1)[1]
            found.append(round((event.read_s - number / 2) * 1e6, 3))
        return found

    drawn = event_us(cost, 1)
    spells = [drawn[place : place + 4] for place in range(0, 400, 4)]  # 2 s
    assert all(len(set(spell)) == 1 for spell in spells)
    assert len({spell[0] for spell in spells}) == 100
    assert all(100 <= spell[0] <= 200 for spell in spells)
    assert sum(drawn) / 400 == pytest.approx(150, rel=0.1)
    assert event_us(cost, 1) == drawn != event_us(cost, 2)
    _, apart = without_client(AHEAD, cost)
    assert set(event_us(apart, 1)) == {100.0}


def steps_ms(cost: Cost, prompts: dict[int, int]) -> list[tuple[float, int]]:
    """Duration of each step and how many tokens it ends with; prompts: {step before which it is sent: its tokens}."""
    engine = Engine(VllmV1Scheduler(V1Limits(100, in_flight=1)), cost.with_seats(256))
    found = []
    for number in range(8):
        if number in prompts:
            engine.submit(Sequence(number, prompts[number], 4, 4))
        step = engine.step()
        if step is not None:
            found.append((round(step.duration_s * 1e3, 3), len(step.tokens)))
    return found


AHEAD = Cost(5.0, 0.0, 0.0, host_full_ms=2.0, host_piecewise_ms=9.0, host_prompt_ms=3.0, graphs=True)


def test_a_pass_is_launched_while_the_one_before_is_computed() -> None:
    """The prompt is launched in 9 + 3 ms, its token comes when the next pass is launched too, 2 ms later.

    That pass is computed 5 ms after its launch began, 3 ms after the token; then one each 5 ms.
    """
    assert steps_ms(AHEAD, {0: 10}) == [(12.0, 0), (2.0, 1), (3.0, 1), (5.0, 1), (5.0, 1)]


def test_the_launch_of_a_prompt_delays_the_tokens_of_the_pass_before() -> None:
    """A second request before step 2: its launch takes 12 ms, in which the pass before gives its token."""
    assert steps_ms(AHEAD, {0: 10, 2: 10})[:5] == [(12.0, 0), (2.0, 1), (12.0, 1), (2.0, 2), (3.0, 2)]


def test_a_client_on_the_servers_host_delays_the_launch_of_prompts_by_the_streams_that_it_reads() -> None:
    """One stream when the second request's prompt is launched, none at the first."""
    cost = replace(AHEAD, client_launch_us=500.0)
    assert steps_ms(cost, {0: 10, 2: 10})[:3] == [(12.0, 0), (2.0, 1), (12.5, 1)]
    cost, _ = without_client(cost, FrontendCost())
    assert cost == AHEAD


@pytest.mark.parametrize(("given", "takes"), [([], True), (["--client-apart"], False)])
def test_a_simulated_server_has_the_client_on_its_host_unless_it_is_apart(
    monkeypatch: pytest.MonkeyPatch, given: list[str], takes: bool
) -> None:
    frontends: list[FrontendCost] = []
    monkeypatch.setattr(RealtimeEngine, "set_frontend", lambda self, cost, seed: frontends.append(cost))
    options = parse_options(["--speak", "vllm", "--profile", "h200-llama2-7b", *given])
    loop = asyncio.new_event_loop()
    server = build_server("vllm", options, loop, TruthLog(None))
    assert isinstance(server.engine, RealtimeEngine)
    assert (server.engine.engine.cost.client_launch_us > 0) is takes
    assert [cost.client_event_us > 0 for cost in frontends] == [takes]
    server.engine.stop()
    loop.close()


def test_an_engine_adds_the_noise_to_its_steps() -> None:
    def durations(noise: HostNoise) -> list[float]:
        engine = Engine(VllmV1Scheduler(V1Limits(100)), Cost(10.0, 0.0, 0.0), noise)
        engine.submit(Sequence(1, 16, 5, 5))
        return [step.duration_s for step in iter(engine.step, None)]

    assert durations(QUIET) == pytest.approx([0.01] * 5)
    first, *others = durations(HostNoise(prompt_jitter_ms=1.0))
    assert 0.01 < first <= 0.011
    assert others == pytest.approx([0.01] * 4)
