"""The engine over every scheduler: endings, knobs, and what no load may ever break."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.engine.engine import Engine, Sequence, Step, build_engine
from simulator.engine.profiles import blocks_event_loop, load_profile, profile_names
from simulator.engine.step_cost import Cost
from simulator.schedulers.registry import scheduler_kinds
from tests.long import size

SMALL: dict[str, dict[str, object]] = {
    "vllm-0.1.2": {"num_gpu_blocks_override": 12, "max_num_seqs": 5, "max_num_batched_tokens": 160},
    "vllm-0.1.3": {"num_gpu_blocks_override": 12, "max_num_seqs": 5, "max_num_batched_tokens": 160},
    "vllm-v1": {"num_gpu_blocks_override": 12, "max_num_seqs": 5, "max_num_batched_tokens": 48},
    "lmdeploy": {"num_gpu_blocks_override": 12, "max_batch_size": 5, "max_prefill_token_num": 48},
    "tgi-0.9.3": {
        "max_batch_total_tokens": 256,
        "max_total_tokens": 200,
        "max_input_length": 100,
        "max_batch_prefill_tokens": 128,
    },
    "tgi-3": {
        "max_batch_total_tokens": 256,
        "max_total_tokens": 200,
        "max_input_length": 100,
        "max_batch_prefill_tokens": 128,
    },
}
ASKED = st.lists(
    st.tuples(
        st.integers(1, 90),  # prompt tokens
        st.integers(1, 60),  # answer tokens
        st.integers(1, 60),  # max_tokens
        st.integers(0, 6),  # steps before it is sent
        st.sampled_from([None, None, None, 0, 3, 9]),  # steps after which the client leaves
        st.integers(0, 2),  # which text: the same text shares blocks
    ),
    min_size=1,
    max_size=14,
)


def small(scheduler: str) -> Engine:
    return build_engine(f"{scheduler}@demo", SMALL[scheduler])


def check(engine: Engine, step: Step) -> None:
    """Holds after every step."""
    gauges = engine.gauges()
    assert 0 <= gauges.kv_used <= gauges.kv_total
    assert len(step.tokens) == len({s.seq_id for s in step.tokens})
    ignored = {s for s in step.finished if s.finish == "ignored"}
    assert {s for s in step.finished if s not in ignored} <= set(step.tokens)
    assert step.decodes + len(step.prefilled) == len(step.tokens)
    assert step.duration_s > 0 or not step.tokens


@pytest.mark.parametrize("scheduler", scheduler_kinds())
@settings(max_examples=size(60, 15), deadline=None)
@given(asked=ASKED)
def test_no_token_is_lost_or_doubled_and_kv_stays_within_its_limit(
    scheduler: str, asked: list[tuple[int, int, int, int, int | None, int]]
) -> None:
    """Invariant: everyone who stays gets min(answer, max_tokens) tokens, one a step, and all blocks return."""
    engine = small(scheduler)
    counted: dict[int, int] = {}
    coming = []
    leaving: list[tuple[int, Sequence]] = []
    at = 0
    for number, (prompt, answer, most, wait, leaves, text) in enumerate(asked):
        at += wait
        prefix = tuple(hash((text, block)) for block in range((prompt + answer) // 16))
        coming.append((at, Sequence(number, prompt, most, answer, prefix=prefix)))
        if leaves is not None:
            leaving.append((at + leaves, coming[-1][1]))
    for turn in range(6000):
        for when, sequence in list(coming):
            if when <= turn:
                engine.submit(sequence)
                coming.remove((when, sequence))
        step = engine.step()
        for when, sequence in list(leaving):  # a client leaves between plan and publish
            if when <= turn:
                engine.abort(sequence)
                leaving.remove((when, sequence))
        if step is None:
            if not coming:
                break
            continue
        check(engine, step)
        for sequence in step.tokens:
            counted[sequence.seq_id] = counted.get(sequence.seq_id, 0) + 1
            assert counted[sequence.seq_id] == sequence.generated
    else:
        pytest.fail("the load never ended")
    gauges = engine.gauges()
    assert (gauges.running, gauges.waiting, gauges.kv_used) == (0, 0, 0)
    gone = 0
    for number, (_prompt, answer, most, _wait, leaves, _text) in enumerate(asked):
        if leaves is None:
            assert counted[number] == min(answer, most)
        else:
            gone += 1
            assert counted.get(number, 0) <= min(answer, most)
    assert gauges.aborted_total <= gone
    assert gauges.generation_tokens_total == sum(counted.values())


@pytest.mark.parametrize("scheduler", scheduler_kinds())
@settings(max_examples=size(40, 10), deadline=None)
@given(prompts=st.lists(st.integers(1, 90), min_size=2, max_size=12))
def test_first_tokens_come_in_the_order_of_arrival(scheduler: str, prompts: list[int]) -> None:
    """First come first served: nobody gets a first token in an earlier step than one who came before."""
    engine = small(scheduler)
    sequences = [Sequence(number, prompt, 10, 10) for number, prompt in enumerate(prompts)]
    for sequence in sequences:
        engine.submit(sequence)
    first: dict[int, int] = {}
    turn = 0
    while step := engine.step():
        turn += 1
        for sequence in step.tokens:
            first.setdefault(sequence.seq_id, turn)
    assert [first[s.seq_id] for s in sequences] == sorted(first.values())


def test_the_same_load_gives_the_same_steps() -> None:
    def run() -> list[tuple[float, tuple[int, ...]]]:
        engine = small("vllm-0.1.2")
        draw = random.Random(3)
        for number in range(40):
            engine.submit(Sequence(number, draw.randint(1, 80), 50, draw.randint(1, 50)))
        steps = []
        while step := engine.step():
            steps.append((step.duration_s, tuple(s.seq_id for s in step.tokens)))
        return steps

    assert run() == run()


@pytest.mark.parametrize(
    ("scheduler", "last_place_says"),
    [("vllm-0.1.2", "length"), ("vllm-0.1.3", "length"), ("vllm-v1", "stop"), ("tgi-0.9.3", "length")],
)
def test_why_an_answer_ends(scheduler: str, last_place_says: str) -> None:
    """At 5 tokens: end of text before the limit, in the last allowed place, after it, and not listened to."""
    engine = small(scheduler)
    asked = {
        "before": Sequence(1, 8, 9, 5),
        "last": Sequence(2, 8, 5, 5),
        "after": Sequence(3, 8, 5, 9),
        "deaf": Sequence(4, 8, 5, 2, ignore_eos=True),
    }
    for sequence in asked.values():
        engine.submit(sequence)
    while engine.step():
        pass
    assert {name: s.finish for name, s in asked.items()} == {
        "before": "stop",
        "last": last_place_says,
        "after": "length",
        "deaf": "length",
    }
    assert all(s.generated == 5 for s in asked.values())


def test_vllm_0_1_2_ends_a_text_at_max_seq_len() -> None:
    engine = build_engine("vllm-0.1.2@demo", {"max_num_batched_tokens": 64})
    sequence = Sequence(1, 60, 100, 100)
    engine.submit(sequence)
    while engine.step():
        pass
    assert (sequence.generated, sequence.finish) == (4, "length")


def test_a_prompt_the_server_ignores_ends_without_a_token() -> None:
    engine = build_engine("vllm-0.1.2@demo", {"max_num_batched_tokens": 64})
    sequence = Sequence(1, 64, 100, 100)
    engine.submit(sequence)
    step = engine.step()
    assert step is not None
    assert (step.finished, step.tokens, step.duration_s) == ((sequence,), (), 0.0)
    assert sequence.finish == "ignored"
    assert engine.step() is None


def test_an_abort_between_plan_and_publish_frees_the_seat_for_the_next_step() -> None:
    engine = build_engine("vllm-v1@demo", {"max_num_seqs": 1, "in_flight": 1})
    first, second = Sequence(1, 8, 50, 50), Sequence(2, 8, 50, 50)
    engine.submit(first)
    engine.submit(second)
    step = engine.step()
    assert step is not None
    assert step.tokens == (first,)
    engine.abort(first)
    engine.abort(first)
    step = engine.step()
    assert step is not None
    assert step.tokens == (second,)
    assert (first.finish, engine.gauges().aborted_total) == ("abort", 1)
    engine.abort(Sequence(9, 1, 1, 1))
    assert engine.gauges().aborted_total == 1


def test_an_abort_after_the_end_changes_nothing() -> None:
    engine = small("vllm-v1")
    sequence = Sequence(1, 8, 1, 1)
    engine.submit(sequence)
    engine.step()
    engine.abort(sequence)
    assert (sequence.finish, engine.gauges().aborted_total) == ("stop", 0)


def test_gauges_count_prompts_once_and_preemptions() -> None:
    engine = build_engine("vllm-0.1.2@demo", {"num_gpu_blocks_override": 4})
    for number in range(2):
        engine.submit(Sequence(number, 16, 30, 30))
    while engine.step():
        pass
    gauges = engine.gauges()
    assert (gauges.prompt_tokens_total, gauges.generation_tokens_total) == (32, 60)
    assert gauges.preemptions_total > 0
    assert gauges.steps_total >= 30


def test_an_unknown_knob_is_answered_with_the_list() -> None:
    with pytest.raises(
        ValueError, match=r"max_num_sequences: unknown option; vllm-0\.1\.2 has .*max_num_seqs"
    ):
        build_engine("vllm-0.1.2@demo", {"max_num_sequences": 3})
    with pytest.raises(ValueError, match=r"no profile 'vllm-9@demo': there are .*vllm-0"):
        build_engine("vllm-9@demo", {})
    with pytest.raises(ValueError, match="must be a whole number"):
        build_engine("vllm-v1@demo", {"max-num-seqs": "many"})
    with pytest.raises(ValueError, match="must be 0 or more"):
        build_engine("vllm-v1@demo", {"max_num_seqs": -1})
    with pytest.raises(ValueError, match="must be true or false"):
        build_engine("vllm-v1@demo", {"enable_prefix_caching": "maybe"})


def test_knobs_may_be_spelled_as_on_the_command_line() -> None:
    engine = build_engine(
        "vllm-v1@h100-llama2-7b", {"--max-num-seqs": "20", "enable-prefix-caching": "false"}
    )
    limits = engine.scheduler.limits  # type: ignore[attr-defined]
    assert (limits.max_num_seqs, limits.enable_prefix_caching) == (20, False)


def test_the_profiles_kv_room_is_the_measured_one() -> None:
    profile = load_profile("vllm-v1@h100-llama2-7b")
    assert profile.num_blocks(0.9) * 16 == 118_288
    assert 950 <= load_profile("vllm-0.1.2@4090-llama2-7b").num_blocks(0.9) <= 1100
    more = build_engine("vllm-0.1.2@4090-llama2-7b", {"gpu_memory_utilization": 0.95}).gauges().kv_total
    assert more > load_profile("vllm-0.1.2@4090-llama2-7b").num_blocks(0.9)


def test_every_profile_builds_and_only_0_1_blocks_its_loop() -> None:
    for name in profile_names():
        engine = build_engine(name, {})
        engine.submit(Sequence(1, 8, 3, 3))
        assert sum(len(step.tokens) for step in iter(engine.step, None)) == 3
        assert blocks_event_loop(name) == ("vllm-0.1" in name)


def test_v1_graphs_follow_max_num_seqs() -> None:
    """20 seats: sizes to 40, full ones to 16; without graphs the knob changes no cost."""
    cost = Cost(6.0, 20.0, 0.0, host_piecewise_ms=9.0, host_eager_ms=25.0, graphs=True).with_seats(20)
    assert (cost.graph_limit, cost.full_graph_limit) == (40, 16)
    assert [cost.padded(batch) for batch in (1, 3, 9, 17, 41)] == [1, 4, 16, 24, 41]
    assert Cost(6.0, 20.0, 0.0).with_seats(20) == Cost(6.0, 20.0, 0.0)
