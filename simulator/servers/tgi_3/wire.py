"""TGI 3.3.7: its native stream and its OpenAI streams, as captured."""

from __future__ import annotations

from dataclasses import replace

from simulator.http.framing import HeadFormat
from simulator.replies.stream_format import StreamFormat
from simulator.servers.spec import ServerSpec
from simulator.servers.tgi.wire import (
    FINISH_WORDS,
    GENERATION_FAILED,
    MALFORMED,
    STREAM,
    native_stream,
)
from simulator.text.tokens import EOS_SHOWN

CORS = (
    "vary: origin, access-control-request-method, access-control-request-headers",
    "access-control-allow-origin: *",
)
AXUM = HeadFormat(
    whole=(
        "content-type: {type}",
        "{extra}",
        *CORS,
        "{connection}",
        "content-length: {length}",
        "date: {date}",
    ),
    stream=(*STREAM, *CORS, "{connection}", "transfer-encoding: chunked", "date: {date}"),
    malformed=MALFORMED,
    upper_case_chunks=True,
    answers_http_1_0=True,
)
_CHAT = (
    '{"object":"chat.completion.chunk","id":"","created":<now>,"model":<model>,"system_fingerprint":"<fingerprint>",'
    '"choices":[{"index":0,"delta":{"role":"assistant","content":"<text>"},"logprobs":null,"finish_reason":%s}],'
    '"usage":null}'
)
_USAGE = '{"prompt_tokens":<prompt>,"completion_tokens":<count>,"total_tokens":<total>}'
_OPENAI = StreamFormat(
    token="",
    one_token_events=True,
    finish_words={"stop": "stop", "stop_string": "stop_sequence", "length": "length"},
    error='{"error":{"message":<message>,"http_status_code":422}}',
    error_words=GENERATION_FAILED,
    content_type="text/event-stream",
)
_OPENAI_CHAT = replace(
    _OPENAI,
    token=_CHAT % "null",
    last=_CHAT % '"<finish>"',
    usage='{"object":"chat.completion.chunk","id":"","created":<now>,"model":<model>,'
    '"system_fingerprint":"<fingerprint>","choices":[],"usage":' + _USAGE + "}",
)
_OPENAI_TEXT = replace(
    _OPENAI,
    finish_words=FINISH_WORDS,
    eos=EOS_SHOWN,
    token='{"object":"text_completion","id":"","created":<now>,"choices":[{"index":0,"text":"<text>",'
    '"logprobs":null,"finish_reason":""}],"model":<model>,"system_fingerprint":"<fingerprint>"}',
    last='{"object":"text_completion","id":"","created":<now>,"model":<model>,'
    '"system_fingerprint":"<fingerprint>","choices":[{"index":0,"text":"<text>","logprobs":null,'
    '"finish_reason":"<finish>"}],"usage":' + _USAGE + "}",
    leading_space=True,
)

SPEC = ServerSpec(
    name="tgi-3.3",
    version="3.3.6-dev0",  # what the tag v3.3.7 calls itself
    scheduler="tgi-3",
    head_format=AXUM,
    streams={
        "generate": native_stream('"index":<index>,', "data: "),
        "chat": _OPENAI_CHAT,
        "completion": _OPENAI_TEXT,
    },
    idle_close_s=None,
    keep_alive_comment=":\n\n",
    keep_alive_s=15.0,
    stop_style="keep",
    max_body_bytes=2 << 20,
    template_tokens=(27, 5),
    fixed_rate_wire="tgi",
)
