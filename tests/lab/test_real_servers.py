"""The comparisons of `make real-…`, without a server: counters of a page, prompts that grow, verdicts."""

from __future__ import annotations

from chatload.model.turn import Turn
from lab.real_servers.checks import change, compared, grows, pairs, samples_of
from lab.real_servers.servers import SERVERS

PAGE = """# HELP vllm:request_success_total Count of successfully processed requests.
# TYPE vllm:request_success_total counter
vllm:request_success_total{engine="0",finished_reason="stop",model_name="m"} 3.0
vllm:request_success_total{engine="0",finished_reason="abort",model_name="m"} 2.0
vllm:request_success_created{engine="0"} 1.7e+09
llamacpp:tokens_predicted_total 42
"""


def test_a_counter_is_the_sum_of_its_labels_or_of_one() -> None:
    found = samples_of(PAGE)
    requests = SERVERS["vllm"].counters.requests
    assert change({}, found, requests) == 5
    assert change({}, found, f'{requests}{{finished_reason="abort"}}') == 2
    assert change(found, found, "llamacpp:tokens_predicted_total") == 0


def test_a_comparison_is_right_wrong_or_unknown() -> None:
    found = samples_of(PAGE)
    name = "llamacpp:tokens_predicted_total"
    verdicts = [
        compared("x", n, {}, after, name).verdict for n, after in ((42, found), (41, found), (42, None))
    ]
    assert verdicts == ["right", "WRONG", "unknown"]
    assert compared("x", 42, {}, found, "").verdict == "unknown", "the server counts no such"


def turn(user: int, number: int, prompt: int) -> Turn:
    return Turn(
        turn_id=f"{user}-{number}", request_id="", user=user, turn=number, due_ns=0, end_ns=1, prompt_tokens=prompt,
        tokens=24,
    )  # fmt: skip


def test_prompts_grow_with_history_only() -> None:
    turns = (turn(0, 1, 30), turn(1, 1, 30), turn(0, 2, 80), turn(1, 2, 42))
    assert [(first.user, grows(first, then)) for first, then in pairs(turns)] == [(0, True), (1, False)]
