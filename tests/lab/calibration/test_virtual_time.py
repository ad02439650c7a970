"""Loads in virtual time, and lengths: what is sent when, and what the client sees."""

from __future__ import annotations

import time

import pytest

from lab.calibration import article
from lab.calibration.lengths import POPULATIONS, draw_lengths
from lab.calibration.virtual_time import (
    Demand,
    Playback,
    conversations,
    fixed_concurrency,
    open_loop,
    summarise,
)
from simulator.engine.engine import Engine
from simulator.engine.frontend import Frontend, FrontendCost
from simulator.engine.step_cost import Cost
from simulator.schedulers.vllm_v1 import V1Limits, VllmV1Scheduler
from tests.long import size

TENTH = Cost(step_ms=100.0, per_sequence_us=0.0, per_context_token_ns=0.0)


def playback(seats: int = 8, *, blocked: bool = False, **frontend: float) -> Playback:
    """Every step takes 0.1 s."""
    engine = Engine(VllmV1Scheduler(V1Limits(1000, max_num_seqs=seats, in_flight=1)), TENTH)
    play = Playback(engine, Frontend(FrontendCost(**frontend)))
    play.blocks_event_loop = blocked
    return play


def test_an_open_loop_sends_on_time_and_counts_the_wait() -> None:
    """One seat, 5 tokens each, sent at 0 and 0.25: the second starts when the first ends, at 0.5."""
    first, second = open_loop(playback(seats=1), [Demand(8, 5), Demand(8, 5)], [0.0, 0.25])
    assert (first.ttft_s, first.e2e_s) == pytest.approx((0.1, 0.5))
    assert (second.sent_s, second.first_s, second.end_s) == pytest.approx((0.25, 0.6, 1.0))
    assert second.speed == pytest.approx(5 / 0.75)
    assert first.stall_s == pytest.approx(0.1)


def test_a_request_in_the_middle_of_a_step_waits_for_the_next() -> None:
    _first, second = open_loop(playback(), [Demand(8, 5), Demand(8, 5)], [0.0, 0.13])
    assert second.first_s == pytest.approx(0.3)


def test_an_idle_engine_starts_when_the_request_arrives() -> None:
    (one,) = open_loop(playback(receive_ms=20.0, send_ms=30.0), [Demand(8, 1)], [5.0])
    assert one.ttft_s == pytest.approx(0.15)


def test_a_fixed_concurrency_never_has_more_open() -> None:
    """6 requests of 3 tokens, 2 at a time: three rounds of 0.3 s."""
    served = fixed_concurrency(playback(), [Demand(8, 3)] * 6, level=2)
    assert max(one.end_s for one in served) == pytest.approx(0.9)
    for one in served:
        assert sum(other.sent_s <= one.sent_s < other.end_s - 1e-9 for other in served) <= 2


def test_a_conversation_waits_for_the_answer_and_thinks() -> None:
    served = conversations(playback(), [[Demand(8, 3), Demand(16, 3)]], [1.0], think_s=2.0)
    assert [one.key for one in served] == [0, 1]
    assert [one.sent_s for one in served] == pytest.approx([1.0, 3.3])


def test_a_summary_of_two() -> None:
    one = summarise(open_loop(playback(seats=1), [Demand(8, 5), Demand(2, 5)], [0.0, 0.0]))
    assert one.requests_per_s == pytest.approx(2.0)
    assert one.output_tokens_per_s == pytest.approx(10.0)
    assert one.total_tokens_per_s == pytest.approx(20.0)
    assert (one.average_speed, one.lowest_speed) == pytest.approx((7.5, 5.0))
    assert (one.ttft_p50_s, one.ttft_max_s) == pytest.approx((0.35, 0.6))


def test_what_can_never_run_is_left_out() -> None:
    play = Playback(Engine(VllmV1Scheduler(V1Limits(2)), TENTH))
    assert open_loop(play, [Demand(100, 1)], [0.0]) == []


def test_a_blocked_loop_delays_the_entry_and_the_last_write_but_loses_nothing() -> None:
    demands, due_s = [Demand(8, 30)] * 24, [0.01 * i for i in range(24)]
    plain = summarise(open_loop(playback(seats=64), demands, due_s))
    served = open_loop(playback(seats=64, blocked=True), demands, due_s)
    blocked = summarise(served)
    assert len(served) == 24
    assert sum(one.tokens for one in served) == 24 * 30
    assert plain.ttft_p50_s + 0.2 < blocked.ttft_p50_s < plain.ttft_p50_s + 1.0


@pytest.mark.parametrize(
    ("population", "prompt_mean", "prompt_p50", "prompt_p95", "answer_mean", "answer_p50", "answer_p95"),
    [("split", 236, 108, 808, 217, 140, 710), ("user", 111, 32, 545, 301, 270, 723)],
)
def test_lengths_have_the_quantiles_of_the_data(
    population: str,
    prompt_mean: float,
    prompt_p50: float,
    prompt_p95: float,
    answer_mean: float,
    answer_p50: float,
    answer_p95: float,
) -> None:
    drawn = draw_lengths(4000, 1, population)
    for tokens, mean, p50, p95 in (
        (sorted(one.prompt_tokens for one in drawn), prompt_mean, prompt_p50, prompt_p95),
        (sorted(one.answer_tokens for one in drawn), answer_mean, answer_p50, answer_p95),
    ):
        assert sum(tokens) / 4000 == pytest.approx(mean, rel=0.03)
        assert tokens[2000] == pytest.approx(p50, rel=0.03)
        assert tokens[3800] == pytest.approx(p95, rel=0.03)
    assert all(one.prompt_tokens + one.answer_tokens <= 2048 for one in drawn)


@pytest.mark.parametrize("population", POPULATIONS)
def test_lengths_are_the_same_for_the_same_seed_only(population: str) -> None:
    assert draw_lengths(100, 7, population) == draw_lengths(100, 7, population)
    assert draw_lengths(100, 7, population) != draw_lengths(100, 8, population)
    sums = [sum(one.answer_tokens for one in draw_lengths(100, seed, population)) for seed in range(8)]
    assert max(sums) < 1.02 * min(sums)


def test_the_articles_interval_table_takes_less_than_ten_seconds_and_repeats_itself() -> None:
    """Outside `make test-long` its shortest interval."""
    began = time.process_time()
    intervals_s = size((1.0, 0.05), (0.05,))
    tables = [
        [article.serve(server, interval_s, 5) for server in article.SERVERS for interval_s in intervals_s]
        for _ in range(2)
    ]
    assert tables[0] == tables[1]
    assert (time.process_time() - began) < 10
