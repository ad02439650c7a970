"""Overload, pages beside the stream, metrics that move, validation, stop strings, the prefix of a conversation."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.simulator.client import Simulator, ask, chat, chunks, connect, read_reply, request_bytes

Start = Callable[..., Simulator]
CHAT = "/v1/chat/completions"
LONG = {"inputs": "Once", "parameters": {"max_new_tokens": 1000}}


def body_of(reply: bytes) -> bytes:
    return reply.partition(b"\r\n\r\n")[2]


def metric(simulator: Simulator, name: str) -> float:
    page = body_of(ask(simulator.port, "/metrics", None, method="GET")).decode()
    found = re.search(rf"^{re.escape(name)}(?:{{[^}}]*}})? (\S+)$", page, re.MULTILINE)
    assert found, f"no {name} in\n{page}"
    return float(found[1])


@pytest.mark.parametrize(
    ("arguments", "profile", "measured"),
    [
        (("--speak", "vllm"), "vllm-v1@demo", False),
        (("--speak", "tgi"), "tgi-3@demo", False),
        (("--speak", "vllm", "--profile", "h100-llama2-7b"), "vllm-v1@h100-llama2-7b", True),
        (("--speak", "vllm", "--profile", "4090-llama2-7b"), "vllm-v1@4090-llama2-7b", True),
        (("--speak", "fixed-rate"), "fixed-rate", False),
    ],
)
def test_it_says_that_it_is_simulated_and_by_which_profile(
    simulate: Start, arguments: tuple[str, ...], profile: str, measured: bool
) -> None:
    reply = ask(simulate(*arguments).port, "/simulator", None, method="GET")
    facts = {"simulator": "chatload", "profile": profile, "measured": measured}
    assert json.loads(body_of(reply)) == {**facts, "late_writes": 0, "writes": 0}


@pytest.mark.parametrize("name", ["tgi", "tgi-0.9.3"])
def test_tgi_at_its_limit_refuses_inside_200_at_once(simulate: Start, name: str) -> None:
    simulator = simulate("--speak", name, "--max-concurrent-requests", "1", "--answer-tokens", "1000")
    with connect(simulator.port) as busy:
        busy.sendall(request_bytes("/generate_stream", LONG))
        assert busy.recv(10)
        refused = ask(simulator.port, "/generate_stream", LONG)
        assert refused.startswith(b"HTTP/1.1 200 OK\r\n")
        prefix = b"data: " if name == "tgi" else b"data:"
        event = prefix + b'{"error":"Model is overloaded","error_type":"overloaded"}\n\n'
        assert chunks(refused) == [event]
        whole = ask(simulator.port, "/generate", LONG)
        assert whole.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
        assert json.loads(body_of(whole)) == {"error": "Model is overloaded", "error_type": "overloaded"}
        if name == "tgi":
            events = chunks(ask(simulator.port, CHAT, chat()))
            assert events == [
                b'data: {"error":{"message":"Model is overloaded","http_status_code":422}}\n\n',
                b"data: [DONE]\n\n",
            ]
    lines = simulator.wait_lines(2)
    assert {line["ended"] for line in lines} >= {"refused"}
    assert metric(simulator, "tgi_request_failure") >= 2


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"temperature": 0}, "`temperature` must be strictly positive"),
        ({"top_p": 1.0}, "`top_p` must be > 0.0 and < 1.0"),
        ({"max_new_tokens": 0}, "`max_new_tokens` must be strictly positive"),
        ({"best_of": 2}, "`best_of` != 1 is not supported when streaming tokens"),
        (
            {"max_new_tokens": 9000},
            "`inputs` tokens + `max_new_tokens` must be <= 2048. Given: 2 `inputs` tokens and 9000 `max_new_tokens`",
        ),
    ],
)
def test_tgi_validates_inside_the_stream(everyone: Simulator, parameters: dict[str, Any], words: str) -> None:
    body = {"inputs": "Once", "parameters": parameters}
    (event,) = chunks(ask(everyone.ports["tgi-0.9.3"], "/generate_stream", body))
    expected = {"error": f"Input validation error: {words}", "error_type": "validation"}
    assert json.loads(event.removeprefix(b"data:")) == expected
    if "best_of" not in parameters:
        whole = ask(everyone.ports["tgi-0.9.3"], "/generate", body)
        assert whole.startswith(b"HTTP/1.1 422 Unprocessable Entity\r\n")
        assert json.loads(body_of(whole)) == expected


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"content-type": "text/plain"}, b"{}", 415),
        ({}, b"{", 400),
        ({}, b'{"x":1}', 422),
        ({}, b'{"inputs":3}', 422),
    ],
)
def test_tgi_body_errors_are_plain_text(everyone: Simulator, headers: Any, body: bytes, status: int) -> None:
    reply = ask(everyone.ports["tgi-0.9.3"], "/generate_stream", body, headers=headers)
    assert reply.startswith(b"HTTP/1.1 %d " % status)
    assert (
        b"\r\ncontent-type: text/plain; charset=utf-8\r\n"
        in b"\r\n" + reply.partition(b"\r\n\r\n")[0] + b"\r\n"
    )


def test_tgi_whole_answers_and_the_compat_route(everyone: Simulator) -> None:
    port = everyone.ports["tgi-0.9.3"]
    body = {"inputs": "Once", "parameters": {"max_new_tokens": 3, "details": True, "return_full_text": True}}
    reply = ask(port, "/generate", body)
    head = reply.partition(b"\r\n\r\n")[0]
    assert re.search(rb"\r\nx-compute-time: \d+\r\nx-compute-characters: 4\r\nx-total-time: \d+\r\n", head)
    answer = json.loads(body_of(reply))
    assert answer["generated_text"].startswith("Once ")
    assert answer["details"]["generated_tokens"] == 3
    assert isinstance(json.loads(body_of(ask(port, "/", {**body, "stream": False}))), list)
    assert len(chunks(ask(port, "/", {**body, "stream": True}))) == 3


def test_tgi_info_says_what_it_is(everyone: Simulator) -> None:
    for name, version in (("tgi-0.9.3", "0.9.3"), ("tgi-3.3", "3.3.6-dev0")):
        info = json.loads(body_of(ask(everyone.ports[name], "/info", None, method="GET")))
        assert info["version"] == version
        assert info["model_id"] == "llama-2"
        assert info["max_total_tokens"] in (2048, 4096)


@pytest.mark.parametrize("name", ["tgi", "tgi-0.9.3"])
def test_tgi_s_metrics_are_empty_until_a_request_and_appear_with_their_events(
    simulate: Start, name: str
) -> None:
    simulator = simulate("--speak", name, "--answer-tokens", "5")

    def page() -> str:
        return body_of(ask(simulator.port, "/metrics", None, method="GET")).decode()

    assert page() == ""
    ask(simulator.port, "/generate", {"inputs": "Once", "parameters": {"temperature": 0}})
    assert set(re.findall(r"^tgi_\S+", page(), re.MULTILINE)) == {
        "tgi_request_count",
        'tgi_request_failure{err="validation"}',
    }
    ask(simulator.port, "/generate", {"inputs": "Once", "parameters": {"max_new_tokens": 5}})
    simulator.wait_lines(2)
    for sample in ("tgi_request_success 1", "tgi_queue_size 0", "tgi_batch_current_size 0"):
        assert sample in page()
    assert "tgi_batch_concat" not in page()


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([], "undefined value"),
        ([{"role": "user", "content": "a"}] * 2, "Conversation roles must alternate"),
        ([{"role": "assistant", "content": "a"}], "Conversation roles must alternate"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_tgi_3_refuses_chats_that_its_template_refuses(
    everyone: Simulator, messages: list[dict[str, str]], words: str, stream: bool
) -> None:
    reply = ask(everyone.ports["tgi-3.3"], CHAT, chat(messages=messages, stream=stream))
    assert reply.startswith(b"HTTP/1.1 422 ")
    assert json.loads(body_of(reply))["error_type"] == "template_error"
    assert words in json.loads(body_of(reply))["error"]


@pytest.mark.parametrize(
    "more", [{"top_p": 1.0}, {"max_tokens": 0}, {"temperature": -1}, {"frequency_penalty": 3}]
)
def test_tgi_3_refuses_what_its_validation_refuses_in_chats(
    everyone: Simulator, more: dict[str, float]
) -> None:
    plain = ask(everyone.ports["tgi-3.3"], CHAT, chat(**{**more, "stream": False}))
    assert plain.startswith(b"HTTP/1.1 422 ")
    assert json.loads(body_of(plain))["error_type"] == "validation"
    stream = ask(everyone.ports["tgi-3.3"], CHAT, chat(**more))
    assert stream.startswith(b"HTTP/1.1 200 ")
    assert b'"http_status_code":422' in stream


def test_vllm_metrics_move_truthfully(simulate: Start) -> None:
    simulator = simulate("--speak", "vllm", "--max-num-seqs", "1", "--answer-tokens", "1500", "--model", "m")
    body = {**chat(max_tokens=1500), "model": "m"}
    with connect(simulator.port) as first, connect(simulator.port) as second:
        for sock in (first, second):
            sock.sendall(request_bytes(CHAT, body))
        first.recv(10)
        while metric(simulator, "vllm:num_requests_running") < 1:
            pass
        assert metric(simulator, "vllm:num_requests_waiting") == 1
        assert metric(simulator, "vllm:kv_cache_usage_perc") > 0
    short = {**chat(max_tokens=5), "model": "m"}
    ask(simulator.port, CHAT, short)
    ask(simulator.port, CHAT, short)
    simulator.wait_lines(4)
    assert metric(simulator, "vllm:num_requests_running") == 0
    # That of the first request, too, if its token came before its client left.
    assert metric(simulator, "vllm:time_to_first_token_seconds_count") in (2, 3)
    assert metric(simulator, "vllm:inter_token_latency_seconds_count") == 8
    page = body_of(ask(simulator.port, "/metrics", None, method="GET")).decode()
    assert 'vllm:request_success_total{engine="0",finished_reason="length",model_name="m"} 2.0' in page
    assert 'vllm:request_success_total{engine="0",finished_reason="abort",model_name="m"} 0.0' in page


def test_a_grown_conversation_hits_the_prefix_cache(simulate: Start) -> None:
    simulator = simulate("--speak", "vllm", "--answer-tokens", "60")
    messages = [{"role": "user", "content": "tell me a tale of the old river and the stone bridge " * 4}]
    first = json.loads(
        body_of(ask(simulator.port, CHAT, chat(stream=False, max_tokens=100, messages=messages)))
    )
    assert metric(simulator, "vllm:prefix_cache_hits_total") == 0
    answer = first["choices"][0]["message"]
    messages += [{"role": "assistant", "content": answer["content"]}, {"role": "user", "content": "go on"}]
    ask(simulator.port, CHAT, chat(stream=False, max_tokens=5, messages=messages))
    known = first["usage"]["total_tokens"]
    assert known - 20 <= metric(simulator, "vllm:prefix_cache_hits_total") <= known


@pytest.mark.parametrize(
    ("name", "shows_stop", "finish"),
    [("vllm-0.33", False, "stop"), ("llama.cpp", False, "stop"), ("tgi-3.3", True, "stop_sequence")],
)
def test_stop_strings(simulate: Start, name: str, shows_stop: bool, finish: str) -> None:
    simulator = simulate("--speak", name, "--answer-tokens", "200")
    events = chunks(ask(simulator.port, CHAT, chat(max_tokens=300, stop=["."])))
    data = [
        json.loads(line[6:])
        for chunk in events
        for line in chunk.decode().split("\n\n")
        if line.startswith("data: {")
    ]
    choices = [each["choices"][0] for each in data if each["choices"]]
    text = "".join(choice["delta"].get("content") or "" for choice in choices)
    assert choices[-1]["finish_reason"] == finish
    assert text.endswith(".") == shows_stop
    assert text.rstrip(".").count(".") == 0


def test_requests_at_once_share_one_engine(simulate: Start) -> None:
    simulator = simulate("--speak", "vllm-0.1.2", "--answer-tokens", "30")
    replies: list[bytes] = []

    def one() -> None:
        with connect(simulator.port) as sock:
            sock.sendall(request_bytes(CHAT, chat(max_tokens=30)))
            replies.append(read_reply(sock))

    threads = [threading.Thread(target=one) for _ in range(24)]
    for thread in threads:
        thread.start()
        time.sleep(0.011)  # those that enter in one pass of its event loop wake together and see every token
    for thread in threads:
        thread.join(20)
    assert len(replies) == 24
    assert all(reply.endswith(b"[DONE]\n\n\r\n0\r\n\r\n") for reply in replies)
    lines = simulator.wait_lines(24)
    assert {line["tokens"] for line in lines} == {30}
    counts = [n for line in lines for n in line["events"]["tokens"] if n]
    assert sum(counts) == 24 * 30
    assert sum(n > 1 for n in counts) > len(counts) / 2  # under load its events carry 2-3 tokens


def test_llama_headers_wait_for_a_slot(simulate: Start) -> None:
    simulator = simulate("--speak", "llama.cpp", "--max-num-seqs", "1", "--answer-tokens", "25")
    with connect(simulator.port) as first, connect(simulator.port) as second:
        for sock in (first, second):
            sock.sendall(request_bytes(CHAT, chat(max_tokens=50)))
        read_reply(first)
        read_reply(second)
    early, late = simulator.wait_lines(2)
    assert late["headers_ns"] >= early["events"]["sent_ns"][-3]


def test_silent_streams_get_keep_alive_comments(simulate: Start) -> None:
    more = ["--max-batch-total-tokens", "2048", "--max-batch-prefill-tokens", "1024", "--answer-tokens", "60"]
    simulator = simulate("--speak", "tgi-0.9.3", "--sse-keep-alive-interval", "0.2", *more)
    body = {"inputs": "Once", "parameters": {"max_new_tokens": 1500}}
    with connect(simulator.port) as first, connect(simulator.port) as second:
        first.sendall(request_bytes("/generate_stream", body))
        first.recv(10)
        second.sendall(request_bytes("/generate_stream", body))
        reply = read_reply(second)
    assert chunks(reply)[0] == b":\n\n"


@pytest.mark.parametrize("name", ["vllm", "tgi", "llama.cpp", "vllm-0.1.2"])
def test_characters_of_two_tokens(simulate: Start, name: str) -> None:
    """vLLM and TGI show nothing for half a character, llama.cpp sends nothing, vLLM 0.1.2 spoils it."""
    simulator = simulate("--speak", name, "--unicode", "0.5", "--answer-tokens", "40")
    data = b"".join(chunks(ask(simulator.port, CHAT, chat(max_tokens=100)))).decode()
    events = [json.loads(each[6:]) for each in data.split("\n\n") if each.startswith("data: {")]
    texts = [
        choice["delta"]["content"]
        for event in events
        for choice in event["choices"]
        if "content" in choice["delta"]
    ]
    text = "".join(each or "" for each in texts)
    assert ("\ufffd" in text) == (name == "vllm-0.1.2")
    assert text.isascii() is False
    assert sum(each == "" for each in texts) > 3 or name == "llama.cpp"
    (line,) = simulator.wait_lines(1)
    assert sum(line["events"]["tokens"]) == 40


def test_the_native_server_repairs_characters(simulate: Start) -> None:
    simulator = simulate("--speak", "vllm-generate", "--unicode", "0.5", "--answer-tokens", "40")
    frames = chunks(ask(simulator.port, "/generate", {"prompt": "a", "stream": True, "max_tokens": 100}))
    assert any(b"\\ufffd" in frame for frame in frames)
    assert b"\\ufffd" not in frames[-1]
    assert not json.loads(frames[-1][:-1])["text"][0].isascii()


def posted(port: int, path: str, body: object) -> Any:
    return json.loads(body_of(ask(port, path, body)))


def test_tokenizers_count_as_usage_does(simulate: Start) -> None:
    """The forms are those of vLLM 0.32 and llama.cpp as recorded; SGLang's and TGI's are from their sources."""
    port = simulate("--speak", "vllm").port
    text = "Note lighthouse, 347 time"
    told = posted(port, "/tokenize", {"model": "llama-2", "prompt": text, "add_special_tokens": False})
    assert list(told) == ["count", "max_model_len", "tokens", "token_strs"]
    assert (told["count"], len(told["tokens"]), told["token_strs"]) == (6, 6, None)
    shown = posted(port, "/tokenize", {"prompt": text, "return_token_strs": True})["token_strs"]
    assert shown == ["Note", " lighth", "ouse", ",", " 347", " time"]
    messages = [{"role": "user", "content": text}]
    whole = posted(port, "/tokenize", {"messages": messages})["count"]
    answer = posted(port, CHAT, {"messages": messages, "max_tokens": 1})
    assert answer["usage"]["prompt_tokens"] == whole
    missing = ask(port, "/tokenize", {})
    assert b" 400 " in missing.partition(b"\r\n")[0]
    assert b"405" in ask(port, "/tokenize", None, method="GET").partition(b"\r\n")[0]


@pytest.mark.parametrize(
    ("family", "body", "ids"),
    [
        ("sglang", {"prompt": "Note time time"}, lambda told: told["tokens"]),
        ("llama.cpp", {"content": "Note time time"}, lambda told: told["tokens"]),
        ("tgi", {"inputs": "Note time time"}, lambda told: [one["id"] for one in told[1:]]),
    ],
)
def test_the_same_word_has_the_same_id(
    simulate: Start, family: str, body: object, ids: Callable[[Any], list[int]]
) -> None:
    note, first, second = ids(posted(simulate("--speak", family).port, "/tokenize", body))
    assert first == second != note
