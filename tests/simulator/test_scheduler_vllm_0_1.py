"""vLLM 0.1.2 and 0.1.3, each rule by a case small enough to compute by hand."""

from __future__ import annotations

from collections.abc import Sequence as Row

from simulator.schedulers.interface import Plan, Scheduler
from simulator.schedulers.sequence import Sequence
from simulator.schedulers.vllm_0_1 import V0Limits, Vllm012Scheduler, Vllm013Scheduler


def ask(number: int, prompt: int, answer: int = 1000) -> Sequence:
    return Sequence(number, prompt, answer, answer)


def ids(sequences: Row[Sequence]) -> list[int]:
    return [sequence.seq_id for sequence in sequences]


def forward(scheduler: Scheduler) -> Plan:
    """One iteration, its tokens given."""
    plan = scheduler.plan()
    assert plan is not None
    for sequence in plan.yielding:
        sequence.generated += 1
    return plan


def with_queue(scheduler: Scheduler, *sequences: Sequence) -> Scheduler:
    for sequence in sequences:
        scheduler.add(sequence)
    return scheduler


def test_prompts_and_decodes_share_a_step() -> None:
    scheduler = with_queue(Vllm012Scheduler(V0Limits(num_blocks=100)), ask(1, 10))
    forward(scheduler)
    scheduler.add(ask(2, 20))
    plan = forward(scheduler)
    assert (ids(plan.decoding), ids(plan.prefilled), plan.prefill_tokens) == ([1], [2], 20)
    assert plan.decode_context == 11


def test_0_1_3_lets_the_decodes_wait_for_prompts() -> None:
    scheduler = with_queue(Vllm013Scheduler(V0Limits(num_blocks=100)), ask(1, 10))
    forward(scheduler)
    scheduler.add(ask(2, 20))
    plan = forward(scheduler)
    assert (ids(plan.decoding), ids(plan.prefilled)) == ([], [2])
    assert ids(forward(scheduler).decoding) == [1, 2]


def test_the_watermark_of_one_percent_stays_free_at_admission() -> None:
    """200 blocks, watermark 2: a prompt of 198 blocks fits, one of 199 does not, and holds up a short one."""
    limits = V0Limits(num_blocks=200, max_num_batched_tokens=4000)
    assert with_queue(Vllm012Scheduler(limits), ask(1, 198 * 16)).plan() is not None
    assert with_queue(Vllm012Scheduler(limits), ask(1, 198 * 16 + 1), ask(2, 4)).plan() is None


def test_the_token_budget_counts_running_sequences_and_stops_at_the_head() -> None:
    """Budget 64: one decode leaves 63; 40 fit, the next 24 do not, nor does the 1 behind them."""
    scheduler = with_queue(Vllm012Scheduler(V0Limits(num_blocks=100, max_num_batched_tokens=64)), ask(1, 5))
    forward(scheduler)
    with_queue(scheduler, ask(2, 40), ask(3, 24), ask(4, 1))
    assert ids(forward(scheduler).prefilled) == [2]
    assert ids(forward(scheduler).prefilled) == [3, 4]


def test_seats_are_max_num_seqs_but_never_more_than_the_budget() -> None:
    scheduler = with_queue(Vllm012Scheduler(V0Limits(100, max_num_seqs=2)), *(ask(i, 4) for i in range(3)))
    assert ids(forward(scheduler).prefilled) == [0, 1]
    assert forward(scheduler).prefilled == []
    capped = Vllm012Scheduler(V0Limits(100, max_num_seqs=256, max_num_batched_tokens=3))
    with_queue(capped, *(ask(i, 1) for i in range(5)))
    assert ids(forward(capped).prefilled) == [0, 1, 2]


