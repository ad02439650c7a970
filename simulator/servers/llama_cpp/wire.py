"""llama-server of llama.cpp b11434: its streams and heads (cpp-httplib), byte for byte."""

from __future__ import annotations

from simulator.http.framing import HeadFormat
from simulator.replies.stream_format import StreamFormat
from simulator.servers.spec import ServerSpec

HTTPLIB = HeadFormat(
    whole=(
        "Server: llama.cpp",
        "Access-Control-Allow-Origin: ",
        "Content-Type: {type}",
        "Content-Length: {length}",
        "{connection}",
    ),
    stream=(
        "Server: llama.cpp",
        "Access-Control-Allow-Origin: ",
        "X-Accel-Buffering: no",
        "Content-Type: {type}",
        "Transfer-Encoding: chunked",
        "{connection}",
    ),
    malformed="HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    keep="Keep-Alive: timeout=5, max=100",
    close="Connection: close",
)

_LLAMA_TAIL = '"created":<now>,"id":"<id>","model":<model>,"system_fingerprint":"<fingerprint>",'
_LLAMA_CHAT = '"object":"chat.completion.chunk"'
_LLAMA_COUNTS = (
    '"usage":{"completion_tokens":<count>,"prompt_tokens":<prompt>,"total_tokens":<total>,'
    '"prompt_tokens_details":{"cached_tokens":<cached>}}'
)
_LLAMA_TEXT = (
    '{"choices":[{"text":"<text>","index":0,"logprobs":null,"finish_reason":null}],"created":<now>,"model":<model>,'
    '"system_fingerprint":"<fingerprint>","object":"text_completion","id":"<id>"}'
)


def _llama_choice(delta: str, finish: str) -> str:
    return (
        '{"choices":[{"finish_reason":'
        + finish
        + ',"index":0,"delta":'
        + delta
        + "}],"
        + _LLAMA_TAIL
        + _LLAMA_CHAT
    )


_LLAMA = {
    "chat": StreamFormat(
        role=_llama_choice('{"role":"assistant","content":null}', "null") + "}",
        role_when="first",
        token=_llama_choice('{"content":"<text>"}', "null") + "}",
        reasoning_key="reasoning_content",
        finish=_llama_choice("{}", '"<finish>"') + "<finish_timings>}",
        usage='{"choices":[],' + _LLAMA_TAIL + _LLAMA_CHAT + "," + _LLAMA_COUNTS + ',"timings":<timings>}',
        pack="ends",
        skip_blank=True,
        error='{"error":{"code":500,"message":<message>,"type":"server_error"}}',
        error_done=False,
        content_type="text/event-stream",
    ),
    "completion": StreamFormat(
        token=_LLAMA_TEXT,
        finish=_LLAMA_TEXT.replace("<text>", "")
        .replace('"finish_reason":null', '"finish_reason":"<finish>"')
        .replace(',"id":"<id>"}', "," + _LLAMA_COUNTS + ',"id":"<id>","timings":<timings>}'),
        skip_blank=True,
        leading_space=True,
        error='{"error":{"code":500,"message":<message>,"type":"server_error"}}',
        error_done=False,
        content_type="text/event-stream",
    ),
}

SPEC = ServerSpec(
    name="llama.cpp",
    version="b11434-abcdef0",
    scheduler="vllm-v1",
    head_format=HTTPLIB,
    streams=_LLAMA,
    close_after_stream=True,
    headers_when="slot",
    keep_alive_comment=":\n\n",
    keep_alive_s=30.0,
    stop_style="hold-match",
    template_tokens=(27, 5),
    scheduler_options={"max_num_seqs": 4, "max_num_batched_tokens": 2048},
)
