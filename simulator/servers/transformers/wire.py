"""transformers serve 5.23.0: its streams, byte for byte."""

from __future__ import annotations

from simulator.replies.stream_format import StreamFormat
from simulator.servers.spec import ServerSpec
from simulator.servers.uvicorn import UVICORN


def _transformers(delta: str, tail: str = "") -> str:
    return (
        '{"id":"<id>","choices":[{"delta":' + delta + '"index":0}],"created":<created>,"model":<model>,'
        '"object":"chat.completion.chunk","system_fingerprint":""' + tail + "}"
    )


_TRANSFORMERS_CHAT = StreamFormat(
    role=_transformers('{"role":"assistant"},'),
    role_when="engine",
    token=_transformers('{"content":"<text>"},'),
    finish=_transformers(
        '{},"finish_reason":"<finish>",',
        ',"usage":{"completion_tokens":<count>,"prompt_tokens":<prompt>,"total_tokens":<total>}',
    ),
    done_when="never",
    pack="all",
    skip_blank=True,
    error='{"error": "<raw_message>"}',
    head_extra=("x-request-id: {id}",),
)

SPEC = ServerSpec(
    name="transformers",
    version="5.23.0",
    scheduler="vllm-v1",
    head_format=UVICORN,
    streams={"chat": _TRANSFORMERS_CHAT},
    stop_style="keep",
)
