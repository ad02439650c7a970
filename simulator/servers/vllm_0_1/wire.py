"""vLLM 0.1.2: the streams of its OpenAI server and of its native one, and the heads of uvicorn with h11."""

from __future__ import annotations

from dataclasses import replace

from simulator.replies.stream_format import StreamFormat
from simulator.servers.spec import ServerSpec
from simulator.servers.uvicorn import UVICORN

UVICORN_H11 = replace(
    UVICORN,
    stream=(
        "date: {date}",
        "server: uvicorn",
        "{extra}",
        "content-type: {type}",
        "Transfer-Encoding: chunked",
        "{connection}",
    ),
    malformed=(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
        "Invalid HTTP request received."
    ),
    close="Connection: close",
)

_OLD = (
    '{"id": "<id>", "object": "chat.completion.chunk", "created": <created>, "model": <model>, "choices": '
    '[{"index": 0, "delta": {"role": null, "content": "%s"}, "finish_reason": %s}]}'
)
_OLD_TEXT = (
    '{"id": "<id>", "object": "text_completion", "created": <created>, "model": <model>, "choices": '
    '[{"index": 0, "text": "%s", "logprobs": null, "finish_reason": %s}]}'
)
# A failing engine call of 0.1.2 kills the handler: no error event, the body just ends without its zero chunk.
_OLD_CHAT = StreamFormat(
    role='{"id": "<id>", "model": <model>, "choices": '
    '[{"index": 0, "delta": {"role": "assistant"}, "finish_reason": null}]}',
    role_when="engine",
    token=_OLD % ("<text>", "null"),
    finish=_OLD % ("", '"<finish>"'),
    done_when="every-step",
)
_OLD_COMPLETION = StreamFormat(
    token=_OLD_TEXT % ("<text>", "null"), finish=_OLD_TEXT % ("", '"<finish>"'), done_when="every-step"
)
_NATIVE = StreamFormat(token="", error="", content_type="", leading_space=False, ascii_only=True)

OPENAI = ServerSpec(
    name="vllm-0.1.2",
    version="0.1.2",
    scheduler="vllm-0.1.2",
    head_format=UVICORN_H11,
    streams={"chat": _OLD_CHAT, "completion": _OLD_COMPLETION},
    stop_style="cut-late",
    template_tokens=(25, 0),
)
NATIVE = ServerSpec(
    name="vllm-generate",
    version="0.1.2",
    scheduler="vllm-0.1.2",
    head_format=UVICORN_H11,
    streams={"generate": _NATIVE},
    stop_style="cut-late",
    fixed_rate_wire="vllm-generate",
)
