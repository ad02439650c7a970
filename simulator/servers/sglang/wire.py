"""SGLang 0.5.23: its streams, byte for byte."""

from __future__ import annotations

from simulator.replies.stream_format import StreamFormat
from simulator.servers.spec import ServerSpec
from simulator.servers.uvicorn import UVICORN

_SGLANG = '{"id":"<id>","object":"chat.completion.chunk","created":<created>,"model":<model>,"choices":'
_SGLANG_CHAT = StreamFormat(
    role=_SGLANG
    + '[{"index":0,"delta":{"reasoning_content":null,"role":"assistant","content":""},"logprobs":null,'
    '"finish_reason":null,"matched_stop":null}]}',
    role_when="first",
    token=_SGLANG + '[{"index":0,"delta":{"reasoning_content":null,"content":"<text>"},"logprobs":null,'
    '"finish_reason":null,"matched_stop":null}]}',
    finish=_SGLANG
    + '[{"index":0,"delta":{"reasoning_content":null},"logprobs":null,"finish_reason":"<finish>",'
    '"matched_stop":<matched>}]}',
    usage=_SGLANG + '[],"usage":{"prompt_tokens":<prompt>,"total_tokens":<total>,"completion_tokens":<count>,'
    '"prompt_tokens_details":null,"reasoning_tokens":0,"completion_tokens_details":null}}',
    skip_blank=True,
    error='{"error": {"object": "error", "message": <message>, "type": "InternalServerError", "param": null, '
    '"code": 500}}',
)

SPEC = ServerSpec(
    name="sglang",
    version="0.5.23",
    scheduler="vllm-v1",
    head_format=UVICORN,
    streams={"chat": _SGLANG_CHAT},
    headers_when="first-token",
    stop_style="hold-match",
)
