"""llama.cpp, TabbyAPI, lmdeploy, SGLang, transformers serve, FastChat."""

from __future__ import annotations

from simulator.heads import HTTPLIB, UVICORN
from simulator.template import StreamWire
from simulator.wires import ServerWire

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
    "chat": StreamWire(
        role=_llama_choice('{"role":"assistant","content":null}', "null") + "}",
        role_when="first",
        token=_llama_choice('{"content":"<text>"}', "null") + "}",
        finish=_llama_choice("{}", '"<finish>"') + "<finish_timings>}",
        usage='{"choices":[],' + _LLAMA_TAIL + _LLAMA_CHAT + "," + _LLAMA_COUNTS + ',"timings":<timings>}',
        pack="ends",
        skip_blank=True,
        error='{"error":{"code":500,"message":<message>,"type":"server_error"}}',
        error_done=False,
        content_type="text/event-stream",
    ),
    "completion": StreamWire(
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

_SGLANG = '{"id":"<id>","object":"chat.completion.chunk","created":<created>,"model":<model>,"choices":'
_SGLANG_CHAT = StreamWire(
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

_LMDEPLOY = (
    '{"id": "<id>", "object": "chat.completion.chunk", "created": <created>, "model": <model>, "choices": '
    '[{"index": 0, "delta": {"role": "assistant", "content": "<text>"}%s}]<usage>}'
)
_LMDEPLOY_CHAT = StreamWire(
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

_TABBY = (
    '{"id": "<id>", "object": "chat.completion.chunk", "created": <now>, "choices": '
    '[{"index": 0, "delta": %s, "finish_reason": %s}], "model": <model>%s}'
)
_TABBY_TEXT = (
    '{"id": "<id>", "object": "text_completion", "created": <now>, "choices": '
    '[{"index": 0, "text": "%s", "finish_reason": %s}], "model_name": <model>%s}'
)
_TABBY_FINISH = '"<finish>", "eos_reason": "<eos_reason>"'
_TABBY_USAGE = (
    ', "usage": {"prompt_tokens": <prompt>, "prompt_time": <prompt_time>, '
    '"prompt_tokens_per_sec": <prompt_speed>, "completion_tokens": <count>, "completion_time": <answer_time>, '
    '"completion_tokens_per_sec": <answer_speed>, "total_tokens": <total>, "total_time": <total_time>}'
)


def _tabby(template: str, text: str, blank: str) -> StreamWire:
    return StreamWire(
        end="\r\n\r\n",
        token=template % (text, "null", ""),
        finish=template % (blank, _TABBY_FINISH, ""),
        usage=template % (blank, _TABBY_FINISH, _TABBY_USAGE),
        usage_when="replaces-finish",
        skip_blank=True,
        leading_space="text_completion" in template,
        error='{"error":{"message":"Chat completion aborted. Please check the server console.","trace":null}}',
        error_done=False,
        head_extra=("cache-control: no-store", "x-accel-buffering: no"),
    )


def _transformers(delta: str, tail: str = "") -> str:
    return (
        '{"id":"<id>","choices":[{"delta":' + delta + '"index":0}],"created":<created>,"model":<model>,'
        '"object":"chat.completion.chunk","system_fingerprint":""' + tail + "}"
    )


_TRANSFORMERS_CHAT = StreamWire(
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


def _fastchat(delta: str, finish: str) -> str:
    return (
        '{"id": "<id>", "object": "chat.completion.chunk", "created": <created>, "model": <model>, '
        '"choices": [{"index": 0, "delta": ' + delta + ', "finish_reason": ' + finish + "}]}"
    )


_FASTCHAT_CHAT = StreamWire(
    role=_fastchat('{"role": "assistant"}', "null"),
    role_when="engine",
    token=_fastchat('{"content": "<text>"}', "null"),
    finish=_fastchat("{}", '"<finish>"'),
    skip_blank=True,
    error='{"text": <message>, "error_code": 50001}',
)


def _uvicorn(name: str, version: str, streams: dict[str, StreamWire], **more: object) -> ServerWire:
    return ServerWire(name, name, version, "vllm-v1", UVICORN, streams, **more)  # type: ignore[arg-type]


SERVERS = (
    ServerWire(
        name="llama.cpp",
        family="llama.cpp",
        version="b11434-abcdef0",
        scheduler="vllm-v1",
        heads=HTTPLIB,
        streams=_LLAMA,
        close_after_stream=True,
        headers_when="slot",
        comment=":\n\n",
        comment_s=30.0,
        stop_style="hold-match",
        ahead=(27, 5),
        knobs={"max_num_seqs": 4, "max_num_batched_tokens": 2048},
    ),
    _uvicorn("sglang", "0.5.23", {"chat": _SGLANG_CHAT}, headers_when="first-token", stop_style="hold-match"),
    _uvicorn("lmdeploy", "0.18.0", {"chat": _LMDEPLOY_CHAT}, stop_style="hold-match"),
    _uvicorn(
        "tabbyapi",
        "head-2026-08",
        {
            "chat": _tabby(_TABBY, '{"content": "<text>"}', "{}"),
            "completion": _tabby(_TABBY_TEXT, "<text>", ""),
        },
        comment=": ping - {now}\r\n\r\n",
        comment_s=15.0,
        stop_style="hold-match",
        knobs={"max_num_seqs": 32},
    ),
    _uvicorn("transformers", "5.23.0", {"chat": _TRANSFORMERS_CHAT}, stop_style="keep"),
    _uvicorn("fastchat", "0.2.36", {"chat": _FASTCHAT_CHAT}, stop_style="hold-match"),
)
