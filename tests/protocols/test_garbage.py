"""Damaged replies: whatever comes, a dialect ends in deltas or in a TurnError, never in another exception."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from chatload.model.errors import CODES
from tests.long import size

from .cases_native import PROMPT, TGI, VLLM_GENERATE
from .cases_openai import OTHERS, VLLM
from .feeding import Case, feed

JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                [
                    "choices",
                    "delta",
                    "content",
                    "text",
                    "usage",
                    "completion_tokens",
                    "token",
                    "generated_text",
                    "details",
                    "error",
                    "message",
                    "error_code",
                    "code",
                    "object",
                    "timings",
                    "predicted_n",
                    "finish_reason",
                    "tool_calls",
                    "function",
                    "id",
                ]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)


@settings(max_examples=size(300, 60), deadline=None)
@given(st.sampled_from([*VLLM, *OTHERS, *TGI, *VLLM_GENERATE]), st.data())
def test_a_damaged_reply_fails_with_a_code(case: Case, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(case.body)))
    length = data.draw(st.integers(0, 8))
    body = case.body[:at] + data.draw(st.binary(max_size=4)) + case.body[at + length :]
    outcome = feed(case.dialect, [body])
    assert outcome.failure is None or outcome.failure[0] in CODES


@settings(max_examples=size(300, 60), deadline=None)
@given(JSON, st.sampled_from(["openai", "openai-completions", "tgi", "vllm-generate"]))
def test_any_json_is_deltas_or_a_code(value: object, dialect: str) -> None:
    written = json.dumps(value).encode()
    body = written + b"\0" if dialect == "vllm-generate" else b"data: " + written + b"\n\n"
    outcome = feed(dialect, [body])
    assert outcome.failure is None or outcome.failure[0] in CODES
    for delta in outcome.deltas:
        delta.text.encode()
        assert delta.tokens is None or delta.tokens >= 0


def test_deep_and_huge_values_are_bad_wire() -> None:
    for value in (b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 5000 + b"1" + b"}" * 5000, b"9" * 10_000):
        for dialect, body in (("openai", b"data: %b\n\n" % value), ("vllm-generate", value + b"\0")):
            outcome = feed(dialect, [body])
            assert outcome.failure is not None
            assert outcome.failure[0] == "bad_wire"
            assert len(outcome.failure[1]) <= 200
    assert feed("vllm-generate", [json.dumps({"text": [PROMPT]}).encode() + b"\0"]).failure is None
