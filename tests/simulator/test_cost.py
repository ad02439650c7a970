"""Step times and the HTTP process: sums small enough to do in one's head."""

from __future__ import annotations

import pytest

from simulator.engine.engine import Engine
from simulator.engine.frontend import Frontend, FrontendCost
from simulator.engine.host_noise import QUIET, HostNoise, NoiseSource
from simulator.engine.step_cost import Cost
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


def test_a_burst_enters_as_one_batch_behind_the_first() -> None:
    """10 ms each: the first enters at 10 ms; the two that came meanwhile both at 30 ms."""
    front: Frontend[str] = Frontend(FrontendCost(per_request_ms=10.0))
    front.arrive(0.0, 0, "a")
    front.arrive(0.001, 0, "b")
    front.arrive(0.002, 0, "c")
    assert front.advance(0.0) == ([], [])
    assert front.next_s() == pytest.approx(0.010)
    assert front.advance(0.010) == (["a"], [])
    front.output(0.015, "a")
    assert front.advance(0.0299) == ([], [])
    assert front.advance(0.0301) == (["b", "c"], [("a", 1, pytest.approx(0.030))])
    assert front.next_s() is None


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
    front: Frontend[str] = Frontend(FrontendCost(send_ms=1.0, per_event_us=100.0))
    for name in "abc":
        front.output(1.0, name)
    assert written(front) == [("a", 1, 1.0011), ("b", 1, 1.0012), ("c", 1, 1.0013)]


def test_a_process_at_its_limit_leaves_several_tokens_in_an_event() -> None:
    """Three streams take 9 ms to write, a step takes 4: c has its second token when its turn comes at 10."""
    front: Frontend[str] = Frontend(FrontendCost(per_event_us=3000.0))
    found = []
    for step in range(1, 7):
        for name in "abc":
            front.output(step * 0.004, name)
        found += front.advance(step * 0.004)[1]
    found += front.advance(1.0)[1]
    assert [name for name, _tokens, _read_s in found] == list("abcabcabca")
    assert [tokens for _name, tokens, _read_s in found] == [1, 1, 2, 2, 2, 2, 2, 3, 2, 1]
    assert [one.read_s for one in found] == pytest.approx([0.004 + 0.003 * place for place in range(1, 11)])


def test_a_request_waits_for_the_events_that_were_there_before_it() -> None:
    front: Frontend[str] = Frontend(FrontendCost(per_request_ms=1.0, per_event_us=2000.0))
    front.output(1.0, "a")
    front.output(1.0, "b")
    front.arrive(1.001, 0, "new")
    front.advance(1.0)
    assert front.advance(1.0049)[0] == []
    assert front.advance(1.0051)[0] == ["new"]


def test_what_was_made_for_a_client_that_has_gone_is_not_written() -> None:
    front: Frontend[str] = Frontend(FrontendCost(per_event_us=100.0))
    front.output(1.0, "a")
    front.output(1.0, "b")
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


def test_an_engine_adds_the_noise_to_its_steps() -> None:
    def durations(noise: HostNoise) -> list[float]:
        engine = Engine(VllmV1Scheduler(V1Limits(100)), Cost(10.0, 0.0, 0.0), noise)
        engine.submit(Sequence(1, 16, 5, 5))
        return [step.duration_s for step in iter(engine.step, None)]

    assert durations(QUIET) == pytest.approx([0.01] * 5)
    first, *others = durations(HostNoise(prompt_jitter_ms=1.0))
    assert 0.01 < first <= 0.011
    assert others == pytest.approx([0.01] * 4)
