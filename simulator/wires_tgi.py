"""Text Generation Inference 0.9.3 and 3.3.7, from their sources (no TGI was run)."""

from __future__ import annotations

from simulator.heads import AXUM
from simulator.template import StreamWire
from simulator.wires import ServerWire
from simulator.words import EOS_SHOWN

_WORDS = {"stop": "eos_token", "stop_string": "stop_sequence", "length": "length"}
_OPENAI_WORDS = {"stop": "stop", "stop_string": "stop_sequence", "length": "length"}
_FAILED = "Request failed during generation: Server error: CUDA out of memory"
_COMPUTE = ("x-compute-type: gpu+optimized", "x-compute-characters: {characters}")


def _native(index: str, prefix: str) -> StreamWire:
    return StreamWire(
        prefix=prefix,
        token="{" + index + '"token":{<tok>},"generated_text":null,"details":null}',
        last="{" + index + '"token":{<tok>},"generated_text":<generated>,"details":<details>}',
        eos=EOS_SHOWN,
        one_token_events=True,
        leading_space=True,
        done_when="never",
        finish_words=_WORDS,
        error='{"error":<message>,"error_type":"<error_type>"}',
        error_words=_FAILED,
        content_type="text/event-stream",
        head_extra=_COMPUTE,
    )


_CHAT = (
    '{"object":"chat.completion.chunk","id":"","created":<now>,"model":<model>,"system_fingerprint":"<fingerprint>",'
    '"choices":[{"index":0,"delta":{"role":"assistant","content":"<text>"},"logprobs":null,"finish_reason":%s}],'
    '"usage":null}'
)
_USAGE = '{"prompt_tokens":<prompt>,"completion_tokens":<count>,"total_tokens":<total>}'
_ERROR = '{"error":{"message":<message>,"http_status_code":422}}'
_OPENAI_CHAT = StreamWire(
    token=_CHAT % "null",
    last=_CHAT % '"<finish>"',
    usage='{"object":"chat.completion.chunk","id":"","created":<now>,"model":<model>,'
    '"system_fingerprint":"<fingerprint>","choices":[],"usage":' + _USAGE + "}",
    one_token_events=True,
    finish_words=_OPENAI_WORDS,
    error=_ERROR,
    error_words=_FAILED,
    content_type="text/event-stream",
    head_extra=_COMPUTE,
)
_OPENAI_TEXT = StreamWire(
    token='{"object":"text_completion","id":"","created":<now>,"choices":[{"index":0,"text":"<text>",'
    '"logprobs":null,"finish_reason":""}],"model":<model>,"system_fingerprint":"<fingerprint>"}',
    last='{"object":"text_completion","id":"","created":<now>,"model":<model>,'
    '"system_fingerprint":"<fingerprint>","choices":[{"index":0,"text":"<text>","logprobs":null,'
    '"finish_reason":"<finish>"}],"usage":' + _USAGE + "}",
    one_token_events=True,
    leading_space=True,
    finish_words=_OPENAI_WORDS,
    error=_ERROR,
    error_words=_FAILED,
    content_type="text/event-stream",
    head_extra=_COMPUTE,
)

SERVERS = (
    ServerWire(
        name="tgi-3.3",
        family="tgi",
        version="3.3.7",
        scheduler="tgi-3",
        heads=AXUM,
        streams={
            "generate": _native('"index":<index>,', "data: "),
            "chat": _OPENAI_CHAT,
            "completion": _OPENAI_TEXT,
        },
        idle_close_s=None,
        comment=":\n\n",
        comment_s=15.0,
        stop_style="keep",
        max_body_bytes=2 << 20,
        ahead=(8, 4),
    ),
    ServerWire(
        name="tgi-0.9.3",
        family="tgi",
        version="0.9.3",
        scheduler="tgi-0.9.3",
        heads=AXUM,
        streams={"generate": _native("", "data:")},
        idle_close_s=None,
        comment=":\n\n",
        comment_s=15.0,
        stop_style="keep",
        max_body_bytes=2 << 20,
    ),
)
