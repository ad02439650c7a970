"""One cause, one text: the numbers of a failure's words are kept out of what tables group by."""

from __future__ import annotations

import pytest

from chatload.model.endings import ending_code
from chatload.model.errors import CODES, cause

SAME = [
    (
        "server closed the connection after 1590 body bytes",
        "server closed the connection after 87 body bytes",
    ),
    ("no token for 3 s after 20 events", "no token for 3 s after 7 events"),
    ("at most 4096 tokens, you asked for 5,021", "at most 4096 tokens, you asked for 912"),
    ("request chatcmpl-5b1e0c77a9d2f304 died", "request chatcmpl-99ab0c77a9d2f304 died"),
    ("trace 7e9f0a11-22bb-4c3d-8e4f-0123456789ab", "trace 0e9f0a11-22bb-4c3d-8e4f-a123456789ab"),
    ("worker at 0x7f3a91 took 1.25s", "worker at 0xdead00 took 10.5s"),
    (
        """the body ended inside an event: b'data: {"choices": [{"delta": {"content": " al'""",
        """the body ended inside an event: b'data: {"choices": [{"delta": {"content": " g'""",
    ),
    ("at 2026-11-29T13:05:21Z", "at 2026-11-29T13:07:02Z"),
]


@pytest.mark.parametrize(("a", "b"), SAME)
def test_words_that_differ_in_numbers_and_ids_are_one_cause(a: str, b: str) -> None:
    assert cause(a) == cause(b) != ""


def test_words_and_the_status_stay() -> None:
    assert cause("HTTP 503: no worker in 5 s") == "HTTP 503: no worker in N s"
    assert cause("HTTP 404: page") != cause("HTTP 410: page")
    assert cause("model is not loaded") == "model is not loaded"
    assert cause("the facade was decadent") == "the facade was decadent"
    assert cause("engine died") != cause("engine failed")
    assert cause("no JSON: '[ERROR] engine died'") != cause("no JSON: 'engine died'")


GOOD_ENDS = (
    "stop",
    "length",
    "tool_calls",
    "eos_token",
    "end",
    "max_tokens",
    "end_turn",
    "refusal",
    "FINISH_REASON_STOP",
)
ABORTED = (
    "abort",
    "error",
    "ABORT",
    "cancelled",
    "canceled_by_user",
    "engine_error",
    "internal_error",
    "network_error",
    "server_overloaded",
    "timeout",
    "timed_out",
    "request_failed",
)
FILTERED = ("content_filter", "SAFETY", "IMAGE_SAFETY", "guardrail", "moderation", "content_filter_error")
BAD_ENDS = dict.fromkeys(ABORTED, "aborted") | dict.fromkeys(FILTERED, "filtered")


def test_endings() -> None:
    assert [ending_code(finish) for finish in GOOD_ENDS] == [None] * len(GOOD_ENDS)
    assert {finish: ending_code(finish) for finish in BAD_ENDS} == BAD_ENDS
    assert set(BAD_ENDS.values()) <= set(CODES)
