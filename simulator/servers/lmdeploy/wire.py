"""lmdeploy 0.18.0: its streams, byte for byte."""

from __future__ import annotations

from simulator.replies.stream_format import StreamFormat
from simulator.servers.spec import ServerSpec
from simulator.servers.uvicorn import UVICORN

_LMDEPLOY = (
    '{"id": "<id>", "object": "chat.completion.chunk", "created": <created>, "model": <model>, "choices": '
    '[{"index": 0, "delta": {"role": "assistant", "content": "<text>"}%s}]<usage>}'
)
_LMDEPLOY_CHAT = StreamFormat(
    token=_LMDEPLOY % "",
    last=_LMDEPLOY % ', "finish_reason": "<finish>"',
    usage='{"id":"<id>","object":"chat.completion.chunk","created":<created>,"model":<model>,"choices":[],'
    '"usage":{"prompt_tokens":<prompt>,"total_tokens":<total>,"completion_tokens":<count>,'
    '"prompt_tokens_details":{"cached_tokens":0}}}',
    usage_asked_blank=', "usage": null',
    ascii_only=True,
    error='{"error": {"message": <message>, "type": "internal_server_error", "code": 500, "param": null, '
    '"object": "error"}}',
)

SPEC = ServerSpec(
    name="lmdeploy",
    version="0.18.0",
    scheduler="vllm-v1",
    head_format=UVICORN,
    streams={"chat": _LMDEPLOY_CHAT},
    stop_style="hold-match",
)
