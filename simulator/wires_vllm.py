"""vLLM: 0.33 (and 0.32, as captured), 0.1.2's OpenAI server, 0.1.2's native server."""

from __future__ import annotations

from simulator.heads import UVICORN, UVICORN_H11
from simulator.template import StreamWire
from simulator.wires import ServerWire

_CHAT = '{"id":"<id>","object":"chat.completion.chunk","created":<created>,"model":<model>,"choices":'
_TEXT = '{"id":"<id>","object":"text_completion","created":<created>,"model":<model>,"choices":'
_COUNTS = '"usage":{"prompt_tokens":<prompt>,"total_tokens":<total>,"completion_tokens":<count>}'
_RUNNING = (
    ',"usage":{"prompt_tokens":<prompt>,"total_tokens":<total>,"completion_tokens":<count>,'
    '"completion_tokens_details":null}'
)


def _chat(kv: str, weights: str) -> StreamWire:
    return StreamWire(
        role=_CHAT
        + '[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]'
        + '<usage>,"prompt_token_ids":<prompt_ids>,"prompt_text":null}',
        role_when="first",
        token=_CHAT
        + '[{"index":0,"delta":{"content":"<text>"},"logprobs":null,"finish_reason":null,'
        + f'"token_ids":<ids>}}]<usage>{kv}}}',
        last=_CHAT
        + '[{"index":0,"delta":{"content":"<text>"},"logprobs":null,"finish_reason":"<finish>",'
        + f'"stop_reason":<stop_reason>,"token_ids":<ids>{weights}}}]<usage>{kv}<fp>}}',
        usage=_CHAT + "[]," + _COUNTS + ',"system_fingerprint":"<fingerprint>"}',
        usage_running=_RUNNING,
        error='{"error":{"message":<message>,"type":"InternalServerError","param":null,"code":500}}',
    )


def _text(kv: str, weights: str) -> StreamWire:
    choice = (
        '[{"index":0,"text":"<text>","logprobs":null,"finish_reason":%s,"stop_reason":%s,'
        '"prompt_token_ids":null,"token_ids":<ids>' + weights + "}]<usage>" + kv
    )
    return StreamWire(
        token=_TEXT + choice % ("null", "null") + "}",
        last=_TEXT + choice % ('"<finish>"', "<stop_reason>") + "<fp>}",
        usage=_TEXT + "[]," + _COUNTS + ',"system_fingerprint":"<fingerprint>"}',
        usage_running=_RUNNING,
        leading_space=True,
        error='{"error": {"message": <message>, "type": "InternalServerError", "param": null, "code": 500}}',
    )


def _v1(version: str, kv: str, weights: str) -> ServerWire:
    return ServerWire(
        name=f"vllm-{version.rpartition('.')[0]}",
        family="vllm-v1",
        version=version,
        scheduler="vllm-v1",
        heads=UVICORN,
        vary="vary: Origin",
        streams={"chat": _chat(kv, weights), "completion": _text(kv, weights)},
        ahead=(27, 5),
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
_OLD_CHAT = StreamWire(
    role='{"id": "<id>", "model": <model>, "choices": '
    '[{"index": 0, "delta": {"role": "assistant"}, "finish_reason": null}]}',
    role_when="engine",
    token=_OLD % ("<text>", "null"),
    finish=_OLD % ("", '"<finish>"'),
    done_when="every-step",
)
_OLD_COMPLETION = StreamWire(
    token=_OLD_TEXT % ("<text>", "null"),
    finish=_OLD_TEXT % ("", '"<finish>"'),
    done_when="every-step",
)
_NATIVE = StreamWire(token="", error="", content_type="", leading_space=False, ascii_only=True)

SERVERS = (
    _v1("0.33.0", ',"kv_transfer_params":null', ',"weight_versions":null'),
    _v1("0.32.0", "", ""),
    ServerWire(
        name="vllm-0.1.2",
        family="vllm-0.1.2",
        version="0.1.2",
        scheduler="vllm-0.1.2",
        heads=UVICORN_H11,
        streams={"chat": _OLD_CHAT, "completion": _OLD_COMPLETION},
        blocking=True,
        stop_style="cut-late",
        ahead=(25, 0),
    ),
    ServerWire(
        name="vllm-generate",
        family="vllm-generate",
        version="0.1.2",
        scheduler="vllm-0.1.2",
        heads=UVICORN_H11,
        streams={"generate": _NATIVE},
        blocking=True,
        stop_style="cut-late",
    ),
)
