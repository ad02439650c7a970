"""vLLM V1, each rule by a case small enough to compute by hand."""

from __future__ import annotations

from collections.abc import Sequence as Row

from simulator.schedulers.interface import Plan, Scheduler
from simulator.schedulers.sequence import Sequence
from simulator.schedulers.vllm_v1 import V1Limits, VllmV1Scheduler


def ask(number: int, prompt: int, prefix: tuple[int, ...] = ()) -> Sequence:
    return Sequence(number, prompt, 1000, 1000, prefix=prefix)


def ids(sequences: Row[Sequence]) -> list[int]:
    return [sequence.seq_id for sequence in sequences]


def forward(scheduler: Scheduler) -> Plan:
    plan = scheduler.plan()
    assert plan is not None
    for sequence in plan.yielding:
        sequence.generated += 1
    return plan


def server(**limits: int | bool) -> VllmV1Scheduler:
    facts: dict[str, int | bool] = {"num_blocks": 100, "in_flight": 1, **limits}
    return VllmV1Scheduler(V1Limits(**facts))  # type: ignore[arg-type]


def test_a_long_prompt_is_computed_in_pieces_and_yields_with_the_last() -> None:
    """Budget 100: a prompt of 250 takes 100, 100 and 50 tokens; one token at the end."""
    scheduler = server(max_num_batched_tokens=100)
    scheduler.add(ask(1, 250))
    plans = [forward(scheduler) for _ in range(4)]
    assert [plan.prefill_tokens for plan in plans] == [100, 100, 50, 0]
    assert [ids(plan.yielding) for plan in plans] == [[], [], [1], [1]]


def test_decodes_come_first_and_prompts_share_what_is_left() -> None:
    scheduler = server(max_num_batched_tokens=50)
    scheduler.add(ask(1, 10))
    forward(scheduler)
    scheduler.add(ask(2, 30))
    scheduler.add(ask(3, 30))
    plan = forward(scheduler)
    assert (ids(plan.decoding), ids(plan.prefilled)) == ([1], [2])
    assert plan.prefill_tokens == 49
    assert ids(plan.prefilling) == [2, 3]
    plan = forward(scheduler)
    assert (ids(plan.decoding), ids(plan.prefilled), plan.prefill_tokens) == ([1, 2], [3], 11)


def test_the_long_prefill_threshold_cuts_every_prompt() -> None:
    scheduler = server(long_prefill_token_threshold=16)
    scheduler.add(ask(1, 40))
    assert [forward(scheduler).prefill_tokens for _ in range(3)] == [16, 16, 8]


def test_seats_are_max_num_seqs() -> None:
    scheduler = server(max_num_seqs=2)
    for number in range(3):
        scheduler.add(ask(number, 4))
    assert ids(forward(scheduler).prefilled) == [0, 1]
    assert scheduler.occupancy().waiting == 1


def test_the_whole_prompt_must_fit_at_admission_and_nobody_passes() -> None:
    """10 blocks: 80 tokens leave 5; the next wants 6 and waits although a piece of it would fit."""
    scheduler = server(num_blocks=10, max_num_batched_tokens=100)
    scheduler.add(ask(1, 80))
    scheduler.add(ask(2, 96))
    scheduler.add(ask(3, 1))
    assert ids(forward(scheduler).prefilling) == [1]
    assert ids(forward(scheduler).prefilling) == []


def test_the_last_running_one_is_preempted_only_when_a_block_is_needed() -> None:
    """2 blocks, prompts of 15: at token 16 nothing is needed; at 17 the first takes the second's block."""
    scheduler = server(num_blocks=2)
    first = ask(1, 15)
    scheduler.add(first)
    scheduler.add(ask(2, 15))
    forward(scheduler)
    plan = forward(scheduler)
    assert (ids(plan.decoding), plan.preempted) == ([1, 2], [])
    plan = forward(scheduler)
    assert (ids(plan.decoding), ids(plan.preempted), plan.prefilling) == ([1], [2], [])
    assert scheduler.occupancy().preemptions_total == 1
    scheduler.remove(first)
    assert ids(forward(scheduler).prefilling) == [2]
    assert scheduler.occupancy().prefix_queries_total == 15 + 15 + 17, "its answer so far is looked up too"


