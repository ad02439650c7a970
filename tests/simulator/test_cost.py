"""Step times and the HTTP process: sums small enough to do in one's head."""

from __future__ import annotations

import pytest

from simulator.engine.frontend import Frontend, FrontendCost
from simulator.engine.step_cost import Cost
from simulator.schedulers.interface import Plan
from simulator.schedulers.sequence import Sequence


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
    assert front.entered(0.0) == []
    assert front.next_s() == pytest.approx(0.010)
    assert front.entered(0.010) == ["a"]
    assert front.read_s(0.015) == pytest.approx(0.030)
    assert front.entered(0.0299) == []
    assert front.entered(0.0301) == ["b", "c"]
    assert front.next_s() is None
    assert front.read_s(0.040) == pytest.approx(0.040)


def test_an_idle_process_takes_a_request_when_it_arrives() -> None:
    front: Frontend[str] = Frontend(
        FrontendCost(receive_ms=2.0, per_request_ms=1.0, per_prompt_token_us=10.0)
    )
    front.arrive(1.0, 100, "a")
    assert front.next_s() == pytest.approx(1.002)
    assert front.entered(1.0039) == []
    assert front.entered(1.0041) == ["a"]


def test_a_first_token_is_read_after_the_events_before_it() -> None:
    front: Frontend[str] = Frontend(FrontendCost(send_ms=1.0, per_event_us=100.0))
    assert front.read_s(1.0, events_before=20) == pytest.approx(1.003)
