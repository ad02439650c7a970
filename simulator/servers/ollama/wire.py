"""Ollama: its streams and heads (Go's net/http with gin). Read in its source, never recorded."""

from __future__ import annotations

from simulator.http.framing import HeadFormat
from simulator.replies.stream_format import StreamFormat
from simulator.replies.typed_encoder import TypedFormat
from simulator.servers.spec import ServerSpec

GO = HeadFormat(
    whole=("{extra}", "Content-Type: {type}", "Date: {date}", "Content-Length: {length}", "{connection}"),
    stream=("{extra}", "Content-Type: {type}", "Date: {date}", "{connection}", "Transfer-Encoding: chunked"),
    malformed=(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
        "400 Bad Request"
    ),
    close="Connection: close",
)
_LINE = '{"model":<model>,"created_at":"<at>","message":{"role":"assistant","content":"%s"},"done":%s}'
LINES = TypedFormat(
    delta=_LINE % ("<text>", "false"),
    last=(_LINE.removesuffix("}") % ("", "true") + ',"done_reason":"<finish>",<durations>}',),
    error='{"error":<message>}',
    error_words="an error was encountered while running the model: unexpected EOF",
    end="\n",
)
_CHUNK = (
    '{"id":"<id>","object":"chat.completion.chunk","created":<created>,"model":<model>,'
    '"system_fingerprint":"<fingerprint>","choices":'
)
_CHOICE = '[{"index":0,"delta":{"role":"assistant","content":"%s"},"finish_reason":%s}]'
SPEC = ServerSpec(
    name="ollama",
    version="0.13.0",
    scheduler="vllm-v1",
    head_format=GO,
    streams={
        "lines": StreamFormat(token="", content_type="application/x-ndjson"),
        "chat": StreamFormat(
            token=_CHUNK + _CHOICE % ("<text>", "null") + "}",
            finish=_CHUNK + _CHOICE % ("", '"<finish>"') + "}",
            usage=_CHUNK
            + '[],"usage":{"prompt_tokens":<prompt>,"completion_tokens":<count>,"total_tokens":<total>}}',
            skip_blank=True,
            error='{"error":{"message":<message>,"type":"api_error","param":null,"code":null}}',
            error_done=False,
            content_type="text/event-stream",
        ),
    },
    idle_close_s=None,
    headers_when="first-token",
    stop_style="hold-match",
    scheduler_options={"max_num_seqs": 4, "max_num_batched_tokens": 512},
)