def test_one_that_preempts_itself_stops_the_step_and_is_recomputed_whole() -> None:
    scheduler = server(num_blocks=2, enable_prefix_caching=False)
    first, second = ask(1, 14), ask(2, 16)
    scheduler.add(first)
    scheduler.add(second)
    forward(scheduler)
    plan = forward(scheduler)
    assert (ids(plan.decoding), ids(plan.preempted)) == ([1], [2])
    scheduler.remove(first)
    plan = forward(scheduler)
    assert (ids(plan.prefilled), plan.prefill_tokens) == ([2], 17)


def test_a_second_turn_computes_only_what_is_new() -> None:
    """Turn 1: 32 tokens + 16 answered; turn 2 repeats 48 and adds 10: the 47 tokens in the cache end 2 blocks."""
    scheduler = server()
    first = ask(1, 32, prefix=(1, 2, 3))
    scheduler.add(first)
    for _ in range(17):
        forward(scheduler)
    scheduler.remove(first)
    scheduler.add(ask(2, 58, prefix=(1, 2, 3)))
    plan = forward(scheduler)
    assert plan.prefill_tokens == 58 - 48
    assert scheduler.occupancy().prefix_hits_total == 48
    assert scheduler.occupancy().prefix_queries_total == 32 + 58


def test_a_prompt_wholly_in_the_cache_still_computes_its_last_block() -> None:
    scheduler = server()
    first = ask(1, 32, prefix=(1, 2))
    scheduler.add(first)
    forward(scheduler)
    scheduler.remove(first)
    scheduler.add(ask(2, 32, prefix=(1, 2)))
    assert forward(scheduler).prefill_tokens == 16


def test_two_with_the_same_beginning_share_blocks_in_the_same_step() -> None:
    scheduler = server()
    scheduler.add(ask(1, 40, prefix=(1, 2)))
    scheduler.add(ask(2, 40, prefix=(1, 2)))
    assert forward(scheduler).prefill_tokens == 40 + 8
    assert scheduler.occupancy().kv_used == 4


def test_cached_blocks_are_evicted_oldest_first_when_others_need_them() -> None:
    scheduler = server(num_blocks=4)
    old = ask(1, 32, prefix=(1, 2))
    scheduler.add(old)
    forward(scheduler)
    scheduler.remove(old)
    other = ask(2, 60)
    scheduler.add(other)
    forward(scheduler)
    scheduler.remove(other)
    scheduler.add(ask(3, 40, prefix=(1, 2)))
    assert forward(scheduler).prefill_tokens == 40


def test_a_preempted_sequence_may_hit_its_own_blocks() -> None:
    scheduler = server(num_blocks=4)
    scheduler.add(ask(1, 30))
    scheduler.add(ask(2, 32, prefix=(1, 2)))
    forward(scheduler)
    plan = forward(scheduler)
    assert ids(plan.preempted) == [2]
    scheduler.remove(next(s for s in scheduler._slots if s.seq_id == 1))
    plan = forward(scheduler)  # 32 of its 33 tokens are still there: to compute the last is a decode
    assert (ids(plan.decoding), plan.prefill_tokens) == ([2], 0)


def test_with_two_steps_in_flight_a_newcomer_waits_for_the_step_after() -> None:
    scheduler = server(in_flight=2)
    scheduler.add(ask(1, 10))
    assert ids(forward(scheduler).prefilled) == [1]  # idle: at once
    scheduler.add(ask(2, 10))
    assert ids(forward(scheduler).prefilled) == []
    assert ids(forward(scheduler).prefilled) == [2]


def test_a_prompt_beyond_the_model_is_ignored() -> None:
    scheduler = server(max_model_len=100)
    scheduler.add(ask(1, 100))
    scheduler.add(ask(2, 99))
    plan = forward(scheduler)
    assert (ids(plan.ignored), ids(plan.prefilled)) == ([1], [2])


def test_remove_works_wherever_the_sequence_is() -> None:
    scheduler = server(in_flight=2, max_num_seqs=1)
    running, waiting, fresh = ask(1, 10), ask(2, 10), ask(3, 10)
    scheduler.add(running)
    scheduler.add(waiting)
    forward(scheduler)
    scheduler.add(fresh)
    assert all(scheduler.remove(one) for one in (fresh, waiting, running))
    assert not scheduler.remove(running)
    assert scheduler.plan() is None
    assert scheduler.occupancy().kv_used == 0