def test_only_the_prompt_is_reserved_then_the_newest_loses_everything() -> None:
    """4 blocks, no watermark: three prompts of 16 are let in; at their 17th token three blocks are wanted.

    The oldest takes the last one; the second preempts the third, takes its block. The third comes back at the
    front with its one token, wants ceil(17 / 16) = 2 blocks, and waits.
    """
    scheduler = Vllm012Scheduler(V0Limits(num_blocks=4))
    third = ask(3, 16)
    with_queue(scheduler, ask(1, 16), ask(2, 16), third, ask(4, 16))
    assert ids(forward(scheduler).prefilled) == [1, 2, 3, 4]
    plan = forward(scheduler)
    assert ids(plan.preempted) == [4, 3]
    assert (ids(plan.decoding), plan.prefilling) == ([1, 2], [])
    assert scheduler.occupancy().preemptions_total == 2
    assert scheduler.occupancy().kv_used == 4
    assert third.generated == 1


def test_one_block_must_be_free_even_for_a_sequence_that_needs_none() -> None:
    """2 blocks, both held by prompts of 8 with room to grow: the newer one is preempted all the same."""
    scheduler = with_queue(Vllm012Scheduler(V0Limits(num_blocks=2)), ask(1, 8), ask(2, 8))
    forward(scheduler)
    plan = forward(scheduler)
    assert (ids(plan.decoding), ids(plan.preempted)) == ([1], [2])


def test_nobody_is_admitted_past_one_preempted_in_the_same_step_and_the_recompute_is_whole() -> None:
    scheduler = with_queue(Vllm012Scheduler(V0Limits(num_blocks=2)), ask(1, 8, 3), ask(2, 8))
    forward(scheduler)
    scheduler.add(ask(3, 1))
    assert forward(scheduler).prefilling == []
    oldest = next(s for s in scheduler._slots if s.seq_id == 1)
    scheduler.remove(oldest)
    plan = forward(scheduler)
    assert ids(plan.prefilled) == [2, 3]
    assert plan.prefill_tokens == 9 + 1


def test_a_lone_sequence_preempts_itself_and_goes_on_in_the_next_step() -> None:
    scheduler = with_queue(Vllm012Scheduler(V0Limits(num_blocks=1)), ask(1, 8))
    forward(scheduler)
    alone = forward(scheduler)
    assert (ids(alone.preempted), alone.yielding) == ([1], [])
    assert ids(forward(scheduler).prefilled) == [1]


def test_a_prompt_of_max_seq_len_is_ignored_and_ends_the_admissions_of_the_step() -> None:
    limits = V0Limits(num_blocks=1000, max_num_batched_tokens=2560)
    scheduler = with_queue(Vllm012Scheduler(limits), ask(1, 2560), ask(2, 10))
    plan = forward(scheduler)
    assert (ids(plan.ignored), plan.prefilling) == ([1], [])
    assert ids(forward(scheduler).prefilled) == [2]
    newer = with_queue(Vllm013Scheduler(limits), ask(1, 2560))
    assert ids(forward(newer).prefilled) == [1]


def test_a_prompt_larger_than_the_cache_holds_up_everyone_until_it_is_removed() -> None:
    head = ask(1, 160)
    scheduler = with_queue(Vllm012Scheduler(V0Limits(num_blocks=5)), head, ask(2, 4))
    assert scheduler.plan() is None
    assert scheduler.remove(head)
    assert not scheduler.remove(head)
    assert ids(forward(scheduler).prefilled) == [2]


def test_a_preempted_request_is_older_than_those_admitted_later() -> None:
    """After its return it is last in the list but second in age: the one admitted later is preempted first."""
    scheduler = Vllm012Scheduler(V0Limits(num_blocks=3))
    first, second = ask(1, 8), ask(2, 8)
    with_queue(scheduler, first, second)
    forward(scheduler)
    scheduler.remove(first)
    first_again = ask(3, 30)
    with_queue(scheduler, first_again)
    plan = forward(scheduler)
    assert (ids(plan.decoding), ids(plan.prefilled)) == ([2], [3])
    plan = forward(scheduler)
    assert (ids(plan.decoding), ids(plan.preempted)) == ([2], [3])
