"""FastChat 0.2.36: its streams, byte for byte."""

from __future__ import annotations

from simulator.replies.stream_format import StreamFormat
from simulator.servers.spec import ServerSpec
from simulator.servers.uvicorn import UVICORN


def _fastchat(delta: str, finish: str) -> str:
    return (
        '{"id": "<id>", "object": "chat.completion.chunk", "created": <created>, "model": <model>, '
        '"choices": [{"index": 0, "delta": ' + delta + ', "finish_reason": ' + finish + "}]}"
    )


_FASTCHAT_CHAT = StreamFormat(
    role=_fastchat('{"role": "assistant"}', "null"),
    role_when="engine",
    token=_fastchat('{"content": "<text>"}', "null"),
    finish=_fastchat("{}", '"<finish>"'),
    skip_blank=True,
    error='{"text": <message>, "error_code": 50001}',
)

SPEC = ServerSpec(
    name="fastchat",
    version="0.2.36",
    scheduler="vllm-v1",
    head_format=UVICORN,
    streams={"chat": _FASTCHAT_CHAT},
    stop_style="hold-match",
)
